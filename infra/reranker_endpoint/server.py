"""The endpoint's HTTP: SageMaker's contract (/ping, /invocations), the same at /rerank, and /metrics.

A request is read and checked, turned into tokens on a small pool of threads, queued as a whole, and answered in the
form it came in. It knows a model only as a `Scorer`. /ping is 200 from the end of the warm-up until SIGTERM, as long as
the device works.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from aisle.decoding import read_json
from aisle.errors import AisleError, TooLarge, Unavailable
from aisle.problems import RequestIds, aisle_problem, http_problem, nesting_problem, problem, request_id
from aisle.request_body import json_body
from aisle.rerank_forms import asked_texts, in_form
from aisle.types import RerankRequest
from infra.reranker_endpoint.batching import Batcher, QueueFull, Scorer
from infra.reranker_endpoint.config import Config
from infra.reranker_endpoint.metrics import CONTENT_TYPE, Counted, Metrics
from infra.reranker_endpoint.waiting import Logits

# The second is the path of SageMaker's runtime API, so that boto3 can speak to this server with nothing between.
SCORING = ("/invocations", "/endpoints/{name}/invocations", "/rerank")
RETRY_AFTER_S = 1  # while starting or ending: another instance may answer already
WARM_UP = ((1, 4), (1, 64), (8, 16), (50, 32))  # texts, and words of each; then one full batch
_POLL_S = 0.02
_T = TypeVar("_T")
log = logging.getLogger(__name__)


class ModelFault(AisleError):
    """The model gave what is no score."""


class Service:
    """What answers, from the start of the process to its end. Used from the event loop, but `open`, from a thread."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self.config, self.metrics = config, metrics
        self.draining = False
        self._accepted = 0
        self._scorer: Scorer | None = None
        self._batcher: Batcher | None = None  # set last, when warm
        metrics.under_way.set_function(lambda: self._accepted)
        self._tokenising = ThreadPoolExecutor(config.tokeniser_threads, "tokenise")

    def open(self, scorer: Scorer) -> None:
        """Warms up, then answers. Raises ModelFault where the model has no scores to give."""
        begun = time.perf_counter()
        warm_up(scorer)
        gc.collect()
        gc.freeze()  # torch and transformers are a million objects: looking through them again stops all for 0.25 s
        batcher = Batcher(scorer, self.config.max_queue_tokens, self.metrics)
        self.metrics.queue_tokens.set_function(lambda: batcher.queue_tokens)
        self._scorer, self._batcher = scorer, batcher
        log.info("warm after %.1f s", time.perf_counter() - begun)

    def check(self) -> Batcher:
        """Raises Unavailable while starting, ending, or where the device is lost."""
        if self.draining:
            raise Unavailable("this instance is ending", "send the request again, to another instance")
        if self._batcher is None:
            raise Unavailable("the model is not loaded and warm yet", "send the request again in some seconds")
        if not self._batcher.works:
            raise Unavailable("batch after batch fails in the model", "replace this instance; its log says why")
        return self._batcher

    @contextmanager
    def accepted(self) -> Iterator[Batcher]:
        """Raises Unavailable as `check` does, and QueueFull where too many requests are under way."""
        batcher = self.check()
        if self._accepted >= self.config.max_requests:
            raise QueueFull(f"{self._accepted} requests are under way", RETRY_AFTER_S)
        self._accepted += 1
        try:
            yield batcher
        finally:
            self._accepted -= 1

    async def score(self, batcher: Batcher, query: str, texts: list[str]) -> Logits:
        """A logit for each text. Raises TooLarge, QueueFull, Unavailable, ModelFault."""
        assert self._scorer is not None
        loop = asyncio.get_running_loop()
        pairs = await loop.run_in_executor(self._tokenising, self._scorer.tokenise, query, texts)
        tokens = sum(len(pair.ids) for pair in pairs)
        if tokens > self.config.max_request_tokens:
            raise TooLarge(
                f"the request has {tokens} tokens, more than {self.config.max_request_tokens}",
                "send the texts in several requests",
            )
        job = batcher.submit(pairs)
        try:
            logits = await asyncio.wrap_future(job.scores)
        except asyncio.CancelledError:
            batcher.withdraw(job)
            raise
        return _finite(logits)

    async def drained(self) -> None:
        """Returns when all that was accepted is answered; what is not within `drain_seconds` is refused then."""
        until = time.monotonic() + self.config.drain_seconds
        while self._accepted and time.monotonic() < until:
            await asyncio.sleep(_POLL_S)
        log.info("drained, %d requests unanswered", self._accepted)
        if self._batcher:
            self._batcher.stop(timeout_s=0)


def warm_up(scorer: Scorer) -> None:
    """A few shapes and one full batch, which take what memory they take before /ping says that all is well."""
    for texts, words in WARM_UP:
        pairs = scorer.tokenise("warm up", ["word " * words] * texts)
        _finite(scorer.launch(pairs)())
    longest = scorer.tokenise("warm up", ["word " * 1000])
    _finite(scorer.launch(longest * max(scorer.max_batch_tokens // len(longest[0].ids), 1))())


def build_app(service: Service) -> Starlette:
    async def ping(request: Request) -> Response:
        service.check()
        return Response(media_type="application/json")

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    async def rerank(request: Request) -> Response:
        with service.accepted() as batcher:
            asked = read_json(await _body(request, service.config), RerankRequest)
            texts = asked_texts(asked)
            if len(texts) > service.config.max_documents:
                raise TooLarge(
                    f"the request has {len(texts)} texts, more than {service.config.max_documents}",
                    "send them in several requests",
                )
            logits = await _while_connected(request, service.score(batcher, asked.query, texts))
            values = logits if asked.raw_scores else _probabilities(logits)
            answer = in_form(asked, values.tolist(), request_id(request))
            return Response(msgspec.json.encode(answer), media_type="application/json")

    routes = [Route("/ping", ping), Route("/metrics", metrics)]
    app = Starlette(
        routes=[*routes, *(Route(path, rerank, methods=["POST"]) for path in SCORING)],
        middleware=[Middleware(Counted, metrics=service.metrics), Middleware(RequestIds)],
        exception_handlers={
            AisleError: aisle_problem,
            QueueFull: _full,
            Unavailable: _unavailable,
            HTTPException: partial(http_problem, where="POST /rerank or /invocations; GET /ping or /metrics"),
            RecursionError: nesting_problem,
        },
    )
    app.router.redirect_slashes = False
    return app


async def _full(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, QueueFull)
    response = problem(request_id(request), 429, exc.detail, exc.remedy)
    response.headers["retry-after"] = str(exc.retry_after_s)
    return response


async def _unavailable(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Unavailable)
    response = problem(request_id(request), 503, exc.detail, exc.remedy)
    response.headers["retry-after"] = str(RETRY_AFTER_S)
    return response


async def _body(request: Request, config: Config) -> bytes:
    """Raises as `json_body` does, and HTTPException 408: who sends slowly holds a place that others could have."""
    try:
        async with asyncio.timeout(config.body_seconds):
            return await json_body(request, config.max_body_bytes)
    except TimeoutError as exc:
        raise HTTPException(408, f"the body did not arrive within {config.body_seconds:g} s") from exc


async def _while_connected(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """What `work` returns. Cancels it and raises ClientDisconnect when the client goes away."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _finite(logits: Logits) -> Logits:
    """Raises ModelFault where a logit is no finite number, which JSON could not hold."""
    if not np.isfinite(logits).all():
        count = int((~np.isfinite(logits)).sum())
        raise ModelFault(f"the model gave no finite score for {count} of {len(logits)} pairs", "check the model")
    return logits


def _probabilities(logits: Logits) -> NDArray[np.float64]:
    """Scores in 0..1, without overflow at either end."""
    scores: NDArray[np.float64] = np.exp(-np.logaddexp(0, -logits.astype(np.float64)))
    return scores
