"""What changes between two builds: prices, stock, products that must not be shown, products that the bundle lacks.

A request becomes updates, a store keeps an entry for each product that was named, and search reads the entries
(`aisle.live`). Each update stands for itself and may come twice. Times are handed in, as milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any, NoReturn, Protocol

import msgspec
from msgspec import UNSET, Struct

from aisle.catalogue import read_products
from aisle.errors import BadInput
from aisle.types import OverlayChange, OverlayRequest, Product

TIMED = ("price", "stock", "product")  # fields of an Entry with a time of their own beside them
MOST = 100  # products a request may name
MOST_ID_BYTES, MOST_PRODUCT_BYTES = 1024, 350_000  # in UTF-8: what a key and an item of DynamoDB hold, with room
PRICES = 1e-9, 1e12  # the least above 0 and the most


class Entry(Struct, frozen=True, omit_defaults=True):
    """What is known of one product. Price, stock and the product have times of their own: a bundle made later knows
    better.

    `standing`: whether a bundle made later must know it too, because it hides the product or adds one.
    """

    product_id: str
    changed_at: int
    price: float | None = None
    price_at: int = 0
    stock: int | None = None
    stock_at: int = 0
    hidden: bool = False
    product: Product | None = None
    product_at: int = 0
    standing: bool = False


class Update(Struct, frozen=True):
    """What one request says of one product: fields of its Entry to set, and fields to clear. `forget` clears all."""

    product_id: str
    values: dict[str, Any] = {}
    cleared: tuple[str, ...] = ()
    forget: bool = False

    @property
    def timed(self) -> list[str]:
        """The fields that get the time of this update."""
        return [name for name in TIMED if name in self.values or name in self.cleared]

    @property
    def stands(self) -> bool:
        """Whether a bundle made later must know of it too."""
        return bool(self.values.get("hidden")) or "product" in self.values


class Store(Protocol):
    """Where entries are kept. Both raise Unavailable where it does not answer."""

    def write(self, updates: Sequence[Update], now: int) -> None:
        """Each update is carried out whole or not at all; after an error some may have been."""

    def read(self, since: int, standing: bool) -> list[Entry]:
        """The entries changed at `since` or later, in any order; with `standing` the older standing ones too."""


def updates(request: OverlayRequest) -> list[Update]:
    """What `request` asks to be written. Raises BadInput for none, too many, a product named twice or said nothing of,
    and for products that no catalogue could hold."""
    count = len(request.changes) + len(request.products)
    if not 1 <= count <= MOST:
        raise BadInput(f"{count} changes and products", f"send 1 to {MOST} of them in one request")
    products = read_products(request.products, "products", _refuse_columns) if request.products else []
    seen: set[str] = set()
    for product_id in [*(change.product_id for change in request.changes), *(p.product_id for p in products)]:
        if product_id in seen:
            raise BadInput(f"product {product_id[:100]!r} is named twice", "say all of it in one change")
        seen.add(product_id)
    wanted = [*map(_change, request.changes), *map(addition, products)]
    for update in wanted:
        _check_size(update)
    return wanted


def _change(change: OverlayChange) -> Update:
    said = [name for name in ("price", "stock", "hidden") if getattr(change, name) is not UNSET]
    if change.forget == bool(said):
        wrong = "forgets and changes" if said else "changes nothing of"
        raise BadInput(
            f"a change {wrong} product {change.product_id[:100]!r}", "give price, stock or hidden, or forget alone"
        )
    if change.forget:
        return Update(change.product_id, forget=True)
    values = {name: getattr(change, name) for name in said if getattr(change, name) is not None}
    cleared = tuple(name for name in said if getattr(change, name) is None)
    return Update(change.product_id, values, cleared)


def addition(product: Product) -> Update:
    """The product with its price and stock beside it: they are news too where a bundle holds the product by now."""
    offer = {"price": product.price, "stock": product.stock}
    said = {name: value for name, value in offer.items() if value is not None}
    return Update(product.product_id, {"product": product, **said}, tuple(offer.keys() - said.keys()))


def _check_size(update: Update) -> None:
    """Raises BadInput for what no table could keep, before anything is written."""
    named = repr(update.product_id[:100])
    if len(update.product_id.encode()) > MOST_ID_BYTES:
        raise BadInput(f"product_id {named} has more than {MOST_ID_BYTES} bytes", "use a shorter one")
    price, (least, most) = update.values.get("price", 0), PRICES
    if price and not least <= price <= most:
        raise BadInput(f"price {price:g} of product {named} is not 0 or {least:g} to {most:g}", "correct the price")
    size = len(msgspec.json.encode(update.values.get("product")))
    if size > MOST_PRODUCT_BYTES:
        raise BadInput(f"product {named} has {size} bytes, more than {MOST_PRODUCT_BYTES}", "shorten its texts")


def _refuse_columns(sentence: str) -> NoReturn:
    raise BadInput(sentence.replace("columns ignored", "unknown fields"), "use the columns of a catalogue")


class MemoryStore:
    """Entries of one process, as `aisle serve` keeps them."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._lock = Lock()

    def write(self, updates: Iterable[Update], now: int) -> None:
        with self._lock:
            for update in updates:
                self._entries[update.product_id] = updated(self._entries.get(update.product_id), update, now)

    def read(self, since: int, standing: bool) -> list[Entry]:
        with self._lock:
            return [e for e in self._entries.values() if e.changed_at >= since or (standing and e.standing)]


def updated(entry: Entry | None, update: Update, now: int) -> Entry:
    """The entry after the update."""
    if update.forget:
        return Entry(update.product_id, now)
    values: dict[str, Any] = dict.fromkeys(update.cleared) | update.values
    values |= {f"{name}_at": now for name in update.timed}
    if update.stands:
        values["standing"] = True
    return msgspec.structs.replace(entry or Entry(update.product_id, now), changed_at=now, **values)
