"""What a bundle knows of its products besides models and rules: the arrays that are searched, or, where the products
lie in a table, the statistics of the whole catalogue and arrays without a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from aisle.dense import Dense
from aisle.filters import Columns
from aisle.gathering import Statistics
from aisle.lexical import Lexical
from aisle.mapped import Lines
from aisle.personal import Personal, Usual
from aisle.products import Products
from aisle.types import FACETS
from aisle.word_statistics import WordStatistics

STATISTICS, VALUES, USUAL = "words", "values.json", "usual"  # of a bundle whose products lie in a table


@dataclass(frozen=True)
class Indexed:
    """Row r is the same product in all. `usual`: of the whole catalogue, where these are not its columns."""

    products: Products
    columns: Columns
    title: Lexical
    body: Lexical
    dense: Dense
    usual: Usual | None = None

    @classmethod
    def load(cls, folder: Path) -> Indexed:
        return cls(
            products=Products.load(folder),
            columns=Columns.load(folder / "columns"),
            title=Lexical.load(folder / "lexical" / "title"),
            body=Lexical.load(folder / "lexical" / "body"),
            dense=Dense.load(folder / "dense"),
        )

    def personal(self, folder: Path) -> Personal | None:
        """What clicks taught, if anything did."""
        learned = folder / "personal"
        return Personal.load(learned, self.columns, self.usual) if learned.exists() else None


def load_statistics(folder: Path) -> Statistics:
    title, body = (WordStatistics.load(folder / STATISTICS / name) for name in ("title", "body"))
    return Statistics(title, body)


def nothing_of(folder: Path, statistics: Statistics, dim: int) -> Indexed:
    """No row, of a catalogue whose values and statistics `folder` has; `dim`: of its vectors."""
    values = msgspec.json.decode((folder / VALUES).read_bytes(), type=dict[str, dict[str, str]])
    title, body = (
        Lexical.among(index, [], np.zeros((3, 0), np.float32), []) for index in (statistics.title, statistics.body)
    )
    return Indexed(
        products=Products(Lines(b"", np.zeros(1, np.int64)), np.zeros(0, np.int32), None),
        columns=Columns.among([], {facet: values[facet] for facet in FACETS}),
        title=title,
        body=body,
        dense=Dense(np.zeros((0, dim), np.int8)),
        usual=Usual.load(folder / USUAL) if (folder / USUAL).exists() else None,
    )
