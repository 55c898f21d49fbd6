"""How well products suit a shopper: what their history says of each candidate, as a few features, and a learned weight
for each, added to the logit of the ranker's score.

Every feature compares the shopper with everybody: a brand counts as liked where it was acted on more often than its
share of those categories makes likely, and a few acts are not believed as much as many. So a history without a known
product says exactly nothing, and the order stays what it was. The workshop learns the weights from clicks
(`model_export.personal`), none below zero. This module knows rows, acts and vectors, not queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aisle.dense import Dense
from aisle.errors import BundleError
from aisle.filters import Columns
from aisle.mapped import load_array
from aisle.products import Products
from aisle.shopping import KINDS, Act
from aisle.types import FACETS

FEATURES = (
    "category",  # log of how much more often than in the catalogue the shopper acts in the candidate's category
    "brand",  # the same of its brand, against the brand's share of the categories that the shopper acted in
    "color",
    "price",  # how much nearer its price is to what the shopper chooses than to what is usual in its category
    "content",  # mean cosine of its vector with those of the history
    "recent",  # the largest cosine with an act of the last day
    "seen",  # log of one and the weight of the acts on this very product
    "bought",  # 1: this very product was bought
)
WEIGHTS = np.array([{"impression": 0, "cart": 2, "purchase": 3}.get(kind, 1) for kind in KINDS], float)
HALF_LIFE_MS = 30 * 86_400_000
RECENT_MS = 86_400_000
PRIOR = 2.0  # acts that a shopper is taken to have made like everybody else
SPREAD = 0.4  # of log prices around what a shopper chooses, before they have chosen anything
PERSONALISED = 100  # candidates, from the first, that may change places

Floats = NDArray[np.float32]


class Fitted(Struct, frozen=True):
    """personal.json: a weight for each of `features`, in logits of the ranker's score."""

    features: list[str]
    weights: list[float]


class Past(NamedTuple):
    """The acts of a shopper that say something, all (h,): rows of products, weights that fade with age, how old."""

    rows: NDArray[np.int64]
    weights: Floats
    recent: NDArray[np.bool_]
    bought: NDArray[np.bool_]


def past(acts: Sequence[Act], now_ms: int, products: Products) -> Past:
    """What `acts` say at `now_ms`; unknown and hidden products say nothing."""
    rows = products.find_all([act.product_id for act in acts])
    kinds = np.array([KINDS.index(act.kind) for act in acts], np.intp)
    return remembered(rows, kinds, np.array([act.at_ms for act in acts], np.int64), now_ms)


def remembered(rows: NDArray[np.int64], kinds: NDArray[np.intp], at_ms: NDArray[np.int64], now_ms: int) -> Past:
    """`past` of acts told by rows (-1: unknown) and numbers of KINDS, all (h,)."""
    told = np.flatnonzero((rows >= 0) & (WEIGHTS[kinds] > 0))
    age_ms = np.maximum(now_ms - at_ms[told], 0)
    weights = (WEIGHTS[kinds[told]] * 0.5 ** (age_ms / HALF_LIFE_MS)).astype(np.float32)
    return Past(rows[told], weights, age_ms <= RECENT_MS, kinds[told] == KINDS.index("purchase"))


class Shares(NamedTuple):
    """How many products of a category have a value: sorted keys (category, value) and their counts, both (pairs,)."""

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, category: NDArray[np.int32], value: NDArray[np.int32]) -> Shares:
        return cls(*np.unique(_key(category, value), return_counts=True))

    def counted(self, category: NDArray[np.integer], value: NDArray[np.integer]) -> NDArray[np.float64]:
        """(categories, values)."""
        wanted = _key(category[:, None], value)
        at = np.searchsorted(self.keys, wanted).clip(max=len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, self.counts[at], 0).astype(np.float64)


@dataclass(frozen=True)
class Usual:
    """What everybody's choice is held against, of a catalogue of n products in c categories.

    size: (c + 1,) products of each category, the last of those without one. level: (c + 1,) their median log price.
    """

    size: NDArray[np.float64]
    level: NDArray[np.float64]
    shares: dict[str, Shares]

    @classmethod
    def of(cls, columns: Columns) -> Usual:
        category = columns.codes[FACETS.index("category")]
        known = len(columns.values["category"])
        return cls(
            np.bincount(np.where(category < 0, known, category), minlength=known + 1).astype(np.float64),
            _medians(np.where(category < 0, known, category), _log_price(columns, np.arange(len(category))), known + 1),
            {facet: Shares.of(category, columns.codes[FACETS.index(facet)]) for facet in ("brand", "color")},
        )

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        np.save(folder / "size.npy", self.size)
        np.save(folder / "level.npy", self.level)
        for facet, shares in self.shares.items():
            np.save(folder / f"{facet}.npy", np.stack(shares))

    @classmethod
    def load(cls, folder: Path) -> Usual:
        shares = {facet: Shares(*load_array(folder / f"{facet}.npy")) for facet in ("brand", "color")}
        return cls(load_array(folder / "size.npy"), load_array(folder / "level.npy"), shares)


class Personal:
    """`fitted` over the catalogue of `columns`, whose `usual` may be known already."""

    def __init__(self, fitted: Fitted, columns: Columns, usual: Usual | None = None) -> None:
        self.weights = np.array(fitted.weights, np.float32)
        self._usual = usual or Usual.of(columns)

    @classmethod
    def load(cls, folder: Path, columns: Columns, usual: Usual | None = None) -> Personal:
        """BundleError where personal.json is damaged or knows other features than this code."""
        path = folder / "personal.json"
        try:
            fitted = msgspec.json.decode(path.read_bytes(), type=Fitted)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise BundleError(f"{path} cannot be read ({exc})", "copy the bundle again or rebuild it") from exc
        if fitted.features != list(FEATURES) or len(fitted.weights) != len(FEATURES):
            raise BundleError(f"{path} has other features than this code", "rebuild it with this version of aisle")
        return cls(fitted, columns, usual)

    @staticmethod
    def save(fitted: Fitted, folder: Path) -> None:
        folder.mkdir()
        (folder / "personal.json").write_bytes(msgspec.json.encode(fitted, order="deterministic"))

    def logits(self, past: Past, rows: NDArray[np.int64], columns: Columns, dense: Dense) -> Floats:
        """(len(rows),) to be added to the logits of the candidates `rows`; their mean is 0."""
        added: Floats = self.features(past, rows, columns, dense) @ self.weights
        centred: Floats = added - added.mean(dtype=np.float32)
        return centred

    def features(self, past: Past, rows: NDArray[np.int64], columns: Columns, dense: Dense) -> Floats:
        """(len(rows), len(FEATURES)); zeros where `past` is empty. `columns` and `dense` may hold more products."""
        if not len(past.rows):
            return np.zeros((len(rows), len(FEATURES)), np.float32)
        category = columns.codes[FACETS.index("category")]
        total = past.weights.sum()
        vectors, seen = dense.vectors(rows), dense.vectors(past.rows)
        same = rows[:, None] == past.rows  # (c, h)
        recent = (vectors @ seen[past.recent].T).max(axis=1, initial=0)
        return np.column_stack(
            [
                self._category_lift(past, category[past.rows], category[rows]),
                *(self._lift(past, facet, category[past.rows], rows, columns) for facet in ("brand", "color")),
                self._price(past, rows, columns, category),
                vectors @ (past.weights @ seen) / (total + PRIOR),
                recent,
                np.log1p(same @ past.weights),
                (same & past.bought).any(axis=1),
            ]
        ).astype(np.float32)

    def _category_lift(self, past: Past, of_past: NDArray[np.int32], wanted: NDArray[np.int32]) -> NDArray[np.float64]:
        values, at = np.unique(wanted, return_inverse=True)
        done = (of_past == values[:, None]) @ past.weights
        likely = past.weights.sum() * _of(self._usual.size, values) / max(self._usual.size.sum(), 1)
        lift: NDArray[np.float64] = np.where(values < 0, 0, np.log((done + PRIOR) / (likely + PRIOR)))[at]
        return lift

    def _lift(
        self, past: Past, facet: str, of_past: NDArray[np.int32], rows: NDArray[np.int64], columns: Columns
    ) -> NDArray[np.float64]:
        """(len(rows),) log of acts on products with each row's value over those that their categories make likely."""
        codes = columns.codes[FACETS.index(facet)]
        values, at = np.unique(codes[rows], return_inverse=True)
        done = (codes[past.rows] == values[:, None]) @ past.weights
        categories, of = np.unique(of_past, return_inverse=True)
        acts = np.bincount(of, past.weights)
        size = _of(self._usual.size, categories).clip(min=1)
        likely = acts @ (self._usual.shares[facet].counted(categories, values) / size[:, None])
        lift: NDArray[np.float64] = np.where(values < 0, 0, np.log((done + PRIOR) / (likely + PRIOR)))[at]
        return lift

    def _price(
        self, past: Past, rows: NDArray[np.int64], columns: Columns, category: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """(len(rows),) in units of the shopper's spread: how much nearer to their level than to the usual one."""
        of_past, of_rows = (
            _log_price(columns, some) - _of(self._usual.level, category[some]) for some in (past.rows, rows)
        )
        priced = ~np.isnan(of_past)
        weights, chosen = past.weights[priced], of_past[priced]
        believed = weights.sum() + PRIOR
        mean = weights @ chosen / believed
        spread = np.sqrt((weights @ (chosen - mean) ** 2 + PRIOR * SPREAD**2) / believed)
        nearer: NDArray[np.float64] = np.nan_to_num((np.abs(of_rows) - np.abs(of_rows - mean)) / spread)
        return nearer


def _key(category: NDArray[np.integer], value: NDArray[np.integer]) -> NDArray[np.int64]:
    return (category.astype(np.int64) << 32) + value


def _log_price(columns: Columns, rows: NDArray[np.integer]) -> NDArray[np.float64]:
    """NaN where there is none; what is free counts as a cent."""
    logs: NDArray[np.float64] = np.log(np.maximum(columns.price[rows].astype(np.float64), 0.01))
    return logs


def _medians(group: NDArray[np.integer], values: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """(groups,) lower medians of the values that are known, 0 where there is none."""
    known = ~np.isnan(values)
    group, values = group[known], values[known]
    order = np.lexsort((values, group))
    start = np.searchsorted(group[order], np.arange(groups + 1))
    middle = (start[:-1] + start[1:] - 1) // 2
    return np.where(start[:-1] < start[1:], np.append(values[order], 0.0)[middle.clip(0)], 0.0)


def _of(table: NDArray[np.float64], category: NDArray[np.integer]) -> NDArray[np.float64]:
    """What a table of the sealed catalogue has of categories; -1 is its last entry, a category that came later 0."""
    last = len(table) - 1
    place = np.where(category < 0, last, np.where(category < last, category, last + 1))
    found: NDArray[np.float64] = np.append(table, 0.0)[place]
    return found
