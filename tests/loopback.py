"""A service on a loopback port for as long as a test needs one: it speaks HTTP and answers what it is told to.

For AWS operations that moto lacks: boto3 comes here by AWS_ENDPOINT_URL_<SERVICE>, with its real requests.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request as Forwarded
from urllib.request import urlopen


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def forward(request: Request, url: str) -> Response:
    """What the server at `url` answers to the request."""
    try:
        with urlopen(Forwarded(url + request.path, request.body or None, request.headers, method=request.method)) as it:
            return Response(it.status, dict(it.headers), it.read())
    except HTTPError as exc:
        return Response(exc.code, dict(exc.headers), exc.read())


ONE = {"connection": "close"}  # request a connection
Answer = Callable[[Request], Response]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a server that answers each request by `answer`."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # a client of 1.0 would wait a second to be told to go on with its body

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = answer(Request(self.command, self.path, headers, body))
            self.send_response(response.status)
            for name, value in {**response.headers, **ONE, "content-length": str(len(response.body))}.items():
                self.send_header(name, value)
            with suppress(ConnectionError):  # who asked may have stopped waiting
                self.end_headers()
                self.wfile.write(response.body)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
