"""How long one search takes: in this process, on one thread, with and without the reranker.

HTTP, JSON and the network are left out, so the figures are those of the search alone. The budget is the largest that a
request may ask for: nothing is cut short, and what is timed is the whole pipeline.

    .venv/bin/python benchmarks/search_latency.py .aisle/demo-3000 --queries queries.tsv --out latency.json
"""

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from aisle.bundle import Bundle
from aisle.golden import Golden
from aisle.runtime import Services
from aisle.tables import read_queries
from aisle.types import Rerank, SearchRequest

PERCENTILES = {"median": 50, "p95": 95, "p99": 99}
MODES: dict[str, Rerank] = {"without reranking": "none", "with reranking": "auto"}
WARM_UP = 10  # searches; the first ones touch pages and buffers that later ones find ready
BUDGET_MS = 10_000


def search_ms(services: Services, queries: Sequence[str], rerank: Rerank) -> Iterator[float]:
    """Milliseconds of each query's search, in order. Raises RuntimeError where a stage was skipped."""
    for query in queries:
        request = SearchRequest(query, rerank=rerank, budget_ms=BUDGET_MS)
        start = time.perf_counter()
        response = services.search(request, "benchmark")
        elapsed = time.perf_counter() - start
        if response.degraded:
            raise RuntimeError(f"{query!r} was answered without {', '.join(response.degraded)}")
        yield elapsed * 1000


def measure(services: Services, queries: Sequence[str]) -> dict[str, dict[str, float]]:
    """mode -> median, p95 and p99 in milliseconds over `queries`."""
    figures = {}
    for mode, rerank in MODES.items():
        list(search_ms(services, queries[:WARM_UP], rerank))
        taken = np.array(list(search_ms(services, queries, rerank)))  # (n,)
        figures[mode] = {f"{name}_ms": round(float(np.percentile(taken, at)), 2) for name, at in PERCENTILES.items()}
    return figures


def machine() -> dict[str, str | int]:
    """What the figures depend on besides the bundle: processor, system and versions."""
    packages = {name: version(name) for name in ("aisle", "numpy", "onnxruntime", "tokenizers")}
    cores = os.cpu_count() or 1
    return {
        "cpu": _cpu(),
        "cores": cores,
        "system": platform.platform(),
        "python": platform.python_version(),
        **packages,
    }


def _cpu() -> str:
    """The processor's name. Linux alone has it in a file; elsewhere its architecture has to do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description="Time single searches in a bundle, on one thread.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--queries", type=Path, help="table with query_id, query; default: the bundle's golden queries")
    parser.add_argument("--n", type=int, default=500, help="searches a mode; queries repeat in turn (default: 500)")
    parser.add_argument("--out", type=Path, help="JSON file to write (default: BUNDLE.latency.json)")
    given = parser.parse_args()

    bundle = Bundle.open(given.bundle)
    if given.queries:
        asked = [query for _, query in read_queries(given.queries)]
    else:
        asked = [golden.query for golden in Golden.load(bundle.file("golden.json")).queries]
    figures = measure(Services(bundle, threads=1), list(islice(cycle(asked), given.n)))

    report = {
        "command": shlex.join(["python", *sys.argv]),
        "machine": machine(),
        "bundle": {"id": bundle.manifest.bundle_id, "products": bundle.manifest.n_products},
        "queries": {"distinct": len(set(asked)), "searches": given.n, "threads": 1},
        "latency": figures,
    }
    out = given.out or given.bundle.with_name(f"{given.bundle.name}.latency.json")
    out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")

    print(f"{_cpu()}, one thread; {bundle.manifest.n_products} products, {given.n} searches a mode")
    print(f"{'ms':18}" + "".join(f"{name:>9}" for name in PERCENTILES))
    for mode, row in figures.items():
        print(f"{mode:18}" + "".join(f"{value:9.2f}" for value in row.values()))
    print(f"written to {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
