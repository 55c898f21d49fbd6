"""How long after its deadline a search comes back when the heavy reranker fails, and what the shopper got.

    .venv/bin/python benchmarks/heavy_deadline.py .aisle/demo-3000

The endpoint runs in a process of its own and is spoken to by boto3's client over HTTP. Each search meets a closed
breaker: it is what the first shoppers get, before the breaker spares the next. Faults that hold the connection for half
a second, five times the budget, are asked 500 times, the others 50.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

from measuring import arguments, asked, percentiles, write

from aisle.aws.heavy_endpoint import HeavyEndpoint
from aisle.bundle import Bundle
from aisle.heavy import Opinion
from aisle.runtime import Services
from aisle.types import Rerank, SearchRequest, SearchResponse
from infra.emulated import free_port
from infra.faulty_endpoint import FAULTS, HOLDING

BUDGET_MS = 100.0
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "emulated", "AWS_SECRET_ACCESS_KEY": "emulated", "AWS_DEFAULT_REGION": "us-east-1"}


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=500, help="searches that are held (default: 500)")
    given = parser.parse_args()
    bundle = Bundle.open(given.bundle)
    queries = cycle(asked(bundle, given.queries))
    with faulty_endpoint() as url:
        os.environ |= ENVIRONMENT | {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url}
        rows = {
            fault: measured(bundle, fault, queries, given.n if fault in HOLDING else max(given.n // 10, 1))
            for fault in ["none", *FAULTS]
        }
    print(
        f"{'fault':20} {'asked':>6} {'heavy':>6} {'student':>8} {'median, ms':>11} {'p99, ms':>8} {'beyond, p99':>12}"
    )
    for fault, row in rows.items():
        took, beyond = row["milliseconds"], row["beyond_deadline_ms"]
        print(
            f"{fault:20} {row['asked']:6} {row['heavy']:6} {row['student']:8} {took['p50']:11.2f} {took['p99']:8.2f} "
            f"{beyond['p99']:12.2f}"
        )
    figures = {"budget_ms": BUDGET_MS, "faults": rows}
    write(given.out or given.bundle.with_name(f"{given.bundle.name}.heavy_deadline.json"), figures, bundle)


class Unspared:
    """The endpoint of this name, every call as if it were the first."""

    def __init__(self, name: str) -> None:
        self._name = name
        HeavyEndpoint(name)  # makes the client that all of them share

    def begin(self, query: str, texts: Sequence[str], within_s: float) -> Opinion:
        return HeavyEndpoint(self._name).begin(query, texts, within_s)


def measured(bundle: Bundle, fault: str, queries: Iterator[str], n: int) -> dict[str, Any]:
    """What `n` searches got of an endpoint with this fault, and after how long."""
    taken: list[float] = []
    served = {"heavy": 0, "student": 0}
    services = Services(bundle, threads=1, heavy=Unspared(fault))
    services.warm_up()
    for _ in range(n):
        query = next(queries)
        started = time.perf_counter()
        answer = services.search(SearchRequest(query, budget_ms=BUDGET_MS, rerank="heavy"), "benchmark")
        taken.append((time.perf_counter() - started) * 1000)
        served["student" if "heavy_rerank" in answer.degraded else "heavy"] += 1
        if "heavy_rerank" in answer.degraded and not same_order(services, query, answer):
            raise RuntimeError(f"{fault}: {query!r} got neither order")
    return {
        "asked": n,
        **served,
        "milliseconds": percentiles(taken),
        "beyond_deadline_ms": percentiles([max(ms - BUDGET_MS, 0) for ms in taken]),
    }


def same_order(services: Services, query: str, answer: SearchResponse) -> bool:
    """Whether `answer` is what the student alone says; where the student had no time either, what came before it."""
    by: Rerank = "none" if "rerank" in answer.degraded else "student"
    alone = services.search(SearchRequest(query, rerank=by, budget_ms=10_000), "benchmark")
    return [hit.product_id for hit in alone.hits] == [hit.product_id for hit in answer.hits]


@contextmanager
def faulty_endpoint() -> Iterator[str]:
    """The address of one in a process of its own, for as long as the block lasts."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "infra.faulty_endpoint", str(port)]) as server:
        try:
            while not _up(url):
                time.sleep(0.05)
            yield url
        finally:
            server.terminate()


def _up(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
