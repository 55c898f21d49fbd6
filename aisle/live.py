"""The overlay laid over a bundle: what search reads instead of the bundle's own parts, renewed when something changed.

Entries are read at most every `max_age` seconds, by the first request that finds them older; the others go on with
what there is. Where the store does not answer, what was read last stays, and the answer says so. Products that the
bundle lacks are encoded here and lie behind its last row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.catalogue import body_text, product_text, title_text
from aisle.errors import Unavailable
from aisle.overlay import Entry, Store
from aisle.retrieval import Parts
from aisle.timings import Clock
from aisle.types import Product

OVERLAP_MS = 10_000  # read again: a reader may see a later write before an earlier one


class View(NamedTuple):
    """`parts` with the overlay over them."""

    parts: Parts
    complete: bool  # whether the store has answered
    hidden_titles: frozenset[str]  # of products that must not be shown


class Live:
    """`parts` of a bundle made at `made_at` (ms since 1970) under the entries of `store`."""

    def __init__(self, parts: Parts, store: Store, made_at: int, clock: Clock, max_age: float) -> None:
        self._base, self._store, self._made_at = parts, store, made_at
        self._clock, self._max_age, self._read_at = clock, max_age, -np.inf
        self._lock = Lock()
        self._entries: dict[str, Entry] = {}
        self._newest: int | None = None  # of all entries read; None: nothing was read yet
        self._rows: dict[str, int | None] = {}
        self._vectors: dict[str, tuple[str, NDArray[np.float32]]] = {}
        self._view = View(parts, True, frozenset())

    def view(self) -> View:
        """What is true now, as far as it is known."""
        if self._clock() - self._read_at >= self._max_age and self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return self._view

    def _refresh(self) -> None:
        try:
            first = self._newest is None
            found = self._store.read(self._made_at if first else (self._newest or 0) - OVERLAP_MS, standing=first)
            self._newest = max([self._newest or self._made_at, *(entry.changed_at for entry in found)])
        except Unavailable:
            self._view = self._view._replace(complete=False)
        else:
            news = {e.product_id: e for e in found if self._entries.get(e.product_id) != e}
            self._entries |= news
            self._view = self._laid() if news else self._view._replace(complete=True)
        self._read_at = self._clock()

    def _laid(self) -> View:
        base = self._base
        price, in_stock = base.columns.price.copy(), base.columns.in_stock.copy()
        changed: dict[int, dict[str, Any]] = {}
        hidden: dict[int, str] = {}
        added: list[Product] = []
        for entry in self._entries.values():
            row = self._row(entry.product_id)
            if row is None and entry.product and not entry.hidden:
                added.append(self._sold(entry.product, entry))
            elif row is not None and entry.hidden:
                hidden[row] = entry.product_id
            elif row is not None:
                offer = self._offer(entry)
                changed[row] = offer
                price[row] = offer.get("price", price[row])
                in_stock[row] = offer["stock"] > 0 if "stock" in offer else in_stock[row]
        titles = [title for row in hidden for title in (base.products[row].title, *base.products[row].titles.values())]
        columns = dataclasses.replace(base.columns, price=price, in_stock=in_stock)
        visible = np.ones(len(base.products) + len(added), bool)
        visible[[*hidden]] = False
        parts = dataclasses.replace(
            base,
            products=base.products.overlaid(changed, hidden.keys(), added),
            columns=columns.beside(added) if added else columns,
            title=base.title.beside([title_text(p) for p in added]) if added else base.title,
            body=base.body.beside([body_text(p) for p in added]) if added else base.body,
            dense=base.dense.beside(self._encoded(added)) if added else base.dense,
            rules=base.rules.without({*hidden.values()}) if hidden else base.rules,
            visible=visible if hidden else None,
        )
        return View(parts, True, frozenset(titles))

    def _row(self, product_id: str) -> int | None:
        if product_id not in self._rows:
            self._rows[product_id] = self._base.products.find(product_id)
        return self._rows[product_id]

    def _offer(self, entry: Entry) -> dict[str, Any]:
        """The entry's price and stock, as far as they are newer than the bundle."""
        offer: Mapping[str, Any] = {"price": entry.price, "stock": entry.stock}
        at = {"price": entry.price_at, "stock": entry.stock_at}
        return {name: value for name, value in offer.items() if value is not None and at[name] >= self._made_at}

    def _sold(self, product: Product, entry: Entry) -> Product:
        """A new product with what was said of it later; without its price where that is in a foreign currency."""
        currency = self._base.currency
        foreign = bool(product.currency and currency and product.currency != currency)
        price = None if foreign else product.price
        return msgspec.structs.replace(
            product,
            price=price if entry.price is None else entry.price,
            stock=product.stock if entry.stock is None else entry.stock,
            currency=currency or product.currency,
        )

    def _encoded(self, products: list[Product]) -> NDArray[np.float32]:
        """(len(products), dim); what was encoded before is kept."""
        texts = {p.product_id: product_text(p) for p in products}
        kept = {i: known for i, known in self._vectors.items() if texts.get(i) == known[0]}
        unknown = [i for i in texts if i not in kept]
        if unknown:
            vectors = self._base.encoder.encode([texts[i] for i in unknown])
            kept |= {i: (texts[i], vector) for i, vector in zip(unknown, vectors, strict=True)}
        self._vectors = kept
        return np.stack([kept[p.product_id][1] for p in products])
