"""Files that stay on disk until they are read: arrays, and many small records in one file, read by number."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def load_array(path: Path) -> NDArray[Any]:
    """The array of an .npy file, mapped read-only; a plain array, because numpy's memmap makes every slice slower."""
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped.view(np.ndarray)


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
        start = load_array(path.with_suffix(".npy"))
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if len(start) > 1 else b""
        return cls(data, start)

    def __len__(self) -> int:
        return len(self._start) - 1

    def __getitem__(self, number: int) -> bytes:
        return self._data[self._start[number] : self._start[number + 1]]
