"""The columns that filters, facets and sort orders read: one array per field, one position per product.

Facet values are folded once, offline, so that "Red", "red" and "ＲＥＤ" are one value with one code, shown as
the catalogue spells it most often. It knows nothing of queries or scores beyond the numbers it is handed;
live prices and stock come in as a copy of these columns (`dataclasses.replace`), new products behind them (`beside`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from aisle.errors import BadInput
from aisle.mapped import load_array
from aisle.text import fold
from aisle.types import FACETS, FacetCount, Filters, Product, Range, Sort

GIVEN_UP = ("size", "material", "color", "rating", "brand", "price", "category")  # in this order; in_stock never
MAX_FACET_VALUES = 50
_EPOCH = date(1970, 1, 1).toordinal()
_ARRAYS = ("price", "rating", "in_stock", "created", "group", "codes")


@dataclass(frozen=True)
class Columns:
    """What the filters know of n products.

    price: (n,) float32 in the catalogue's currency, NaN unknown.   rating: (n,) float32, 0 to 5, NaN unknown.
    in_stock: (n,) bool.   created: (n,) int64, days since 1970-01-01, -1 unknown.
    group: (n,) int32, the same number for the products of one article.
    codes: (len(FACETS), n) int32, the position of the product's value in `values[facet]`, -1 for none.
    values: facet -> {folded value: value as shown}, in the order of the codes.
    """

    price: NDArray[np.float32]
    rating: NDArray[np.float32]
    in_stock: NDArray[np.bool_]
    created: NDArray[np.int64]
    group: NDArray[np.int32]
    codes: NDArray[np.int32]
    values: dict[str, dict[str, str]]

    @classmethod
    def build(cls, products: Sequence[Product]) -> "Columns":
        """The columns of a catalogue, in its order. Raises BadInput for a created_at that is not ISO 8601."""
        return cls.among(products, {f: spellings(getattr(product, f) for product in products) for f in FACETS})

    @classmethod
    def among(cls, products: Sequence[Product], values: dict[str, dict[str, str]]) -> "Columns":
        """The columns of some products of a catalogue with these `values`. Raises BadInput."""
        codes = np.full((len(FACETS), len(products)), -1, np.int32)
        for line, facet in zip(codes, FACETS, strict=True):
            folded = {value: fold(value) for value in {getattr(product, facet) for product in products}}
            wanted = set(folded.values())
            code_of = {value: code for code, value in enumerate(values[facet]) if value in wanted}
            line[:] = [code_of.get(folded[getattr(product, facet)], -1) for product in products]
        return cls(
            price=_floats(product.price for product in products),
            rating=_floats(product.rating for product in products),
            in_stock=np.array([product.in_stock for product in products], bool),
            created=np.array([_day(product) for product in products], np.int64),
            group=_numbered(products),
            codes=codes,
            values=values,
        )

    def save(self, folder: Path) -> None:
        """Writes one .npy per array and values.json into `folder`, which is made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)
        (folder / "values.json").write_bytes(msgspec.json.encode(self.values))

    @classmethod
    def load(cls, folder: Path) -> "Columns":
        """The saved columns, mapped read-only."""
        arrays = {name: load_array(folder / f"{name}.npy") for name in _ARRAYS}
        values = msgspec.json.decode((folder / "values.json").read_bytes(), type=dict[str, dict[str, str]])
        return cls(**arrays, values=values)

    def beside(self, products: Sequence[Product]) -> "Columns":
        """These columns with those of `products` behind them; their articles are new ones, their values may be."""
        more = Columns.build(products)
        values = {facet: self.values[facet] | more.values[facet] | self.values[facet] for facet in FACETS}
        codes = np.full(more.codes.shape, -1, np.int32)
        for line, own, facet in zip(codes, more.codes, FACETS, strict=True):
            position = {folded: code for code, folded in enumerate(values[facet])}
            joined = np.array([position[folded] for folded in more.values[facet]] + [-1], np.int32)
            line[:] = joined[own]  # -1, for none, is the last
        group = more.group + int(self.group.max(initial=-1)) + 1
        joins = {name: np.concatenate([getattr(self, name), getattr(more, name)]) for name in _ARRAYS[:4]}
        return Columns(
            **joins,
            group=np.concatenate([self.group, group.astype(np.int32)]),
            codes=np.concatenate([self.codes, codes], axis=1),
            values=values,
        )

    def mask(self, filters: Filters) -> NDArray[np.bool_]:
        """(n,) bool, the products that satisfy every filter. in_stock False asks for what is sold out."""
        passed = np.ones(len(self.price), bool)
        for facet, codes in zip(FACETS, self.codes, strict=True):
            wanted = getattr(filters, facet)
            if wanted is not UNSET:
                passed &= np.isin(codes, self._codes_of(facet, wanted))
        if filters.price is not UNSET:
            passed &= _inside(self.price, filters.price)
        if filters.rating is not UNSET:
            passed &= _inside(self.rating, filters.rating)
        if filters.in_stock is not UNSET:
            passed &= self.in_stock == filters.in_stock
        return passed

    def facet_counts(self, rows: NDArray[np.integer], facets: Iterable[str]) -> dict[str, list[FacetCount]]:
        """Articles per value among `rows` (a group counts once per value), the most frequent first, then by value.

        At most MAX_FACET_VALUES a facet. Raises BadInput for a facet that is not one of FACETS.
        """
        return {facet: self._counts(rows, facet) for facet in facets}

    def order(self, rows: NDArray[np.integer], sort: Sort, scores: NDArray[np.floating]) -> NDArray[np.intp]:
        """(m,) positions in `rows`, best first. `scores`: (m,), beside `rows`.

        Unknown prices, ratings and dates come last; ties go by score, then keep the order of `rows`.
        """
        key = self._ascending(rows, sort)
        return np.lexsort((-scores, np.where(np.isnan(key), np.inf, key)))

    def _ascending(self, rows: NDArray[np.integer], sort: Sort) -> NDArray[np.floating]:
        """(m,) what `sort` compares, the smallest first; the same for all by "relevance"."""
        key: NDArray[np.floating] = np.zeros(len(rows), np.float32)
        match sort:
            case "price_asc":
                key = self.price[rows]
            case "price_desc":
                key = -self.price[rows]
            case "rating":
                key = -self.rating[rows]
            case "newest":
                key = -self.created[rows].astype(np.float64)
        return key

    def _codes_of(self, facet: str, wanted: Iterable[str]) -> list[int]:
        folded = {fold(value) for value in wanted}
        return [code for code, value in enumerate(self.values[facet]) if value in folded]

    def _counts(self, rows: NDArray[np.integer], facet: str) -> list[FacetCount]:
        if facet not in FACETS:
            raise BadInput(f"{facet!r} is not a facet", f"ask for any of {', '.join(FACETS)}")
        codes = self.codes[FACETS.index(facet)][rows]
        known = codes >= 0
        # One number per (value, article): a group's variants of one value fall together.
        pairs = np.sort((codes[known].astype(np.int64) << 32) | self.group[rows][known])
        first = np.diff(pairs, prepend=-1) != 0  # np.unique takes several times as long over a whole catalogue
        shown = self.values[facet].values()
        counts = np.bincount(pairs[first] >> 32, minlength=len(shown))  # (values,)
        found = [FacetCount(value, count) for value, count in zip(shown, counts.tolist(), strict=True) if count]
        return sorted(found, key=lambda item: (-item.count, item.value))[:MAX_FACET_VALUES]


def relax(filters: Filters) -> Iterator[tuple[str, Filters]]:
    """The name of each filter given up, in the order of GIVEN_UP, with the filters that are left by then."""
    for name in GIVEN_UP:
        if getattr(filters, name) is not UNSET:
            filters = msgspec.structs.replace(filters, **{name: UNSET})
            yield name, filters


def spellings(values: Iterable[str]) -> dict[str, str]:
    """Folded value -> its most frequent spelling (the first seen among equals), in order of first appearance."""
    counts: dict[str, Counter[str]] = {}
    for value, count in Counter(values).items():
        folded = fold(value)
        if folded:
            counts.setdefault(folded, Counter())[" ".join(value.split())] += count
    return {folded: spelled.most_common(1)[0][0] for folded, spelled in counts.items()}


def _inside(column: NDArray[np.float32], wanted: Range) -> NDArray[np.bool_]:
    """Compared in float32, so that a price of 39.9 is at most 39.9; NaN is inside nothing."""
    low = -np.inf if wanted.gte is None else wanted.gte
    high = np.inf if wanted.lte is None else wanted.lte
    with np.errstate(over="ignore"):
        return (column >= np.float32(low)) & (column <= np.float32(high))


def _floats(values: Iterable[float | None]) -> NDArray[np.float32]:
    return np.array([np.nan if value is None else value for value in values], np.float32)


def _day(product: Product) -> int:
    if not product.created_at:
        return -1
    try:
        return max(0, datetime.fromisoformat(product.created_at.strip()).toordinal() - _EPOCH)
    except ValueError as exc:
        detail = f"created_at {product.created_at!r} of product {product.product_id} is not an ISO 8601 date"
        raise BadInput(detail, "write it as 2026-01-31 or 2026-01-31T12:00:00Z, or leave it empty") from exc


def _numbered(products: Sequence[Product]) -> NDArray[np.int32]:
    """Article numbers in order of first appearance. A lone product's key is its row, which no group_id can equal."""
    numbers: dict[str | int, int] = {}
    keys = (product.group_id or row for row, product in enumerate(products))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int32)
