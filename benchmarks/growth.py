"""How index and search grow with the catalogue: ten thousand, a hundred thousand, a million generated products.

    .venv/bin/python benchmarks/growth.py .aisle/bench-models

Each size is indexed by `aisle index` with the bundle's models, then searched in a fresh process on one core without
reranking, whose time does not depend on the catalogue. Recall compares the vectors' nearest products with those of
comparing all: whatever scores at least the exact k-th counts as found.
"""

import os
import shutil
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from measuring import arguments, asked, in_new_process, milliseconds, one_core, percentiles, resident_mb, write

from aisle.bundle import Bundle
from aisle.dense import top_rows
from aisle.runtime import Services, open_search
from aisle.types import SearchRequest

SIZES = [10_000, 100_000, 1_000_000]
SEARCHES = 300
WARM_UP = 20
DEPTHS = (10, 100)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="products (default: %(default)s)")
    given = parser.parse_args()
    models = Bundle.open(given.bundle)
    queries = asked(models, given.queries)
    rows = []
    for size in given.sizes:
        row = grown(models.path, size, queries)
        rows.append(row)
        print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    write(given.out or given.bundle.with_name("growth.json"), {"searches": SEARCHES, "sizes": rows}, models)


def grown(models: Path, size: int, queries: list[str]) -> dict[str, Any]:
    catalogue, bundle = models.with_name(f"growth-{size}.jsonl"), models.with_name(f"growth-{size}")
    generator = Path(__file__).with_name("catalogue.py")
    subprocess.run([sys.executable, str(generator), str(size), str(catalogue)], check=True)
    seconds, peak_mb = indexed(models, catalogue, bundle)
    catalogue.unlink()
    files = Bundle.open(bundle).manifest.files
    searched = in_new_process(measured, bundle, queries)
    shutil.rmtree(bundle)
    return {
        "products": size,
        "index_s": round(seconds),
        "index_peak_mb": round(peak_mb),
        "bundle_mb": round(sum(file.bytes for file in files) / 1e6),
        **searched,
    }


def indexed(models: Path, catalogue: Path, out: Path) -> tuple[float, float]:
    """Seconds that `aisle index` took, and the most MB that it held. Raises CalledProcessError."""
    command = [sys.executable, "-m", "aisle", "index", str(models), str(catalogue), "--out", str(out)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def measured(path: Path, queries: list[str]) -> dict[str, Any]:
    """Opening, memory, time and recall of a bundle, in a process of its own."""
    one_core()
    bundle = Bundle.open(path)
    services: list[Services] = []
    open_ms = milliseconds(lambda: services.append(Services(bundle, threads=1)))
    requests = [SearchRequest(query, rerank="none") for query in islice(cycle(queries), WARM_UP + SEARCHES)]
    taken = [milliseconds(lambda r=request: services[0].search(r, "growth")) for request in requests]  # type: ignore[misc]
    return {
        "open_ms": round(open_ms, 1),
        "resident_mb": round(resident_mb()),
        "milliseconds": percentiles(taken[WARM_UP:]),
        "recall": recall(path, queries),
    }


def recall(path: Path, queries: list[str]) -> dict[str, float]:
    """depth -> share of the products found among the nearest that score at least the exact nearest's last."""
    parts = open_search(path, "growth", threads=1).parts
    every = np.arange(len(parts.products))
    found: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    for vector in parts.encoder.encode(queries):
        exact, seen = parts.dense.some(every, vector), parts.dense.scores(vector)
        for depth in DEPTHS:
            least = exact[top_rows(exact, depth)[-1]]
            found[depth].append(float(np.mean(seen[top_rows(seen, depth)] >= least)))
    return {str(depth): round(float(np.mean(shares)), 4) for depth, shares in found.items()}


if __name__ == "__main__":
    main()
