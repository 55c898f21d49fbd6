"""The endpoint's own batching beside LitServe's: the same model, the same load, in turns.

    PYTHONPATH=. .venv-bench/bin/python benchmarks/batching_peers.py --out benchmarks/results/batching_peers.json

Both serve one scorer and answer the same rows; so what differs is HTTP, the way from there to the model, and how
batches are made. The scorer is the endpoint's own, around a small model on one thread of torch, and then a device that
takes no processor (clocked_device.py), as a GPU would not. LitServe, whose batches are of requests, is tried with
several sizes, waits and both of its queues, and compared at its best. The load is that of endpoint_load.py.
"""

from __future__ import annotations

import json
import statistics
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from clocked_device import right_checksums
from measuring import write
from numpy.typing import NDArray
from pair_model import requests, right_scores, write_reranker
from rerank_clients import Load, drive, endpoint_command, server

from infra.emulated import free_port

CLIENTS, REQUESTS = 50, 300
KINDS = ("torch", "clocked")
WARM_UP_S = 2.0


class Setting(NamedTuple):
    """Of LitServe. `requests` of a batch at most, for which it waits `seconds`; its queue "plain" or "fast"."""

    requests: int
    seconds: float
    queue: str


SETTINGS = [
    Setting(8, 0.0, "plain"),
    Setting(32, 0.0, "plain"),
    Setting(64, 0.0, "plain"),
    Setting(32, 0.005, "plain"),
    Setting(32, 0.005, "fast"),
]


class Asking(NamedTuple):
    kind: str
    heavy: Path
    bodies: Sequence[bytes]
    right: Sequence[NDArray[Any]]

    def of(self, command: list[str], port: int, ready: str, path: str, seconds: float) -> Load:
        """A server under this load, once it has warmed up."""
        with server(command, f"http://127.0.0.1:{port}{ready}"):
            drive(port, path, self.bodies, self.right, CLIENTS, WARM_UP_S)
            return drive(port, path, self.bodies, self.right, CLIENTS, seconds)


def main() -> None:
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="of each turn (default: 10)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (default: 3)")
    parser.add_argument("--beside", default="", metavar="TEXT", help="what else ran on the machine, for the record")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    figures = {
        "clients": CLIENTS,
        "ran_beside": given.beside,
        "scorers": {kind: measured(kind, given.seconds, given.rounds) for kind in KINDS},
    }
    json.dump(figures, sys.stdout, indent=2)
    print()
    write(given.out, figures)


def measured(kind: str, seconds: float, rounds: int) -> dict[str, Any]:
    """`kind` of scorer: "torch" or "clocked"."""
    with TemporaryDirectory() as place:
        source, heavy = Path(place, "source"), Path(place, "heavy")
        write_reranker(source, heavy)
        asked = requests(REQUESTS)
        right = right_scores(source, asked) if kind == "torch" else right_checksums(heavy, asked)
        asking = Asking(kind, heavy, [one.body for one in asked], right)
        tried = {setting: of_litserve(asking, setting, seconds) for setting in SETTINGS}
        best = max(tried, key=lambda setting: pairs_a_second(tried[setting]))
        turns = [(of_endpoint(asking, seconds), of_litserve(asking, best, seconds)) for _ in range(rounds)]
    ratios = [pairs_a_second(ours) / pairs_a_second(theirs) for ours, theirs in turns]
    return {
        "litserve_tried": [{**setting._asdict(), **summary(load)} for setting, load in tried.items()],
        "litserve_best": best._asdict(),
        "aisle": [summary(ours) for ours, _ in turns],
        "litserve": [summary(theirs) for _, theirs in turns],
        "pairs_a_second_ratio": round(statistics.median(ratios), 2),
        "p50_ratio": round(statistics.median(middle(theirs) / middle(ours) for ours, theirs in turns), 2),
    }


def of_endpoint(asking: Asking, seconds: float) -> Load:
    port = free_port()
    if asking.kind == "torch":
        command = endpoint_command(sys.executable, asking.heavy, port)
    else:
        command = [sys.executable, "benchmarks/clocked_device.py", str(asking.heavy), str(port)]
    return asking.of(command, port, "/ping", "/rerank", seconds)


def of_litserve(asking: Asking, setting: Setting, seconds: float) -> Load:
    port = free_port()
    told = [str(asking.heavy), str(port), *map(str, setting), asking.kind]
    command = [sys.executable, "benchmarks/litserve_reranker.py", *told]
    return asking.of(command, port, "/health", "/predict", seconds)


def pairs_a_second(load: Load) -> float:
    return load.pairs / load.seconds


def middle(load: Load) -> float:
    return statistics.median(load.taken_ms)


def summary(load: Load) -> dict[str, object]:
    kept = ("requests_a_second", "pairs_a_second", "ms", "refused", "lost", "wrong")
    return {name: value for name, value in load.figures().items() if name in kept}


if __name__ == "__main__":
    main()
