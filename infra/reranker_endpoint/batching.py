"""Batches across requests: who came first is scored first, as many pairs at once as the token budget holds.

One thread gathers and launches, another waits for what was launched and hands the scores out, so that a GPU has its
next batch before it is done with this one. No timer makes anybody wait for company: an idle device takes what is there.
A second batch is launched behind the one in flight only where a full one waits; a smaller one may still grow until the
device is free, and would only be a worse batch before. The model is behind `Scorer`; nothing here knows HTTP.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Condition, Thread
from typing import NamedTuple, Protocol

from aisle.errors import AisleError, Unavailable
from infra.reranker_endpoint.waiting import Job, Logits, Part, Waiting
from infra.reranker_endpoint.waiting import Pair as Pair

FAILED_BATCHES = 3  # in a row, after which a pair that has nothing to do with them tells whether the device is lost
_KEPT_OF_RATE = 0.9  # share of what the rate rests on that the next batch leaves in place

log = logging.getLogger(__name__)


class Scorer(Protocol):
    """A model that scores pairs. `tokenise` may be called from many threads at once, `launch` from one alone."""

    @property
    def max_batch_tokens(self) -> int: ...

    def tokenise(self, query: str, texts: Sequence[str]) -> list[Pair]:
        """A pair for each text, cut to what the model reads."""

    def launch(self, pairs: Sequence[Pair]) -> Callable[[], Logits]:
        """Starts the pass through the model; what comes back waits for it and returns a logit for each pair."""


class Observer(Protocol):
    """Who counts what happens here; called from the batcher's threads."""

    def job_waited(self, seconds: float) -> None:
        """From being submitted until the first batch with a pair of the job was gathered."""

    def batch_computed(self, pairs: int, tokens: int, seconds: float) -> None:
        """From the launch, or the end of the batch before where that was later, to the scores."""


class QueueFull(AisleError):
    """More waits than may. `retry_after_s`: when what waits now will have been scored."""

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail, f"send the request again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class _Batch(NamedTuple):
    parts: list[Part]
    launched_s: float

    @property
    def pairs(self) -> list[Pair]:
        return [pair for part in self.parts for pair in part.pairs]


class Batcher:
    """`clock` counts seconds from anywhere."""

    def __init__(
        self, scorer: Scorer, max_queue_tokens: int, observer: Observer, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._scorer, self._max_queue_tokens, self._observer, self._clock = scorer, max_queue_tokens, observer, clock
        self._changed = Condition()  # guards what follows, and whose turn it is to complete a job
        self._waiting = Waiting()
        self._in_flight = 0  # batches
        self._stopped = False
        self._free_since_s = 0.0  # when the device was done with the latest batch
        self._done_tokens = self._done_s = 0.0  # what the rate rests on
        self._failed_in_a_row = 0
        self._lost = False
        self._launched: SimpleQueue[tuple[_Batch, Callable[[], Logits]] | None] = SimpleQueue()
        self._threads = [Thread(target=work, daemon=True) for work in (self._launch_batches, self._finish_batches)]
        for thread in self._threads:
            thread.start()

    @property
    def queue_tokens(self) -> int:
        """Tokens that no batch has taken yet."""
        return self._waiting.tokens

    @property
    def works(self) -> bool:
        """False once the device is lost."""
        return not self._lost

    def submit(self, pairs: Sequence[Pair]) -> Job:
        """Raises QueueFull, and Unavailable once stopped."""
        job = Job(pairs, self._clock())
        tokens = sum(job.lengths)
        with self._changed:
            if self._stopped or self._lost:
                raise _ended()
            if self._waiting.tokens + tokens > self._max_queue_tokens:
                detail = (
                    f"{self._waiting.tokens} tokens wait already, and {tokens} more are over {self._max_queue_tokens}"
                )
                raise QueueFull(detail, self._seconds_to_empty())
            if pairs:
                self._waiting.append(job)
                self._changed.notify_all()
            else:
                job.scores.set_result(job.logits)
        return job

    def withdraw(self, job: Job) -> None:
        """Nobody waits for the job any more: what no batch has taken is dropped."""
        job.scores.cancel()
        with self._changed:
            self._waiting.drop(job)

    def stop(self, timeout_s: float) -> bool:
        """Refuses what waits and ends the threads; whether they ended in time, the batches in flight being done."""
        with self._changed:
            self._stopped = True
            for job in self._waiting.drop_all():
                _fail(job, _ended())
            self._changed.notify_all()
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _launch_batches(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._may_launch())
                if self._stopped:
                    break
                suspected = self._suspected
                if not suspected:
                    batch = _Batch(self._waiting.take(self._scorer.max_batch_tokens), self._clock())
                    self._in_flight += 1
            if suspected:
                self._try_device()
                continue
            for part in batch.parts:
                if part.start == 0:
                    self._observer.job_waited(batch.launched_s - part.job.submitted_s)
            self._launched.put((batch, self._launch(batch.pairs)))
        self._launched.put(None)

    @property
    def _suspected(self) -> bool:
        return self._failed_in_a_row >= FAILED_BATCHES

    def _try_device(self) -> None:
        """Some texts may break any batch that they are in: one plain pair decides. Where it fails too, nobody waits."""
        try:
            self._scorer.launch(self._scorer.tokenise("trial", ["word"]))()
            lost = False
        except Exception:
            log.exception("the device is lost")
            lost = True
        with self._changed:
            self._failed_in_a_row, self._lost = 0, lost
            for job in self._waiting.drop_all() if lost else []:
                _fail(job, Unavailable("batch after batch fails in the model", "send the request to another instance"))

    def _may_launch(self) -> bool:
        if self._lost:
            return False
        if self._suspected:
            return self._in_flight == 0
        full = self._waiting.tokens >= self._scorer.max_batch_tokens
        return bool(self._waiting) and (self._in_flight == 0 or (self._in_flight == 1 and full))

    def _launch(self, pairs: list[Pair]) -> Callable[[], Logits]:
        try:
            return self._scorer.launch(pairs)
        except Exception as exc:  # whatever a device can raise: it is the answer to the requests of this batch
            failure = exc

        def failed() -> Logits:
            raise failure

        return failed

    def _finish_batches(self) -> None:
        while (entry := self._launched.get()) is not None:
            batch, finish = entry
            pairs = sum(part.stop - part.start for part in batch.parts)
            try:
                logits = finish()
                if logits.shape != (pairs,):
                    raise ValueError(f"the model gave {logits.shape} scores for {pairs} pairs")
            except Exception as exc:
                self._failed(batch, exc)
            else:
                self._computed(batch, logits)

    def _failed(self, batch: _Batch, failure: Exception) -> None:
        with self._changed:
            self._in_flight -= 1
            self._free_since_s = self._clock()
            self._failed_in_a_row += 1
            for part in batch.parts:
                self._waiting.drop(part.job)
                _fail(part.job, failure)
            self._changed.notify_all()

    def _computed(self, batch: _Batch, logits: Logits) -> None:
        tokens = sum(sum(part.job.lengths[part.start : part.stop]) for part in batch.parts)
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()  # the next launch may begin before the scores are handed out
            now, since = self._clock(), max(batch.launched_s, self._free_since_s)
            self._free_since_s = now
            self._failed_in_a_row = 0
            self._done_tokens = self._done_tokens * _KEPT_OF_RATE + tokens
            self._done_s = self._done_s * _KEPT_OF_RATE + now - since
        self._observer.batch_computed(len(logits), tokens, now - since)
        with self._changed:
            _hand_out(batch, logits)

    def _seconds_to_empty(self) -> int:
        """At the measured rate; at least 1."""
        if not self._done_tokens:
            return 1
        return max(math.ceil(self._waiting.tokens * self._done_s / self._done_tokens), 1)


def _hand_out(batch: _Batch, logits: Logits) -> None:
    at = 0
    for job, start, stop in batch.parts:
        job.logits[start:stop] = logits[at : at + stop - start]
        at += stop - start
        job.scored += stop - start
        if job.scored == len(job.pairs) and job.scores.set_running_or_notify_cancel():
            job.scores.set_result(job.logits)


def _fail(job: Job, failure: Exception) -> None:
    """A job fails once, of however many batches."""
    if not job.scores.done() and job.scores.set_running_or_notify_cancel():
        job.scores.set_exception(failure)


def _ended() -> Unavailable:
    return Unavailable("scoring has ended here", "send the request to another instance")
