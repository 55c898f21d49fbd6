"""A reranker endpoint as a real process on a loopback port, and the few ways in which tests speak to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from infra.reranker_endpoint.config import DEFAULT

ROOT = Path(__file__).parents[2]
START_S, END_S = 60, 20  # the most that a process may take
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def scores(self) -> list[tuple[int, float]]:
        """(index, score), as TEI's form has them."""
        assert self.status == 200, self.body
        return [(row["index"], row["score"]) for row in self.body]


@dataclass(frozen=True)
class Endpoint:
    process: subprocess.Popen[bytes]
    port: int
    log_file: Path
    client: httpx2.Client

    def ask(self, body: object, path: str = "/invocations") -> Answer:
        return self.send(json.dumps(body).encode(), path)

    def send(self, content: bytes, path: str = "/invocations", headers: Mapping[str, str] = JSON) -> Answer:
        return answer(self.client.post(path, content=content, headers=dict(headers)))

    def get(self, path: str) -> Answer:
        return answer(self.client.get(path))

    def metrics(self) -> dict[str, float]:
        """Sample, with its labels -> value."""
        lines = self.client.get("/metrics").text.splitlines()
        return {name: float(value) for name, value in (row.rsplit(" ", 1) for row in lines if not row.startswith("#"))}

    def log(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def wait_for(self, path: str, status: int) -> None:
        wait_until(lambda: self.get(path).status == status)


def answer(response: httpx2.Response) -> Answer:
    kind = response.headers.get("content-type", "")
    return Answer(response.status_code, response.headers, response.json() if "json" in kind and response.text else None)


def wait_until(true: Any, seconds: float = START_S) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.01)


@contextmanager
def endpoint(command: Sequence[str], port: int, log: Path) -> Iterator[Endpoint]:
    """The process that listens on `port`, killed at the end if it is still there."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (
        log.open("wb") as lines,
        subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stderr=lines) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        try:
            wait_until(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, log.read_text()
            yield Endpoint(process, port, log, client)
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def config_file(folder: Path, **fields: float) -> Path:
    """config.toml with some fields changed."""
    lines = DEFAULT.read_text().splitlines()
    for name, value in fields.items():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[at] = f"{name} = {value}"
    path = folder / "config.toml"
    path.write_text("\n".join(lines))
    return path
