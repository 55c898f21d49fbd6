"""Search over a catalogue that lies outside the bundle: the few hundred products that may answer a request are gathered
from a table, and the same search runs over those rows as over all.

Words are weighed by the whole catalogue's statistics, which the bundle carries, so a row is scored as if every row were
here. What is counted, `total` and facets, counts the rows gathered. The table is handed in; its two questions, by words
and by meaning, are asked at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.dense import Dense
from aisle.encoder import TextEncoder
from aisle.filters import Columns
from aisle.lexical import Lexical
from aisle.mapped import Lines
from aisle.products import Products
from aisle.retrieval import CANDIDATES, Parts, Reading, Retrieval
from aisle.search import Search, attempts
from aisle.shopping import Act, History
from aisle.table_record import Record
from aisle.text import terms, words
from aisle.timings import Clock
from aisle.types import Filters, Product, ProductResponse, SearchRequest, SearchResponse, Sort
from aisle.word_statistics import WordStatistics

MOST = 16 * CANDIDATES  # rows a question asks for, to see more articles where each has many variants
_decode = msgspec.json.Decoder(Product).decode


class Table(Protocol):
    """Where the products lie. Each raises Unavailable where the store does not answer, BundleError where what it has is
    not what the bundle was sealed with. `also`: ids wanted besides, asked for once the store is at work."""

    def find(
        self, terms: Sequence[str], vector: NDArray[np.float32], filters: Filters, limit: int, also: Ids
    ) -> list[Record]:
        """At most `limit` rows by words and as many by meaning, inside the filters; each once."""
        ...

    def browse(self, filters: Filters, sort: Sort, limit: int, also: Ids) -> list[Record]:
        """The first `limit` rows inside the filters, by `sort`; by "relevance" the best rated."""
        ...

    def article(self, product_id: str) -> list[Record]:
        """The product and its variants; none where there is no such product."""
        ...

    def held(self, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that are products."""
        ...


Ids = Callable[[], Sequence[str]]


@dataclass(frozen=True)
class Statistics:
    """Of the whole catalogue's words."""

    title: WordStatistics
    body: WordStatistics

    def knows(self, word: str) -> bool:
        """Whether at least two products say the word, or one of its form."""
        return any(index.frequency(term) > 1 for index in (self.title, self.body) for term in terms(word)[:1])


class GatheredSearch:
    """`Search` over `parts` without a product, which the rows of `table` are laid into, request by request.

    `over`: the search over gathered parts.
    """

    def __init__(
        self,
        parts: Parts,
        statistics: Statistics,
        table: Table,
        clock: Clock,
        over: Callable[[Parts], Search],
    ) -> None:
        self.parts, self.statistics, self.table = parts, statistics, table
        self._clock, self._over = clock, over
        self._retrieval = Retrieval(parts, clock)

    def through(self, over: Callable[[Parts], Search]) -> GatheredSearch:
        """The same over what `over` makes of gathered parts."""
        return GatheredSearch(self.parts, self.statistics, self.table, self._clock, over)

    def search(
        self, request: SearchRequest, query_id: str, history: History | None = None, now_ms: int = 0
    ) -> SearchResponse:
        """As `Search.search`, with the time that gathering took. Raises Unavailable, BundleError."""
        start = self._clock()
        told: list[Sequence[Act] | None] = []

        def acts() -> Sequence[Act] | None:
            if not told:
                told.append(history() if history else None)
            return told[0]

        personal = history is not None and request.personal and self.parts.personal and request.sort == "relevance"

        def also() -> list[str]:
            return [act.product_id for act in (acts() or [])] if personal else []

        reading, reach = self._retrieval.read(request.query), request.page * request.k
        # What words found is sorted among the first candidates only, which more rows would not change.
        articles = 0 if words(reading.text) and request.sort != "relevance" else reach
        began = self._clock()
        found = self._found(reading, request.query, request.filters, request.sort, reach, articles, also)
        gathered_ms = (self._clock() - began) * 1000
        left = max(request.budget_ms - int((self._clock() - start) * 1000), 1)
        asked = msgspec.structs.replace(request, budget_ms=left)
        answer = found.search(asked, query_id, acts if personal else None, now_ms)
        took = {"gather": round(gathered_ms, 2), **answer.timings_ms}
        took["total"] = round((self._clock() - start) * 1000, 2)
        return msgspec.structs.replace(answer, timings_ms=took)

    def ranking(self, query: str, k: int) -> list[tuple[str, float]]:
        """As `Search.ranking`, of the products gathered."""
        reading = self._retrieval.read(query)
        if not words(reading.text) and reading.understood.price is None:
            return []
        return self._found(reading, query, Filters(), "relevance", k, 0, list).ranking(query, k)

    def said(self, query: str) -> tuple[str, dict[str, float]]:
        """As `Search.said`."""
        reading = self._retrieval.read(query)
        return self._found(reading, query, Filters(), "relevance", CANDIDATES, 0, list).said(query)

    def product(self, product_id: str, lang: str | None) -> ProductResponse:
        """As `Search.product`. Raises NotFound."""
        records = self.table.article(product_id)
        return self._over(self._laid(records, self._retrieval.read(""))).product(product_id, lang)

    def _found(
        self, reading: Reading, query: str, asked: Filters, sort: Sort, rows: int, articles: int, also: Ids
    ) -> Search:
        """The search over what is gathered for the first of the attempts at `asked` that lets something match.

        Each question asks for `rows` at least, and for twice as many as long as it came back full of matches that are
        fewer than so many `articles`.
        """
        for _, filters in attempts(asked, reading.understood.price):
            limit = _depth(rows)
            while True:
                parts = self._gathered(reading, query, filters, sort, limit, also)
                search = self._over(parts)
                retrieval = Retrieval(search.parts, self._clock)
                allowed = retrieval.allowed(filters)
                # What was pinned or seen before is gathered without the filters, and must not pass for a match.
                matches = retrieval.matches(query, retrieval.retrieve(reading, allowed), allowed)
                found = len(np.unique(search.parts.columns.group[matches]))
                # By half, because what the overlay hides is missing among the matches.
                exhausted = len(parts.products) < limit or len(matches) < limit // 2
                if found >= articles or exhausted or limit >= MOST:
                    break
                limit *= 2
            if found:
                break
        return search

    def _gathered(self, reading: Reading, query: str, filters: Filters, sort: Sort, limit: int, also: Ids) -> Parts:
        pins = self.parts.rules.pins(query)

        def named() -> list[str]:
            return [*pins, *also()]

        if not words(reading.text):
            return self._laid(self.table.browse(filters, sort, limit, lambda: pins), reading, query)
        vector = self.parts.encoder.encode([reading.text])[0]
        asked = [*dict.fromkeys([*terms(reading.text), *terms(reading.extra)])]
        records = self.table.find(asked, vector, filters, limit, named)
        parts = self._laid(records, reading, query)
        return dataclasses.replace(parts, encoder=Remembered(self.parts.encoder, reading.text, vector))

    def _laid(self, records: Sequence[Record], reading: Reading, query: str = "") -> Parts:
        """The parts of `records` alone, in the catalogue's order, for this reading."""
        records = sorted(records, key=lambda record: record.row)
        products = [_decode(record.product) for record in records]
        ids = [product.product_id for product in products]
        documents = np.array([np.frombuffer(r.documents, np.float32) for r in records], np.float32).reshape(-1, 2, 3)
        asked = [*terms(reading.text), *terms(reading.extra)]
        title, body = (
            Lexical.among(statistics, texts, documents[:, field].T.copy(), asked)
            for field, statistics, texts in (
                (0, self.statistics.title, [record.title for record in records]),
                (1, self.statistics.body, [record.body for record in records]),
            )
        )
        vectors = np.array([np.frombuffer(record.vector, np.int8) for record in records], np.int8)
        rules = self.parts.rules
        if rules.pins(query) or rules.buries(query):
            rules = rules.among({*ids})
        return dataclasses.replace(
            self.parts,
            products=Gathered([record.product for record in records], ids, self.table),
            columns=Columns.among(products, self.parts.columns.values),
            title=title,
            body=body,
            dense=Dense(vectors.reshape(len(records), -1) if len(records) else self.parts.dense.rows),
            rules=rules,
        )


class Gathered(Products):
    """Some of a table's products, by their JSON and their `ids`."""

    def __init__(self, lines: Sequence[bytes], ids: Sequence[str], table: Table) -> None:
        start = np.cumsum([0, *map(len, lines)])
        by_id = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int32)
        super().__init__(Lines(b"".join(lines), start), by_id, None)
        self.table = table


class Remembered:
    """An encoder that has read one text already."""

    def __init__(self, encoder: TextEncoder, text: str, vector: NDArray[np.float32]) -> None:
        self._encoder, self._text, self._vector = encoder, text, vector

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._vector[None] if list(texts) == [self._text] else self._encoder.encode(texts)


def _depth(k: int) -> int:
    """How many rows a question asks for, in steps, so that neighbouring pages come from the same rows."""
    depth = CANDIDATES
    while depth < k:
        depth *= 2
    return depth
