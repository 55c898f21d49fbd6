"""Which items speak for which others, and how strongly: for each item its nearest ones, list after list in one array.

It does not know what makes two items near: buying them together, the same shoppers, or what their texts mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aisle.mapped import load_array

_ARRAYS = ("start", "members", "weights")


class Links(NamedTuple):
    """Entries of some items' lists, all (links,). `source`: which of the items asked, counted from 0."""

    source: NDArray[np.int64]
    member: NDArray[np.int32]
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """start: (n + 1,) int64, where each item's list begins.   members: (links,) int32 items.   weights: (links,)
    float16, above 0."""

    start: NDArray[np.int64]
    members: NDArray[np.int32]
    weights: NDArray[np.float16]

    @classmethod
    def of(
        cls, source: NDArray[np.int64], member: NDArray[np.int64], weight: NDArray[np.float32], n: int
    ) -> Neighbours:
        """From links in any order, over `n` items; a list has its heaviest first."""
        order = np.lexsort((member, -weight, source))
        start = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))])
        return cls(start.astype(np.int64), member[order].astype(np.int32), weight[order].astype(np.float16))

    @classmethod
    def none(cls, n: int) -> Neighbours:
        """Empty lists of `n` items."""
        return cls(np.zeros(n + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float16))

    def __len__(self) -> int:
        return len(self.start) - 1

    def over(self, n: int) -> Neighbours:
        """The same lists, and empty ones for items behind the last, `n` in all."""
        return Neighbours(np.append(self.start, np.full(n - len(self), self.start[-1])), self.members, self.weights)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Neighbours:
        return cls(*(load_array(folder / f"{name}.npy") for name in _ARRAYS))

    def links(self, items: NDArray[np.int32] | NDArray[np.int64]) -> Links:
        """The lists of `items`, one after the other."""
        begin = self.start[items]
        lengths = self.start[items + 1] - begin
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        at = np.arange(total) + np.repeat(begin - (ends - lengths), lengths)
        return Links(np.repeat(np.arange(len(items)), lengths), self.members[at], self.weights[at].astype(np.float32))
