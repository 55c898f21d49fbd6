"""The overlay laid over a bundle: what search reads instead of the bundle's own parts, renewed when something changed.

Entries are read at most every `max_age` seconds, by the first request that finds them older; the others go on with
what there is. Where the store does not answer, what was read last stays, and the answer says so. Products that the
bundle lacks are encoded here and lie behind its last row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.catalogue import body_text, product_text, title_text
from aisle.errors import Unavailable
from aisle.gathering import Gathered
from aisle.overlay import Entry, Store
from aisle.products import Products
from aisle.retrieval import Parts
from aisle.timings import Clock
from aisle.types import Product

OVERLAP_MS = 60_000  # read again: longer than a writer may take from taking the time to having written the last item
KEPT_MS = 30 * 86_400_000  # how much older than the bundle a product may be that it lacks: after that it has left


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
        self._rose_at = -np.inf  # when `_newest` was seen first, by the clock
        self._rows: dict[str, int | None] = {}
        self._held: dict[str, bool] = {}  # of added products: whether the catalogue that lies elsewhere has them by now
        self._vectors: dict[str, tuple[str, NDArray[np.float32]]] = {}
        self._view = View(parts, False, frozenset())

    def view(self) -> View:
        """What is true now, as far as it is known. Only the first read is waited for by all who ask."""
        if self._is_old() and self._lock.acquire(blocking=self._newest is None):
            try:
                if self._is_old():
                    self._refresh()
            finally:
                self._lock.release()
        return self._view

    def over(self, parts: Parts) -> View:
        """What is true now of `parts`, some rows of a catalogue that lies elsewhere.

        Raises Unavailable and BundleError, where that must be asked for the products that were added.
        """
        view = self.view()
        known = self._entries
        held = self._held_elsewhere(known, parts.products)
        ids = {parts.products[row].product_id for row in range(len(parts.products))} if known else set()
        entries = {i: entry for i, entry in known.items() if i in ids or (entry.product and not held.get(i))}
        return (
            self._laid(entries, parts, parts.products.find)._replace(complete=view.complete)
            if entries
            else View(parts, view.complete, view.hidden_titles)
        )

    def _held_elsewhere(self, entries: Mapping[str, Entry], products: Products) -> dict[str, bool]:
        """`_held` with all that `entries` add. A bundle's table never changes, so each is asked for once."""
        unknown = [i for i, entry in entries.items() if i not in self._held and self._is_sold(entry)]
        if unknown and isinstance(products, Gathered):
            there = products.table.held(unknown)
            self._held = self._held | {i: i in there for i in unknown}
        return self._held

    def _is_old(self) -> bool:
        return self._clock() - self._read_at >= self._max_age

    def _refresh(self) -> None:
        first = self._newest is None
        try:
            found = self._store.read(self._since(), standing=first)
        except Unavailable:
            self._view = self._view._replace(complete=False)
        else:
            news = {e.product_id: e for e in found if self._is_news(e)}
            entries = self._entries | news
            laid = {i: entry for i, entry in entries.items() if not self._held.get(i)}
            self._view = self._laid(laid, self._base, self._row) if news else self._view._replace(complete=True)
            self._entries = entries  # only now: what could not be laid is read again
            newest = max([self._newest or self._made_at, *(entry.changed_at for entry in found)])
            if newest != self._newest:
                self._newest, self._rose_at = newest, self._clock()
        self._read_at = self._clock()

    def _since(self) -> int:
        """What to read from: all at first, then the last minute of changes, then only what is newer than they are."""
        if self._newest is None:
            return self._made_at
        settled = self._clock() - self._rose_at > OVERLAP_MS / 1000
        return self._newest + 1 if settled else self._newest - OVERLAP_MS

    def _is_news(self, entry: Entry) -> bool:
        """A replica that lags may still show an older entry than was read before."""
        known = self._entries.get(entry.product_id)
        return known is None or (known != entry and entry.changed_at >= known.changed_at)

    def _laid(self, entries: Mapping[str, Entry], base: Parts, find: Callable[[str], int | None]) -> View:
        price, in_stock = base.columns.price.copy(), base.columns.in_stock.copy()
        changed: dict[int, dict[str, Any]] = {}
        hidden: dict[int, str] = {}
        added: list[Product] = []
        for entry in entries.values():
            row = find(entry.product_id)
            if row is None and entry.product and self._is_sold(entry):
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
        if base.visible is not None:
            visible[: len(base.visible)] = base.visible
        visible[[*hidden]] = False
        parts = dataclasses.replace(
            base,
            products=base.products.overlaid(changed, hidden.keys(), added),
            columns=columns.beside(added) if added else columns,
            title=base.title.beside([title_text(p) for p in added]) if added else base.title,
            body=base.body.beside([body_text(p) for p in added]) if added else base.body,
            dense=base.dense.beside(self._encoded(added)) if added else base.dense,
            rules=base.rules.without({*hidden.values()}) if hidden else base.rules,
            visible=None if visible.all() else visible,
        )
        return View(parts, True, frozenset(titles))

    def _row(self, product_id: str) -> int | None:
        if product_id not in self._rows:
            self._rows[product_id] = self._base.products.find(product_id)
        return self._rows[product_id]

    def _is_sold(self, entry: Entry) -> bool:
        """Whether the entry adds a product where the catalogue has none of its id."""
        return entry.product is not None and not entry.hidden and entry.product_at >= self._made_at - KEPT_MS

    def _offer(self, entry: Entry) -> dict[str, Any]:
        """The entry's price and stock, as far as they are newer than the bundle."""
        offer: dict[str, Any] = {}
        if entry.price is not None and entry.price_at >= self._made_at and not self._is_foreign(entry):
            offer["price"] = entry.price
        if entry.stock is not None and entry.stock_at >= self._made_at:
            offer["stock"] = entry.stock
        return offer

    def _sold(self, product: Product, entry: Entry) -> Product:
        """A new product with the price and stock that were said of it last."""
        price = None if self._is_foreign(entry) else entry.price
        currency = self._base.currency or product.currency
        return msgspec.structs.replace(product, price=price, stock=entry.stock, currency=currency)

    def _is_foreign(self, entry: Entry) -> bool:
        """Whether the entry's price is the product's own, in another currency than the catalogue's."""
        product, currency = entry.product, self._base.currency
        own = product is not None and entry.price == product.price
        return bool(own and product and product.currency and currency and product.currency != currency)

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
