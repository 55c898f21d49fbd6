"""Recommendations from the catalogue alone, for a bundle that was built without events: what resembles the products of
a history, and for a stranger what is well rated.

The same vectors that search compares. Newer acts and stronger ones count more. It knows no counts, so nothing is ever
bought together here, and nothing popular.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aisle.dense import UNSEEN, top_rows
from aisle.retrieval import Mask, Parts, Rows
from aisle.shopping import Act, Kind

WEIGHTS: dict[Kind, float] = {"view": 1.0, "click": 1.0, "cart": 2.0, "purchase": 3.0}  # an impression says nothing
HALF_LIFE_MS = 14 * 86_400_000
EVIDENCE = 3  # products of the history that are named for each


class Spoke(NamedTuple):
    """`route`: by "content", from these `rows` of the history, or "rated" by the catalogue."""

    route: str
    rows: tuple[int, ...] = ()


class Found(NamedTuple):
    """`rows` best first with falling `scores` in 0..1, and what spoke for each."""

    rows: Rows
    scores: NDArray[np.float32]
    evidence: list[Spoke]


class ContentRecommender:
    """Over the parts of a bundle, live ones too."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def recommend(self, history: Sequence[Act], now_ms: int, k: int, *, new: bool, allowed: Mask | None) -> Found:
        """The k best rows `allowed`; `new`: none that was bought."""
        acts = [act for act in history if act.kind in WEIGHTS]
        rows = self._parts.products.find_all([act.product_id for act in acts])
        known = rows >= 0
        ages = np.array([max(now_ms - act.at_ms, 0) for act in acts])
        weights = np.array([WEIGHTS[act.kind] for act in acts]) * 0.5 ** (ages / HALF_LIFE_MS)
        open_to = self._open(allowed)
        if new:
            bought = np.array([act.kind == "purchase" for act in acts], bool)
            open_to[rows[known & bought]] = False
        if not known.any():
            return self._rated(open_to, k)
        seen, of = np.unique(rows[known], return_inverse=True)
        weight = np.bincount(of, weights[known]).astype(np.float32)
        vectors = self._parts.dense.vectors(seen)
        taste = weight @ vectors
        best, scores = self._nearest(taste / max(float(np.linalg.norm(taste)), 1e-12), open_to, k)
        said = (self._parts.dense.vectors(best) @ vectors.T) * weight  # (m, history)
        spoke = seen[np.argsort(-said, axis=1, kind="stable")[:, :EVIDENCE]].tolist()
        return Found(best, scores, [Spoke("content", tuple(rows)) for rows in spoke])

    def similar(self, row: int, k: int, allowed: Mask | None) -> tuple[Rows, NDArray[np.float32]]:
        """The k rows nearest to `row`, itself left out, and their scores."""
        open_to = self._open(allowed)
        open_to[row] = False
        return self._nearest(self._parts.dense.vectors(np.array([row]))[0], open_to, k)

    def together(self, row: int, k: int, allowed: Mask | None) -> tuple[Rows, NDArray[np.float32]]:
        """Nothing: that takes a log of purchases."""
        return np.zeros(0, np.int64), np.zeros(0, np.float32)

    def _open(self, allowed: Mask | None) -> Mask:
        return np.ones(len(self._parts.products), bool) if allowed is None else allowed.copy()

    def _nearest(self, vector: NDArray[np.float32], allowed: Mask, k: int) -> tuple[Rows, NDArray[np.float32]]:
        cosines = np.where(allowed, self._parts.dense.scores(vector, allowed), UNSEEN)
        best = top_rows(cosines, min(k, int(np.count_nonzero(cosines > UNSEEN))))
        return best, cosines[best].clip(0, 1)

    def _rated(self, allowed: Mask, k: int) -> Found:
        rows = np.flatnonzero(allowed)
        rating = np.nan_to_num(self._parts.columns.rating[rows] / np.float32(5))
        best = top_rows(rating, k)
        return Found(rows[best], rating[best], [Spoke("rated")] * len(best))
