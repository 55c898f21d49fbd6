"""What shoppers did to products, as arrays in order of time: the one shape that recommenders are fitted and judged on.

It comes from an event log's records, from the demo store's events, or from a data set's own loader. A split is a
moment: before it lies what is known, after it what is to be foretold, of shoppers who were seen before alone. How
recommendations come about is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.errors import BadInput
from aisle.shopping import KINDS

PURCHASE = KINDS.index("purchase")
IMPRESSION = KINDS.index("impression")
DAY_MS = 86_400_000


class Act(NamedTuple):
    """One row of a log. `basket` joins what was done in one go, `query` what was shown for the same words; `position`
    is from 1 on, 0 for unknown."""

    shopper: str
    product_id: str
    kind: str
    at_ms: int
    basket: str
    position: int = 0
    query: str = ""


class Logged(Protocol):
    """What is read of an event log's record (`aisle.events.Record`). `timestamp`: ISO 8601 in UTC."""

    @property
    def shopper(self) -> str: ...  # a pseudonym, or empty
    @property
    def session(self) -> str: ...
    @property
    def query_id(self) -> str: ...  # of one search
    @property
    def query_hash(self) -> str: ...  # of its words, on the search itself
    @property
    def hits(self) -> tuple[str, ...]: ...  # product ids that it was answered with, best first
    @property
    def kind(self) -> str: ...
    @property
    def product_id(self) -> str | None: ...
    @property
    def position(self) -> int | None: ...
    @property
    def timestamp(self) -> str: ...


@dataclass(frozen=True)
class Interactions:
    """Acts, oldest first. All arrays are (acts,).

    shopper, product, basket, query: int32, numbers of `shoppers`, of `products`, of goes and of words asked.
    kind: uint8, number of aisle.shopping.KINDS.   at_ms: int64 since 1970.   position: int16 from 1 on, 0 for unknown.
    """

    shoppers: tuple[str, ...]
    products: tuple[str, ...]
    shopper: NDArray[np.int32]
    product: NDArray[np.int32]
    kind: NDArray[np.uint8]
    at_ms: NDArray[np.int64]
    basket: NDArray[np.int32]
    position: NDArray[np.int16]
    query: NDArray[np.int32]

    @classmethod
    def of(cls, acts: Iterable[Act]) -> Interactions:
        """From rows in any order; acts of one moment keep the order given. Raises BadInput for an unknown kind."""
        rows = sorted(acts, key=lambda act: act.at_ms)
        unknown = {act.kind for act in rows} - set(KINDS)
        if unknown:
            raise BadInput(f"{min(unknown)!r} is no kind of act", f"name one of {', '.join(KINDS)}")
        shoppers, shopper = _numbered([act.shopper for act in rows])
        products, product = _numbered([act.product_id for act in rows])
        _, basket = _numbered([f"{act.shopper}\n{act.basket}" for act in rows])
        return cls(
            shoppers,
            products,
            shopper,
            product,
            np.array([KINDS.index(act.kind) for act in rows], np.uint8),
            np.array([act.at_ms for act in rows], np.int64),
            basket,
            np.array([act.position for act in rows], np.int16),
            _numbered([act.query for act in rows])[1],
        )

    def __len__(self) -> int:
        return len(self.at_ms)

    def where(self, chosen: NDArray[np.bool_]) -> Interactions:
        """The acts that `chosen` (acts,) holds; numbers of shoppers and products stay."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _ARRAYS})

    def before(self, at_ms: int) -> Interactions:
        return self.where(self.at_ms < at_ms)

    def between(self, start_ms: int, end_ms: int) -> Interactions:
        """From `start_ms` on, before `end_ms`."""
        return self.where((self.at_ms >= start_ms) & (self.at_ms < end_ms))

    def but_of(self, forgotten: Iterable[str]) -> Interactions:
        """Without all that these shoppers did."""
        names = set(forgotten)
        gone = np.array([name in names for name in self.shoppers], bool)
        return self.where(~gone[self.shopper]) if gone.any() else self


_ARRAYS = tuple(field.name for field in fields(Interactions))[2:]


def _numbered(names: list[str]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Distinct names in order of appearance, and the number of each."""
    numbers: dict[str, int] = {}
    numbered = [numbers.setdefault(name, len(numbers)) for name in names]
    return tuple(numbers), np.array(numbered, np.int32)


def from_records(records: Iterable[Logged]) -> Interactions:
    """Of an event log, as `aisle.event_log.read_log` reads it. What nobody did, to no product, is left out.

    The answer of a search stands for impressions, unless its impressions were told one by one.
    """
    told = list(records)
    words = {r.query_id: r.query_hash for r in told if r.kind == "query"}
    viewed = {r.query_id for r in told if r.kind == "impression"}
    acts = []
    for r in told:
        who, at_ms, query = r.shopper or r.session, stamp_ms(r.timestamp), words.get(r.query_id, "")
        if not who:
            continue
        if r.kind != "query" and r.product_id:
            acts.append(Act(who, r.product_id, r.kind, at_ms, r.session, r.position or 0, query))
        elif r.kind == "query" and r.query_id not in viewed:
            shown = enumerate(r.hits, 1)
            acts += [Act(who, product, "impression", at_ms, r.session, position, query) for position, product in shown]
    return Interactions.of(acts)


def from_store(events: Iterable[dict[str, object]]) -> Interactions:
    """Of the demo store's event rows."""
    return Interactions.of(
        Act(
            str(row["shopper_id"]),
            str(row["product_id"]),
            str(row["action"]),
            stamp_ms(str(row["timestamp"])),
            str(row["session_id"]),
            int(str(row["position"])),
            str(row["query_id"]),
        )
        for row in events
    )


def stamp_ms(timestamp: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time in UTC."""
    return int(np.datetime64(timestamp.removesuffix("Z"), "ms").astype(np.int64))


def moment(acts: Interactions, share: float) -> int:
    """When the last `share` of the acts begins, in ms since 1970. BadInput: there are fewer than two acts."""
    if len(acts) < 2:
        raise BadInput(f"{len(acts)} acts cannot be split by time", "bring more of the log")
    return int(acts.at_ms[min(int(len(acts) * (1 - share)), len(acts) - 1)])


@dataclass(frozen=True)
class Wanted:
    """What is to be foretold: of shopper shoppers[i], the numbers of the products in products[i], none twice."""

    shoppers: NDArray[np.int32]
    products: list[NDArray[np.int32]]


def wanted(known: Interactions, later: Interactions, *, new: bool, kind: int = PURCHASE) -> Wanted:
    """What shoppers of `known` did `later`; with `new` only products that they had not done so to before."""
    seen = np.unique(known.shopper)
    done = later.where((later.kind == kind) & np.isin(later.shopper, seen))
    pairs = np.unique(_pairs(done))
    if new:
        pairs = np.setdiff1d(pairs, _pairs(known.where(known.kind == kind)))
    shopper, product = np.divmod(pairs, len(known.products))
    shoppers, start = np.unique(shopper, return_index=True)
    return Wanted(shoppers.astype(np.int32), np.split(product.astype(np.int32), start[1:]) if len(pairs) else [])


def _pairs(acts: Interactions) -> NDArray[np.int64]:
    return acts.shopper.astype(np.int64) * len(acts.products) + acts.product
