"""The whole way: the search function under the real Lambda runtime leans on the endpoint's real process, which serves
what the workshop sealed; and lives on when that process is gone."""

import json
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rerank_server import Endpoint, endpoint

from aisle.golden import Golden
from aisle.heavy import HeavyRoute, Opinion
from aisle.runtime import open_search
from aisle.search import Search
from aisle.types import SearchRequest
from infra.emulated import free_port
from infra.emulator import Function, started
from infra.reranker_endpoint.batching import Scorer
from infra.reranker_endpoint.config import read_config

pytestmark = pytest.mark.slow
EVENT = json.loads((Path(__file__).parents[1] / "events" / "http_get_search.json").read_bytes())


@pytest.fixture(scope="module")
def heavy(tiny_bundle: Path) -> Path:
    return tiny_bundle.parent / "heavy"


@pytest.fixture(scope="module")
def reranker(heavy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    port, log = free_port(), tmp_path_factory.mktemp("endpoint") / "log"
    command = ["-m", "infra.reranker_endpoint", "--model", str(heavy), "--port", str(port)]
    with endpoint(command, port, log) as running:
        running.wait_for("/ping", 200)
        yield running


@pytest.fixture(scope="module")
def function(tiny_bundle: Path, reranker: Endpoint) -> Iterator[Function]:
    environment = {
        "AISLE_BUNDLE": str(tiny_bundle),
        "AISLE_HEAVY_ENDPOINT": "aisle-test-reranker",
        "AISLE_HEAVY_MARGIN": "1",
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"http://127.0.0.1:{reranker.port}",
        "AWS_ACCESS_KEY_ID": "emulated",
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_REGION": "us-east-1",
        "POWERTOOLS_SERVICE_NAME": "aisle-test",
    }
    with started("functions.search.handler.handler", environment) as running:
        yield running


class InProcess:
    """The sealed reranker without a wire."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def begin(self, query: str, texts: Sequence[str], within_s: float) -> Opinion:
        return self._scorer.launch(self._scorer.tokenise(query, texts))


def ask(function: Function, query: str, rerank: str = "auto") -> dict[str, Any]:
    asked = {"q": query, "rerank": rerank, "k": 20, "budget_ms": 10_000}
    response = function.invoke({**EVENT, "rawQueryString": urllib.parse.urlencode(asked)})
    assert response["statusCode"] == 200, response
    answer: dict[str, Any] = json.loads(response["body"])
    return answer


def scores(answer: dict[str, Any]) -> dict[str, float]:
    return {hit["product_id"]: hit["score"] for hit in answer["hits"]}


def test_the_teacher_has_the_last_word_and_its_loss_is_survived(
    function: Function, reranker: Endpoint, heavy: Path, tiny_bundle: Path
) -> None:
    from infra.reranker_endpoint.model import open_scorer

    route = HeavyRoute(InProcess(open_scorer(heavy, read_config())), 1.0)
    search = Search(open_search(tiny_bundle, "tiny", 1).parts, "tiny", time.perf_counter, route)
    queries = [golden.query for golden in Golden.load(tiny_bundle / "golden.json").queries][:8]
    students, sent, moved = {}, [], 0
    for query in queries:
        student, answer = ask(function, query, "student"), ask(function, query)
        alone = search.search(SearchRequest(query, k=20, budget_ms=10_000), "q1")
        assert answer["degraded"] == []
        assert scores(answer) == pytest.approx({hit.product_id: hit.score for hit in alone.hits}, abs=1e-4)
        students[query] = scores(student)
        sent += [query] if "heavy_rerank" in answer["timings_ms"] else []  # not where a single article was found
        moved += scores(student) != scores(answer)
    assert moved  # else the teacher said nothing
    assert reranker.metrics()['reranker_requests_total{status="200"}'] == len(sent) >= 6

    reranker.process.kill()
    reranker.process.wait()
    for query in sent:
        answer = ask(function, query)
        assert (scores(answer), answer["degraded"]) == (students[query], ["heavy_rerank"])
