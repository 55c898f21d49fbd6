"""From product ids to the numbers that a recommender counts by, and from those to rows of the catalogue.

Ids lie here as 8-byte hashes in order, so that a history of hundreds is looked up without reading a product. What was
sold once and has left the catalogue keeps its number, since it still says something of who bought it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.mapped import load_array

_ARRAYS = ("hashes", "number", "row")


def hashed(product_ids: Sequence[str]) -> NDArray[np.uint64]:
    """(n,) BLAKE2b-64: among a million ids two meet once in 37 million catalogues."""
    digests = b"".join(hashlib.blake2b(p.encode(), digest_size=8).digest() for p in product_ids)
    return np.frombuffer(digests, np.uint64)


@dataclass(frozen=True)
class ItemIds:
    """hashes: (n,) uint64 in order.   number: (n,) int32, the item of each hash.   row: (n,) int32, an item's row
    in the catalogue, -1 where it has left."""

    hashes: NDArray[np.uint64]
    number: NDArray[np.int32]
    row: NDArray[np.int32]

    @classmethod
    def of(cls, known: Sequence[str], product_ids: Sequence[str]) -> ItemIds:
        """Of `known` ids, each once, in the order of their items, and the catalogue's, in the order of their rows."""
        empty = np.zeros(0, np.int32)
        return cls(np.zeros(0, np.uint64), empty, empty)._with(hashed(known)).over(product_ids)

    def over(self, product_ids: Sequence[str]) -> ItemIds:
        """The same items over another catalogue; ids that are new become items behind the last."""
        wanted = hashed(product_ids)
        ids = self._with(wanted[self._find(wanted) < 0])
        row = np.full(len(ids), -1, np.int32)
        row[ids._find(wanted)] = np.arange(len(wanted), dtype=np.int32)
        return ItemIds(ids.hashes, ids.number, row)

    def _with(self, more: NDArray[np.uint64]) -> ItemIds:
        hashes = np.concatenate([self.hashes, more])
        number = np.concatenate([self.number, len(self) + np.arange(len(more), dtype=np.int32)])
        order = np.argsort(hashes, kind="stable")
        return ItemIds(hashes[order], number[order], np.concatenate([self.row, np.full(len(more), -1, np.int32)]))

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, product_ids: Sequence[str]) -> NDArray[np.int32]:
        """(n,) items, -1 where nothing is known of the id."""
        return self._find(hashed(product_ids))

    def _find(self, wanted: NDArray[np.uint64]) -> NDArray[np.int32]:
        if not len(self):
            return np.full(len(wanted), -1, np.int32)
        at = np.searchsorted(self.hashes, wanted).clip(max=len(self) - 1)
        return np.where(self.hashes[at] == wanted, self.number[at], -1).astype(np.int32)

    def items(self, n_rows: int) -> NDArray[np.int32]:
        """(n_rows,) the item of each row of the catalogue, -1 where a row has none."""
        items = np.full(n_rows, -1, np.int32)
        sold = np.flatnonzero((self.row >= 0) & (self.row < n_rows))
        items[self.row[sold]] = sold
        return items

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> ItemIds:
        return cls(*(load_array(folder / f"{name}.npy") for name in _ARRAYS))
