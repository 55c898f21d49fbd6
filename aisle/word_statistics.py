"""How many texts of a catalogue have each term: what BM25 needs to weigh a few rows as an index over all would.

Terms are kept by 8-byte hashes, twelve bytes each, mapped; those of one text alone are left out, for an unknown term
counts as one's anyway (`aisle.lexical`). Counting holds one array of hashes, whatever the catalogue's texts weigh.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.mapped import load_array

_PENDING = 2_000_000  # hashes that wait to be merged: 16 MB


class WordStatistics:
    """Of `n` texts with `mean_terms` on average: keys, (t,) rising uint64 hashes, and counts, (t,) uint32 beside."""

    def __init__(self, n: int, mean_terms: float, keys: NDArray[np.uint64], counts: NDArray[np.uint32]) -> None:
        self.n, self.mean_terms, self._keys, self._counts = n, mean_terms, keys, counts

    def frequency(self, term: str) -> int:
        """Texts that have `term`; 1 where that is none or one."""
        key = _hash(term)
        at = int(np.searchsorted(self._keys, key))
        return int(self._counts[at]) if at < len(self._keys) and self._keys[at] == key else 1

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        np.save(folder / "keys.npy", self._keys)
        np.save(folder / "counts.npy", self._counts)
        (folder / "texts.json").write_text(json.dumps({"n": self.n, "mean_terms": self.mean_terms}))

    @classmethod
    def load(cls, folder: Path) -> WordStatistics:
        told = json.loads((folder / "texts.json").read_bytes())
        return cls(told["n"], told["mean_terms"], load_array(folder / "keys.npy"), load_array(folder / "counts.npy"))


class WordCount:
    """Counts texts as they come; `statistics` at the end."""

    def __init__(self) -> None:
        self._texts = self._terms = self._waiting = 0
        self._pending: list[NDArray[np.uint64]] = []
        self._keys, self._counts = np.zeros(0, np.uint64), np.zeros(0, np.uint32)
        self._known: dict[str, np.uint64] = {}

    def add(self, texts: Iterable[Sequence[str]]) -> None:
        """Each text as its terms, repeats kept."""
        for terms in texts:
            self._texts += 1
            self._terms += len(terms)
            self._pending.append(np.array([self._key(term) for term in {*terms}], np.uint64))
            self._waiting += len(self._pending[-1])
            if self._waiting >= _PENDING:
                self._merge()

    def statistics(self) -> WordStatistics:
        self._merge()
        often = self._counts > 1
        return WordStatistics(self._texts, self._terms / max(self._texts, 1), self._keys[often], self._counts[often])

    def _key(self, term: str) -> np.uint64:
        key = self._known.get(term)
        if key is None:
            key = _hash(term)
            if len(self._known) < 200_000:  # the frequent ones come early; the others are hashed again
                self._known[term] = key
        return key

    def _merge(self) -> None:
        keys, counts = np.unique(np.concatenate([np.zeros(0, np.uint64), *self._pending]), return_counts=True)
        joined, of = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        weights = np.concatenate([self._counts, counts]).astype(np.float64)
        self._keys, self._counts = joined, np.bincount(of, weights, len(joined)).astype(np.uint32)
        self._pending, self._waiting = [], 0


def _hash(term: str) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()))
