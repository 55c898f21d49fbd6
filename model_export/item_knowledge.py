"""What a log says of its items at a moment, in the shape that serving has: counts, trends, habits, who goes with whom.

Nothing after the moment is looked at, so that an order learned over many moments has seen what it will see when it
serves. Counts are smoothed by what is usual in the shop, and a click on what stood low counts as more: fewer looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aisle.content import content_neighbours
from aisle.dense import Dense
from aisle.history import DAY_MS, NEVER_DAYS, WEIGHT
from aisle.item_ids import ItemIds
from aisle.knowledge import ITEM, UNKNOWN_PRICE, Knowledge, item_prices
from aisle.neighbours import Neighbours
from aisle.shopping import KINDS
from aisle.types import Product
from model_export import neighbourhoods
from model_export.interactions import IMPRESSION, PURCHASE, Interactions
from model_export.propensities import Propensities, fit_propensities

PRIOR_DAYS = 10.0  # of an item's older acts that its newest two weeks are set against
PRIOR_ACTS = 5.0  # of the shop's usual that an item's own shares and gaps are set against
CLICK = KINDS.index("click")


class Goods(NamedTuple):
    """The items of a log and of a catalogue. price: (n,) float32, log(1 + price).   content: neighbours by text."""

    ids: ItemIds
    price: NDArray[np.float32]
    content: Neighbours

    @classmethod
    def of(cls, products: Sequence[Product], acts: Interactions, dense: Dense) -> Goods:
        """`dense`: the vectors of `products`."""
        ids = ItemIds.of(acts.products, [product.product_id for product in products])
        return cls(ids, item_prices(products, ids), content_neighbours(dense, ids))


def propensities(acts: Interactions) -> Propensities:
    """Of the log's impressions under the same words; a click belongs to the impression of its go, query and product."""
    shown = acts.where((acts.kind == IMPRESSION) & (acts.position > 0))
    clicked = acts.where(acts.kind == CLICK)

    def pairs(some: Interactions) -> NDArray[np.int64]:
        return some.query.astype(np.int64) * len(acts.products) + some.product

    _, number = np.unique(np.concatenate([pairs(shown), pairs(clicked)]), return_inverse=True)
    go = number * (int(acts.basket.max(initial=0)) + 1) + np.concatenate([shown.basket, clicked.basket])
    return fit_propensities(number[: len(shown)], shown.position, np.isin(go[: len(shown)], go[len(shown) :]))


def learned(acts: Interactions, now_ms: int, goods: Goods, examined: Propensities, horizon_days: float) -> Knowledge:
    """What `acts`, all before `now_ms`, say of items."""
    n = len(goods.ids)
    signals = item_signals(acts, now_ms, np.append(goods.price, np.float32(UNKNOWN_PRICE)), examined)
    return Knowledge(
        items=signals[:n],
        untouched=signals[n],
        shoppers=neighbourhoods.of_shoppers(acts, now_ms, n),
        baskets=neighbourhoods.of_baskets(acts, now_ms, n),
        chosen=neighbourhoods.chosen(acts, now_ms, n),
        later=neighbourhoods.later(acts, now_ms, n, horizon_days),
        content=goods.content,
    )


def item_signals(
    acts: Interactions, now_ms: int, price: NDArray[np.float32], examined: Propensities
) -> NDArray[np.float32]:
    """(n, len(ITEM)) float32 of as many items as have a price."""
    n, done = len(price), acts.where(acts.kind != IMPRESSION)
    days = (now_ms - done.at_ms) / DAY_MS
    weight = WEIGHT[done.kind] / examined.of(done.position)
    purchase = done.kind == PURCHASE
    first, again = _firsts(done)

    def sums(chosen: NDArray[np.bool_], values: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        return np.bincount(done.product[chosen], None if values is None else values[chosen], n).astype(float)

    weighed = {span: sums(days <= span, weight) for span in (7, 14, 30, 90)}
    usual = (weighed[90] + weighed[90].mean()) / 90  # a day
    popular = 14 * (weighed[14] + PRIOR_DAYS * usual) / (14 + PRIOR_DAYS)
    idle, age = np.full(n, NEVER_DAYS), np.zeros(n)
    np.minimum.at(idle, done.product, days)
    np.maximum.at(age, done.product, days)
    beside = np.bincount(done.basket)[done.basket].astype(float)
    every = np.ones(len(done), bool)
    columns = {
        "popular": np.log1p(popular),
        "acts_7": np.log1p(weighed[7]),
        "acts_30": np.log1p(weighed[30]),
        "acts_90": np.log1p(weighed[90]),
        "acts_all": np.log1p(sums(every, weight)),
        "trend_7": np.log((weighed[7] + 2) / (weighed[30] * 7 / 30 + 2)),
        "trend_30": np.log((weighed[30] + 3) / (weighed[90] / 3 + 3)),
        "idle_days": idle,
        "age_days": age,
        "buyers": np.log1p(sums(first)),
        "returning": _share(sums(again), sums(purchase)),
        "returning_60": _share(sums(again & (days <= 60)), sums(purchase & (days <= 60))),
        "again_days": _again_days(done.where(purchase), n),
        "firsts_30": np.log1p(sums(first & (days <= 30))),
        "basket": np.log1p(sums(every, beside) / np.maximum(sums(every), 1)),
        "attraction": _attraction(acts, examined, n),
        "price": price,
    }
    return np.column_stack([columns[name] for name in ITEM]).astype(np.float32)


def _firsts(done: Interactions) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(acts,) whether an act is the shopper's first with the product, and whether it is a purchase after that."""
    key = done.shopper.astype(np.int64) * len(done.products) + done.product
    first = np.zeros(len(done), bool)
    first[np.unique(key, return_index=True)[1]] = True
    return first, ~first & (done.kind == PURCHASE)


def _share(some: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each item's share, set against the shop's usual one."""
    usual = some.sum() / max(whole.sum(), 1)
    shares: NDArray[np.float64] = (some + PRIOR_ACTS * usual) / (whole + PRIOR_ACTS)
    return shares


def _again_days(bought: Interactions, n: int) -> NDArray[np.float64]:
    """(n,) log of the usual days between two purchases of an item by one shopper, set against the shop's usual."""
    order = np.lexsort((bought.at_ms, bought.product, bought.shopper))
    shopper, product, at_ms = bought.shopper[order], bought.product[order], bought.at_ms[order]
    days = np.diff(at_ms) / DAY_MS
    kept = (shopper[1:] == shopper[:-1]) & (product[1:] == product[:-1]) & (days > 0.5)
    gaps, items = np.log1p(days[kept]), product[1:][kept]
    usual = float(gaps.mean()) if len(gaps) else 0.0
    total, count = np.bincount(items, gaps, n), np.bincount(items, minlength=n)
    smoothed: NDArray[np.float64] = (total + PRIOR_ACTS * usual) / (count + PRIOR_ACTS)
    return smoothed


def _attraction(acts: Interactions, examined: Propensities, n: int) -> NDArray[np.float64]:
    """(n,) clicks by impressions that were looked at, set against the shop's usual; 0 where nothing was shown."""
    shown, clicked = acts.where(acts.kind == IMPRESSION), acts.where(acts.kind == CLICK)
    if not len(shown):
        return np.zeros(n)
    looks = np.bincount(shown.product, examined.of(shown.position), n).astype(float)
    return _share(np.bincount(clicked.product, minlength=n).astype(float), looks)
