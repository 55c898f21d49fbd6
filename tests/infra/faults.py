"""Between functions and the emulated account: hands calls on, unless a service is to be slow, throttled or silent."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Fault = Literal["slow", "throttled", "silent"]
SLOW_S = 4.0
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
OF_A_CONNECTION = {"connection", "content-length", "date", "server", "transfer-encoding"}


class Faults:
    """`of` says what is wrong with a service, as X-Amz-Target names it: DynamoDB, AmazonSSM, AmazonSQS,
    secretsmanager; S3 has no such header, and its name here is S3."""

    def __init__(self, account: str) -> None:
        self.account = account.removeprefix("http://")
        self.of: dict[str, Fault] = {}
        self.url = ""

    @contextmanager
    def having(self, service: str, fault: Fault) -> Iterator[None]:
        """The service has this fault while the block lasts."""
        self.of[service] = fault
        try:
            yield
        finally:
            del self.of[service]

    def passed_on(self, door: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        upstream = http.client.HTTPConnection(self.account, timeout=30)
        headers = {name: value for name, value in door.headers.items() if name.lower() != "expect"}
        try:
            upstream.request(door.command, door.path, body, headers)
            answer = upstream.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            upstream.close()


@contextmanager
def between(account: str) -> Iterator[Faults]:
    """Faults that can be switched on; `url` stands for the account's address."""
    faults = Faults(account)

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            target = self.headers.get("x-amz-target", "S3")
            fault = next((fault for service, fault in faults.of.items() if target.startswith(service)), None)
            if fault == "silent":
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(SLOW_S)
            if fault == "throttled" and target == "S3":
                status, headers, answer = 503, {"content-type": "application/xml"}, SLOW_DOWN
            elif fault == "throttled":
                status, headers = 400, {"content-type": "application/x-amz-json-1.0"}
                answer = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode()
            else:
                status, headers, answer = faults.passed_on(self, body)
            size = next((v for n, v in headers.items() if n.lower() == "content-length"), "0")
            size = size if self.command == "HEAD" else str(len(answer))
            headers = {name: value for name, value in headers.items() if name.lower() not in OF_A_CONNECTION}
            try:
                self.send_response(status)
                for name, value in {**headers, "content-length": size}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)
            except OSError:  # who asked did not wait
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    faults.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield faults
    finally:
        server.shutdown()
        server.server_close()
