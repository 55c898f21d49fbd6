"""What customers did, as far as a recipe lets a bundle carry it: for lists that are made in a batch, without a profile
store. Customers are found by the first 16 bytes of the SHA-256 of their id; no id lies here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.history import Acts
from aisle.mapped import load_array

_ARRAYS = ("keys", "start", "item", "kind", "at_ms")


def _key(customer_id: str) -> bytes:
    return hashlib.sha256(customer_id.encode()).digest()[:16]


@dataclass(frozen=True)
class Histories:
    """keys: (s, 2) uint64, in order.   start: (s + 1,) int64, where each one's acts begin.   The rest: (acts,)."""

    keys: NDArray[np.uint64]
    start: NDArray[np.int64]
    item: NDArray[np.int32]
    kind: NDArray[np.uint8]
    at_ms: NDArray[np.int64]

    @classmethod
    def of(cls, customer_ids: Sequence[str], customer: NDArray[np.int32], acts: Acts) -> Histories:
        """Of acts and, beside each, the number of its customer."""
        keys = np.frombuffer(b"".join(map(_key, customer_ids)), ">u8").reshape(-1, 2).astype(np.uint64)
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        place = np.argsort(order)[customer]
        rows = np.lexsort((acts.at_ms, place))
        start = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(keys)))])
        return cls(keys[order], start.astype(np.int64), acts.item[rows], acts.kind[rows], acts.at_ms[rows])

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, customer_id: str) -> Acts | None:
        """What is known of the customer; None where nothing is."""
        return self.at(*np.frombuffer(_key(customer_id), ">u8").astype(np.uint64))

    def at(self, head: np.uint64, tail: np.uint64) -> Acts | None:
        """`find`, of the two halves of a key."""
        first, end = (int(np.searchsorted(self.keys[:, 0], head, side)) for side in ("left", "right"))
        found = np.flatnonzero(self.keys[first:end, 1] == tail)
        if not len(found):
            return None
        own = slice(*self.start[first + int(found[0]) :][:2].tolist())
        return Acts(self.item, self.kind, self.at_ms).part(own)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Histories:
        return cls(*(load_array(folder / f"{name}.npy") for name in _ARRAYS))
