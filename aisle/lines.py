"""Many small records in one mapped file, read by number: a search touches some dozens of many thousands."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class Lines:
    """Record r is bytes start[r] to start[r+1] of the mapped `data`."""

    def __init__(self, data: mmap.mmap | bytes, start: NDArray[np.int64]) -> None:
        self._data, self._start = data, start

    @staticmethod
    def save(records: Iterable[bytes], path: Path) -> None:
        """Writes `path`, a record a line, and beside it .npy: where each begins, and the end."""
        start = [0]
        with path.open("wb") as file:
            for record in records:
                start.append(start[-1] + file.write(record + b"\n"))
        np.save(path.with_suffix(".npy"), np.array(start, np.int64))

    @classmethod
    def load(cls, path: Path) -> Lines:
        start = np.load(path.with_suffix(".npy"), mmap_mode="r")
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if len(start) > 1 else b""
        return cls(data, start)

    def __len__(self) -> int:
        return len(self._start) - 1

    def __getitem__(self, number: int) -> bytes:
        return self._data[self._start[number] : self._start[number + 1]]
