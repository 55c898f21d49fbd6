"""What every benchmark needs: the machine it ran on, fair timing, the bundle's queries, and a JSON file at the end."""

import json
import os
import platform
import shlex
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from aisle.bundle import Bundle
from aisle.golden import Golden
from aisle.tables import read_queries

BLOCK = 10  # pieces of work that a system does before the next one's turn
PACKAGES = [
    "aisle",
    "numpy",
    "onnxruntime",
    "tokenizers",
    "torch",
    "transformers",
    "sentence-transformers",
    "litserve",
    "fastembed",
    "flashrank",
    "bm25s",
    "lancedb",
]


def arguments(description: str) -> ArgumentParser:
    """A parser with what all benchmarks take: the bundle, its queries, and where the figures go."""
    parser = ArgumentParser(description=description)
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--queries", type=Path, help="table with query_id, query (default: the bundle's golden queries)"
    )
    parser.add_argument("--out", type=Path, help="JSON file to write (default: BUNDLE.<benchmark>.json)")
    return parser


def asked(bundle: Bundle, queries: Path | None) -> list[str]:
    """The queries of a table, or those that the bundle was sealed with."""
    if queries:
        return [query for _, query in read_queries(queries)]
    return [golden.query for golden in Golden.load(bundle.file("golden.json")).queries]


def one_core() -> None:
    """Keeps this process, libraries that choose their own threads included, on one core. Linux only."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def in_new_process(work: Callable[..., dict[str, Any]], *given: object) -> dict[str, Any]:
    """`work(*given)` in a process that has done nothing else."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def resident_mb(process: int | str = "self") -> float:
    """What the process holds in memory now. Linux only."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def percentiles(taken: Sequence[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile, and the mean, rounded to hundredths."""
    points = {name: float(np.percentile(taken, at)) for name, at in (("p50", 50), ("p95", 95), ("p99", 99))}
    return {name: round(value, 2) for name, value in {**points, "mean": float(np.mean(taken))}.items()}


def side_by_side(
    systems: Mapping[str, Callable[[int], object]], rounds: int, warm_up: int = 2
) -> dict[str, list[float]]:
    """system -> milliseconds of its `rounds` pieces of work.

    The systems take turns, so that a noisy moment hits all alike, but at blocks of pieces and after warming up anew:
    in serving, no other system empties the caches between two requests.
    """
    taken: dict[str, list[float]] = {name: [] for name in systems}
    for at in range(0, rounds, BLOCK):
        for name, work in systems.items():
            for i in range(at - warm_up, min(at + BLOCK, rounds)):
                elapsed = milliseconds(lambda work=work, i=i: work(i % rounds))  # type: ignore[misc]
                if i >= at:
                    taken[name].append(elapsed)
    return taken


def write(out: Path, figures: Mapping[str, Any], bundle: Bundle | None = None) -> None:
    """`figures` with the machine, versions, command and bundle they belong to."""
    facts: dict[str, Any] = {"command": shlex.join(["python", *sys.argv]), "machine": machine()}
    if bundle:
        facts["bundle"] = {
            "id": bundle.manifest.bundle_id,
            "recipe": bundle.manifest.recipe,
            "products": bundle.manifest.n_products,
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**facts, **figures}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written to {out}", file=sys.stderr)


def machine() -> dict[str, str | int]:
    """What the figures depend on besides the bundle: processor, system and the versions that are installed."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    """The processor's name. Linux alone has it in a file; elsewhere its architecture has to do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())
