"""Which products answer a query, told from how the store was made and never from its texts.

A query means an `Intent`: one or more product types and the attributes it asks for. Rating 3: the type and every asked
attribute match; 2: the type and all but one; 1: the type with less, or a type of the same narrow family with every
attribute; 0 (never listed): the rest, and whatever costs more than the query allows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model_export.demo_store.catalogue import Made
from model_export.demo_store.words import ARTICLES, STYLES


class Intent(NamedTuple):
    """What a query means. Empty attributes are not asked for; `under` is the highest price in USD."""

    articles: tuple[int, ...]  # places in ARTICLES, any of which is meant
    color: str = ""
    style: str = ""
    material: str = ""
    brand: str = ""
    under: float | None = None

    def combination(self) -> "Intent":
        """The intent without its price: what must not be shared between splits."""
        return self._replace(under=None)


def _siblings(articles: tuple[int, ...]) -> list[int]:
    """The other types of the families of `articles`."""
    families = {ARTICLES[i].family for i in articles}
    return [i for i, a in enumerate(ARTICLES) if a.family in families and i not in articles]


class Truth:
    """The made products as arrays, row r for product r, so that an intent is rated in microseconds."""

    def __init__(self, made: Sequence[Made]) -> None:
        self.product_ids = [str(m.row["product_id"]) for m in made]
        self._article = np.array([m.article for m in made])  # (n,)
        self._price_usd = np.array([m.row["price"] for m in made], dtype=np.float64)
        self._column = {name: np.array([m.row[name] for m in made]) for name in ("color", "material", "brand")}
        self._styled = {style: np.array([style in m.styles for m in made]) for style in STYLES}
        self._rows = [np.flatnonzero(self._article == i) for i in range(len(ARTICLES))]

    def rate(self, intent: Intent) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """(rows, ratings), both (m,): every product rated 1 to 3, in catalogue order."""
        types, siblings = list(intent.articles), _siblings(intent.articles)
        rows = np.sort(np.concatenate([self._rows[i] for i in types + siblings]))
        meant = np.isin(self._article[rows], types)
        missing = self._missing(intent, rows)
        ratings = np.where(meant, np.maximum(3 - missing, 1), np.where(missing == 0, 1, 0))
        if intent.under is not None:
            ratings[self._price_usd[rows] > intent.under] = 0
        return rows[ratings > 0], ratings[ratings > 0]

    def _missing(self, intent: Intent, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """How many of the asked attributes each row lacks: (len(rows),)."""
        missing = np.zeros(len(rows), dtype=np.int64)
        for name, column in self._column.items():
            if asked := getattr(intent, name):
                missing += column[rows] != asked
        if intent.style:
            missing += ~self._styled[intent.style][rows]
        return missing
