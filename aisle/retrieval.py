"""The candidates for a query and their order: what words and meaning find, ranked, then read by the cross-encoder.

The search flow and the workshop share this: the ranker is fitted on the very features that serving computes.
Everything is told by row; filters have already said which rows may match. It knows no request, no page and no clock
of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from aisle.catalogue import product_text
from aisle.dense import UNSEEN, Dense, top_rows
from aisle.encoder import TextEncoder
from aisle.filters import Columns
from aisle.lexical import Lexical
from aisle.merchandising import Rules
from aisle.personal import PERSONALISED, Personal, past
from aisle.products import Products
from aisle.ranker import FIRST, Evidence, Order, final_features, first_features
from aisle.reranker import Reranker, sigmoid
from aisle.shopping import Act
from aisle.text import fold, words
from aisle.timings import Clock, Timings
from aisle.types import FACETS, Filters, Understood
from aisle.understanding import Understanding

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]  # (n,), by row

CANDIDATES = 200  # of each retriever; the ranker sees their union
RERANKED = 50  # read by the cross-encoder: a page of ten and four more
SLICE = 10  # pairs between two looks at the clock
HALF_COVERED = 0.5  # a row with half of the query's idf mass matches by words alone


@dataclass(frozen=True)
class Parts:
    """What a bundle holds, opened. `floor`: the least cosine that counts as a match; `currency`: the catalogue's.

    `heavy_margin`: under which an order deserves the heavy reranker. `visible`: the rows that may be shown, None for
    all. `personal`: None where no clicks were learned from.
    """

    products: Products
    columns: Columns
    title: Lexical
    body: Lexical
    dense: Dense
    encoder: TextEncoder
    reranker: Reranker
    ranker: Order | None  # None only while the workshop has not fitted it
    understanding: Understanding
    rules: Rules
    floor: float
    currency: str
    heavy_margin: float = 0.0
    visible: Mask | None = None
    personal: Personal | None = None


@dataclass(frozen=True)
class Reading:
    """A query as the stages see it: `text` for retrieval, `extra` terms from the shop's synonyms."""

    text: str
    extra: str
    understood: Understood


@dataclass(frozen=True)
class Ranked:
    """Rows best first with scores in 0..1; `features` are the candidates', (c, len(FIRST)), `cross` the logits of the
    rows read, NaN where one was not. `rest`: the matches that come after, in row order until `Retrieval.complete` sorts
    them. `personal`: the logits that the first rows owe to the shopper's history."""

    rows: Rows
    scores: NDArray[np.float32]
    features: NDArray[np.float32]
    cross: NDArray[np.float32]
    rest: Rows
    personal: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


class Retrieval:
    """The stages of one search over `parts`; `clock` is only ever subtracted from itself."""

    def __init__(self, parts: Parts, clock: Clock) -> None:
        self.parts, self._clock = parts, clock

    def read(self, query: str) -> Reading:
        """What the query asks, with the words to look up."""
        text, understood = self.parts.understanding.understand(query, self.parts.currency)
        return Reading(text, self.parts.rules.expand(text), understood)

    def retrieve(
        self, reading: Reading, allowed: Mask | None = None, timings: Timings | None = None
    ) -> Evidence | None:
        """What words say about every row, and meaning about those `allowed`; None where the query has no words."""
        if not words(reading.text):
            return None
        title, body = (index.match(reading.text, reading.extra) for index in (self.parts.title, self.parts.body))
        if timings:
            timings.lap("lexical")
        vector = self.parts.encoder.encode([reading.text])[0]
        cosine = self.parts.dense.scores(vector, allowed)
        if timings:
            timings.lap("dense")
        return Evidence(title, body, vector, cosine)

    def within(self, evidence: Evidence | None, allowed: Mask | None) -> Evidence | None:
        """`evidence` for other rows `allowed`, where vectors are compared with some rows only."""
        if evidence is None or self.parts.dense.whole:
            return evidence
        return evidence._replace(cosine=self.parts.dense.scores(evidence.vector, allowed))

    def candidates(self, evidence: Evidence, matches: Rows) -> Rows:
        """The best of `matches` by words and by meaning, in row order; from here on each has a cosine."""
        lexical = evidence.title.score[matches] + evidence.body.score[matches]
        found = top_rows(lexical, CANDIDATES)
        chosen = np.zeros(len(matches), bool)
        chosen[found[lexical[found] > 0]] = True
        chosen[top_rows(evidence.cosine[matches], CANDIDATES)] = True
        rows = matches[chosen]
        unseen = rows[evidence.cosine[rows] == UNSEEN]
        evidence.cosine[unseen] = self.parts.dense.some(unseen, evidence.vector)
        return rows

    def features(self, reading: Reading, evidence: Evidence, rows: Rows) -> NDArray[np.float32]:
        """(len(rows), len(FIRST)) float32."""
        agreement = np.column_stack(
            [self._agreement(reading.understood, facet, rows) for facet in ("category", "brand", "color")]
        )
        asked = len(reading.text.split())
        detail = self.parts.title.detail(evidence.title, rows)
        return first_features(evidence, rows, detail, self.parts.title.documents[0, rows], agreement, asked)

    def rank(self, reading: Reading, evidence: Evidence, matches: Rows) -> Ranked:
        """The candidates among `matches` in the ranker's order."""
        rows = self.candidates(evidence, matches)
        features = self.features(reading, evidence, rows)
        scores = self.parts.ranker.first(features) if self.parts.ranker else features[:, FIRST.index("cosine")]
        order = np.lexsort((rows, -evidence.cosine[rows], -scores))
        other = np.ones(len(self.parts.products), bool)
        other[rows] = False
        return Ranked(rows[order], scores[order], features[order], np.zeros(0, np.float32), matches[other[matches]])

    def complete(self, ranked: Ranked, evidence: Evidence | None) -> Ranked:
        """`ranked` with the rest behind the candidates: by cosine, as far as it is known, and scored below them."""
        if evidence is None:
            return ranked
        rest = ranked.rest[np.argsort(-evidence.cosine[ranked.rest], kind="stable")]  # equal ones stay in row order
        below = ranked.scores.min(initial=1.0) * np.clip(evidence.cosine[rest], 0, 1)
        return replace(
            ranked,
            rows=np.concatenate([ranked.rows, rest]),
            scores=np.concatenate([ranked.scores, below]),
            rest=ranked.rest[:0],
        )

    def rerank(self, ranked: Ranked, cross: NDArray[np.float32]) -> Ranked:
        """`ranked` with its first rows, `to_read`, in the final order, by a cross-encoder's logits of them."""
        count = len(cross)
        if not self.parts.ranker:
            return ranked
        scores = self.parts.ranker.final(final_features(ranked.features[:count], ranked.scores[:count], cross))
        return _reordered(ranked, scores, cross)

    def personalise(self, ranked: Ranked, acts: Sequence[Act], now_ms: int) -> Ranked:
        """`ranked` with its first rows in the order of their scores for the shopper who did `acts`; itself where they
        say nothing."""
        told = past(acts, now_ms, self.parts.products)
        count = min(PERSONALISED, len(ranked.features))
        if self.parts.personal is None or not len(told.rows) or not count:
            return ranked
        added = self.parts.personal.logits(told, ranked.rows[:count], self.parts.columns, self.parts.dense)
        known = ranked.scores[:count].clip(1e-6, 1 - 1e-6)
        scores = sigmoid(np.log(known / (1 - known)) + added)
        cross = np.full(count, np.nan, np.float32)
        cross[: len(ranked.cross)] = ranked.cross
        return _reordered(ranked, scores, cross, added)

    def to_read(self, ranked: Ranked) -> Rows:
        """The first rows, which a cross-encoder may read."""
        return ranked.rows[: min(RERANKED, len(ranked.features))]

    def read_pairs(self, text: str, rows: Rows, deadline: float) -> NDArray[np.float32] | None:
        """(len(rows),) float32 logits, or None as soon as the next slice would end after the deadline.

        Slices hold texts of like length, for padding costs as much as text.
        """
        texts = self.texts(rows)
        by_length = np.argsort([len(t) for t in texts], kind="stable")
        scores = np.empty(len(rows), np.float32)
        started = self._clock()
        for done, at in enumerate(range(0, len(rows), SLICE)):
            now = self._clock()
            if now + (now - started) / max(done, 1) >= deadline:
                return None
            positions = by_length[at : at + SLICE]
            scores[positions] = self.parts.reranker.score(text, [texts[i] for i in positions])
        return scores

    def texts(self, rows: Rows) -> list[str]:
        """What a cross-encoder reads of them."""
        return [product_text(self.parts.products[row]) for row in rows]

    def allowed(self, filters: Filters) -> Mask | None:
        """The visible rows that pass the filters, None for all."""
        if filters == Filters():
            return self.parts.visible
        passed = self.parts.columns.mask(filters)
        return passed if self.parts.visible is None else passed & self.parts.visible

    def wanted(self, evidence: Evidence | None, allowed: Mask | None = None) -> Mask:
        """The rows `allowed` that match by words or by meaning; all of them where the query has no words."""
        if evidence is None:
            return np.ones(len(self.parts.products), bool) if allowed is None else allowed.copy()
        matching: Mask = evidence.title.coverage >= HALF_COVERED
        matching |= evidence.body.coverage >= HALF_COVERED
        matching |= evidence.cosine >= max(self.parts.floor, -1.0)
        return matching if allowed is None else matching & allowed

    def matches(self, query: str, evidence: Evidence | None, allowed: Mask | None) -> Rows:
        """The rows wanted, and those that the shop pinned to the query, inside the filters."""
        wanted = self.wanted(evidence, allowed)
        for row in map(self.parts.products.row, self.parts.rules.pins(query)):
            wanted[row] = allowed is None or allowed[row]
        return np.flatnonzero(wanted)

    def _agreement(self, understood: Understood, facet: str, rows: Rows) -> NDArray[np.float32]:
        """(len(rows),): 1 where the product has the value that the query named, -1 another, 0 it named none."""
        value = getattr(understood, facet)
        if value is None:
            return np.zeros(len(rows), np.float32)
        wanted = list(self.parts.columns.values[facet]).index(fold(value))
        return np.where(self.parts.columns.codes[FACETS.index(facet)][rows] == wanted, 1, -1).astype(np.float32)


def _reordered(
    ranked: Ranked, scores: NDArray[np.float32], cross: NDArray[np.float32], personal: NDArray[np.float32] | None = None
) -> Ranked:
    """`ranked` with its first rows by their new `scores`; the others keep their order below those.

    `cross` and `personal`: of the same first rows, (len(scores),).
    """
    count = len(scores)
    order = np.lexsort((np.arange(count), -scores))
    rest = ranked.scores[count:]
    below = rest * min(1.0, float(scores.min()) / max(float(rest.max(initial=0)), 1e-6))
    return Ranked(
        np.concatenate([ranked.rows[:count][order], ranked.rows[count:]]),
        np.concatenate([scores[order], below]),
        np.concatenate([ranked.features[:count][order], ranked.features[count:]]),
        cross[order],
        ranked.rest,
        ranked.personal if personal is None else personal[order],
    )
