"""The table of operations, from which every door builds its application and the document is made.

An operation is a request struct, a plain function and a response struct. It knows no index and no model, only the
`Services` that it is given, and nothing of HTTP beyond its method and path.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct

from aisle.errors import BadInput
from aisle.parameters import NoParameters, ProductParameters, SearchParameters, SuggestParameters
from aisle.rerank_forms import answer_rerank
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


class Services(OverlayServices, Protocol):
    """What a door of everything needs from the wiring; calls may come from several threads at once."""

    def search(self, request: SearchRequest, query_id: str) -> SearchResponse: ...
    def suggest(self, query: str, k: int, lang: str | None) -> SuggestResponse: ...
    def product(self, product_id: str, lang: str | None) -> ProductResponse: ...  # raises NotFound
    def rerank(self, query: str, texts: list[str]) -> list[float]: ...  # one score in 0..1 per text
    def health(self) -> Health: ...


@dataclass(frozen=True)
class Operation:
    """One row of the table. `answer(services, asked, request_id)` gets the decoded parameters or body."""

    method: str
    path: str
    function: str  # which Lambda function answers it
    summary: str
    answer: Callable[[Any, Any, str], object]
    response: Any  # what answer returns, for the document
    key: Literal["none", "publishable", "secret"] = "publishable"  # what a deployed service asks for
    parameters: type[Struct] = NoParameters
    body: Any = None  # the type of a JSON body


def _search(services: Services, asked: SearchRequest, request_id: str) -> SearchResponse:
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
    return services.search(asked, uuid.uuid4().hex)


def _search_link(services: Services, asked: SearchParameters, request_id: str) -> SearchResponse:
    return _search(services, asked.to_request(), request_id)


def _suggest(services: Services, asked: SuggestParameters, request_id: str) -> SuggestResponse:
    return services.suggest(asked.q, asked.k, asked.lang or None)


def _product(services: Services, asked: ProductParameters, request_id: str) -> ProductResponse:
    return services.product(asked.id, asked.lang or None)


def _rerank(services: Services, asked: RerankRequest, request_id: str) -> RerankResponse | list[TextScore]:
    return answer_rerank(asked, services.rerank, request_id)


def _health(services: Services, asked: NoParameters, request_id: str) -> Health:
    return services.health()


def _overlay(services: OverlayServices, asked: OverlayRequest, request_id: str) -> OverlayResponse:
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
        parameters=SearchParameters,
    ),
    Operation(
        "POST",
        "/v1/search",
        "search",
        f"Search; page * k is at most {MAX_DEPTH}",
        _search,
        SearchResponse,
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
)
