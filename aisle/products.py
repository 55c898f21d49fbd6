"""The products themselves, one JSON line each, read by row where a hit is reranked or shown: a search touches some
dozens of many thousands. Finding a product by its id reads all ids, once.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.errors import NotFound
from aisle.types import Product

_decode = msgspec.json.Decoder(Product).decode


class Products:
    """Row r is bytes start[r] to start[r+1] of the mapped `lines`."""

    def __init__(self, lines: mmap.mmap, start: NDArray[np.int64]) -> None:
        self._lines, self._start = lines, start

    @staticmethod
    def save(products: Sequence[Product], folder: Path) -> None:
        """Writes products.jsonl and products.npy (where each line starts, and the end) into an existing folder."""
        lines = [msgspec.json.encode(product) + b"\n" for product in products]
        (folder / "products.jsonl").write_bytes(b"".join(lines))
        np.save(folder / "products.npy", np.cumsum([0, *map(len, lines)], dtype=np.int64))

    @classmethod
    def load(cls, folder: Path) -> Products:
        with (folder / "products.jsonl").open("rb") as file:
            lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(lines, np.load(folder / "products.npy", mmap_mode="r"))

    def __len__(self) -> int:
        return len(self._start) - 1

    def __getitem__(self, row: int) -> Product:
        return _decode(self._lines[self._start[row] : self._start[row + 1]])

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {self[row].product_id: row for row in range(len(self))}

    def row(self, product_id: str) -> int:
        """Raises NotFound where the catalogue has no such product."""
        row = self._row_of.get(product_id)
        if row is None:
            raise NotFound(
                f"no product {product_id[:100]!r} in this catalogue", "use a product_id that a search returned"
            )
        return row
