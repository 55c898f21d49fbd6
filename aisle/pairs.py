"""Query and product pairs as a table, for `aisle score`: each with the one text that the cross-encoder reads.

A pair's columns are those of published relevance data sets, so one row is a judgement there and a question here.
"""

import math
from pathlib import Path
from typing import NamedTuple

from aisle.catalogue import pair_text
from aisle.errors import BadInput
from aisle.tables import Row, as_id, read_table

COLUMNS = ("title", "brand", "color", "description", "bullet_points")


class Pair(NamedTuple):
    pair_id: str
    query: str
    text: str  # `catalogue.pair_text` of the product's columns


def read_pairs(path: str | Path) -> list[Pair]:
    """The pairs in file order. Raises BadInput, also where a pair_id repeats or a cell is no text."""
    pairs: dict[str, Pair] = {}
    for number, row in enumerate(read_table(path, required=("pair_id", "query", "title")), 1):
        where = f"{path}, row {number}"
        pair_id = as_id(row["pair_id"], f"{where}, pair_id")
        if pair_id in pairs:
            raise BadInput(f"{where}: pair_id {pair_id} occurs twice", "give each pair its own id")
        texts = {column: _text(row, column, where) for column in COLUMNS}
        pairs[pair_id] = Pair(pair_id, _text(row, "query", where), pair_text(**texts))
    return list(pairs.values())


def _text(row: Row, column: str, where: str) -> str:
    """A cell as text: a number keeps its digits, an absent cell is empty."""
    value = row.get(column)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""  # pandas stores an absent text as NaN
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadInput(f"{where}: {column} {repr(value)[:60]} is not text", f"write {column} as text")
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
