"""The heavy reranker as search sees it: a far larger cross-encoder elsewhere, which may be slow, absent or wrong.

Search never needs it. The student has ordered the candidates before; here is told which orders deserve a second
opinion, what an answer must look like to be believed, and how its logits come to the student's scale, which the learned
order knows. This module knows no endpoint and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.types import Rerank, TextScore

STEADY = 1e-6  # a spread of logits below which they say nothing
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
    """Where second opinions come from; with `rerank=auto` for orders whose `margin` is under `below` alone."""

    reranker: HeavyReranker
    below: float  # 0 to 1: none to all

    def wants(self, asked: Rerank, scores: NDArray[np.float32]) -> bool:
        """Whether a request that asked for this reranking deserves it; `scores`: the student's, best first."""
        return asked == "heavy" or (asked == "auto" and margin(scores) < self.below)


def margin(scores: NDArray[np.float32]) -> float:
    """0..1: how far the first place is from the second; `scores` in 0..1, best first. 1 where there is no second."""
    return float(scores[0] - scores[1]) if len(scores) > 1 else 1.0


def on_scale(heavy: NDArray[np.float32], student: NDArray[np.float32]) -> NDArray[np.float32]:
    """`heavy` logits moved and stretched to the mean and the spread of the `student`'s of the same rows, (n,) float32.

    Their order is kept. So the learned order reads any cross-encoder as if it were the student it was fitted with.
    """
    spread = float(heavy.std())
    if spread < STEADY:
        return student
    scaled: NDArray[np.float32] = (heavy - heavy.mean()) / spread * student.std() + student.mean()
    return scaled.astype(np.float32)


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
