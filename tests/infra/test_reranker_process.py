"""The endpoint as SageMaker starts it, around a tiny cross-encoder whose scores transformers knows too: what is wired
from the sealed folder to the answer. Arithmetic that needs no model is in test_reranker_server.py.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import boto3
import numpy as np
import pytest
import torch
from botocore.exceptions import ClientError
from rerank_server import END_S, ROOT, Endpoint, config_file, endpoint, wait_until
from tokenizers import Tokenizer
from transformers import PreTrainedModel
from world_heavy import WORDS, bert, published, tokenizer_for

from infra.emulated import free_port
from infra.reranker_endpoint.config import read_config
from infra.reranker_endpoint.model import open_scorer
from model_export.heavy import seal_hub

pytestmark = pytest.mark.slow

MAX_TOKENS = 64  # of the tiny model
CLOSE = 1e-5  # float32, other shapes
SHORT = ["red shoe", "blue hat", "", "wool coat size 64gb", "Käse", "green running shoes"]


@dataclass(frozen=True)
class Known:
    """What transformers alone says of a pair."""

    model: PreTrainedModel
    tokenizer: Tokenizer

    def logits(self, query: str, texts: Sequence[str]) -> list[float]:
        return [self._logit(query, text) for text in texts]

    def _logit(self, query: str, text: str) -> float:
        encoding = self.tokenizer.encode(query, text)
        with torch.inference_mode():
            seen = self.model(torch.tensor([encoding.ids]), token_type_ids=torch.tensor([encoding.type_ids]))
        return float(seen.logits)


@dataclass(frozen=True)
class Served:
    endpoint: Endpoint
    known: Known
    heavy: Path


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Of torch: two take a hundred times as long where something else has one of two cores, waiting for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, port = tmp_path_factory.mktemp("heavy"), free_port()
    model = published(folder / "source", bert())
    seal_hub(str(folder / "source"), folder / "heavy")
    tokenizer = tokenizer_for(bert())
    tokenizer.enable_truncation(MAX_TOKENS)
    config = config_file(folder, max_batch_tokens=512, max_request_tokens=20_000)
    command = ["-m", "infra.reranker_endpoint", "--model", str(folder / "heavy"), "--config", str(config)]
    with endpoint([*command, "--port", str(port), "--host", "127.0.0.1"], port, folder / "log") as running:
        running.wait_for("/ping", 200)
        yield Served(running, Known(model, tokenizer), folder / "heavy")


def raw(served: Served, query: str, texts: Sequence[str]) -> list[float]:
    """The model's logits as the endpoint sends them, in the order of `texts`."""
    rows = dict(served.endpoint.ask({"query": query, "texts": texts, "raw_scores": True}).scores)
    return [rows[row] for row in range(len(texts))]


def test_raw_scores_are_the_models_logits_to_the_last_bit(served: Served) -> None:
    assert raw(served, "red", SHORT) == pytest.approx(served.known.logits("red", SHORT), abs=CLOSE)
    scorer = open_scorer(served.heavy, read_config(), "cpu")
    alone = scorer.launch(scorer.tokenise("red", SHORT))()  # one batch of this shape, as in the endpoint
    assert np.array_equal(np.array(raw(served, "red", SHORT), np.float32), alone)


def test_documents_are_in_the_models_order_and_top_n_of_them(served: Served) -> None:
    known = served.known.logits("red", SHORT)
    body = {"query": "red", "documents": [{"text": text} for text in SHORT], "top_n": 3}
    rows = served.endpoint.ask(body, "/rerank").body["results"]
    best = sorted(range(len(SHORT)), key=lambda row: -known[row])[:3]
    assert [row["index"] for row in rows] == best
    right = [1 / (1 + np.exp(-known[row])) for row in best]
    assert [row["relevance_score"] for row in rows] == pytest.approx(right, abs=CLOSE)


def test_what_a_long_text_says_late_is_not_read(served: Served) -> None:
    cut = ["shoe " * 60, "shoe " * 60 + "red " * 300, "shoe " * 59 + "red"]  # 60 tokens are left beside the query
    scores = raw(served, "red", cut)
    assert scores[0] == pytest.approx(scores[1], abs=CLOSE)
    assert abs(scores[2] - scores[1]) > 100 * CLOSE


def test_concurrent_lists_of_all_lengths_get_their_own_scores(served: Served) -> None:
    random = np.random.default_rng(4)
    asked = [
        (" ".join(random.choice(WORDS, 3)), [" ".join(random.choice(WORDS, n)) for n in random.integers(0, 70, size)])
        for size in random.integers(1, 60, 60)
    ]
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda one: raw(served, *one), asked))
    known = [served.known.logits(*one) for one in asked]
    assert max(np.abs(np.subtract(*pair)).max() for pair in zip(answers, known, strict=True)) < CLOSE
    told = np.sort(np.concatenate(known))
    assert np.mean(np.diff(told) > 2 * CLOSE) > 0.8  # a swapped pair would be seen


@pytest.mark.parametrize(
    "text", ["\x00", "\u202e\u0301\ufeff", "🧦" * 400, "[MASK] [SEP] [PAD]", "a" * 9000, "红鞋" * 90]
)
def test_odd_texts_have_finite_scores_and_leave_others_theirs(served: Served, text: str) -> None:
    scores = raw(served, "red", [text, "red shoe"])
    assert np.isfinite(scores).all()
    assert scores[1:] == pytest.approx(served.known.logits("red", ["red shoe"]), abs=CLOSE)


def test_boto3_speaks_to_it_as_to_sagemaker(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{served.endpoint.port}")
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
    runtime = boto3.client("sagemaker-runtime", **keys)
    asked = {"EndpointName": "aisle-dev-heavy", "InferenceComponentName": "reranker", "ContentType": "application/json"}
    body = {"query": "red", "texts": SHORT, "raw_scores": True}
    rows = json.loads(runtime.invoke_endpoint(**asked, Body=json.dumps(body))["Body"].read())
    assert {row["index"]: row["score"] for row in rows} == dict(enumerate(raw(served, "red", SHORT)))
    with pytest.raises(ClientError) as refused:
        runtime.invoke_endpoint(**asked, Body=b"{}")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_sigterm_in_the_middle_of_work_loses_no_answer(tmp_path: Path, served: Served) -> None:
    port = free_port()
    command = ["-m", "infra.reranker_endpoint", "--model", str(served.heavy), "--port", str(port)]
    with endpoint(command, port, tmp_path / "log") as running, ThreadPoolExecutor(8) as clients:
        running.wait_for("/ping", 200)
        body = {"query": "red", "texts": [" ".join(SHORT) * 8] * 400, "raw_scores": True}
        taken = [clients.submit(running.ask, body) for _ in range(8)]
        wait_until(lambda: running.metrics()["reranker_under_way"] == 8)
        running.process.send_signal(signal.SIGTERM)
        assert [job.result().status for job in taken] == [200] * 8
        assert running.process.wait(END_S) == 0


def test_a_folder_that_holds_no_reranker_ends_it_with_a_remedy(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infra.reranker_endpoint", "--port", str(free_port()), "--model", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith(f"reranker: {tmp_path} has no readable manifest.json")
