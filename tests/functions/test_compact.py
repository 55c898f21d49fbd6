"""The compact function as its schedule calls it, over the emulated bucket."""

import importlib
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from aisle.aws.event_bucket import EventBucket
from aisle.errors import Unavailable
from aisle.event_log import EventLog
from aisle.events import Record, moment
from aisle.profile import DAY_MS, KEPT_DAYS

BUCKET = "aisle-dev-events-123456789012"
TIME_ENOUGH = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
ANN, BOB = "k" + "a" * 22, "k" + "b" * 22
NOW = time.time_ns() // 1_000_000


@pytest.fixture
def compact(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    monkeypatch.setenv("AISLE_EVENTS_BUCKET", BUCKET)
    sys.modules.pop("functions.compact.handler", TIME_ENOUGH)
    yield importlib.import_module("functions.compact.handler").handler
    sys.modules.pop("functions.compact.handler", TIME_ENOUGH)


def record(number: int, shopper: str, at_ms: int) -> Record:
    return Record(f"{number:022}", shopper, False, "", "", "view", "hat", None, moment(at_ms), moment(NOW))


def names() -> list[str]:
    return EventBucket(BUCKET).names("")


def test_each_day_becomes_one_file_without_the_forgotten_and_old_days_go(compact: Any) -> None:
    log = EventLog(EventBucket(BUCKET))
    ann, bob, old = record(1, ANN, NOW), record(2, BOB, NOW), record(3, BOB, NOW - (KEPT_DAYS + 2) * DAY_MS)
    for told in (ann, bob, old):
        log.append(told.timestamp[:10], [told])
    log.forget([ANN], NOW)
    today = bob.timestamp[:10]
    assert compact({"source": "aws.events"}, TIME_ENOUGH) == {
        "written": [today],
        "expired": [old.timestamp[:10]],
        "records": 1,
        "left": 0,
    }
    assert names() == [f"compacted/date={today}/events.jsonl.gz", "swept.json", f"tombstones/{ANN}.json"]
    assert [*log.records()] == [bob]
    assert compact({}, TIME_ENOUGH) == {"written": [], "expired": [], "records": 0, "left": 0}


def test_a_call_that_nears_its_end_leaves_days_for_the_next_one(compact: Any) -> None:
    log = EventLog(EventBucket(BUCKET))
    today, yesterday = record(1, BOB, NOW), record(2, BOB, NOW - DAY_MS)
    for told in (today, yesterday):
        log.append(told.timestamp[:10], [told])
    left = iter([900_000, 119_999])
    first, second = yesterday.timestamp[:10], today.timestamp[:10]
    done = compact({}, SimpleNamespace(get_remaining_time_in_millis=left.__next__))
    assert done == {"written": [first], "expired": [], "records": 1, "left": 1}
    assert compact({}, TIME_ENOUGH) == {"written": [second], "expired": [], "records": 1, "left": 0}


def test_a_second_compaction_waits_for_the_first(compact: Any) -> None:
    with EventBucket(BUCKET).leased(60), pytest.raises(Unavailable, match="somebody else compacts"):
        compact({}, TIME_ENOUGH)


def test_a_day_that_cannot_be_read_is_left_and_told_when_the_others_are_done(compact: Any) -> None:
    bob = record(2, BOB, NOW)
    today = bob.timestamp[:10]
    EventLog(EventBucket(BUCKET)).append(today, [bob])
    EventBucket(BUCKET).write("raw/date=2026-01-01/x.jsonl.gz", b"no gzip")
    with pytest.raises(Unavailable, match=r"raw/date=2026-01-01/x.jsonl.gz is not gzipped.*these days are left"):
        compact({}, TIME_ENOUGH)
    assert names() == [f"compacted/date={today}/events.jsonl.gz", "raw/date=2026-01-01/x.jsonl.gz"]
