"""What a log says of items, and what that makes of one shopper's history: candidates, each with the same signals.

Four things speak for an item: the shopper's own past, items that the same shoppers had, items that lay in the same
basket, items whose texts mean alike; and where nothing is known of the shopper, what is popular now. None of them is
right for everyone, so each is a column, and a learned order weighs them (`recommender.py`). Items are what the log or
the catalogue names; which of them may be shown is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aisle.history import NEVER_DAYS, History
from aisle.item_ids import ItemIds
from aisle.mapped import load_array
from aisle.neighbours import Links, Neighbours
from aisle.types import Product

BEHAVIOUR = ("shoppers", "baskets", "chosen", "later")  # relations learned from acts
RELATIONS = (*BEHAVIOUR, "content")
ITEM = (
    "popular",  # smoothed acts of the last days, in log
    "acts_7",  # weighted acts of the last 7 days, in log
    "acts_30",
    "acts_90",
    "acts_all",
    "trend_7",  # of 7 days against 30, smoothed, in log
    "trend_30",  # of 30 against 90
    "idle_days",  # since anyone acted on it
    "age_days",  # since anyone did first
    "buyers",  # shoppers, in log
    "returning_60",
    "again_days",  # between two purchases of one shopper, in log
    "returning",  # smoothed share of purchases by shoppers who had it before
    "firsts_30",  # purchases of the last 30 days by shoppers who had not, in log
    "basket",  # items it is usually bought with, in log
    "attraction",  # clicks by examined impressions, smoothed; 0 where nothing was shown
    "price",  # in log; -1 unknown
)
UNKNOWN_PRICE = -1.0
OWN = (
    "bought",
    "seen",
    "last_days",
    "bought_days",
    "first_days",
    "goes_since",
    "often",
    "lately",
    "bought_share",  # of the shopper's goes
    "gap_days",  # between its purchases
    "due",  # days since the last purchase by that gap
)
SHOPPER = ("items", "goes", "idle", "known", "pace", "rebuys", "late", "go_size", "last_size", "last_again")
SPOKEN = tuple(f"{relation}_{way}" for relation in RELATIONS for way in ("all", "fresh", "most"))
SIGNALS = (*OWN, *SPOKEN, *ITEM, "dearness", *SHOPPER)
SPEAKERS = 300  # items of a history that speak for others: the freshest
OWN_CANDIDATES = 300
_ARRAYS = ("items", "untouched")
EACH = 120  # candidates that each relation brings
POPULAR = 60


def item_prices(products: Sequence[Product], ids: ItemIds) -> NDArray[np.float32]:
    """(n,) log(1 + price) of each item; UNKNOWN_PRICE where the catalogue has none."""
    prices = np.full(len(ids), UNKNOWN_PRICE, np.float32)
    prices[ids.items(len(products))] = [UNKNOWN_PRICE if p.price is None else np.log1p(p.price) for p in products]
    return prices


class Pool(NamedTuple):
    """Candidates and what speaks for them. items: (c,) int32.   signals: (c, len(SIGNALS)) float32."""

    items: NDArray[np.int32]
    signals: NDArray[np.float32]


@dataclass(frozen=True)
class Knowledge:
    """items: (n, len(ITEM)) float32.   untouched: (len(ITEM),), those of an item that nobody has acted on.

    The rest are lists of neighbours over the same n items.
    """

    items: NDArray[np.float32]
    untouched: NDArray[np.float32]
    shoppers: Neighbours
    baskets: Neighbours
    chosen: Neighbours
    later: Neighbours
    content: Neighbours

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        for relation in RELATIONS:
            getattr(self, relation).save(folder / relation)

    @classmethod
    def load(cls, folder: Path) -> Knowledge:
        items, untouched = (load_array(folder / f"{name}.npy") for name in _ARRAYS)
        return cls(items, untouched, *(Neighbours.load(folder / relation) for relation in RELATIONS))

    def over(self, price: NDArray[np.float32], content: Neighbours) -> Knowledge:
        """The same of other products: `price` and `content` of n items, of which those behind the last are new."""
        new = np.tile(self.untouched, (len(price) - len(self.items), 1))
        items = np.vstack([self.items, new])
        items[:, ITEM.index("price")] = price
        behaviour = {relation: getattr(self, relation).over(len(price)) for relation in BEHAVIOUR}
        return Knowledge(items, self.untouched, **behaviour, content=content)

    def pool(self, past: History, allowed: NDArray[np.bool_] | None) -> Pool:
        """The candidates among the `allowed` (n,) items, best of no kind first."""
        n = len(self.items)
        speakers = past.item[:SPEAKERS]
        weight, fresh = past.weight[:SPEAKERS], past.fresh[:SPEAKERS]
        spoken: list[tuple[Links, NDArray[np.float64], NDArray[np.float64]]] = []
        found: list[NDArray[np.int64]] = [_best(self.items[:, 0], allowed, POPULAR, -np.inf)]
        for relation in RELATIONS:
            links = getattr(self, relation).links(speakers)
            whole = np.bincount(links.member, links.weight * weight[links.source], n) / max(weight.sum(), 1e-6)
            recent = np.bincount(links.member, links.weight * fresh[links.source], n) / max(fresh.sum(), 1e-6)
            spoken.append((links, whole, recent))
            found.append(_best(whole + recent, allowed, EACH, 0.0))
        own = past.item.astype(np.int64)[
            np.argsort(-past.bought * past.fresh - past.fresh, kind="stable")[:OWN_CANDIDATES]
        ]
        found.append(own if allowed is None else own[allowed[own]])
        items = np.unique(np.concatenate(found)).astype(np.int32)
        columns: list[NDArray[np.floating[Any]]] = [*self._own(past, items)]
        for links, whole, recent in spoken:
            columns += [whole[items], recent[items], _most(links, items, n)]
        columns += [*self.items[items].T, self._dearness(past, items), *self._shopper(past, len(items))]
        return Pool(items, np.column_stack(columns).astype(np.float32))

    def _own(self, past: History, items: NDArray[np.int32]) -> list[NDArray[np.float32]]:
        """What the shopper did with the candidates themselves."""
        at = np.full(len(self.items), -1, np.int32)
        at[past.item] = np.arange(len(past.item))
        at = at[items]
        known = at >= 0

        def told(column: NDArray[np.float32], else_: float) -> NDArray[np.float32]:
            values = np.full(len(items), else_, np.float32)
            values[known] = column[at[known]]
            return values

        bought, bought_days = told(past.bought, 0.0), told(past.bought_days, NEVER_DAYS)
        first_days = told(past.first_days, NEVER_DAYS)
        gap = np.where(bought > 1, (first_days - bought_days) / np.maximum(bought - 1, 1), NEVER_DAYS)
        return [
            bought,
            told(past.seen, 0.0),
            told(past.last_days, NEVER_DAYS),
            bought_days,
            first_days,
            told(past.goes_since, past.goes),
            told(past.often, 0.0),
            told(past.lately, 0.0),
            bought / max(past.goes, 1.0),
            gap,
            bought_days / np.maximum(gap, 0.5),
        ]

    def _dearness(self, past: History, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """(c,) log of the price by what the shopper usually pays; 0 where either is unknown."""
        price = self.items[:, ITEM.index("price")]
        paid = price[past.item]
        usual = paid[paid >= 0]
        here = price[items]
        return np.where(here >= 0, here - usual.mean(), 0.0) if len(usual) else np.zeros(len(items), np.float32)

    def _shopper(self, past: History, count: int) -> list[NDArray[np.float32]]:
        rebuys = float((past.bought > 1).mean()) if len(past.item) else 0.0
        late = past.idle_days / max(past.pace_days, 1.0)
        size = float(past.bought.sum()) / max(past.goes, 1.0)
        about = (len(past.item), past.goes, past.idle_days, past.known_days, past.pace_days)
        habits = (rebuys, late, size, past.last_size, past.last_again)
        return [np.full(count, value, np.float32) for value in (*about, *habits)]


def _best(
    scores: NDArray[np.floating], allowed: NDArray[np.bool_] | None, count: int, above: float
) -> NDArray[np.int64]:
    """The `count` allowed items whose score is highest, and more than `above`; in no order."""
    good = scores > above
    rows = np.flatnonzero(good if allowed is None else good & allowed)
    return rows if len(rows) <= count else rows[np.argpartition(-scores[rows], count - 1)[:count]]


def _most(links: Links, items: NDArray[np.int32], n: int) -> NDArray[np.float32]:
    """(c,) the strongest single link to each candidate."""
    at = np.full(n, -1, np.int32)
    at[items] = np.arange(len(items))
    place = at[links.member]
    inside = place >= 0
    most = np.zeros(len(items), np.float32)
    np.maximum.at(most, place[inside], links.weight[inside])
    return most
