"""The reranker's endpoint under many clients at once: is any score another pair's, any request lost, does it grow?

    PYTHONPATH=. .venv/bin/python benchmarks/endpoint_load.py

50 clients ask for a minute, lists of 1 to 50 texts of 1 to 60 words, on one connection each. The model is small, with
random weights; every score is held against the one that transformers gives for that pair alone. Memory is what the
server's process has resident: before the load, after some seconds of it, and at the end; a shorter run than half a
minute cannot tell whether it grows.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measuring import resident_mb, write
from pair_model import requests, right_scores, told_apart, write_reranker
from rerank_clients import TOLERANCE, drive, endpoint_command, server

from infra.emulated import free_port

CLIENTS = 50
REQUESTS = 300  # different ones
SETTLED_S = 20  # of load, after which memory should be flat
GROWTH = 0.1  # of the memory then; more is a leak


def main() -> None:
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--beside", default="", metavar="TEXT", help="what else ran on the machine, for the record")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with TemporaryDirectory() as place:
        figures = measured(Path(place), given.clients, given.seconds)
    figures["ran_beside"] = given.beside
    json.dump(figures, sys.stdout, indent=2)
    print()
    write(given.out, figures)
    failed = [name for name in ("lost", "refused", "wrong", "leaks") if figures[name]]
    if failed:
        sys.exit(f"not as it should be: {', '.join(failed)}")


def measured(place: Path, clients: int, seconds: float) -> dict[str, Any]:
    write_reranker(place / "source", place / "heavy")
    asked = requests(REQUESTS)
    right = right_scores(place / "source", asked)
    port = free_port()
    resident: list[float] = []
    with server(endpoint_command(sys.executable, place / "heavy", port), f"http://127.0.0.1:{port}/ping") as process:
        warm = resident_mb(process.pid)
        bodies = [one.body for one in asked]
        load = drive(
            port, "/rerank", bodies, right, clients, seconds, lambda: resident.append(resident_mb(process.pid))
        )
        end = resident_mb(process.pid)
    settled = resident[min(SETTLED_S, len(resident) - 1)]
    return {
        "clients": clients,
        **load.figures(),
        "tolerance": TOLERANCE,
        "scores_told_apart": told_apart(right, TOLERANCE),
        "resident_mb": {
            "warm": round(warm, 1),
            "settled": round(settled, 1),
            "most": round(max(resident), 1),
            "end": round(end, 1),
        },
        "leaks": end > settled * (1 + GROWTH),
    }


if __name__ == "__main__":
    main()
