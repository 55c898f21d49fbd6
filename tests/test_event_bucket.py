"""The event log in the emulated bucket: what is told is read, compacted and forgotten as in a folder."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from aisle.aws.event_bucket import EventBucket
from aisle.compaction import compact
from aisle.errors import NotFound, Unavailable
from aisle.event_log import EventLog
from aisle.events import Record, moment
from aisle.files import Files, LocalFiles

ANN, BOB = "k" + "a" * 22, "k" + "b" * 22
DAY_MS = 86_400_000
NOW = 20_000 * DAY_MS + 5_000  # five seconds after midnight
TODAY, YESTERDAY = moment(NOW)[:10], moment(NOW - DAY_MS)[:10]


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    if request.param == "folder":
        yield LocalFiles(tmp_path / "log")
    else:
        request.getfixturevalue("aws")
        boto3.client("s3").create_bucket(Bucket="events")
        yield EventBucket("events")


@pytest.fixture
def bucket(aws: dict[str, str]) -> EventBucket:
    boto3.client("s3").create_bucket(Bucket="events")
    return EventBucket("events")


def record(number: int, shopper: str, at_ms: int = NOW, **fields: Any) -> Record:
    plain = Record(f"{number:022}", shopper, False, "", "", "click", "hat", None, moment(at_ms), moment(NOW))
    return msgspec.structs.replace(plain, **fields)


def names(files: Files) -> list[str]:
    return sorted(name for prefix in ("raw/", "compacted/", "tombstones/") for name in files.names(prefix))


def test_files_are_written_listed_read_and_removed(files: Files) -> None:
    assert [*files.names("raw/")] == []
    for name in ("raw/b/2", "raw/a/1", "rawer/1"):
        files.write(name, name.encode())
    files.write("raw/a/1", b"again")
    assert (sorted(files.names("raw/")), files.read("raw/a/1")) == (["raw/a/1", "raw/b/2"], b"again")
    files.remove(["raw/a/1", "raw/none"])
    files.remove([])
    assert [*files.names("raw/")] == ["raw/b/2"]
    with pytest.raises(NotFound):
        files.read("raw/a/1")


def test_the_log_is_compacted_by_day_and_forgets(files: Files) -> None:
    log = EventLog(files)
    ann, bob, late = record(1, ANN), record(2, BOB), record(3, BOB, NOW - DAY_MS)
    log.append(TODAY, [ann, bob])
    log.append(TODAY, [bob])
    log.append(YESTERDAY, [late])
    assert [*log.records()] == [ann, bob, late]
    log.forget([ANN], NOW)
    assert [*log.records()] == [bob, late]
    assert compact(log, NOW).written == [YESTERDAY, TODAY]
    assert names(files) == [
        f"compacted/date={YESTERDAY}/events.jsonl.gz",
        f"compacted/date={TODAY}/events.jsonl.gz",
        f"tombstones/{ANN}.json",
    ]
    assert [*log.records()] == [bob, late]
    assert compact(log, NOW + 400 * DAY_MS, 399).expired == [YESTERDAY, TODAY]
    assert names(files) == [f"tombstones/{ANN}.json"]


def test_more_files_than_one_call_takes_are_listed_and_removed(
    bucket: EventBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aisle.aws.bucket_files.MOST_REMOVED", 3)
    written = [f"raw/{n}" for n in range(8)]
    for name in written:
        bucket.write(name, b"")
    assert bucket.names("raw/") == written
    bucket.remove(written[:7])
    assert bucket.names("raw/") == ["raw/7"]


def test_one_at_a_time_is_inside_a_lease(bucket: EventBucket) -> None:
    for _ in range(2):
        with (
            bucket.leased(60),
            pytest.raises(Unavailable, match="somebody else compacts events: wait"),
            EventBucket("events").leased(60),
        ):
            raise AssertionError
    assert bucket.names("") == []


def test_who_broke_off_holds_a_lease_until_it_ends(bucket: EventBucket) -> None:
    bucket.write("compacting", b"1")
    with pytest.raises(Unavailable, match="somebody else"), bucket.leased(60):
        raise AssertionError
    time.sleep(1.1)  # S3 tells whole seconds
    with bucket.leased(0.05):
        assert boto3.client("s3").get_object(Bucket="events", Key="compacting")["Body"].read() != b"1"


def test_of_two_who_take_over_one_succeeds(bucket: EventBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen the lease of one who broke off; the other is quicker."""
    bucket.write("compacting", b"1")
    time.sleep(1.1)
    stale = boto3.client("s3").list_objects_v2(Bucket="events")
    with bucket.leased(0.05):
        s3 = bucket._s3()
        monkeypatch.setattr(s3, "list_objects_v2", lambda **_: stale)
        with pytest.raises(Unavailable, match="somebody else"), bucket.leased(0.05):
            raise AssertionError


def test_a_missing_bucket_is_told(aws: dict[str, str]) -> None:
    nowhere = EventBucket("nowhere")
    for call in (
        lambda: nowhere.names("raw/"),
        lambda: nowhere.read("raw/1"),
        lambda: nowhere.write("raw/1", b""),
        lambda: nowhere.remove(["raw/1"]),
    ):
        with pytest.raises(Unavailable, match="the bucket nowhere: NoSuchBucket"):
            call()
