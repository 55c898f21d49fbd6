"""The HTTP surface: an application answers rows of the table of operations.

A Lambda function answers its own rows, `aisle serve` answers all of them.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aisle.decoding import read_json, read_parameters
from aisle.errors import AisleError, TooLarge
from aisle.identity import Identify, stranger
from aisle.operation import Operation
from aisle.operations import OPERATIONS, OverlayServices, Services
from aisle.problems import RequestIds, aisle_problem, http_problem, nesting_problem, request_id
from aisle.request_body import json_body
from aisle.settings import Settings
from aisle.shopper_operations import RecommendServices, ShopperServices
from aisle.shopping import RecommendationResponse
from aisle.types import SearchResponse

MAX_ANSWER_BYTES = 2_000_000  # Lambda takes 6 MB, in a JSON text that may need three bytes for each of ours
ANSWERING_MS = 250  # of what is left of an invocation: what comes after the search
Observer = Callable[[object], None]
AnyServices = Services | OverlayServices | RecommendServices | ShopperServices


def build_app(
    services: AnyServices,
    settings: Settings,
    functions: tuple[str, ...] | None = None,
    identify: Identify = stranger,
    observe: Observer = lambda answer: None,
) -> Starlette:
    """The ASGI application of these functions' operations, or of all; /openapi.json and /docs belong to search.

    `identify` tells whose call it is; `observe` sees every answer that an operation gives.
    """
    chosen = [operation for operation in OPERATIONS if functions is None or operation.function in functions]
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in chosen:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    routes = [
        Route(path, _endpoint(rows, services, settings, identify, observe), methods=list(rows))
        for path, rows in by_path.items()
    ]
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


def _endpoint(
    rows: dict[str, Operation], services: AnyServices, settings: Settings, identify: Identify, observe: Observer
) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        operation = rows["GET" if request.method == "HEAD" else request.method]
        asked = _in_time(await _asked(request, operation, settings.max_body_bytes), request)

        def answered() -> object:
            return operation.answer(services, asked, identify(request.headers, request_id(request)))

        answer = await run_in_threadpool(answered)
        observe(answer)
        content = msgspec.json.encode(answer)
        if len(content) > MAX_ANSWER_BYTES:
            raise TooLarge(f"the answer has {len(content)} bytes, more than {MAX_ANSWER_BYTES}", "ask for fewer hits")
        return Response(content, operation.status, _headers(operation, answer), "application/json")

    return endpoint


def _in_time(asked: Any, request: Request) -> object:
    """`asked` with no larger budget than the Lambda function, where this is one, has left."""
    context = request.scope.get("aws.context")
    if context is None or not hasattr(asked, "budget_ms"):
        return asked
    left = max(context.get_remaining_time_in_millis() - ANSWERING_MS, 1.0)
    return msgspec.structs.replace(asked, budget_ms=min(asked.budget_ms, left))


async def _asked(request: Request, operation: Operation, max_body_bytes: int) -> object:
    """The decoded parameters of this request, or its decoded body where the operation takes one."""
    pairs = [*request.path_params.items(), *request.query_params.multi_items()]
    parameters = read_parameters(pairs, operation.parameters)
    if operation.body is None:
        return parameters
    return read_json(await json_body(request, max_body_bytes), operation.body)


def _headers(operation: Operation, answer: object) -> dict[str, str]:
    """server-timing, stage by stage; what may be somebody's own is kept by no cache on the way."""
    headers = {"cache-control": "private, no-store"} if operation.token else {}
    if isinstance(answer, SearchResponse | RecommendationResponse) and answer.timings_ms:
        headers["server-timing"] = ", ".join(f"{stage};dur={ms:.3f}" for stage, ms in answer.timings_ms.items())
    return headers


def _openapi(request: Request) -> Response:
    from aisle.openapi import document  # built on the first call, not in a cold start

    return Response(msgspec.json.encode(document()), media_type="application/json")


def _docs(request: Request) -> Response:
    from aisle.docs_page import CONTENT_SECURITY_POLICY, page

    return Response(page(), headers={"content-security-policy": CONTENT_SECURITY_POLICY}, media_type="text/html")
