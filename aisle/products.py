"""The products themselves, one JSON line each, read by row where a hit is reranked or shown, or by id where one is
asked for; the many ids of a shopper's history are found at once by their hashes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence, Set
from hashlib import blake2b
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
    """Row r is line r of the file; `by_id` holds the rows in the order of their product_ids.

    `by_hash`: (2, n) uint64, the hashes of the ids in rising order and the rows they are of; None in a bundle that was
    sealed before there were such.
    """

    def __init__(self, lines: Lines, by_id: NDArray[np.int32], by_hash: NDArray[np.uint64] | None) -> None:
        self._lines, self._by_id, self._by_hash = lines, by_id, by_hash
        self._changed: Mapping[int, dict[str, Any]] = {}
        self._hidden: Set[int] = frozenset()
        self._added: dict[str, Product] = {}
        self._added_ids: list[str] = []

    @staticmethod
    def save(products: Sequence[Product], folder: Path) -> None:
        """Writes products.jsonl, products.npy, products_by_id.npy and products_by_hash.npy into an existing folder."""
        Lines.save(map(msgspec.json.encode, products), folder / "products.jsonl")
        by_id = sorted(range(len(products)), key=lambda row: products[row].product_id)
        np.save(folder / "products_by_id.npy", np.array(by_id, np.int32))
        hashes = _hashes(product.product_id for product in products)
        order = np.argsort(hashes, kind="stable")
        np.save(folder / "products_by_hash.npy", np.stack([hashes[order], order.astype(np.uint64)]))

    @classmethod
    def load(cls, folder: Path) -> Products:
        path = folder / "products_by_hash.npy"
        by_hash = load_array(path) if path.exists() else None
        return cls(Lines.load(folder / "products.jsonl"), load_array(folder / "products_by_id.npy"), by_hash)

    def overlaid(self, changed: Mapping[int, dict[str, Any]], hidden: Set[int], added: Sequence[Product]) -> Products:
        """The same file with `changed` fields by row, rows `hidden` from `find`, and more products behind the last."""
        view = Products(self._lines, self._by_id, self._by_hash)
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

    def find_all(self, product_ids: Sequence[str]) -> NDArray[np.int64]:
        """(len(product_ids),) rows, -1 where there is no such product or it is hidden; a microsecond or two each.

        An id of no product is taken for one's with a chance of n / 2**64.
        """
        if self._by_hash is None:
            found = (self.find(product_id) for product_id in product_ids)
            return np.array([-1 if row is None else row for row in found], np.int64)
        hashes, (keys, of) = _hashes(product_ids), self._by_hash
        at = np.searchsorted(keys, hashes).clip(max=len(keys) - 1)
        rows = np.where(keys[at] == hashes, of[at].astype(np.int64), -1) if len(keys) else np.full(len(at), -1)
        if self._hidden:
            rows[np.isin(rows, [*self._hidden])] = -1
        for place, product_id in enumerate(product_ids) if self._added else ():
            if product_id in self._added:
                rows[place] = len(self._lines) + self._added_ids.index(product_id)
        return rows

    def row(self, product_id: str) -> int:
        """Raises NotFound where the catalogue has no such product."""
        row = self.find(product_id)
        if row is None:
            raise NotFound(
                f"no product {product_id[:100]!r} in this catalogue", "use a product_id that a search returned"
            )
        return row


def _hashes(product_ids: Iterable[str]) -> NDArray[np.uint64]:
    digests = (blake2b(i.encode("utf-8", "surrogatepass"), digest_size=8).digest() for i in product_ids)
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)
