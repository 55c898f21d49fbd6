"""What waits to be scored: requests as jobs of pairs, in the order they came, cut into batches by a token budget.

A job may be spread over several batches, and a batch may hold pairs of many jobs. Nothing here knows threads or clocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]  # (pairs,), in the order in which the pairs were given


class Pair(NamedTuple):
    """A query and a text as the model reads them: token ids and segment ids, equally many."""

    ids: list[int]
    types: list[int]


@dataclass(eq=False)
class Job:
    """The pairs of one request; `scores` will hold a logit for each, in their order."""

    pairs: Sequence[Pair]
    submitted_s: float
    scores: Future[Logits] = field(default_factory=Future)
    taken: int = 0  # the first so many pairs wait no more
    scored: int = 0

    def __post_init__(self) -> None:
        self.lengths = [len(pair.ids) for pair in self.pairs]  # tokens
        self.logits: Logits = np.empty(len(self.pairs), np.float32)


class Part(NamedTuple):
    """Pairs `start` to `stop` of a job, in one batch."""

    job: Job
    start: int
    stop: int

    @property
    def pairs(self) -> Sequence[Pair]:
        return self.job.pairs[self.start : self.stop]


class Waiting:
    """Jobs of which some pairs are in no batch yet, the oldest first; `tokens`: of those pairs."""

    def __init__(self) -> None:
        self.tokens = 0
        self._jobs: deque[Job] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    def append(self, job: Job) -> None:
        self._jobs.append(job)
        self.tokens += sum(job.lengths)

    def take(self, budget: int) -> list[Part]:
        """The oldest pairs, up to `budget` tokens of them, or one pair that has more."""
        parts, tokens = list[Part](), 0
        while self._jobs:
            job = self._jobs[0]
            start = stop = job.taken
            while stop < len(job.pairs) and (tokens + job.lengths[stop] <= budget or not tokens):
                tokens += job.lengths[stop]
                stop += 1
            if stop > start:
                parts.append(Part(job, start, stop))
            self._wait_from(job, stop)
            if stop < len(job.pairs):
                break
        return parts

    def drop(self, job: Job) -> None:
        """The job's pairs that are in no batch wait no more."""
        if job.taken < len(job.pairs):
            self._wait_from(job, len(job.pairs))

    def drop_all(self) -> list[Job]:
        dropped = [*self._jobs]
        for job in dropped:
            self.drop(job)
        return dropped

    def _wait_from(self, job: Job, stop: int) -> None:
        self.tokens -= sum(job.lengths[job.taken : stop])
        job.taken = stop
        if stop == len(job.pairs):
            self._jobs.remove(job)
