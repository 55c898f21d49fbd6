"""The HTTP surface: one table of operations, from which every door builds its application.

A Lambda function answers its own rows, `aisle serve` answers all of them; the OpenAPI document and /docs are made from
the same table. An operation is a request struct, a plain function and a response struct. It knows no index and no
model, only the `Services` that it is given.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aisle.decoding import read_json, read_parameters
from aisle.errors import AisleError, BadInput, TooLarge
from aisle.parameters import NoParameters, ProductParameters, SearchParameters, SuggestParameters
from aisle.problems import RequestIds, aisle_problem, http_problem, nesting_problem, request_id
from aisle.rerank_forms import answer_rerank
from aisle.settings import Settings
from aisle.types import (
    MAX_DEPTH,
    Health,
    ProductResponse,
    RerankRequest,
    RerankResponse,
    SearchRequest,
    SearchResponse,
    SuggestResponse,
    TextScore,
)


class Services(Protocol):
    """What a door needs from the wiring; calls may come from several threads at once."""

    bundle_id: str

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
    answer: Callable[[Services, Any, str], object]
    response: Any  # what answer returns, for the document
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
    Operation("GET", "/v1/health", "search", "Is it up, and with which bundle", _health, Health),
)


def build_app(services: Services, settings: Settings, functions: tuple[str, ...] | None = None) -> Starlette:
    """The ASGI application of these functions' operations, or of all; /openapi.json and /docs belong to search."""
    chosen = [operation for operation in OPERATIONS if functions is None or operation.function in functions]
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in chosen:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    routes = [Route(path, _endpoint(rows, services, settings), methods=list(rows)) for path, rows in by_path.items()]
    if functions is None or "search" in functions:
        routes += [Route("/openapi.json", _openapi), Route("/docs", _docs)]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(RequestIds)],
        exception_handlers={
            AisleError: aisle_problem,
            HTTPException: http_problem,
            RecursionError: nesting_problem,
        },
    )
    app.router.redirect_slashes = False
    return app


def _endpoint(rows: dict[str, Operation], services: Services, settings: Settings) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        operation = rows["GET" if request.method == "HEAD" else request.method]
        asked = await _asked(request, operation, settings.max_body_bytes)
        answer = await run_in_threadpool(operation.answer, services, asked, request_id(request))
        return Response(msgspec.json.encode(answer), headers=_timing(answer), media_type="application/json")

    return endpoint


async def _asked(request: Request, operation: Operation, max_body_bytes: int) -> object:
    """The decoded parameters of this request, or its decoded body where the operation takes one."""
    pairs = [*request.path_params.items(), *request.query_params.multi_items()]
    parameters = read_parameters(pairs, operation.parameters)
    if operation.body is None:
        return parameters
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415)
    return read_json(await _body(request, max_body_bytes), operation.body)


async def _body(request: Request, max_bytes: int) -> bytes:
    """The request's body. Raises TooLarge by what is declared, or, since that can lie, as soon as too much has come."""
    remedy = "send fewer or shorter texts"
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:18]) > max_bytes:
        raise TooLarge(f"the body has {declared[:18]} bytes, more than {max_bytes}", remedy)
    chunks, size = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"the body has more than {max_bytes} bytes", remedy)
    return b"".join(chunks)


def _timing(answer: object) -> dict[str, str]:
    """The server-timing header of a search, stage by stage."""
    if not isinstance(answer, SearchResponse) or not answer.timings_ms:
        return {}
    return {"server-timing": ", ".join(f"{stage};dur={ms:.3f}" for stage, ms in answer.timings_ms.items())}


def _openapi(request: Request) -> Response:
    from aisle.openapi import document  # built on the first call, not in a cold start

    return Response(msgspec.json.encode(document()), media_type="application/json")


def _docs(request: Request) -> Response:
    from aisle.docs_page import CONTENT_SECURITY_POLICY, page

    return Response(page(), headers={"content-security-policy": CONTENT_SECURITY_POLICY}, media_type="text/html")
