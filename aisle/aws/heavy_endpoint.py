"""The heavy reranker behind a SageMaker endpoint: asked once, waited for until the deadline and not a moment longer.

A call runs in a thread of its own, because no socket timeout bounds a body that drips in; who waits goes on without it
at the deadline, and the thread ends when its socket does. There is no second try: the student has answered already.
After a few failures in a row nobody is sent there for a while, then one probe at a time. Who gives it little time, and
who finds too many calls under way, goes without and blames nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.aws.clients import client
from aisle.errors import MissingExtra
from aisle.heavy import Opinion, Untrue, read_scores

FAILURES = 5  # in a row, after which nobody is sent ...
REST_S = 10  # ... for this long
CALLS = 8  # at once, those that nobody waits for any more among them
PATIENT_S = 0.1  # who gives it less time does not tell whether it works
LEAST_S = 0.005  # with less time than this nothing is sent: no endpoint answers so fast
TIMEOUT_S = 10.0  # of the socket, the longest budget of a request
MOST_BYTES = 1 << 20  # of an answer; a thousand scores take 50 kB
PIECE_BYTES = 4096  # of an answer, read at once

log = logging.getLogger(__name__)


class _Failure(Exception):
    """What the breaker counts."""


class HeavyEndpoint:
    """`endpoint` by name, and the inference component of it that is asked, "" where it has none.

    Many requests may use one of these. Raises MissingExtra where boto3 is not installed.
    """

    def __init__(self, endpoint: str, component: str = "") -> None:
        self._asked = {"EndpointName": endpoint, "ContentType": "application/json"}
        if component:
            self._asked["InferenceComponentName"] = component
        self._client = client("sagemaker-runtime", TIMEOUT_S, attempts=1)
        try:
            from circuitbreaker import CircuitBreaker
        except ImportError as exc:
            raise MissingExtra("circuitbreaker", "aws") from exc
        self._breaker = CircuitBreaker(FAILURES, REST_S)
        self._free = threading.BoundedSemaphore(CALLS)
        self._probed_until = 0.0
        self._turn = threading.Lock()

    def begin(self, query: str, texts: Sequence[str], within_s: float) -> Opinion:
        """As `aisle.heavy.HeavyReranker` says."""
        until = time.monotonic() + within_s
        if within_s < LEAST_S:
            return self._without("no time left")
        if self._breaker.opened:
            return self._without("resting after failures")
        body = msgspec.json.encode({"query": query, "texts": texts, "raw_scores": True})
        if not self._free.acquire(blocking=False):
            return self._without(f"{CALLS} calls are under way")
        answer: Future[NDArray[np.float32]] = Future()
        try:
            if not self._may_probe(until, patient=within_s >= PATIENT_S):
                self._free.release()
                return self._without("another request probes")
            threading.Thread(target=self._ask, args=(answer, body, len(texts)), daemon=True).start()
        except RuntimeError as exc:  # no thread can be started
            self._free.release()
            return self._without(str(exc))

        def opinion() -> NDArray[np.float32] | None:
            try:
                logits = answer.result(max(until - time.monotonic(), 0))
            except TimeoutError:
                self._failed("no answer in time", counts=within_s >= PATIENT_S)
                return None
            except Exception as exc:  # botocore, urllib3 and http.client each have errors of their own
                self._failed(f"{type(exc).__name__} {exc}", counts=True)
                return None
            with self._breaker:  # closes it
                return logits

        return opinion

    def _may_probe(self, until: float, patient: bool) -> bool:
        """Whether the breaker is closed, or half open and nobody else waits for a probe."""
        with self._turn:
            if self._breaker.closed:
                return True
            if not patient or time.monotonic() < self._probed_until:
                return False
            self._probed_until = until
            return True

    def _failed(self, reason: str, counts: bool) -> None:
        log.warning("heavy reranker: %s", reason)
        self._probed_until = 0.0
        if counts:
            with suppress(_Failure), self._breaker:
                raise _Failure

    def _ask(self, answer: Future[NDArray[np.float32]], body: bytes, count: int) -> None:
        try:
            until = time.monotonic() + TIMEOUT_S
            stream = self._client.invoke_endpoint(**self._asked, Body=body)["Body"]
            told = b""
            while piece := stream.read(PIECE_BYTES):  # at the end botocore compares what came with what was announced
                told += piece
                if len(told) > MOST_BYTES or time.monotonic() > until:
                    stream.close()
                    raise Untrue("an answer without end")
            answer.set_result(read_scores(told, count))
        except Exception as exc:
            answer.set_exception(exc)
        finally:
            self._free.release()

    def _without(self, reason: str) -> Opinion:
        log.warning("heavy reranker: %s", reason)
        return lambda: None
