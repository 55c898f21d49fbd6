"""A SageMaker runtime on a port of its own that breaks on the wire in the named ways, for real clients to meet.

    python -m infra.faulty_endpoint 8080

Each fault is an endpoint of that name, `/endpoints/slow/invocations`. Those that hold the connection do so until they
are let go (`Endpoint.released`) or `hold_s` have passed.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Endpoint(ThreadingHTTPServer):
    """`behaviour` answers each call, or the fault that the path names; `calls` are the bodies that came, `connections`
    how many were opened."""

    daemon_threads = True

    def __init__(self, port: int = 0, hold_s: float = 30) -> None:
        super().__init__(("127.0.0.1", port), Call)
        self.hold_s = hold_s
        self.behaviour: Behaviour | None = None
        self.calls: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.connections = 0
        self.released = threading.Event()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are what is tested here."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Call(BaseHTTPRequestHandler):
    """One connection, kept alive from call to call."""

    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        self.server.calls.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.server.paths.append(self.path)
        fault = self.path.split("/")[2]
        (self.server.behaviour or FAULTS.get(fault, scores))(self)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    @property
    def texts(self) -> list[str]:
        texts: list[str] = self.server.calls[-1]["texts"]
        return texts

    def say(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def raw(self, *chunks: bytes) -> None:
        """Sends bytes as they are and hangs up."""
        for chunk in chunks:
            self.wfile.write(chunk)
        self.close_connection = True


Behaviour = Callable[[Call], None]


def told(texts: list[str]) -> bytes:
    """A true answer: squares first, best first as TEI sorts."""
    scored = [{"index": i, "score": 3.0 if text.startswith("Red square") else 0.0} for i, text in enumerate(texts)]
    return json.dumps(sorted(scored, key=lambda one: -float(one["score"]))).encode()


def scores(call: Call) -> None:
    call.say(told(call.texts))


def slow(call: Call) -> None:
    call.server.released.wait(call.server.hold_s)
    scores(call)


def drip_body(call: Call) -> None:
    body = told(call.texts)
    call.wfile.write(HEADERS + b"Content-Length: %d\r\n\r\n" % len(body))
    for byte in body[:20]:
        call.wfile.write(bytes([byte]))
        if call.server.released.wait(0.02):
            break
    call.server.released.wait(call.server.hold_s)
    call.raw(body[20:])


def drip_headers(call: Call) -> None:
    call.wfile.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    for _ in range(int(call.server.hold_s / 0.02)):
        if call.server.released.wait(0.02):
            break
        call.wfile.write(b"x")
    call.raw(b"\r\n\r\n")


def reset(call: Call) -> None:
    call.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.close_connection = True
    call.connection.close()


def hang_up(call: Call) -> None:
    call.raw()


def truncated(call: Call) -> None:
    body = told(call.texts)
    call.raw(HEADERS + b"Content-Length: %d\r\n\r\n" % (len(body) + 50) + body)


def half_a_list(call: Call) -> None:
    call.say(told(call.texts)[:-7])


def garbage(call: Call) -> None:
    call.raw(b"\x00\xff\x13\x37 not http at all\r\n\r\n")


def web_page(call: Call) -> None:
    call.say(b"<html><body>It works!</body></html>", Content_Type="text/html")


def endless(call: Call) -> None:
    call.wfile.write(HEADERS + b"Content-Length: 99999999\r\n\r\n")
    for _ in range(int(call.server.hold_s / 0.02)):
        call.wfile.write(b"[" * 1024)
        if call.server.released.wait(0.02):
            break
    call.close_connection = True


def lying(change: Callable[[list[dict[str, Any]]], Any]) -> Behaviour:
    """Answers what `change` makes of a true answer."""

    def behaviour(call: Call) -> None:
        call.say(json.dumps(change(json.loads(told(call.texts)))).encode())

    return behaviour


def refusing(status: int, kind: str) -> Behaviour:
    """Answers as AWS does when it refuses."""

    def behaviour(call: Call) -> None:
        call.say(json.dumps({"message": kind}).encode(), status, x_amzn_ErrorType=kind)

    return behaviour


HOLDING: dict[str, Behaviour] = {
    "slow": slow,
    "body-drips": drip_body,
    "headers-drip": drip_headers,
    "endless": endless,
}
FAILING: dict[str, Behaviour] = {
    "reset": reset,
    "hung-up": hang_up,
    "truncated": truncated,
    "half-a-list": half_a_list,
    "no-http": garbage,
    "web-page": web_page,
    "throttled": refusing(429, "ThrottlingException"),
    "model-failed": refusing(424, "ModelError"),
    "no-such-endpoint": refusing(400, "ValidationError"),
    "at-zero": refusing(503, "ServiceUnavailable"),
    "inner-failure": refusing(500, "InternalFailure"),
    "too-few-scores": lying(lambda true: true[:-1]),
    "too-many-scores": lying(lambda true: [*true, {"index": len(true), "score": 1.0}]),
    "index-twice": lying(lambda true: [*true[:-1], true[0]]),
    "indexes-from-one": lying(lambda true: [{**one, "index": one["index"] + 1} for one in true]),
    "not-a-number": lying(lambda true: [{**one, "score": math.nan} for one in true]),
    "infinite": lying(lambda true: [{**one, "score": math.inf} for one in true]),
    "scores-as-text": lying(lambda true: [{**one, "score": str(one["score"])} for one in true]),
    "another-form": lying(lambda true: {"results": true}),
    "nothing": lambda call: call.say(b""),
}
FAULTS = HOLDING | FAILING


@contextmanager
def running() -> Iterator[Endpoint]:
    """An endpoint for as long as the block lasts."""
    with Endpoint() as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.released.set()
            endpoint.shutdown()
            thread.join()


if __name__ == "__main__":
    with Endpoint(int(sys.argv[1]), hold_s=0.5) as alone:
        alone.serve_forever()
