"""Six products behind the HTTP services, searched by word overlap, so that every answer can be worked out by hand."""

from collections import Counter
from typing import Literal

import msgspec

from aisle import __version__
from aisle.errors import NotFound
from aisle.identity import Caller
from aisle.overlay import updates
from aisle.shopping import (
    EventsRequest,
    EventsResponse,
    ForgetResponse,
    KnownAct,
    NeighbourRequest,
    ProfileResponse,
    Recommendation,
    RecommendationRequest,
    RecommendationResponse,
)
from aisle.text import terms
from aisle.types import (
    FacetCount,
    Filters,
    Health,
    Hit,
    OverlayRequest,
    OverlayResponse,
    Product,
    ProductResponse,
    Range,
    SearchRequest,
    SearchResponse,
    Suggestion,
    SuggestResponse,
    Understood,
)

PRODUCTS = [
    Product(
        "shoe-red-42", "Red running shoes", category="shoes", brand="Acme", color="red", price=39.0, group_id="run"
    ),
    Product(
        "shoe-red-43", "Red running shoes", category="shoes", brand="Acme", color="red", price=59.0, group_id="run"
    ),
    Product("shoe-blue", "Blue shoes", category="shoes", brand="Zenith", color="blue", price=45.0, stock=0),
    Product("hat-red", "Red hat", category="hats", brand="Zenith", color="red", price=15.0, titles={"zh": "红色帽子"}),
    Product("hat-green", "Green hat", category="hats", brand="Acme", color="green", price=12.5),
    Product("mug", "Enamel mug", category="kitchen", price=9.0),
]


class TinyServices:
    """Scores a product by the share of query words in its title; knows no variants and has no heavy reranker."""

    bundle_id = "tiny"

    def search(self, request: SearchRequest, query_id: str, caller: Caller) -> SearchResponse:
        matches = [product for product in PRODUCTS if _passes(product, request.filters)]
        scored = [(product, _overlap(request.query, product.title)) for product in matches]
        found = sorted((pair for pair in scored if pair[1] > 0 or not request.query), key=lambda pair: -pair[1])
        shown = found[(request.page - 1) * request.k : request.page * request.k]
        counts = {facet: Counter(getattr(product, facet) for product, _ in found) for facet in request.facets}
        return SearchResponse(
            query_id=query_id,
            bundle_id=self.bundle_id,
            total=len(found),
            understood=Understood(),
            relaxed=[],
            degraded=["heavy_rerank"] if request.rerank == "heavy" else [],
            facets={facet: [FacetCount(*pair) for pair in count.most_common()] for facet, count in counts.items()},
            hits=[_hit(product, score) for product, score in shown],
            timings_ms={"lexical": 0.5, "total": 1.25},
        )

    def suggest(self, query: str, k: int, lang: str | None) -> SuggestResponse:
        categories = dict.fromkeys(product.category for product in PRODUCTS)
        return SuggestResponse([Suggestion(name, "category") for name in categories if name.startswith(query)][:k])

    def product(self, product_id: str, lang: str | None) -> ProductResponse:
        product = next((product for product in PRODUCTS if product.product_id == product_id), None)
        if product is None:
            raise NotFound(f"there is no product {product_id!r}", "search for it, or check the id")
        others = [other for other in PRODUCTS if other.group_id == product.group_id != "" and other is not product]
        shown = msgspec.structs.replace(product, title=product.titles.get(lang or "", product.title))
        return ProductResponse(shown, [other.product_id for other in others])

    def rerank(self, query: str, texts: list[str]) -> list[float]:
        return [_overlap(query, text) for text in texts]

    def recommend(self, request: RecommendationRequest, query_id: str, caller: Caller) -> RecommendationResponse:
        """The cheapest products; for a shopper who is known, the dearest."""
        wanted = [p for p in PRODUCTS if p.product_id not in request.exclude and _passes(p, request.filters)]
        wanted.sort(key=lambda product: product.price or 0, reverse=bool(caller.shoppers))
        route: Literal["behaviour", "popular"] = "behaviour" if caller.shoppers else "popular"
        return self._recommended(query_id, route, wanted[: request.k])

    def similar(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse:
        asked = self.product(request.product_id, None).product
        others = [p for p in PRODUCTS if p.category == asked.category and p.product_id != asked.product_id]
        return self._recommended(query_id, "content", others[: request.k])

    def together(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse:
        asked = self.product(request.product_id, None).product
        others = [p for p in PRODUCTS if p.color == asked.color and p.product_id != asked.product_id]
        return self._recommended(query_id, "behaviour", others[: request.k])

    def _recommended(
        self, query_id: str, route: Literal["behaviour", "content", "popular"], products: list[Product]
    ) -> RecommendationResponse:
        hits = [Recommendation(_hit(product, 1.0)) for product in products]
        return RecommendationResponse(query_id, self.bundle_id, route, [], hits, {"total": 0.25})

    def events(self, request: EventsRequest, caller: Caller) -> EventsResponse:
        return EventsResponse(len(request.events) + len(request.queries), [])

    def profile(self, caller: Caller) -> ProfileResponse:
        return ProfileResponse([KnownAct("mug", "click", "2026-01-31T12:00:00.000Z")], None, list(caller.shoppers))

    def forget(self, caller: Caller) -> ForgetResponse:
        return ForgetResponse("2026-01-31T12:00:00.000Z")

    def overlay(self, request: OverlayRequest) -> OverlayResponse:
        return OverlayResponse(len(updates(request)), "2026-01-31T12:00:00.000+00:00")

    def warm_up(self) -> None:
        """There is nothing to make ready."""

    def health(self) -> Health:
        return Health("ok", __version__, self.bundle_id, len(PRODUCTS))


def _overlap(query: str, text: str) -> float:
    wanted = set(terms(query))
    return len(wanted & set(terms(text))) / len(wanted) if wanted else 0.0


def _passes(product: Product, filters: Filters) -> bool:
    return all(_agrees(getattr(product, name), rule) for name, rule in msgspec.structs.asdict(filters).items())


def _agrees(value: object, rule: object) -> bool:
    match rule:
        case list():
            return str(value).casefold() in {str(choice).casefold() for choice in rule}
        case Range():
            return isinstance(value, float) and (rule.gte or 0) <= value <= (rule.lte or float("inf"))
        case bool():
            return value is rule
    return True


def _hit(product: Product, score: float) -> Hit:
    return Hit(
        product_id=product.product_id,
        score=score,
        title=product.title,
        in_stock=product.in_stock,
        price=product.price,
        brand=product.brand,
        category=product.category,
        color=product.color,
        group_id=product.group_id,
    )
