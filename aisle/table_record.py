"""A product as a row of a table that lies outside the bundle: what a search must know of it in one value, and beside it
the columns that the store itself searches and filters by.

One value, because a store on S3 is paid and waited for by the read, and each column of each row is a read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Struct
from numpy.typing import NDArray

from aisle.catalogue import body_text, title_text
from aisle.filters import Columns
from aisle.lexical import idf_of
from aisle.text import fold, has_digit, terms
from aisle.types import FACETS, Filters, Product, Range
from aisle.word_statistics import WordStatistics


class Record(Struct, frozen=True, array_like=True):
    """`row`: its place in the catalogue. `title`, `body`: their terms, joined by blanks. `documents`: (2, 3) float32,
    of both what `Lexical.documents` holds. `vector`: (dim,) int8, a unit vector times 127. `product`: JSON."""

    row: int
    title: str
    body: str
    documents: bytes
    vector: bytes
    product: bytes


_decode = msgspec.msgpack.Decoder(Record).decode
_encode = msgspec.msgpack.Encoder().encode


def decode(record: bytes) -> Record:
    """Raises msgspec.DecodeError."""
    return _decode(record)


def said(product: Product) -> tuple[list[str], list[str]]:
    """The terms of title and body."""
    return terms(title_text(product)), terms(body_text(product))


def columns(
    first_row: int,
    products: Sequence[Product],
    vectors: NDArray[np.float32],
    statistics: tuple[WordStatistics, WordStatistics],
) -> dict[str, list[Any]]:
    """column -> values of consecutive products, the first of which is `first_row`; all but `vector`."""
    facts = Columns.build(products)
    written = [said(product) for product in products]
    coded = np.rint(vectors * 127).astype(np.int8)
    records = []
    for row, (product, both, vector) in enumerate(zip(products, written, coded, strict=True), first_row):
        documents = np.array([_document(*one) for one in zip(both, statistics, strict=True)], np.float32)
        title, body = (" ".join(words) for words in both)
        records.append(
            _encode(Record(row, title, body, documents.tobytes(), vector.tobytes(), msgspec.json.encode(product)))
        )
    return {
        "row": [*range(first_row, first_row + len(products))],
        "product_id": [p.product_id for p in products],
        "group_id": [p.group_id for p in products],
        **{facet: [fold(getattr(p, facet)) for p in products] for facet in FACETS},
        "price": [None if np.isnan(price) else price for price in facts.price.tolist()],
        "rating": [None if np.isnan(rating) else rating for rating in facts.rating.tolist()],
        "in_stock": facts.in_stock.tolist(),
        "created": facts.created.tolist(),
        "title": [" ".join(title) for title, _ in written],
        "body": [" ".join(body) for _, body in written],
        "record": records,
    }


def condition(filters: Filters) -> str:
    """The SQL that lets through what `Columns.mask` lets through; empty for no filter."""
    parts = []
    for facet in FACETS:
        wanted = getattr(filters, facet)
        if wanted is not UNSET:
            parts.append(one_of(facet, [folded for value in wanted if (folded := fold(value))]))
    for name in ("price", "rating"):
        interval = getattr(filters, name)
        if interval is not UNSET:
            parts.append(_inside(name, interval))
    if filters.in_stock is not UNSET:
        parts.append(f"in_stock = {'true' if filters.in_stock else 'false'}")
    return " AND ".join(parts)


def one_of(column: str, values: Sequence[str]) -> str:
    """The SQL for rows whose `column` is one of `values`; false for none."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({quoted})" if quoted else "false"


def _inside(name: str, interval: Range) -> str:
    """Both ends as float32, as the column has them: a price of 39.9 is at most 39.9."""
    most = float(np.finfo(np.float32).max)
    ends = ((">=", interval.gte), ("<=", interval.lte))
    told = [f"{name} {sign} {float(np.float32(min(max(end, -most), most)))!r}" for sign, end in ends if end is not None]
    return " AND ".join(told) or f"{name} IS NOT NULL"


def _document(words: Sequence[str], statistics: WordStatistics) -> tuple[float, float, float]:
    idf = {term: float(idf_of(statistics.frequency(term), statistics.n)) for term in {*words}}
    return len(words), sum(idf.values()), sum(mass for term, mass in idf.items() if has_digit(term))
