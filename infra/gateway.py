"""An HTTP API on this machine, as a compiled template describes it: what happens between a call and a function.

Routes, CORS, throttling, the authorizer with the answers that are kept, limits of size and time, and the access log in
the template's own format. Each function runs under the interface emulator (infra/emulator.py), started by its first
event, in the environment that the template gives it.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from infra import emulator
from infra.compiled import Api, Authorizer, Route
from infra.emulator import FunctionFailed
from infra.http_events import Request, Response, authorizer_event, context_of, proxy_event, response_of

MOST_BODY_BYTES, MOST_HEADER_BYTES = 10_000_000, 10_240  # of an HTTP API
MOST_EVENT_BYTES = 6_000_000  # of a synchronous invocation, each way
Invoke = Callable[[str, Any], Any]  # (function's name, event) -> answer; raises FunctionFailed


class Gateway:
    """Answers requests by `invoke`; `clock` is in seconds."""

    def __init__(self, api: Api, invoke: Invoke, clock: Callable[[], float] = time.monotonic) -> None:
        self.api, self.access_log = api, list[str]()
        self._invoke, self._clock = invoke, clock
        self._kept: dict[tuple[Authorizer, tuple[str, ...]], tuple[float, Any]] = {}
        self._tokens: dict[str, tuple[float, float]] = {}  # route key -> (tokens left, at)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(32)

    def answer(self, request: Request) -> Response:
        """The response, with its request id and CORS headers; one line is added to the access log."""
        facts = {"requestId": uuid.uuid4().hex[:15] + "=", "routeKey": "-"}
        response = self._preflight(request) or self._routed(request, facts)
        response.headers += [("apigw-requestid", facts["requestId"]), *self._cors(request)]
        facts |= {"status": str(response.status), "responseLength": str(len(response.body))}
        line = re.sub(r"\$context\.([\w.]+)", lambda place: facts.get(place[1], "-"), self.api.log_format)
        self.access_log.append(line)
        return response

    def _routed(self, request: Request, facts: dict[str, str]) -> Response:
        if sum(len(name) + len(value) for name, value in request.headers) > MOST_HEADER_BYTES:
            return _message(431, "Request Header Fields Too Large")
        if len(request.body) > MOST_BODY_BYTES:
            return _message(413, "Request Entity Too Large")
        found = self._matched(request)
        if found is None:
            return _message(404, "Not Found")
        route, parameters = found
        facts["routeKey"] = route.key
        if not self._has_room(route):
            return _message(429, "Too Many Requests")
        context = context_of(request, route.key, self.api.stage, facts["requestId"])
        if route.authorizer:
            refused = self._authorized(request, route, parameters, context)
            if refused:
                return refused
        return self._integrated(route, proxy_event(request, route.key, parameters, context), facts)

    def _matched(self, request: Request) -> tuple[Route, dict[str, str]] | None:
        """The route with the most literal segments, and what its places hold, decoded."""
        asked = request.path.split("/")
        matches = []
        for route in self.api.routes:
            method, _, path = route.key.partition(" ")
            wanted = path.split("/")
            places = {w[1:-1]: unquote(a) for w, a in zip(wanted, asked, strict=False) if w.startswith("{")}
            same = all(w == unquote(a) or (w.startswith("{") and a) for w, a in zip(wanted, asked, strict=False))
            if method in (request.method, "ANY") and len(wanted) == len(asked) and same:
                matches.append((len(places), route.key, route, places))
        return min(matches)[2:] if matches else None

    def _has_room(self, route: Route) -> bool:
        """A token bucket for each route."""
        with self._lock:
            now = self._clock()
            left, at = self._tokens.get(route.key, (float(route.burst), now))
            left = min(left + (now - at) * route.rate, float(route.burst))
            self._tokens[route.key] = (left - 1 if left >= 1 else left, now)
            return left >= 1

    def _authorized(
        self, request: Request, route: Route, parameters: dict[str, str], context: dict[str, Any]
    ) -> Response | None:
        """None where the call may pass; what the authorizer says of it is then in `context`."""
        assert route.authorizer
        sources = [_source(source, request, context) for source in route.authorizer.sources]
        if not all(sources):
            return _message(401, "Unauthorized")
        key = (route.authorizer, tuple(map(str, sources)))
        until, decision = self._kept.get(key, (float("-inf"), None))
        if self._clock() >= until:
            event = authorizer_event(request, route.key, parameters, context, [*key[1]])
            try:
                decision = self._invoke(route.authorizer.function, event)
            except FunctionFailed:
                return _message(500, "Internal Server Error")
            if not (isinstance(decision, dict) and isinstance(decision.get("isAuthorized"), bool)):
                return _message(500, "Internal Server Error")
            self._kept[key] = (self._clock() + route.authorizer.ttl_s, decision)
        if not decision["isAuthorized"]:
            return _message(403, "Forbidden")
        context["authorizer"] = {"lambda": decision.get("context") or {}}
        return None

    def _integrated(self, route: Route, event: dict[str, Any], facts: dict[str, str]) -> Response:
        if len(json.dumps(event)) > MOST_EVENT_BYTES:
            return _message(413, "Request Entity Too Large")
        try:
            answer = self._pool.submit(self._invoke, route.function, event).result(route.timeout_s)
            if len(json.dumps(answer)) > MOST_EVENT_BYTES:
                return _message(500, "Internal Server Error")
            response = response_of(answer)
            response.headers = [header for header in response.headers if not header[0].startswith("access-control-")]
            return response
        except TimeoutError:
            facts["integrationErrorMessage"] = "Integration timed out"
            return _message(503, "Service Unavailable")
        except (FunctionFailed, ValueError) as exc:
            facts["integrationErrorMessage"] = type(exc).__name__
            return _message(500, "Internal Server Error")

    def _preflight(self, request: Request) -> Response | None:
        """The answer to a browser's question whether it may ask; no route and no key takes part."""
        asked = request.method == "OPTIONS" and request.header("access-control-request-method") is not None
        cors = self.api.cors
        if cors is None or not asked:
            return None
        if not self._cors(request):
            return Response(204)
        lists = {"methods": cors.methods, "headers": cors.headers}
        headers = [(f"access-control-allow-{name}", ",".join(allowed)) for name, allowed in lists.items()]
        return Response(204, [*headers, ("access-control-max-age", str(cors.max_age_s))])

    def _cors(self, request: Request) -> list[tuple[str, str]]:
        origin, cors = request.header("origin"), self.api.cors
        if cors is None or origin is None or not {origin, "*"} & {*cors.origins}:
            return []
        allowed = [("access-control-allow-origin", "*" if "*" in cors.origins else origin)]
        return allowed + [("access-control-expose-headers", ",".join(cors.exposed))] * bool(cors.exposed)


def _source(source: str, request: Request, context: Mapping[str, Any]) -> str | None:
    """The value of an identity source such as $request.header.Authorization, None where the request lacks it."""
    where, _, name = source.removeprefix("$").rpartition(".")
    if where == "request.header":
        return request.header(name)
    if where == "context":
        return str(context[name])
    raise ValueError(f"{source} is an identity source that this gateway does not know")


def _message(status: int, text: str) -> Response:
    return Response(status, [("content-type", "application/json")], json.dumps({"message": text}).encode())


@contextmanager
def functions(api: Api, surroundings: Mapping[str, Mapping[str, str]], log: Path) -> Iterator[Invoke]:
    """Invokes the API's functions, each started when it is first asked; what they print goes to `log`.

    `surroundings`: function's name -> what Lambda and the image add to the variables of the template, or put in their
    place. The handler of an image's function must be among them, as _HANDLER.
    """
    with ExitStack() as running:
        known: dict[str, emulator.Function] = {}
        lock = threading.Lock()

        def invoke(name: str, event: Any) -> Any:
            with lock:
                if name not in known:
                    declared = api.functions[name]
                    around = surroundings[name]
                    of_lambda = {
                        "AWS_LAMBDA_FUNCTION_NAME": name,
                        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(declared.memory_mb),
                    }
                    handler = (declared.handler or around["_HANDLER"]).replace("/", ".")
                    environment = {**of_lambda, **declared.environment, **around}
                    started = emulator.started(handler, environment, log, declared.timeout_s)
                    known[name] = running.enter_context(started)
            return known[name].invoke(event)

        yield invoke


@contextmanager
def serving(gateway: Gateway) -> Iterator[str]:
    """The address at which the gateway answers while the block lasts."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            response = gateway.answer(Request(self.command, path, query, tuple(self.headers.items()), body))
            self.send_response(response.status)
            for name, value in response.headers:
                if name != "content-length":
                    self.send_header(name, value)
            self.send_header("content-length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)

        do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = do_PATCH = answer

        def log_message(self, *_: object) -> None:
            """The access log is the gateway's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
