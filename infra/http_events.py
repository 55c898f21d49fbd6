"""Requests as the events that an HTTP API sends to Lambda (payload 2.0), and what functions answer as responses."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

ACCOUNT = "123456789012"  # moto's
_TEXT = ("application/json", "application/javascript", "application/xml")


@dataclass(frozen=True)
class Request:
    """As it came: `path` still encoded, `headers` in order, names in any case."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value, or all values joined as API Gateway joins them, or None."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ",".join(values) if values else None


@dataclass
class Response:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def authorizer_event(request: Request, route: str, parameters: dict[str, str], context: Any, sources: list[str]) -> Any:
    """What the authorizer is asked."""
    stage, method = context["stage"], request.method
    arn = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{context['apiId']}/{stage}/{method}{unquote(request.path)}"
    event = _event(request, route, parameters, context)
    return event | {"type": "REQUEST", "routeArn": arn, "identitySource": sources}


def proxy_event(request: Request, route: str, parameters: dict[str, str], context: Any) -> dict[str, Any]:
    """What the function behind the route is asked."""
    event = _event(request, route, parameters, context)
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    event["isBase64Encoded"] = False
    if request.body:
        text = _text(request.body) if kind.startswith("text/") or kind in _TEXT else None
        event["isBase64Encoded"] = text is None
        event["body"] = base64.b64encode(request.body).decode() if text is None else text
    return event


def context_of(request: Request, route: str, stage: str, request_id: str) -> dict[str, Any]:
    """The event's requestContext."""
    now = datetime.now(UTC)
    return {
        "accountId": ACCOUNT,
        "apiId": "emulated",
        "domainName": "emulated.execute-api.us-east-1.amazonaws.com",
        "domainPrefix": "emulated",
        "http": {
            "method": request.method,
            "path": unquote(request.path),
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": request_id,
        "routeKey": route,
        "stage": stage,
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }


def response_of(answer: Any) -> Response:
    """The response of a function's answer. Raises ValueError where API Gateway would not understand it."""
    if not (isinstance(answer, dict) and "statusCode" in answer):
        return Response(200, [("content-type", "application/json")], json.dumps(answer).encode())
    headers = [(name.lower(), str(value)) for name, value in (answer.get("headers") or {}).items()]
    headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or ()]
    body = answer.get("body") or ""
    raw = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
    return Response(int(answer["statusCode"]), headers, raw)


def _event(request: Request, route: str, parameters: dict[str, str], context: Any) -> dict[str, Any]:
    # HTTP APIs hand the path on decoded, unlike REST APIs and function URLs; the query stays as it was.
    event = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": unquote(request.path),
        "rawQueryString": request.query,
        "headers": {name.lower(): request.header(name) for name, _ in request.headers if name.lower() != "cookie"},
        "requestContext": context,
    }
    cookies = [c.strip() for name, value in request.headers if name.lower() == "cookie" for c in value.split(";")]
    joined: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True, errors="replace"):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    optional = {"cookies": cookies, "queryStringParameters": joined, "pathParameters": parameters}
    return event | {name: value for name, value in optional.items() if value}


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
