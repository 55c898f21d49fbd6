"""Errors as HTTP answers: application/problem+json with what to do next, and a request id on every response.

This is the one place that maps the error tree to status codes. What the caller cannot act on (a damaged bundle, a
defect) is logged under the request id and told without internals.
"""

import logging
import re
import uuid
from http import HTTPStatus

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aisle.errors import AisleError, BadInput, BundleError, NotFound, NotIdentified, TooLarge, Unavailable
from aisle.types import Problem

log = logging.getLogger(__name__)
_SANE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_STATUSES = (
    (NotFound, 404),
    (NotIdentified, 401),
    (TooLarge, 413),
    (BadInput, 400),
    (BundleError, 503),
    (Unavailable, 503),
)  # the most special first


def problem(request_id: str, status: int, detail: str, remedy: str, allow: str = "") -> Response:
    """One problem document; `allow` is the Allow header of a 405."""
    document = Problem(HTTPStatus(status).phrase, status, detail, remedy, request_id)
    headers = {"allow": allow} if allow else {}
    return Response(msgspec.json.encode(document), status, headers, "application/problem+json")


def aisle_problem(request: Request, exc: Exception) -> Response:
    """The answer to an error of our own tree: told in full where the caller can act, else logged."""
    assert isinstance(exc, AisleError)
    status = next((status for kind, status in _STATUSES if isinstance(exc, kind)), 500)
    if status < 500:
        return problem(request_id(request), status, exc.detail, exc.remedy)
    log.error("request %s: %s", request_id(request), exc)
    return _ours(request_id(request), status)


def http_problem(request: Request, exc: Exception, where: str = "GET /docs lists the routes") -> Response:
    """The answer to what the router refuses (404, 405) and to a body that is not declared as JSON (415)."""
    assert isinstance(exc, HTTPException)
    allow = (exc.headers or {}).get("Allow", "")
    detail, remedy = {
        404: (f"there is no {request.url.path}", where),
        405: (f"{request.url.path} does not take {request.method}", f"use {allow}"),
        415: ("the body is not declared as JSON", "send JSON with the header content-type: application/json"),
    }.get(exc.status_code, (exc.detail, where))
    return problem(request_id(request), exc.status_code, detail, remedy, allow)


def nesting_problem(request: Request, exc: Exception) -> Response:
    """JSON of the caller is the only thing here that nests without bound."""
    log.warning("request %s nests too deeply", request_id(request))
    return problem(request_id(request), 400, "the body nests too deeply", "send a flat object, nested 100 deep at most")


def request_id(request: Request) -> str:
    """The id that `RequestIds` gave to this request."""
    return str(request.state.request_id)


def _ours(request_id: str, status: int) -> Response:
    detail = (
        "this service cannot answer at the moment" if status == 503 else "this service failed; the request may be fine"
    )
    return problem(request_id, status, detail, f"try again later; the operator finds {request_id} in the log")


class RequestIds:
    """Outermost layer: names each request, says the name in x-request-id, and turns a defect into a logged 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = _id_of(scope)
        scope.setdefault("state", {})["request_id"] = name
        started = False

        async def send_named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["x-request-id"] = name
            await send(message)

        try:
            await self.app(scope, receive, send_named)
        except ClientDisconnect:
            return
        except Exception:
            log.exception("request %s failed", name)
            if not started:
                await _ours(name, 500)(scope, receive, send_named)


def _id_of(scope: Scope) -> str:
    """Lambda's own id of this invocation, else the caller's where it is sane, else a new one."""
    lambda_id = getattr(scope.get("aws.context"), "aws_request_id", None)
    for name in (lambda_id, Headers(scope=scope).get("x-request-id")):
        if isinstance(name, str) and _SANE_ID.fullmatch(name):
            return name
    return uuid.uuid4().hex
