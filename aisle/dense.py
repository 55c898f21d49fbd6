"""Nearest neighbours over int8 rows: what means the same without sharing a word.

Rows are unit vectors times 127, one byte a dimension: a quarter of float32 in memory and in bytes read at a cold
start, at a loss of about 1e-3 in cosine. The query stays float32. Scores are computed in slices that fit the cache.

A small catalogue is scored whole. A large one lies in lists of rows near one centroid (IVF, Jégou et al. 2011), and a
query visits the nearest lists until it has scored a set number of rows; under a filter only the rows that it lets
through count, so that a narrow filter is scored whole again. It knows vectors and rows, not texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.errors import MissingExtra
from aisle.mapped import load_array

UNSEEN = -2.0  # the score of a row that was not visited: below any cosine
MOST_WHOLE = 60_000  # rows that are scored whole; about 6 ms of one core
VISITED = 30  # times the root of all rows: how many a query scores of a larger catalogue
_SAMPLE = 50  # rows a list that the centroids are learned from
_SLICE = 2048  # rows: 2048 x 384 float32 are 3 MB
_ARRAYS = ("centroids", "start", "members", "position")


@dataclass(frozen=True)
class Lists:
    """Which rows lie near which centroid.

    centroids: (lists, dim) float32.   start: (lists + 1,) int64, where each list begins among `members`.
    members: (n,) int32, the rows list by list.   position: (n,) int32, where each row stands in `members`.
    """

    centroids: NDArray[np.float32]
    start: NDArray[np.int64]
    members: NDArray[np.int32]
    position: NDArray[np.int32]

    @classmethod
    def build(cls, vectors: NDArray[np.float32]) -> Lists:
        """About as many lists as the root of the rows, by k-means of a sample. Raises MissingExtra."""
        try:
            from sklearn.cluster import MiniBatchKMeans
        except ImportError as exc:
            raise MissingExtra("scikit-learn", "offline") from exc
        count = round(len(vectors) ** 0.5)
        sample = np.random.default_rng(0).choice(len(vectors), min(len(vectors), _SAMPLE * count), replace=False)
        means = MiniBatchKMeans(count, init="random", n_init=1, batch_size=8192, max_iter=20, random_state=0)
        centroids = means.fit(vectors[np.sort(sample)]).cluster_centers_.astype(np.float32)
        centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-6)
        nearest = np.concatenate(
            [np.argmax(vectors[at : at + _SLICE] @ centroids.T, axis=1) for at in range(0, len(vectors), _SLICE)]
        )
        members = np.argsort(nearest, kind="stable").astype(np.int32)
        position = np.empty(len(members), np.int32)
        position[members] = np.arange(len(members), dtype=np.int32)
        return cls(
            centroids, np.concatenate([[0], np.cumsum(np.bincount(nearest, minlength=count))]), members, position
        )

    def save(self, folder: Path) -> None:
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Lists:
        return cls(*(load_array(folder / f"{name}.npy") for name in _ARRAYS))


class Dense:
    """`rows`: (n, dim) int8, unit rows scaled by 127; in the order of `lists.members` where there are lists.

    `added`: (m, dim) int8, further rows behind these, always scored.
    """

    def __init__(
        self, rows: NDArray[np.int8], lists: Lists | None = None, added: NDArray[np.int8] | None = None
    ) -> None:
        self.rows, self._lists = rows, lists
        self._added = rows[:0] if added is None else added

    @classmethod
    def build(cls, vectors: NDArray[np.float32], most_whole: int = MOST_WHOLE) -> Dense:
        """From (n, dim) float32 unit rows. Raises MissingExtra where so many need lists and scikit-learn is missing."""
        lists = Lists.build(vectors) if len(vectors) > most_whole else None
        rows = np.empty(vectors.shape, np.int8)
        for at in range(0, len(rows), _SLICE):
            part = vectors[lists.members[at : at + _SLICE]] if lists else vectors[at : at + _SLICE]
            rows[at : at + _SLICE] = np.rint(part * 127)
        return cls(rows, lists)

    def beside(self, vectors: NDArray[np.float32]) -> Dense:
        """These rows with those of (m, dim) float32 unit `vectors` behind them."""
        return Dense(self.rows, self._lists, np.rint(vectors * 127).astype(np.int8))

    @property
    def whole(self) -> bool:
        """Whether every query is compared with every row."""
        return self._lists is None

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        np.save(folder / "rows.npy", self.rows)
        if self._lists:
            self._lists.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Dense:
        lists = Lists.load(folder) if (folder / "members.npy").exists() else None
        return cls(load_array(folder / "rows.npy"), lists)

    def scores(self, query: NDArray[np.float32], allowed: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """(n + m,) float32 cosines of a (dim,) unit query with the rows, UNSEEN where not visited.

        `allowed`: (n + m,), the rows that may matter; None for all.
        """
        scores = self._own(query, allowed)
        return np.concatenate([scores, self._cosines(self._added, query)]) if len(self._added) else scores

    def nearest(self, k: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
        """In blocks (b,) rows, (b, k) their nearest other rows and (b, k) float32 cosines, in no order; k < n.

        Where there are lists, of the rows that a query in the middle of a row's list would visit.
        """
        for inside, seen in self._blocks():
            cosines = self.vectors(inside) @ self.vectors(seen).T
            cosines[inside[:, None] == seen] = UNSEEN
            width = min(k, len(seen) - 1)
            best = np.argpartition(-cosines, width - 1, axis=1)[:, :width] if width else np.zeros((len(inside), 0), int)
            yield inside, seen[best], np.take_along_axis(cosines, best, axis=1)

    def _blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Every row once, at most _SLICE // 4 together, each time with the rows that may be near."""
        if self._lists is None:
            every = np.arange(len(self.rows))
            for at in range(0, len(every), _SLICE // 4):
                yield every[at : at + _SLICE // 4], every
            return
        start, members, centroids = self._lists.start, self._lists.members.astype(np.int64), self._lists.centroids
        for own, centroid in enumerate(centroids):
            nearest = np.argsort(-(centroids @ centroid), kind="stable")
            enough = int(np.searchsorted(np.cumsum(np.diff(start)[nearest]), VISITED * len(members) ** 0.5)) + 1
            seen = np.concatenate([members[start[one] : start[one + 1]] for one in nearest[:enough]])
            inside = members[start[own] : start[own + 1]]
            for at in range(0, len(inside), _SLICE // 4):
                yield inside[at : at + _SLICE // 4], seen

    def _own(self, query: NDArray[np.float32], allowed: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        if self._lists is None:
            return self._cosines(self.rows, query)
        scores = np.full(len(self.rows), UNSEEN, np.float32)
        start, members = self._lists.start, self._lists.members
        left = int(VISITED * len(self.rows) ** 0.5)
        for nearest in np.argsort(-(self._lists.centroids @ query), kind="stable").tolist():
            at = slice(start[nearest], start[nearest + 1])
            rows, vectors = members[at], self.rows[at]
            if allowed is not None:
                inside = allowed[rows]
                rows, vectors = rows[inside], vectors[inside]
            scores[rows] = self._cosines(vectors, query)
            left -= len(rows)
            if left <= 0:
                break
        return scores

    def some(self, rows: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        """(len(rows),) float32 cosines of some rows."""
        return self._cosines(self._gathered(rows), query)

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(len(rows), dim) float32, unit length but for rounding."""
        return self._gathered(rows).astype(np.float32) / np.float32(127)

    def _gathered(self, rows: NDArray[np.int64]) -> NDArray[np.int8]:
        own = rows < len(self.rows)
        inside = rows[own]
        vectors = self.rows[self._lists.position[inside] if self._lists else inside]
        if len(inside) == len(rows):
            return vectors
        gathered = np.empty((len(rows), self.rows.shape[1]), np.int8)
        gathered[own], gathered[~own] = vectors, self._added[rows[~own] - len(self.rows)]
        return gathered

    @staticmethod
    def _cosines(rows: NDArray[np.int8], query: NDArray[np.float32]) -> NDArray[np.float32]:
        cosines = np.empty(len(rows), np.float32)
        for at in range(0, len(rows), _SLICE):
            part = rows[at : at + _SLICE]
            np.dot(part.astype(np.float32), query, out=cosines[at : at + len(part)])
        cosines /= 127
        return cosines


def top_rows(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The rows of the k highest scores, best first; equal scores by row, so that answers repeat."""
    if k >= len(scores):
        return np.lexsort((np.arange(len(scores)), -scores))
    least = np.partition(scores, len(scores) - k)[len(scores) - k] if k else np.inf
    above = np.flatnonzero(scores > least)
    rows = np.concatenate([above, np.flatnonzero(scores == least)[: k - len(above)]])
    return rows[np.lexsort((rows, -scores[rows]))]
