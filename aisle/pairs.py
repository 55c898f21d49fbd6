"""Query and product pairs as a table, for `aisle score`.

A pair's columns are those of published relevance data sets, so one row is a judgement there and a question here.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from aisle.catalogue import product_text
from aisle.errors import BadInput
from aisle.markup import clean_text, plain_text
from aisle.tables import Row, as_id, read_table
from aisle.types import Product

LONG_TITLE = 160  # characters
COLUMNS = ("title", "brand", "color", "description", "bullet_points")


class Pair(NamedTuple):
    """A query and a product's texts, without markup; "" where a column is absent."""

    pair_id: str
    query: str
    title: str
    brand: str = ""
    color: str = ""
    description: str = ""
    bullet_points: str = ""

    @property
    def text(self) -> str:
        """`product_text` of the columns; without a title bullet points or description stand in, as long as one."""
        shown = self.title or (self.bullet_points or self.description)[:LONG_TITLE]
        return product_text(Product("", shown, brand=self.brand, color=self.color))


def read_pairs(path: str | Path) -> list[Pair]:
    """The pairs in file order. Raises BadInput, also where a pair_id repeats or a cell is no text."""
    pairs: dict[str, Pair] = {}
    for number, row in enumerate(read_table(path, required=("pair_id", "query", "title")), 1):
        where = f"{path}, row {number}"
        pair_id = as_id(row["pair_id"], f"{where}, pair_id")
        if pair_id in pairs:
            raise BadInput(f"{where}: pair_id {pair_id} occurs twice", "give each pair its own id")
        pairs[pair_id] = row_pair(pair_id, row, f"{where}: ")
    return list(pairs.values())


def row_pair(pair_id: str, row: Row, where: str = "") -> Pair:
    """The pair of a row. Raises BadInput, which begins with `where`, for a cell that is no text."""
    return pair_of(pair_id, {column: _text(row, column, where) for column in ("query", *COLUMNS)})


def pair_of(pair_id: str, texts: Mapping[str, str]) -> Pair:
    """The pair of raw texts by column, cleaned."""
    title, brand, color = (clean_text(texts[column]) for column in ("title", "brand", "color"))
    description, bullet_points = plain_text(texts["description"]), plain_text(texts["bullet_points"])
    return Pair(pair_id, clean_text(texts["query"]), title, brand, color, description, bullet_points)


def _text(row: Row, column: str, where: str) -> str:
    """A cell as text: a number keeps its digits, an absent cell is empty."""
    value = row.get(column)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""  # pandas stores an absent text as NaN
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadInput(f"{where}{column} {repr(value)[:60]} is not text", f"write {column} as text")
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
