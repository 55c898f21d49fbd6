"""The heavy reranker as search sees it: a far larger cross-encoder elsewhere, which may be slow, absent or wrong.

Search never needs it. The student has ordered the candidates before; here is told which orders deserve a second
opinion, and what an answer must look like to be believed. Its logits are log-odds, as the student's are, so the learned
order takes them in their place. This module knows no endpoint and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.types import TextScore

MOST = 1e6  # no logit is as large

Opinion = Callable[[], NDArray[np.float32] | None]


class Untrue(Exception):
    """What came back cannot be scores of the texts that were sent."""


class HeavyReranker(Protocol):
    def begin(self, query: str, texts: Sequence[str], within_s: float) -> Opinion:
        """Asks at once. What is returned waits until `within_s` seconds from now at most, for (len(texts),) float32
        logits; None where there are none."""


@dataclass(frozen=True)
class HeavyRoute:
    """Where second opinions come from, and which orders get one unasked: those whose `margin` is under `below`."""

    reranker: HeavyReranker
    below: float  # 0 to 1: none to all

    def wants(self, scores: NDArray[np.float32]) -> bool:
        """Whether an order deserves it; `scores`: the student's, best first."""
        return margin(scores) < self.below


def margin(scores: NDArray[np.float32]) -> float:
    """0..1: how surely the first is better than the second; `scores` in 0..1, best first. 1 where there is no second.

    2p - 1, p being the chance that the first wins where the scores are chances of being relevant (Bradley and Terry,
    Biometrika 1952). Near 0 and 1, where scores are crowded, it tells more than their difference.
    """
    if len(scores) < 2:
        return 1.0
    first, second = scores[:2].astype(np.float64).clip(1e-9, 1 - 1e-9)
    return float((first - second) / (first + second - 2 * first * second))


def read_scores(body: bytes, count: int) -> NDArray[np.float32]:
    """(count,) float32 logits from TEI's bare list of index and score. Raises Untrue for anything else."""
    try:
        scored = msgspec.json.decode(body, type=list[TextScore])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Untrue("no list of index and score") from exc
    if sorted(one.index for one in scored) != list(range(count)):
        raise Untrue(f"not the indexes 0 to {count - 1}, each once")
    logits = np.empty(count)
    logits[[one.index for one in scored]] = [one.score for one in scored]
    if not (np.abs(logits) < MOST).all():
        raise Untrue("a score that is no logit")
    return logits.astype(np.float32)
