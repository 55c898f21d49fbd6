"""The products themselves, one JSON line each, read by row where a hit is reranked or shown, or by id where one is
asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.errors import NotFound
from aisle.mapped import Lines, load_array
from aisle.types import Product

_decode = msgspec.json.Decoder(Product).decode


class Products:
    """Row r is line r of the file; `by_id` holds the rows in the order of their product_ids."""

    def __init__(self, lines: Lines, by_id: NDArray[np.int32]) -> None:
        self._lines, self._by_id = lines, by_id

    @staticmethod
    def save(products: Sequence[Product], folder: Path) -> None:
        """Writes products.jsonl, products.npy and products_by_id.npy into an existing folder."""
        Lines.save(map(msgspec.json.encode, products), folder / "products.jsonl")
        by_id = sorted(range(len(products)), key=lambda row: products[row].product_id)
        np.save(folder / "products_by_id.npy", np.array(by_id, np.int32))

    @classmethod
    def load(cls, folder: Path) -> Products:
        return cls(Lines.load(folder / "products.jsonl"), load_array(folder / "products_by_id.npy"))

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, row: int) -> Product:
        return _decode(self._lines[row])

    def row(self, product_id: str) -> int:
        """Raises NotFound where the catalogue has no such product."""
        at = bisect_left(self._by_id, product_id, key=lambda row: self[row].product_id)
        if at < len(self) and self[self._by_id[at]].product_id == product_id:
            return int(self._by_id[at])
        raise NotFound(f"no product {product_id[:100]!r} in this catalogue", "use a product_id that a search returned")
