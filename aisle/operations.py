"""The table of operations, from which every door builds its application and the document is made.

An operation is a request struct, a plain function and a response struct. It knows no index and no model, only the
`Services` that it is given, and nothing of HTTP beyond its method and path.
"""

import uuid
from typing import Annotated, Protocol

from msgspec import Meta

from aisle.errors import BadInput
from aisle.identity import Caller
from aisle.operation import Operation
from aisle.parameters import NoParameters, ProductParameters, SearchParameters, SuggestParameters
from aisle.rerank_forms import answer_rerank
from aisle.shopper_operations import SHOPPER_OPERATIONS, RecommendServices, ShopperServices
from aisle.types import (
    MAX_DEPTH,
    Health,
    OverlayRequest,
    OverlayResponse,
    ProductResponse,
    RerankRequest,
    RerankResponse,
    SearchRequest,
    SearchResponse,
    SuggestResponse,
    TextScore,
)


class OverlayServices(Protocol):
    """What the door of the overlay needs."""

    def overlay(self, request: OverlayRequest) -> OverlayResponse: ...


class Services(OverlayServices, RecommendServices, ShopperServices, Protocol):
    """What a door of everything needs from the wiring; calls may come from several threads at once."""

    def search(self, request: SearchRequest, query_id: str, caller: Caller) -> SearchResponse: ...
    def suggest(self, query: str, k: int, lang: str | None) -> SuggestResponse: ...
    def product(self, product_id: str, lang: str | None) -> ProductResponse: ...  # raises NotFound
    def rerank(self, query: str, texts: list[str]) -> list[float]: ...  # one score in 0..1 per text
    def health(self) -> Health: ...


def _search(services: Services, asked: SearchRequest, caller: Caller) -> SearchResponse:
    if asked.page * asked.k > MAX_DEPTH:
        raise BadInput(
            f"page {asked.page} of {asked.k} hits is deeper than {MAX_DEPTH} hits", "narrow the query, or ask for fewer"
        )
    for name in ("price", "rating"):
        interval = getattr(asked.filters, name)
        if interval and None not in (interval.gte, interval.lte) and interval.gte > interval.lte:
            raise BadInput(
                f"filter {name} starts at {interval.gte:g}, above its end {interval.lte:g}", "swap the two ends"
            )
    return services.search(asked, uuid.uuid4().hex, caller)


def _search_link(services: Services, asked: SearchParameters, caller: Caller) -> SearchResponse:
    return _search(services, asked.to_request(), caller)


def _suggest(services: Services, asked: SuggestParameters, caller: Caller) -> SuggestResponse:
    return services.suggest(asked.q, asked.k, asked.lang or None)


def _product(services: Services, asked: ProductParameters, caller: Caller) -> ProductResponse:
    return services.product(asked.id, asked.lang or None)


def _rerank(services: Services, asked: RerankRequest, caller: Caller) -> RerankResponse | list[TextScore]:
    return answer_rerank(asked, services.rerank, caller.request_id)


def _health(services: Services, asked: NoParameters, caller: Caller) -> Health:
    return services.health()


def _overlay(services: OverlayServices, asked: OverlayRequest, caller: Caller) -> OverlayResponse:
    return services.overlay(asked)


_EITHER_FORM = {"oneOf": [{"required": ["documents"]}, {"required": ["texts"]}]}
_RERANK_BODY = Annotated[RerankRequest, Meta(extra_json_schema=_EITHER_FORM)]
OPERATIONS = (
    Operation(
        "GET",
        "/v1/search",
        "search",
        f"Search, as a link; page * k is at most {MAX_DEPTH}",
        _search_link,
        SearchResponse,
        token="optional",
        parameters=SearchParameters,
    ),
    Operation(
        "POST",
        "/v1/search",
        "search",
        f"Search; page * k is at most {MAX_DEPTH}",
        _search,
        SearchResponse,
        token="optional",
        body=SearchRequest,
    ),
    Operation(
        "GET", "/v1/suggest", "search", "Complete a query", _suggest, SuggestResponse, parameters=SuggestParameters
    ),
    Operation(
        "GET", "/v1/products/{id}", "search", "Show a product", _product, ProductResponse, parameters=ProductParameters
    ),
    Operation(
        "POST",
        "/v1/rerank",
        "search",
        "Rank documents (as Cohere and Jina do) or texts (as TEI does); long texts are cut",
        _rerank,
        RerankResponse | list[TextScore],
        body=_RERANK_BODY,
    ),
    Operation(
        "PUT",
        "/v1/overlay",
        "overlay",
        "Change price and stock, hide products, add new ones, without a new bundle; may be sent twice",
        _overlay,
        OverlayResponse,
        key="secret",
        body=OverlayRequest,
    ),
    Operation("GET", "/v1/health", "search", "Is it up, and with which bundle", _health, Health, key="none"),
    *SHOPPER_OPERATIONS,
)
