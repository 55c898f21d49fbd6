"""The GPU's benchmark where there is no GPU: it says so, and all that it does runs on a processor, in miniature."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import gpu_reranker

    return gpu_reranker


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is present")
def test_without_a_gpu_it_says_so_and_is_content(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_reranker.py", "--out", str(tmp_path / "figures.json")])
    benchmark.main()
    assert capsys.readouterr() == ("no CUDA device is present: nothing was measured\n", "")
    assert list(tmp_path.iterdir()) == []


def test_operations_are_those_of_the_products(benchmark: ModuleType) -> None:
    projections = 2 * 32 * 32 * 4 + 2 * 32 * 128 * 2  # of a token: query, key, value, output; there and back
    attention = {n: 2 * (2 * n * n * 32) for n in (3, 5)}  # of a sequence: weights, and what they weigh
    wanted = 2 * (8 * projections + attention[3] + attention[5])
    assert benchmark.Shape("tiny", 2, 32, 4).operations([3, 5]) == wanted


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the peers
def test_all_of_it_runs_on_a_processor(benchmark: ModuleType) -> None:
    shape = benchmark.Shape("tiny", 2, 32, 4)
    plan = benchmark.Plan(
        shapes=(shape,),
        products=60,
        requests=12,
        texts=5,
        rounds=2,
        seconds=0.3,
        loads=(0.2, 0.5),
        budgets=(64, 512),
        batch_sizes=(4, 16),
        product=64,
    )
    figures = benchmark.measured("cpu", plan)
    assert list(figures) == ["device", "product_tflops", "tiny"]
    tiny = figures["tiny"]
    assert list(tiny) == ["tokens_a_pair", "aisle", "sentence-transformers", "onnxruntime"]
    assert [entry["load"] for entry in tiny["aisle"]["at_load"]] == [0.2, 0.5]
    assert all(entry["milliseconds"]["p50"] > 0 for entry in tiny["aisle"]["at_load"])
    assert tiny["aisle"]["pairs_a_second"] > 0
    for peer in ("sentence-transformers", "onnxruntime"):
        assert tiny[peer]["logit_difference_max"] < 1e-4  # the same weights
        assert tiny[peer]["batch_size"] in (4, 16)
