"""From what is known of a shopper, or from the product that a page shows, to a list of other products.

The recommender proposes more than is asked for; nothing sold out, hidden, filtered out or excluded is among it. The
variants of one article become one, the list is made diverse, and where asked each product says why it is there. This
flow knows no clock, file or network: they are handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle import reasons
from aisle.content_recommender import ContentRecommender
from aisle.diversity import diversified
from aisle.retrieval import Mask, Parts, Rows
from aisle.search import hit
from aisle.shopping import (
    Act,
    Because,
    History,
    Kind,
    Listed,
    NeighbourRequest,
    Recommendation,
    RecommendationRequest,
    RecommendationResponse,
    Route,
    SessionEvent,
    Suggested,
)
from aisle.timings import Clock, Timings
from aisle.types import FACETS, Filters, Product

PROPOSED, SPARE = 3, 20  # products proposed: so many for each that is asked for, and some more
SUGGESTED = 200  # products chosen ahead of a request: enough for a page of 50
YOUNG_MS = 36 * 3_600_000  # how long they are taken: a night, and half a day more if it was missed
NEW_MS = 30 * 86_400_000  # how long a product counts as new in the shop
_DAY_MS = 86_400_000


Near = Callable[[int, int, Mask | None], tuple[Rows, NDArray[np.float32]]]


class Evidence(Protocol):
    """`route`: "behaviour" or "content" of the shopper, "popular" by the log's counts, "rated" by the catalogue."""

    @property
    def route(self) -> str: ...
    @property
    def rows(self) -> Sequence[int]: ...  # of the history, that spoke for it, the strongest first


class Chosen(NamedTuple):
    """Evidence of which only the route is known."""

    route: str
    rows: tuple[int, ...] = ()


class Recommended(Protocol):
    """Rows best first, with falling scores in 0..1 and what speaks for each."""

    @property
    def rows(self) -> Rows: ...
    @property
    def scores(self) -> NDArray[np.float32]: ...
    @property
    def evidence(self) -> Sequence[Evidence]: ...


class Recommender(Protocol):
    """What proposes. Rows are those of the bundle's products; unknown ids of a history are passed over."""

    def recommend(
        self, history: Sequence[Act], now_ms: int, k: int, /, *, new: bool, allowed: Mask | None
    ) -> Recommended: ...
    def similar(self, row: int, k: int, allowed: Mask | None, /) -> tuple[Rows, NDArray[np.float32]]: ...
    def together(self, row: int, k: int, allowed: Mask | None, /) -> tuple[Rows, NDArray[np.float32]]: ...


class Proposal(NamedTuple):
    """One article's best variant."""

    row: int
    score: float
    evidence: Evidence | None = None


class Recommend:
    """Answers from `parts` by what `recommender` proposes, of a bundle without one by the catalogue alone.

    `clock` is only ever subtracted from itself.
    """

    def __init__(self, parts: Parts, recommender: Recommender | None, bundle_id: str, clock: Clock) -> None:
        self._content = ContentRecommender(parts)
        self._recommender: Recommender = recommender or self._content
        self._parts, self._bundle_id, self._clock = parts, bundle_id, clock

    def recommend(
        self,
        request: RecommendationRequest,
        history: History,
        now_ms: int,
        query_id: str,
        suggested: Callable[[], Suggested | None] = lambda: None,
    ) -> RecommendationResponse:
        """What this shopper may like; `history` is asked once, unless the request is not personal.

        `suggested`, asked after it: what `choose` chose by that history before now. It is taken where it is young, of
        this bundle and long enough; new products alone, reasons and a caller's own events need the recommender.
        """
        timings = Timings(self._clock)
        known = history() if request.personal else ()
        acts = [*(known or ()), *session_acts(request.events, now_ms)]
        timings.lap("profile")
        bought = [act.product_id for act in acts if act.kind == "purchase"] if request.new else []
        allowed = self._allowed(request.filters, [*request.exclude, *bought])

        plain = bool(known) and not (request.events or request.new or request.explain)
        anything = not request.exclude and request.filters == Filters()
        ready, all_there_was = self._ready(suggested() if plain else None, now_ms, allowed, anything)

        def proposed(count: int) -> Sequence[Proposal]:
            if len(ready) >= count or all_there_was:
                return ready[:count]
            found = self._recommender.recommend(acts, now_ms, count, new=request.new, allowed=allowed)
            return [*map(Proposal, found.rows.tolist(), found.scores.tolist(), found.evidence)]

        articles = self._articles(proposed, request.k)
        timings.lap("recommend")
        shown = self._diverse(articles, request.k, request.diversity)
        timings.lap("diversify")
        did = reasons.strongest(acts)
        hits = self._hits(shown, allowed, request.lang, lambda p, product: self._why(p, product, did, now_ms, request))
        degraded = ["profile"] if known is None else []
        return self._response(query_id, _route(shown), degraded, hits, timings)

    def choose(self, acts: Sequence[Act], now_ms: int) -> Suggested:
        """What the recommender proposes to a shopper who did `acts`, for answers to choose from later."""
        found = self._recommender.recommend(acts, now_ms, SUGGESTED, new=False, allowed=self._allowed(Filters(), []))
        told = zip(found.rows.tolist(), found.scores.tolist(), found.evidence, strict=True)
        products = self._parts.products
        listed = [Listed(products[row].product_id, score, evidence.route) for row, score, evidence in told]
        return Suggested(self._bundle_id, now_ms, tuple(listed))

    def _ready(
        self, suggested: Suggested | None, now_ms: int, allowed: Mask, anything: bool
    ) -> tuple[Sequence[Proposal], bool]:
        """Those of the products suggested that are allowed now, none by another bundle or of another day.

        And whether nothing else could have been: where `anything` may be shown and all of a short list still may.
        """
        if not suggested or suggested.bundle_id != self._bundle_id or now_ms - suggested.made_at_ms > YOUNG_MS:
            return [], False
        rows = self._parts.products.find_all([listed.product_id for listed in suggested.products]).tolist()
        told = zip(rows, suggested.products, strict=True)
        ready = [Proposal(row, one.score, Chosen(one.route)) for row, one in told if row >= 0 and allowed[row]]
        return ready, anything and 0 < len(ready) == len(rows) < SUGGESTED

    def similar(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse:
        """Products like the one of the page, never its own variants. Raises NotFound."""
        return self._beside(request, query_id, "similar", self._similar, "content")

    def together(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse:
        """Products bought together with the one of the page, never its own variants. Raises NotFound."""
        return self._beside(request, query_id, "together", self._recommender.together, "behaviour")

    def _beside(
        self,
        request: NeighbourRequest,
        query_id: str,
        relation: Literal["similar", "together"],
        found: Near,
        route: Route,
    ) -> RecommendationResponse:
        timings = Timings(self._clock)
        row = self._parts.products.row(request.product_id)
        allowed = self._allowed(request.filters, [request.product_id, *request.exclude])

        def proposed(count: int) -> list[Proposal]:
            rows, scores = found(row, count, allowed)
            return [*map(Proposal, rows.tolist(), scores.tolist())]

        shown = self._articles(proposed, request.k)[: request.k]
        timings.lap(relation)
        why = reasons.of_product(relation, self._parts.products[row], request.lang) if request.explain else None
        return self._response(query_id, route, [], self._hits(shown, allowed, request.lang, lambda *_: why), timings)

    def _similar(self, row: int, k: int, allowed: Mask | None) -> tuple[Rows, NDArray[np.float32]]:
        """As the recommender has it; of a product that it does not know yet, by the catalogue."""
        rows, scores = self._recommender.similar(row, k, allowed)
        return (rows, scores) if len(rows) else self._content.similar(row, k, allowed)

    def _allowed(self, filters: Filters, excluded: Sequence[str]) -> Mask:
        """What passes the filters, may be shown and is in stock, without the articles of the products excluded."""
        columns, visible = self._parts.columns, self._parts.visible
        allowed = columns.in_stock if filters == Filters() else columns.mask(filters) & columns.in_stock
        allowed = allowed.copy() if visible is None else allowed & visible
        rows = self._parts.products.find_all(excluded)
        if len(rows):
            allowed[np.isin(columns.group, columns.group[rows[rows >= 0]])] = False
        return allowed

    def _articles(self, proposed: Callable[[int], Sequence[Proposal]], k: int) -> list[Proposal]:
        """The best variant of each article, best first: at least k, as far as there are so many."""
        group, count = self._parts.columns.group, PROPOSED * k + SPARE
        while True:
            found = proposed(count)
            articles: dict[int, Proposal] = {}
            for proposal in found:
                articles.setdefault(int(group[proposal.row]), proposal)
            if len(articles) >= k or len(found) < count:
                return [*articles.values()]
            count *= 4

    def _diverse(self, articles: Sequence[Proposal], k: int, diversity: float) -> list[Proposal]:
        rows = np.array([p.row for p in articles], np.int64)
        scores = np.array([p.score for p in articles], np.float32)
        categories = self._parts.columns.codes[FACETS.index("category")][rows]
        vectors = self._parts.dense.vectors(rows)
        return [articles[at] for at in diversified(scores, vectors, categories, k, diversity)]

    def _hits(
        self,
        shown: Iterable[Proposal],
        allowed: Mask,
        lang: str | None,
        why: Callable[[Proposal, Product], Because | None],
    ) -> list[Recommendation]:
        group, hits = self._parts.columns.group, []
        variants = np.bincount(group[allowed], minlength=1)
        for proposal in shown:
            product = self._parts.products[proposal.row]
            one = hit(product, proposal.score, lang)
            one = msgspec.structs.replace(one, variants=int(variants[group[proposal.row]]))
            hits.append(Recommendation(one, why(proposal, product)))
        return hits

    def _why(
        self,
        proposal: Proposal,
        shown: Product,
        did: Mapping[str, Kind],
        now_ms: int,
        request: RecommendationRequest,
    ) -> Because | None:
        evidence = proposal.evidence
        if not request.explain or evidence is None:
            return None
        if evidence.route == "popular":
            return reasons.of_counts(request.lang)
        if evidence.route == "rated":
            created = int(self._parts.columns.created[proposal.row]) * _DAY_MS
            return reasons.of_catalogue(shown, 0 <= now_ms - created <= NEW_MS, request.lang)
        visible = self._parts.visible
        told = [row for row in evidence.rows if visible is None or visible[row]]  # what is hidden is not named
        products = [self._parts.products[row] for row in told]
        return reasons.of_history(
            "like" if evidence.route == "content" else "because", shown, products, did, request.lang
        )

    def _response(
        self, query_id: str, route: Route, degraded: list[str], hits: list[Recommendation], timings: Timings
    ) -> RecommendationResponse:
        return RecommendationResponse(query_id, self._bundle_id, route, degraded, hits, timings.finished())


def session_acts(events: Sequence[SessionEvent], now_ms: int) -> list[Act]:
    """What the caller tells of a moment ago, as acts: the last one now, each other a millisecond before the next."""
    first = now_ms - len(events) + 1
    return [Act(first + nth, f"session-{nth:03}", event.action, event.product_id) for nth, event in enumerate(events)]


def _route(shown: Sequence[Proposal]) -> Route:
    """What most of the products rest on."""
    counts = Counter(proposal.evidence.route for proposal in shown if proposal.evidence)
    named: tuple[Route, ...] = get_args(Route)
    return max(named, key=lambda route: counts[route]) if any(counts[route] for route in named) else "popular"
