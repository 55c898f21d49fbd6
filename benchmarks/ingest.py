"""Events a second that one process takes in, without the services it would wait for: checking, keeping, compacting.

    .venv/bin/python benchmarks/ingest.py --out benchmarks/results/ingest.json

Requests of ten events each, as browsers send them, of shoppers whose profiles are full; ten messages a batch, as SQS
hands them on. Profiles are kept in memory and the log in a temporary folder.
"""

import json
import random
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import measuring

from aisle.collecting import Ingest, collect
from aisle.compaction import compact
from aisle.event_log import EventLog
from aisle.events import moment
from aisle.files import LocalFiles
from aisle.identity import Caller
from aisle.profile import MAX_OTHERS, MAX_PURCHASES, MemoryProfiles
from aisle.pseudonyms import Pseudonyms
from aisle.shopping import EventsRequest
from aisle.ubi import Reading

ACTIONS = ("impression", "impression", "click", "click", "view", "add_to_cart", "purchase")
START_MS = 1_767_225_600_000  # 2026-01-01
REQUEST, BATCH = 10, 10  # events of a request, messages of a batch
PRODUCTS = 35_000
PSEUDONYMS = Pseudonyms(bytes(range(32)))


def event(chance: random.Random, shopper: str, at_ms: int, action: str = "") -> dict[str, Any]:
    return {
        "application": "web",
        "action_name": action or chance.choice(ACTIONS),
        "query_id": f"q{chance.randrange(10**9)}",
        "session_id": f"s-{shopper}",
        "user_id": shopper,
        "timestamp": moment(at_ms),
        "event_attributes": {
            "object": {"object_id": f"p{chance.randrange(PRODUCTS):05d}", "object_id_type": "product"},
            "position": {"ordinal": chance.randrange(1, 49)},
        },
    }


def filled(chance: random.Random, shoppers: list[str]) -> MemoryProfiles:
    """As many acts of each shopper as a profile keeps."""
    profiles = MemoryProfiles()
    reading = Reading(Caller("benchmark", trusted=True), START_MS, PSEUDONYMS)
    for shopper in shoppers:
        actions = ["purchase"] * MAX_PURCHASES + ["click"] * MAX_OTHERS
        told = [reading.event(event(chance, shopper, START_MS - n * 60_000, a)) for n, a in enumerate(actions)]
        profiles.add(PSEUDONYMS.of(shopper), told)
    return profiles


def measured(count: int, shopper_count: int) -> dict[str, Any]:
    """What is done -> events a second; and how much the log of these events takes."""
    chance = random.Random(5)
    shoppers = [f"shopper-{n}" for n in range(shopper_count)]
    requests = []
    for n in range(count // REQUEST):
        shopper, at_ms = chance.choice(shoppers), START_MS + n * 1000
        requests.append((EventsRequest([event(chance, shopper, at_ms + i) for i in range(REQUEST)]), at_ms + 50))
    profiles, caller = filled(chance, shoppers), Caller("benchmark", trusted=True)

    start = time.perf_counter()
    told = [message for asked, now in requests for message in collect(asked, caller, now, PSEUDONYMS).messages]
    collecting_s = time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        log = EventLog(LocalFiles(Path(folder)))
        ingest = Ingest(profiles, log)
        start = time.perf_counter()
        kept = sum(ingest(told[at : at + BATCH]).records for at in range(0, len(told), BATCH))
        ingesting_s = time.perf_counter() - start

        start = time.perf_counter()
        compacted = compact(log, START_MS).records
        compacting_s = time.perf_counter() - start

        start = time.perf_counter()
        read = sum(1 for _ in log.records())
        reading_s = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.gz"))
    if not kept == compacted == read == count:
        raise SystemExit(f"{count} events became {kept}, {compacted} and {read} records")
    seconds = {"collect": collecting_s, "ingest": ingesting_s, "compact": compacting_s, "read": reading_s}
    return {
        "events": count,
        "shoppers": shopper_count,
        "acts_a_profile": MAX_PURCHASES + MAX_OTHERS,
        "events_per_s": {name: round(count / taken) for name, taken in seconds.items()},
        "log_bytes_per_event": round(size / count, 1),
    }


def main() -> None:
    parser = ArgumentParser(description="Events a second that one process takes in, on one core.")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--shoppers", type=int, default=2_000)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    asked = parser.parse_args()
    measuring.one_core()
    figures = measured(asked.events // REQUEST * REQUEST, asked.shoppers)
    json.dump(figures, sys.stdout, indent=2)
    print()
    if asked.out:
        measuring.write(asked.out, figures)


if __name__ == "__main__":
    main()
