"""From a shopper's query to an ordered page: understand, retrieve, filter, rank, rerank, personalise, collapse.

Words (BM25) and meaning (vectors) are asked about the products; what either finds, inside the filters, is a match.
The learned ranker orders a few hundred candidates, the cross-encoder reads the best fifty if the time budget allows,
a heavy one elsewhere reads them again where their order is open and it answers in time, what the shopper did before
moves some of them, the shop's own rules have the last word, and the variants of one article become one hit. This flow
knows no clock, file or network: they are handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from aisle.filters import relax
from aisle.heavy import HeavyRoute, Opinion, margin
from aisle.query_cache import QueryCache
from aisle.ranker import FINAL, FIRST, Evidence
from aisle.retrieval import Parts, Ranked, Reading, Retrieval, Rows
from aisle.shopping import History
from aisle.timings import Clock, Timings
from aisle.types import FACETS, Filters, Hit, Product, ProductResponse, Range, SearchRequest, SearchResponse
from aisle.variety import VARIED, varied

HEAVY_CHARS = 4000  # of a text; a cross-encoder of 512 tokens reads less than that
LEAST_SHARE = 0.5  # of the best score, to take part in another order: by price, cheap accessories would win otherwise


class Page(NamedTuple):
    """One page: positions in the ranking, one an article, and their scores; how many articles match."""

    positions: list[int]
    scores: list[float]
    total: int


class Search:
    """Answers requests from `parts`; `clock` is only ever subtracted from itself."""

    def __init__(
        self,
        parts: Parts,
        bundle_id: str,
        clock: Clock,
        heavy: HeavyRoute | None = None,
        cache: QueryCache | None = None,
    ) -> None:
        self.parts, self.bundle_id, self._clock, self._heavy = parts, bundle_id, clock, heavy
        self._cache = cache or QueryCache()
        self._retrieval = Retrieval(parts, clock)

    def search(
        self, request: SearchRequest, query_id: str, history: History | None = None, now_ms: int = 0
    ) -> SearchResponse:
        """The page that `request` asks for, under `query_id`. A valid request has an answer, if an empty one.

        `history`: of the shopper at `now_ms` since 1970, asked as late as may be and only where it can matter; None for
        a stranger.
        """
        timings = Timings(self._clock)
        reading = self._retrieval.read(request.query)
        timings.lap("understand")
        evidence, matches, relaxed = self._found(request, reading, timings)
        deadline = timings.start + request.budget_ms / 1000
        ranked, degraded = self._ranked(request, reading, evidence, matches, timings, deadline)
        if (
            history
            and request.personal
            and self.parts.personal
            and request.sort == "relevance"
            and len(ranked.features)
        ):
            acts = history()
            ranked = ranked if acts is None else self._retrieval.personalise(ranked, acts, now_ms)
            degraded = [*degraded, "profile"] if acts is None else degraded
            timings.lap("personal")
        if request.sort != "relevance":
            ranked = self._sorted(request, ranked)
            matches = np.sort(ranked.rows)
        ranked = self._reaching(request, ranked, evidence)
        page = self._page(request, ranked, matches, vary=evidence is not None and not _chosen(request, reading))
        variants = self._variants(ranked.rows[page.positions], matches)
        return SearchResponse(
            query_id=query_id,
            bundle_id=self.bundle_id,
            total=page.total,
            understood=reading.understood,
            relaxed=relaxed,
            degraded=degraded,
            facets=self.parts.columns.facet_counts(matches, request.facets),
            hits=[
                self._hit(request, ranked, at, score, count)
                for at, score, count in zip(page.positions, page.scores, variants, strict=True)
            ],
            timings_ms=timings.finished(),
            redirect=self.parts.rules.redirect(request.query),
        )

    def ranking(self, query: str, k: int) -> list[tuple[str, float]]:
        """The k best (product_id, score) for evaluation: every variant for itself, reranked however long it takes."""
        request = SearchRequest(query, rerank="student")
        reading = self._retrieval.read(query)
        timings = Timings(self._clock)
        evidence, matches, _ = self._found(request, reading, timings)
        if evidence is None and reading.understood.price is None:
            return []  # nothing was asked
        ranked, _ = self._ranked(request, reading, evidence, matches, timings, deadline=np.inf)
        if k > len(ranked.rows):
            ranked = self._retrieval.complete(ranked, evidence)
        rows = ranked.rows[:k].tolist()
        return [
            (self.parts.products[row].product_id, float(score)) for row, score in zip(rows, ranked.scores, strict=False)
        ]

    def said(self, query: str) -> tuple[str, dict[str, float]]:
        """The query as it is read, and the cross-encoder's logits of the products that it would reread for it."""
        reading, timings = self._retrieval.read(query), Timings(self._clock)
        evidence, matches, _ = self._found(SearchRequest(query), reading, timings)
        if evidence is None:
            return reading.text, {}
        rows = self._retrieval.to_read(self._retrieval.rank(reading, evidence, matches))
        logits = self._retrieval.read_pairs(reading.text, rows, np.inf)
        assert logits is not None  # it has all the time
        ids = [self.parts.products[row].product_id for row in rows.tolist()]
        return reading.text, dict(zip(ids, logits.tolist(), strict=True))

    def margin(self, query: str) -> float:
        """How clear the student's order of what `query` finds is, as `aisle.heavy.margin` tells it."""
        request, reading, timings = (
            SearchRequest(query, rerank="student"),
            self._retrieval.read(query),
            Timings(self._clock),
        )
        evidence, matches, _ = self._found(request, reading, timings)
        ranked, _ = self._ranked(request, reading, evidence, matches, timings, deadline=np.inf)
        return margin(self._articles(ranked, len(self._retrieval.to_read(ranked))))

    def product(self, product_id: str, lang: str | None) -> ProductResponse:
        """One product, titled in `lang` where the catalogue has that, and the ids of its variants. Raises NotFound."""
        row = self.parts.products.row(product_id)
        product, group = self.parts.products[row], self.parts.columns.group
        visible = self.parts.visible
        same = group == group[row]
        variants = np.flatnonzero(same if visible is None else same & visible).tolist()
        title = product.titles.get(lang or "", product.title)
        description = product.descriptions.get(lang or "", product.description)
        shown = msgspec.structs.replace(product, title=title, description=description)
        return ProductResponse(shown, [self.parts.products[r].product_id for r in variants if r != row])

    def _found(
        self, request: SearchRequest, reading: Reading, timings: Timings
    ) -> tuple[Evidence | None, Rows, list[str]]:
        """The rows that match inside the filters, why they do, and the names of the filters given up to find any."""
        (_, filters), *others = attempts(request.filters, reading.understood.price)
        allowed = self._retrieval.allowed(filters)
        evidence = self._retrieval.retrieve(reading, allowed, timings)
        rows = self._retrieval.matches(request.query, evidence, allowed)
        given_up: list[str] = []
        for name, filters in others:
            if len(rows):
                break
            given_up.append(name)
            allowed = self._retrieval.allowed(filters)
            evidence = self._retrieval.within(evidence, allowed)
            rows = self._retrieval.matches(request.query, evidence, allowed)
        return evidence, rows, given_up if len(rows) else []

    def _ranked(
        self,
        request: SearchRequest,
        reading: Reading,
        evidence: Evidence | None,
        matches: Rows,
        timings: Timings,
        deadline: float,
    ) -> tuple[Ranked, list[str]]:
        """The matches in their final order, and the stages that `deadline` (seconds of the clock) did not allow."""
        if evidence is None:
            return self._browsed(matches), []
        ranked = self._retrieval.rank(reading, evidence, matches)
        timings.lap("rank")
        rows = self._retrieval.to_read(ranked)
        if request.rerank == "none" or request.sort != "relevance" or not len(rows):
            return ranked, []
        opinion = self._opinion(reading, rows, deadline) if request.rerank == "heavy" else None
        cross = self._kept(reading.text, rows)
        if cross is None:
            cross = self._retrieval.read_pairs(reading.text, rows, deadline)
        timings.lap("rerank")
        if cross is None:
            return ranked, ["rerank"] if opinion is None else ["rerank", "heavy_rerank"]
        reranked = self._retrieval.rerank(ranked, cross)
        if request.rerank == "auto" and self._heavy and self._heavy.wants(self._articles(reranked, len(rows))):
            opinion = self._opinion(reading, rows, deadline)
        if opinion is None:
            return reranked, []
        logits = opinion()
        timings.lap("heavy_rerank")
        if logits is None:
            return reranked, ["heavy_rerank"]
        return self._retrieval.rerank(ranked, logits), []

    def _kept(self, text: str, rows: Rows) -> NDArray[np.float32] | None:
        """(len(rows),) float32 logits of the cache; None where it lacks one of these pairs."""
        said = self._cache.find(text)
        if said is None:
            return None
        logits = [said.get(self.parts.products[row].product_id) for row in rows.tolist()]
        return None if None in logits else np.array(logits, np.float32)

    def _articles(self, ranked: Ranked, count: int) -> NDArray[np.float32]:
        """The scores of the articles among the first `count` rows, best first: variants are not each other's rivals."""
        _, first = np.unique(self.parts.columns.group[ranked.rows[:count]], return_index=True)
        scores: NDArray[np.float32] = ranked.scores[np.sort(first)]
        return scores

    def _opinion(self, reading: Reading, rows: Rows, deadline: float) -> Opinion:
        """The heavy reranker's, of these rows, asked for now."""
        if self._heavy is None:
            return lambda: None
        texts = [text[:HEAVY_CHARS] for text in self._retrieval.texts(rows)]
        return self._heavy.reranker.begin(reading.text, texts, deadline - self._clock())

    def _browsed(self, matches: Rows) -> Ranked:
        """Without words, the well rated first."""
        rating = np.nan_to_num(self.parts.columns.rating[matches] / 5).astype(np.float32)
        order = np.lexsort((matches, -rating))
        none = np.zeros((0, len(FIRST)), np.float32)
        return Ranked(matches[order], rating[order], none, np.zeros(0, np.float32), matches[:0])

    def _sorted(self, request: SearchRequest, ranked: Ranked) -> Ranked:
        """The relevant candidates (without words: everything) by price, date or rating."""
        pool = np.arange(len(ranked.features) or len(ranked.rows))
        if len(ranked.features):
            pool = pool[ranked.scores[pool] >= ranked.scores.max(initial=0) * LEAST_SHARE]
        order = pool[self.parts.columns.order(ranked.rows[pool], request.sort, ranked.scores[pool])]
        features = ranked.features[order] if len(ranked.features) else ranked.features
        return Ranked(ranked.rows[order], ranked.scores[order], features, np.zeros(0, np.float32), ranked.rest[:0])

    def _reaching(self, request: SearchRequest, ranked: Ranked, evidence: Evidence | None) -> Ranked:
        """`ranked` with its rest put in order where this page may show some of it."""
        rules, group = self.parts.rules, self.parts.columns.group
        articles = len(np.unique(group[ranked.rows]))
        shown = max(request.page * request.k, VARIED)
        if len(ranked.rest) and (articles < shown or rules.pins(request.query) or rules.buries(request.query)):
            return self._retrieval.complete(ranked, evidence)
        return ranked

    def _page(self, request: SearchRequest, ranked: Ranked, matches: Rows, vary: bool) -> Page:
        """Variants collapsed onto the best of them; pinned articles first, buried ones last; without either, where
        it may `vary`, colours mixed among near equals."""
        group = self.parts.columns.group
        pins = {self.parts.products.row(p): place for place, p in enumerate(self.parts.rules.pins(request.query))}
        buried = {self.parts.products.row(p) for p in self.parts.rules.buries(request.query)}
        order = np.arange(len(ranked.rows))
        if pins or buried:
            places = [pins.get(row, len(pins) + (row in buried)) for row in ranked.rows.tolist()]
            order = np.lexsort((order, np.array(places)))
        groups, ranks, first = group[ranked.rows[order]], np.arange(len(order)), np.empty(len(group), np.int64)
        first[groups[::-1]] = ranks[::-1]  # the last write stays: where each article comes first
        positions = order[first[groups] == ranks]
        scores = ranked.scores[positions]
        if vary and not pins and not buried:
            mixed, scores = varied(scores, self.parts.columns.codes[FACETS.index("color")][ranked.rows[positions]])
            positions = positions[mixed]
        matching = np.zeros(len(group), bool)
        matching[group[matches]] = True
        page = slice((request.page - 1) * request.k, request.page * request.k)
        return Page(positions[page].tolist(), scores[page].tolist(), int(np.count_nonzero(matching)))

    def _variants(self, shown: Rows, matches: Rows) -> list[int]:
        """For each row shown, how many of the matches are variants of its article."""
        group = self.parts.columns.group
        wanted = np.zeros(len(group), bool)
        wanted[group[shown]] = True
        found = group[matches]
        counts = Counter(found[wanted[found]].tolist())
        return [counts[article] for article in group[shown].tolist()]

    def _hit(self, request: SearchRequest, ranked: Ranked, at: int, score: float, variants: int) -> Hit:
        row = int(ranked.rows[at])
        shown = hit(self.parts.products[row], score, request.lang)
        explain = explained(ranked, at) if request.explain else None
        return msgspec.structs.replace(shown, variants=variants, explain=explain)


def _chosen(request: SearchRequest, reading: Reading) -> bool:
    """Whether the shopper has said which of the articles should come first."""
    color = reading.understood.color or request.filters.color is not UNSET
    return bool(color) or request.sort != "relevance"


def attempts(asked: Filters, price: Range | None) -> Iterator[tuple[str, Filters]]:
    """The filters to try in turn, each with what was given up for it: the price in the query, then `relax`'s."""
    if price is not None and asked.price is UNSET:
        yield "", msgspec.structs.replace(asked, price=price)
        yield "understood.price", asked
    else:
        yield "", asked
    yield from relax(asked)


def explained(ranked: Ranked, at: int) -> dict[str, float]:
    """What each stage said of the row at this position, by feature name; empty for a row beyond the candidates."""
    if at >= len(ranked.features):
        return {}
    stages = dict(zip(FIRST, ranked.features[at].tolist(), strict=True))
    if at < len(ranked.cross) and not np.isnan(ranked.cross[at]):
        stages[FINAL[len(FIRST)]] = float(ranked.cross[at])
    if at < len(ranked.personal):
        stages["personal"] = float(ranked.personal[at])
    return {name: round(value, 4) for name, value in stages.items()}


def hit(product: Product, score: float, lang: str | None) -> Hit:
    """A product as an answer shows it, titled in `lang` where the catalogue has that."""
    return Hit(
        product_id=product.product_id,
        score=round(score, 6),
        title=product.titles.get(lang or "", product.title),
        in_stock=product.in_stock,
        price=product.price,
        currency=product.currency,
        brand=product.brand,
        category=product.category,
        color=product.color,
        rating=product.rating,
        image_url=product.image_url,
        group_id=product.group_id,
    )
