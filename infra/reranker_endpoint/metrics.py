"""What the endpoint counts and how long it takes, as Prometheus reads it at /metrics."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = CONTENT_TYPE_LATEST  # of `Metrics.exposition`
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
TOKENS = tuple(2**power for power in range(4, 18))
GONE = 499  # no status was sent, because the client had gone away


class Metrics:
    """One registry of its own, so that a process may hold several."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "reranker_requests",
            f"Requests to score, by HTTP status; {GONE}: the client went away.",
            ["status"],
            registry=registry,
        )
        self.pairs = Counter("reranker_pairs", "Pairs of query and text that were scored.", registry=registry)
        self.tokens = Counter("reranker_tokens", "Tokens of the pairs that were scored.", registry=registry)
        self.under_way = Gauge("reranker_under_way", "Requests accepted and not answered yet.", registry=registry)
        self.queue_tokens = Gauge("reranker_queue_tokens", "Tokens that wait for a batch.", registry=registry)
        self.batch_tokens = _histogram("batch_tokens", "Tokens of a batch.", TOKENS, registry)
        self.wait = _histogram("wait_seconds", "From the queue to the first batch.", SECONDS, registry)
        self.compute = _histogram("compute_seconds", "A batch in the model.", SECONDS, registry)
        self.total = _histogram("request_seconds", "From the request's head to its answer.", SECONDS, registry)

    def job_waited(self, seconds: float) -> None:
        self.wait.observe(seconds)

    def batch_computed(self, pairs: int, tokens: int, seconds: float) -> None:
        self.pairs.inc(pairs)
        self.tokens.inc(tokens)
        self.batch_tokens.observe(tokens)
        self.compute.observe(seconds)

    def request_answered(self, status: int, seconds: float) -> None:
        self.requests.labels(str(status)).inc()
        self.total.observe(seconds)

    def exposition(self) -> bytes:
        """What /metrics answers, in CONTENT_TYPE."""
        return generate_latest(self._registry)


class Counted:
    """Tells `metrics` of every POST: its status, and how long it took."""

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float] = time.perf_counter) -> None:
        self.app, self.metrics, self.clock = app, metrics, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        begun, status = self.clock(), GONE

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, seen)
        finally:
            self.metrics.request_answered(status, self.clock() - begun)


def _histogram(name: str, what: str, buckets: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    return Histogram(f"reranker_{name}", what, buckets=buckets, registry=registry)
