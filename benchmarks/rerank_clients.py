"""Clients that keep a server of rerankings busy and hold every score against the right one.

Each keeps one connection and asks again as soon as it is answered. HTTP is written by hand on asyncio's streams, since
the clients share the machine with what they measure.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import numpy as np
from measuring import percentiles
from numpy.typing import NDArray

START_S = 120
TOLERANCE = 1e-4  # of a logit: float32, summed in another order


class Row(msgspec.Struct):
    index: int
    score: float


class Load(NamedTuple):
    """What the clients saw."""

    seconds: float
    requests: int
    pairs: int
    refused: int  # 429 and 503
    lost: int  # no answer, or one that is no list of scores
    wrong: int  # scores farther than TOLERANCE from the right one
    farthest: float
    taken_ms: list[float]

    def figures(self) -> dict[str, object]:
        counted = {name: value for name, value in self._asdict().items() if name not in ("taken_ms", "farthest")}
        rates = {
            "requests_a_second": round(self.requests / self.seconds, 1),
            "pairs_a_second": round(self.pairs / self.seconds, 1),
        }
        farthest = {"farthest": float(f"{self.farthest:.2g}")}
        return {**counted, "seconds": round(self.seconds, 1), **farthest, **rates, "ms": percentiles(self.taken_ms)}


@contextmanager
def server(command: Sequence[str], ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a server from when the address `ready` answers 200, ended by SIGTERM; one thread a library.

    What it has started itself is killed with it: LitServe's workers outlive their parent.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "."}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        until = time.monotonic() + START_S
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"no server: {' '.join(command)}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(START_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def drive(
    port: int,
    path: str,
    bodies: Sequence[bytes],
    right: Sequence[NDArray[np.float32]],
    clients: int,
    seconds: float,
    each_second: Callable[[], object] = lambda: None,
) -> Load:
    """`clients` ask at random among `bodies` for `seconds`, and then wait for what they asked."""
    gc.freeze()  # what is loaded is not looked through again while clients are timed
    return asyncio.run(_drive(port, [_request(path, body) for body in bodies], right, clients, seconds, each_second))


async def _drive(
    port: int,
    asked: Sequence[bytes],
    right: Sequence[NDArray[np.float32]],
    clients: int,
    seconds: float,
    each_second: Callable[[], object],
) -> Load:
    begun = time.perf_counter()
    until = begun + seconds

    async def tick() -> None:
        while time.perf_counter() < until:
            each_second()
            await asyncio.sleep(1)

    ticking = asyncio.ensure_future(tick())
    seen = await asyncio.gather(
        *(_client(port, asked, right, random.Random(number), until) for number in range(clients))
    )
    await ticking
    return Load(
        seconds=time.perf_counter() - begun,
        requests=sum(load.requests for load in seen),
        pairs=sum(load.pairs for load in seen),
        refused=sum(load.refused for load in seen),
        lost=sum(load.lost for load in seen),
        wrong=sum(load.wrong for load in seen),
        farthest=max(load.farthest for load in seen),
        taken_ms=[ms for load in seen for ms in load.taken_ms],
    )


async def _client(
    port: int, asked: Sequence[bytes], right: Sequence[NDArray[np.float32]], chance: random.Random, until: float
) -> Load:
    requests = pairs = refused = lost = wrong = 0
    farthest, taken = 0.0, list[float]()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (begun := time.perf_counter()) < until:
        number = chance.randrange(len(asked))
        writer.write(asked[number])
        status, body = await _response(reader)
        taken.append((time.perf_counter() - begun) * 1000)
        if status in (429, 503):
            refused += 1
            continue
        scores = _scores(status, body, len(right[number]))
        if scores is None:
            lost += 1
            continue
        away = np.abs(scores - right[number])
        requests, pairs = requests + 1, pairs + len(scores)
        wrong += int((away > TOLERANCE).sum())
        farthest = max(farthest, float(away.max()))
    writer.close()
    return Load(0, requests, pairs, refused, lost, wrong, farthest, taken)


def _request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of a response with a content-length."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    return int(head.split(b" ")[1]), await reader.readexactly(length)


def _scores(status: int, body: bytes, texts: int) -> NDArray[np.float64] | None:
    """In the order of the texts; None where the answer is not a score for each of them."""
    try:
        rows = msgspec.json.decode(body, type=list[Row])
    except msgspec.MsgspecError:
        return None
    if status != 200 or sorted(row.index for row in rows) != list(range(texts)):
        return None
    scores = np.empty(texts)
    for row in rows:
        scores[row.index] = row.score
    return scores


def endpoint_command(python: str, heavy: Path, port: int) -> list[str]:
    """The reranker's endpoint on a loopback port."""
    module = [python, "-m", "infra.reranker_endpoint"]
    return [*module, "--model", str(heavy), "--host", "127.0.0.1", "--port", str(port)]
