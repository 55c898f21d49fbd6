"""Search against an endpoint that fails on the wire in every way we could think of, through boto3's real client."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from world import search_world

from aisle.aws import heavy_endpoint
from aisle.aws.clients import client
from aisle.aws.heavy_endpoint import CALLS, FAILURES, TIMEOUT_S, HeavyEndpoint
from aisle.heavy import HeavyRoute
from aisle.search import Search
from aisle.types import Rerank, SearchRequest, SearchResponse
from infra import faulty_endpoint as faulty
from infra.emulated import free_port
from infra.faulty_endpoint import FAILING, HOLDING, Endpoint

pytest.importorskip("boto3", reason="speaks to an endpoint: needs the aws extra")
STUDENT, HEAVY = ["c1", "s1", "t2", "c3"], ["s1", "c1", "c3", "t2"]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with faulty.running() as running:
        pointed_at(monkeypatch, running.url)
        yield running
    client.cache_clear()


def pointed_at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    environment = {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url,
        "AWS_ACCESS_KEY_ID": "emulated",
        "AWS_SECRET_ACCESS_KEY": "emulated",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client.cache_clear()  # clients keep the address that they were made with


class Shop:
    """The tiny world's search, and the endpoint that it asks."""

    def __init__(self, folder: Path) -> None:
        self.reranker = HeavyEndpoint("reranker")
        # real seconds for the endpoint; the world's own clock stands still, so the student has all the time
        self._search = Search(search_world(folder).parts, "world", lambda: 0.0, HeavyRoute(self.reranker, 1.0))

    def ask(self, rerank: Rerank = "auto", budget_ms: float = 2000) -> SearchResponse:
        return self._search.search(SearchRequest("red", rerank=rerank, budget_ms=budget_ms), "q1")


@pytest.fixture
def shop(tmp_path: Path, endpoint: Endpoint) -> Shop:
    return Shop(tmp_path)


def order(answer: SearchResponse) -> list[str]:
    return [hit.product_id for hit in answer.hits]


def test_an_endpoint_that_answers_decides_the_order(shop: Shop, endpoint: Endpoint) -> None:
    answer = shop.ask()
    assert (order(answer), answer.degraded) == (HEAVY, [])
    (asked,) = endpoint.calls
    texts = ["Red circle deluxe round", *["Red circle round"] * 2, "Red square angular", "Red star angular"]
    assert (asked["query"], asked["raw_scores"], sorted(asked["texts"])) == ("red", True, texts)
    assert endpoint.paths == ["/endpoints/reranker/invocations"]


def test_one_connection_serves_many_calls(shop: Shop, endpoint: Endpoint) -> None:
    for _ in range(5):
        assert shop.ask().degraded == []
    assert (len(endpoint.calls), endpoint.connections) == (5, 1)


@pytest.mark.parametrize("fault", FAILING)
@pytest.mark.parametrize("rerank", ["auto", "heavy"])
def test_the_students_order_is_served_where_the_endpoint_fails(
    shop: Shop, endpoint: Endpoint, fault: str, rerank: Rerank
) -> None:
    endpoint.behaviour = FAILING[fault]
    answer = shop.ask(rerank)
    assert (order(answer), answer.degraded) == (STUDENT, ["heavy_rerank"])
    assert answer.hits == shop.ask("student").hits
    assert len(endpoint.calls) == 1  # no second try
    endpoint.behaviour = faulty.scores
    assert order(shop.ask(rerank)) == HEAVY  # and one failure closes nothing


@pytest.mark.parametrize("fault", HOLDING)
def test_nothing_is_awaited_after_the_deadline(shop: Shop, endpoint: Endpoint, fault: str) -> None:
    endpoint.behaviour = HOLDING[fault]
    asked_at = time.monotonic()
    answer = shop.ask(budget_ms=100)
    assert (order(answer), answer.degraded) == (STUDENT, ["heavy_rerank"])
    assert time.monotonic() - asked_at < TIMEOUT_S / 2  # the endpoint holds on, and the call lasts, far longer


def test_with_no_time_left_nothing_is_sent(shop: Shop, endpoint: Endpoint) -> None:
    assert shop.ask(budget_ms=4).degraded == ["heavy_rerank"]
    assert endpoint.calls == []


def test_an_endpoint_that_is_not_there(tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    pointed_at(monkeypatch, f"http://127.0.0.1:{free_port()}")
    answer = Shop(tmp_path).ask()
    assert (order(answer), answer.degraded) == (STUDENT, ["heavy_rerank"])


def test_after_failures_in_a_row_nobody_is_sent_until_a_probe_succeeds(
    shop: Shop, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.behaviour = faulty.reset
    for _ in range(FAILURES + 3):
        assert shop.ask().degraded == ["heavy_rerank"]
    assert len(endpoint.calls) == FAILURES
    rested(monkeypatch)
    assert shop.ask().degraded == ["heavy_rerank"]  # the probe fails ...
    assert shop.ask().degraded == ["heavy_rerank"]
    assert len(endpoint.calls) == FAILURES + 1  # ... and the rest begins again
    endpoint.behaviour = faulty.scores
    rested(monkeypatch, 2)
    assert [shop.ask().degraded for _ in range(3)] == [[], [], []]


def test_one_request_probes_while_others_go_without(
    shop: Shop, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.behaviour = faulty.reset
    for _ in range(FAILURES):
        shop.ask()
    rested(monkeypatch)
    endpoint.behaviour = faulty.slow
    answers: list[SearchResponse] = []
    probe = threading.Thread(target=lambda: answers.append(shop.ask(budget_ms=10_000)))
    probe.start()
    while len(endpoint.calls) == FAILURES:
        threading.Event().wait(0.005)
    assert shop.ask(budget_ms=10_000).degraded == ["heavy_rerank"]
    assert len(endpoint.calls) == FAILURES + 1
    endpoint.released.set()
    probe.join()
    assert order(answers[0]) == HEAVY


def test_who_gives_it_no_time_does_not_switch_it_off(shop: Shop, endpoint: Endpoint) -> None:
    def late(call: faulty.Call) -> None:
        time.sleep(0.05)
        faulty.scores(call)

    endpoint.behaviour = late
    for _ in range(FAILURES):
        assert shop.ask(budget_ms=10).degraded == ["heavy_rerank"]
    assert order(shop.ask()) == HEAVY


def test_more_calls_than_may_be_under_way_go_without_and_blame_nobody(shop: Shop, endpoint: Endpoint) -> None:
    endpoint.behaviour = faulty.slow
    opinions = [shop.reranker.begin("red", ["Red square"], 20) for _ in range(CALLS + FAILURES)]
    assert [opinion() for opinion in opinions[CALLS:]] == [None] * FAILURES
    endpoint.released.set()
    assert [opinion() is None for opinion in opinions[:CALLS]] == [False] * CALLS
    assert len(endpoint.calls) == CALLS
    assert order(shop.ask()) == HEAVY


def test_a_machine_without_threads_left_answers_without(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", start)
        for _ in range(CALLS + 1):
            assert shop.ask().degraded == ["heavy_rerank"]
    assert order(shop.ask()) == HEAVY


def test_a_component_is_asked_by_its_name(endpoint: Endpoint, tmp_path: Path) -> None:
    seen: list[str | None] = []

    def behaviour(call: faulty.Call) -> None:
        seen.append(call.headers["X-Amzn-SageMaker-Inference-Component"])
        faulty.scores(call)

    endpoint.behaviour = behaviour
    route = HeavyRoute(HeavyEndpoint("reranker", "teacher"), 1.0)
    answer = Search(search_world(tmp_path).parts, "world", lambda: 0.0, route).search(SearchRequest("red"), "q1")
    assert (order(answer), seen) == (HEAVY, ["teacher"])


def rested(monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    """Lets the breaker's rest pass."""
    import circuitbreaker

    now = circuitbreaker.monotonic()
    monkeypatch.setattr(circuitbreaker, "monotonic", lambda: now + times * (heavy_endpoint.REST_S + 1))
