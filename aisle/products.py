"""The products themselves, one JSON line each, read by row where a hit is reranked or shown, or by id where one is
asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

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
        self._changed: Mapping[int, dict[str, Any]] = {}
        self._hidden: Set[int] = frozenset()
        self._added: dict[str, Product] = {}
        self._added_ids: list[str] = []

    @staticmethod
    def save(products: Sequence[Product], folder: Path) -> None:
        """Writes products.jsonl, products.npy and products_by_id.npy into an existing folder."""
        Lines.save(map(msgspec.json.encode, products), folder / "products.jsonl")
        by_id = sorted(range(len(products)), key=lambda row: products[row].product_id)
        np.save(folder / "products_by_id.npy", np.array(by_id, np.int32))

    @classmethod
    def load(cls, folder: Path) -> Products:
        return cls(Lines.load(folder / "products.jsonl"), load_array(folder / "products_by_id.npy"))

    def overlaid(self, changed: Mapping[int, dict[str, Any]], hidden: Set[int], added: Sequence[Product]) -> Products:
        """The same file with `changed` fields by row, rows `hidden` from `find`, and more products behind the last."""
        view = Products(self._lines, self._by_id)
        view._changed, view._hidden = changed, hidden
        view._added = {product.product_id: product for product in added}
        view._added_ids = list(view._added)
        return view

    def __len__(self) -> int:
        return len(self._lines) + len(self._added_ids)

    def __getitem__(self, row: int) -> Product:
        if row >= len(self._lines):
            return self._added[self._added_ids[row - len(self._lines)]]
        product = _decode(self._lines[row])
        changed = self._changed.get(row)
        return msgspec.structs.replace(product, **changed) if changed else product

    def find(self, product_id: str) -> int | None:
        """The product's row; None where there is no such product, or it is hidden."""
        at = bisect_left(self._by_id, product_id, key=lambda row: _decode(self._lines[row]).product_id)
        if at < len(self._lines) and _decode(self._lines[self._by_id[at]]).product_id == product_id:
            row = int(self._by_id[at])
            return None if row in self._hidden else row
        return len(self._lines) + self._added_ids.index(product_id) if product_id in self._added else None

    def row(self, product_id: str) -> int:
        """Raises NotFound where the catalogue has no such product."""
        row = self.find(product_id)
        if row is None:
            raise NotFound(
                f"no product {product_id[:100]!r} in this catalogue", "use a product_id that a search returned"
            )
        return row
