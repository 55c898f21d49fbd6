"""The storefront that `aisle serve` shows: a shop in plain HTML, CSS and JavaScript modules, and its small server.

The page speaks the same HTTP as anybody's shop would; nothing is reserved for it. What a shop has beside that is a
server of its own, which knows who is logged in and signs shopper tokens with the secret key. Here the shopper is chosen
from a list: whoever reaches the page can be any of them, so the list holds no real shopper. The page loads nothing from
elsewhere, and its content security policy would not let it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aisle.decoding import read_json
from aisle.errors import MissingExtra, NotFound, TooLarge
from aisle.keys import LONGEST_S, LONGEST_SHOPPER, sign_shopper

PAGE = Path(__file__).with_name("page")
VIEWS = ("/", "/search", "/product", "/basket", "/me")  # one document; its script shows what the address says
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "cache-control": "no-cache",  # kept by the browser, asked for again by etag: an update is seen at once
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_MAX_LOGIN_BYTES = 1000
Endpoint = Callable[[Request], Awaitable[Response]]


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants to be known as whom."""

    shopper: Annotated[str, Meta(min_length=1, max_length=LONGEST_SHOPPER)]


class LoggedIn(Struct, frozen=True):
    """A shopper token, for the header x-shopper-token."""

    shopper: str
    token: str
    expires_in_s: int


class Shoppers(Struct, frozen=True):
    """Whom one can be."""

    shoppers: list[str]


def storefront_routes(secret_key: str, shoppers: list[str]) -> list[Route]:
    """The routes of the shop at `/`. `secret_key` (`sk_…`) signs the tokens of `shoppers`."""
    page = _file(PAGE / "index.html")
    files = [path for path in sorted(PAGE.iterdir()) if path.suffix in _MEDIA_TYPES and path.name != "index.html"]
    return [
        *(Route(view, page) for view in VIEWS),
        *(Route(f"/shop/{path.name}", _file(path)) for path in files),
        Route("/shop/shoppers", _listed(shoppers)),
        Route("/shop/login", _login(secret_key, shoppers), methods=["POST"]),
    ]


def _file(path: Path) -> Endpoint:
    content = path.read_bytes()
    packed = gzip.compress(content, mtime=0)
    etag = f'W/"{base64.b32encode(hashlib.sha256(content).digest()[:15]).decode()}"'
    headers = {**_HEADERS, "etag": etag, "vary": "accept-encoding"}

    async def endpoint(request: Request) -> Response:
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(packed, 200, {**headers, "content-encoding": "gzip"}, _MEDIA_TYPES[path.suffix])
        return Response(content, 200, headers, _MEDIA_TYPES[path.suffix])

    return endpoint


def _listed(shoppers: list[str]) -> Endpoint:
    content = msgspec.json.encode(Shoppers(shoppers))

    async def endpoint(request: Request) -> Response:
        return Response(content, headers=_HEADERS, media_type="application/json")

    return endpoint


def _login(secret_key: str, shoppers: list[str]) -> Endpoint:
    """Answers a token. Only JSON is taken, which a form on another site cannot send."""

    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415)
        asked = read_json(await _small_body(request), Login)
        if asked.shopper not in shoppers:
            raise NotFound(f"there is no shopper {asked.shopper!r}", "choose one of GET /shop/shoppers")
        answer = LoggedIn(asked.shopper, _signed(asked.shopper, secret_key), LONGEST_S)
        headers = {**_HEADERS, "cache-control": "no-store"}
        return Response(msgspec.json.encode(answer), headers=headers, media_type="application/json")

    return endpoint


def _signed(shopper: str, secret_key: str) -> str:
    try:
        return sign_shopper(shopper, secret_key, int(time.time()))
    except ImportError as exc:
        raise MissingExtra("PyJWT", "server") from exc


async def _small_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_LOGIN_BYTES:
            raise TooLarge(f"the body has more than {_MAX_LOGIN_BYTES} bytes", 'send {"shopper": "…"} alone')
    return body
