"""What one shopper did, item by item: how often, when first and last, in how many goes.

The newest items speak most, a purchase more than a look. It knows numbers of items, not products, and is told what
time it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aisle.shopping import KINDS

PURCHASE, IMPRESSION = KINDS.index("purchase"), KINDS.index("impression")
WEIGHT = np.array([0.0, 0.3, 0.4, 0.7, 1.0], np.float32)  # of KINDS: how much an act says of a taste
DAY_MS = 86_400_000
HALF_LIFE_DAYS = 45.0
NEVER_DAYS = 2000.0  # what has not happened counts as this long ago
OFTEN_DAYS, OFTEN_GOES = 30.0, 2.0
GO_MS = 3_600_000  # acts of one kind within an hour belong to one go


class Acts(NamedTuple):
    """A shopper's acts in any order, all (a,): int32 items, uint8 numbers of KINDS, int64 ms since 1970."""

    item: NDArray[np.int32]
    kind: NDArray[np.uint8]
    at_ms: NDArray[np.int64]

    def part(self, some: slice) -> Acts:
        return Acts(self.item[some], self.kind[some], self.at_ms[some])


NOTHING = Acts(np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int64))


class History(NamedTuple):
    """A shopper by item, all (m,), the item acted on last first; and by themselves."""

    item: NDArray[np.int32]
    bought: NDArray[np.float32]  # goes it was bought in
    seen: NDArray[np.float32]  # goes of any other kind
    weight: NDArray[np.float32]  # the weightiest act's
    last_days: NDArray[np.float32]  # since the last act
    bought_days: NDArray[np.float32]  # since it was bought last, NEVER_DAYS where never
    first_days: NDArray[np.float32]  # since it was bought first, NEVER_DAYS where never
    goes_since: NDArray[np.float32]  # in which other things were bought since then; all of them where it never was
    often: NDArray[np.float32]  # purchases, each halved for every OFTEN_DAYS since
    lately: NDArray[np.float32]  # purchases, each halved for every OFTEN_GOES since
    goes: float  # in which anything was bought
    idle_days: float  # since anything was done
    known_days: float  # since the first act
    pace_days: float  # between two goes, NEVER_DAYS where fewer than two
    last_size: float  # items bought in the last go
    last_again: float  # the share of them that had been bought before

    @property
    def fresh(self) -> NDArray[np.float32]:
        """(m,) weights that halve every HALF_LIFE_DAYS."""
        fresh: NDArray[np.float32] = self.weight * np.exp2(-self.last_days / HALF_LIFE_DAYS)
        return fresh


def history(acts: Acts, now_ms: int) -> History:
    """Of acts at or before `now_ms`; later ones, from a wrong clock, count as now. Impressions say nothing."""
    kept = acts.kind != IMPRESSION
    item, kind = acts.item[kept], acts.kind[kept]
    days = (np.maximum(now_ms - acts.at_ms[kept], 0) / DAY_MS).astype(np.float32)
    if not len(item):
        none = np.zeros(0, np.float32)
        return History(np.zeros(0, np.int32), *(none,) * 9, 0.0, NEVER_DAYS, 0.0, NEVER_DAYS, 0.0, 0.0)
    go = np.floor_divide(acts.at_ms[kept], GO_MS)
    items, inverse = np.unique(item, return_inverse=True)
    purchase = kind == PURCHASE
    counts = [_distinct(inverse[chosen], go[chosen], len(items)) for chosen in (purchase, ~purchase)]
    weight, nearness = np.zeros(len(items), np.float32), np.full((3, len(items)), NEVER_DAYS, np.float32)
    np.maximum.at(weight, inverse, WEIGHT[kind])
    np.minimum.at(nearness[0], inverse, days)
    np.minimum.at(nearness[1], inverse[purchase], days[purchase])
    first = np.zeros(len(items), np.float32)
    np.maximum.at(first, inverse[purchase], days[purchase])
    first[counts[0] == 0] = NEVER_DAYS
    goes = np.unique(go[purchase])
    last_go = np.zeros(len(items), np.int64)
    np.maximum.at(last_go, inverse[purchase], go[purchase])
    since = (len(goes) - np.searchsorted(goes, last_go, side="right")).astype(np.float32)
    once = np.unique(inverse[purchase] << 32 | go[purchase])  # an item and a go
    which, when = once >> 32, once & 0xFFFFFFFF
    faded = np.exp2(-np.maximum(now_ms - when * GO_MS, 0) / DAY_MS / OFTEN_DAYS)
    behind = np.exp2(-(len(goes) - np.searchsorted(goes, when, side="right")) / OFTEN_GOES)
    often, lately = (np.bincount(which, weights, len(items)).astype(np.float32) for weights in (faded, behind))
    newest = (counts[0] > 0) & (since == 0)
    pace = float(np.ptp(goes)) * GO_MS / DAY_MS / (len(goes) - 1) if len(goes) > 1 else NEVER_DAYS
    order = np.lexsort((items, nearness[0]))
    return History(
        item=items[order].astype(np.int32),
        bought=counts[0][order],
        seen=counts[1][order],
        weight=weight[order],
        last_days=nearness[0][order],
        bought_days=nearness[1][order],
        first_days=first[order],
        goes_since=since[order],
        often=often[order],
        lately=lately[order],
        goes=float(len(goes)),
        idle_days=float(days.min()),
        known_days=float(days.max()),
        pace_days=pace,
        last_size=float(newest.sum()),
        last_again=float((counts[0][newest] > 1).mean()) if newest.any() else 0.0,
    )


def _distinct(inverse: NDArray[np.int64], go: NDArray[np.int64], n: int) -> NDArray[np.float32]:
    """(n,) in how many different goes each item occurs."""
    pairs = np.unique(inverse << 32 | go)
    return np.bincount(pairs >> 32, minlength=n).astype(np.float32)
