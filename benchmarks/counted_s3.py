"""An S3 that is none, moto's over HTTP, which counts what it is asked: requests, bytes, and how many waited in turn.

    python benchmarks/counted_s3.py 5001

GET /counted tells all since the last time it was asked; /counted?30 lets every request wait so many milliseconds from
then on, as S3 takes time to its first byte. `rounds` counts requests that began when none was under way: how often
somebody waited for an answer before asking on. It tells something only where requests take time, so that those sent at
once overlap.
"""

import json
import logging
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Counted:
    """A WSGI application that counts the requests to another."""

    def __init__(self, app: App) -> None:
        self._app, self._lock = app, Lock()
        self._counts: Counter[str] = Counter()
        self._under_way, self._wait_s = 0, 0.0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/counted":
            with self._lock:
                self._wait_s = float(environ["QUERY_STRING"] or self._wait_s * 1000) / 1000
                told, self._counts = json.dumps(self._counts).encode(), Counter()
            start("200 OK", [("Content-Type", "application/json")])
            return [told]
        with self._lock:
            self._counts["rounds"] += self._under_way == 0
            self._counts["requests"] += 1
            self._counts[environ["REQUEST_METHOD"]] += 1
            self._under_way += 1
        time.sleep(self._wait_s)
        try:
            body = _ranged(environ, start) or b"".join(self._app(environ, start))
        finally:
            with self._lock:
                self._under_way -= 1
        with self._lock:
            self._counts["bytes"] += len(body)
        return [body]


def _ranged(environ: dict[str, Any], start: Callable[..., Any]) -> bytes | None:
    """Part of an object, straight from where moto keeps it: moto itself copies the whole object for each part."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    asked = environ.get("HTTP_RANGE", "").removeprefix("bytes=")
    first, _, last = asked.partition("-")
    _, bucket, name = [*environ["PATH_INFO"].split("/", 2), "", ""][:3]
    held = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(bucket)
    found = held.keys.get(name) if held else None
    if environ["REQUEST_METHOD"] != "GET" or not first.isdigit() or found is None:
        return None
    end = min(int(last) if last else found.size - 1, found.size - 1)
    with found.lock:
        found._value_buffer.seek(int(first))
        part: bytes = found._value_buffer.read(end - int(first) + 1)
    told = {
        "Content-Range": f"bytes {first}-{end}/{found.size}",
        "Content-Length": str(len(part)),
        "ETag": found.etag,
        "Last-Modified": found.last_modified_RFC1123,
    }
    start("206 Partial Content", [*told.items()])
    return part


@contextmanager
def counted_s3() -> Iterator[str]:
    """The address of such a server, for as long as the block lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, str(Path(__file__)), str(port)], cwd=Path(__file__).parents[1]) as server:
        try:
            for _ in range(600):
                try:
                    counted(url)
                    break
                except OSError:
                    time.sleep(0.1)
            yield url
        finally:
            server.terminate()


def counted(url: str, wait_ms: int | None = None) -> Counter[str]:
    """What was counted since the last call; from now on every request waits so long."""
    told = "" if wait_ms is None else f"?{wait_ms}"
    with urllib.request.urlopen(f"{url}/counted{told}", timeout=30) as answer:
        return Counter(json.loads(answer.read()))


def main() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, run_simple

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    WSGIRequestHandler.protocol_version = "HTTP/1.1"  # keeps connections, as S3 does
    app = Counted(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)


if __name__ == "__main__":
    main()
