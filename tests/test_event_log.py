"""The event log: what was told is read once whatever happened between, the forgotten never; other tools read it too."""

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_events import ANNA, BEN, NOON, record

from aisle.compaction import Compacted, compact
from aisle.errors import BadInput, NotFound, Unavailable
from aisle.event_log import EventLog, compacted_name, packed, read_log
from aisle.events import Record, moment, ms_of
from aisle.files import LocalFiles

DAY_MS = 86_400_000
NEXT_DAY = NOON + DAY_MS


class MemoryFiles:
    """Files in memory, which break off before the call number `breaks_at`."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.kept: dict[str, bytes] = {}
        self.calls_left = breaks_at

    def _called(self) -> None:
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise Unavailable("the files", "try again")

    def names(self, prefix: str) -> Iterator[str]:
        return iter([name for name in reversed(self.kept) if name.startswith(prefix)])

    def read(self, name: str) -> bytes:
        if name not in self.kept:
            raise NotFound(name, "list again")
        return self.kept[name]

    def write(self, name: str, content: bytes) -> None:
        self._called()
        self.kept[name] = content

    def create(self, name: str, content: bytes) -> bool:
        there = name in self.kept
        if not there:
            self.write(name, content)
        return not there

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            self._called()
            self.kept.pop(name, None)


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(LocalFiles(tmp_path / "events"))


def test_events_are_read_once_the_newest_day_first(log: EventLog, tmp_path: Path) -> None:
    one, two, three = record("1", NOON), record("2", NOON + 1), record("3", NEXT_DAY)
    log.append("2026-01-01", [two, one])
    log.append("2026-01-01", [two, one])
    log.append("2026-01-01", [two])
    log.append("2026-01-02", [three])
    assert list(read_log(tmp_path / "events")) == [three, one, two]
    assert len([*(tmp_path / "events").rglob("*.gz")]) == 3


def test_a_line_is_one_flat_object(log: EventLog, tmp_path: Path) -> None:
    told = record("1", NOON, NOON + 7, kind="query", product_id="", hits=("hat", "运动鞋"), position=None)
    log.append("2026-01-01", [told])
    (path,) = (tmp_path / "events").rglob("*.gz")
    assert path.parent == tmp_path / "events" / "raw" / "date=2026-01-01"
    assert json.loads(gzip.decompress(path.read_bytes())) == {
        "event_id": "1".rjust(22, "0"),
        "shopper": ANNA,
        "anonymous": False,
        "session": "",
        "query_id": "",
        "kind": "query",
        "product_id": "",
        "position": None,
        "timestamp": "2026-01-01T12:00:00.000Z",
        "received_at": "2026-01-01T12:00:00.007Z",
        "hits": ["hat", "运动鞋"],
        "query_hash": "",
    }


def test_of_two_copies_the_latest_counts_on_whichever_day_it_stands(log: EventLog) -> None:
    early, late, other_day = record("1", NOON), record("1", NOON + 5), record("2", NOON)
    moved = record("2", NEXT_DAY)
    log.append("2026-01-01", [late, other_day])
    log.append("2026-01-01", [early])
    log.append("2026-01-02", [moved])
    assert list(log.records()) == [moved, late]


def test_a_folder_that_is_not_there_and_one_that_is_empty(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is no folder of an event log: check the path"):
        read_log(tmp_path / "none")
    assert list(read_log(tmp_path)) == []
    assert compact(EventLog(LocalFiles(tmp_path)), NOON) == Compacted([], [], [], 0)


def test_the_forgotten_are_read_no_more_and_what_they_do_later_is(log: EventLog, tmp_path: Path) -> None:
    before, at, after = record("1", NOON, NOON - 1), record("2", NOON, NOON), record("3", NOON + 1, NOON + 2)
    others = record("4", NOON, NOON - 1, shopper=BEN)
    log.append("2026-01-01", [before, at, after, others])
    log.forget([ANNA], NOON)
    log.forget([ANNA], NOON - 9)
    log.append("2026-01-01", [record("1", NOON, NOON + 1)])  # the same request, sent again
    assert list(log.records()) == [others, after]
    stone = tmp_path / "events" / "tombstones" / f"{ANNA}.json"
    assert json.loads(stone.read_bytes()) == {"shopper": ANNA, "forgotten_at": "2026-01-01T12:00:00.000Z"}


def test_compaction_leaves_one_file_a_day_without_doubles_and_the_forgotten(log: EventLog, tmp_path: Path) -> None:
    one, two, three = record("1", NOON), record("2", NEXT_DAY, shopper=BEN), record("3", NOON, shopper=BEN)
    log.append("2026-01-01", [three, one])
    log.append("2026-01-01", [one])
    log.append("2026-01-02", [two])

    assert compact(log, NEXT_DAY) == Compacted(["2026-01-01", "2026-01-02"], [], [], 3)
    files = LocalFiles(tmp_path / "events")
    assert sorted(files.names("")) == [compacted_name("2026-01-01"), compacted_name("2026-01-02")]
    assert files.read(compacted_name("2026-01-01")) == packed([one, three])
    assert compact(log, NEXT_DAY) == Compacted([], [], [], 0)

    log.forget([BEN], NEXT_DAY)
    assert compact(log, NEXT_DAY) == Compacted(["2026-01-01", "2026-01-02"], [], [], 1)
    assert sorted(files.names("")) == [compacted_name("2026-01-01"), "swept.json", f"tombstones/{BEN}.json"]
    assert gzip.decompress(files.read(compacted_name("2026-01-01"))) == msgspec.json.encode(one) + b"\n"
    assert compact(log, NEXT_DAY) == Compacted([], [], [], 0)

    log.append("2026-01-01", [three])  # redelivered late
    assert compact(log, NEXT_DAY) == Compacted(["2026-01-01"], [], [], 1)
    assert list(log.records()) == [one]


def test_days_end_a_while_after_they_were(log: EventLog, tmp_path: Path) -> None:
    old, kept = record("1", NOON), record("2", NEXT_DAY)
    log.append("2026-01-01", [old])
    log.append("2026-01-02", [kept])
    assert compact(log, NOON, kept_days=10) == Compacted(["2026-01-01", "2026-01-02"], [], [], 2)
    log.append("2026-01-01", [old])
    assert compact(log, NEXT_DAY + 10 * DAY_MS, kept_days=10) == Compacted([], ["2026-01-01"], [], 0)
    assert sorted(LocalFiles(tmp_path / "events").names("")) == [compacted_name("2026-01-02")]


def world(files: MemoryFiles) -> tuple[EventLog, set[str]]:
    """Doubles, two days, one shopper of two forgotten before and after a compaction; the ids that are to be read."""
    log = EventLog(files)
    log.append("2026-01-01", [record("a"), record("b", shopper=BEN)])
    log.forget([ANNA], NOON - 1)
    compact(log, NOON)
    log.forget([ANNA], NOON)
    log.append("2026-01-01", [record("b", shopper=BEN), record("c", shopper=BEN)])
    log.append("2026-01-01", [record("a")])
    log.append("2026-01-02", [record("d", NEXT_DAY), record("e", NEXT_DAY, NOON)])
    return log, {name.rjust(22, "0") for name in "bcd"}


def ids(log: EventLog) -> list[str]:
    return sorted(record.event_id for record in log.records())


@pytest.mark.parametrize("breaks_at", range(8))
def test_a_compaction_that_breaks_off_loses_nothing_and_is_done_again(breaks_at: int) -> None:
    files = MemoryFiles()
    log, expected = world(files)
    files.calls_left = breaks_at
    try:
        compact(log, NEXT_DAY)
        assert breaks_at >= 6
    except Unavailable:
        files.calls_left = None
        assert ids(log) == sorted(expected)
        compact(log, NEXT_DAY)
    files.calls_left = None
    assert ids(log) == sorted(expected)
    assert sorted(files.names("raw/")) == []
    assert {r.event_id for day in ("2026-01-01", "2026-01-02") for r in log.day(day, [], {})} == expected


def test_a_compaction_that_is_too_long_has_done_what_is_new() -> None:
    files = MemoryFiles()
    log = EventLog(files)
    for day in range(9):
        log.append(moment(NOON + day * DAY_MS)[:10], [record(str(day), NOON + day * DAY_MS)])
    compact(log, NOON)
    log.forget([BEN], NOON)
    log.append("2026-01-09", [record("new", NOON + 8 * DAY_MS)])
    files.calls_left = 2  # one file is written, one removed
    with pytest.raises(Unavailable):
        compact(log, NOON)
    files.calls_left = None
    assert [*files.names("raw/")] == []
    assert len(log.day("2026-01-09", [], {})) == 2


def held(log: EventLog) -> dict[str, set[str]]:
    """Day -> whose lines its file has, tombstones or not."""
    return {day: {r.shopper for r in log.day(day, [], {})} for day in sorted(log.raw_by_day())}


def test_a_long_look_for_the_forgotten_takes_as_many_calls_as_it_needs() -> None:
    log, days = EventLog(MemoryFiles()), ["2026-01-01", "2026-01-02", "2026-01-03"]
    who = {ANNA, BEN, "k" + "c" * 22}
    for n, day in enumerate(days):
        log.append(day, [record(f"{n}{one[1]}", NOON + n * DAY_MS, shopper=one) for one in sorted(who)])
    at = NOON + 5 * DAY_MS
    compact(log, at)
    log.forget([ANNA], at)
    assert compact(log, at, in_time=iter([True, False, False]).__next__) == Compacted([days[0]], [], [], 2, 2)
    assert held(log) == {days[0]: who - {ANNA}, days[1]: who, days[2]: who}
    log.forget([BEN], at)  # after the first day was looked at
    assert compact(log, at, in_time=iter([True, False]).__next__) == Compacted([days[1]], [], [], 1, 1)
    assert held(log) == {days[0]: who - {ANNA}, days[1]: who - {ANNA, BEN}, days[2]: who}
    assert compact(log, at) == Compacted([days[2]], [], [], 1)
    assert compact(log, at) == Compacted(days, [], [], 3)  # the second round, for Ben
    assert held(log) == dict.fromkeys(days, who - {ANNA, BEN})
    assert compact(log, at) == Compacted([], [], [], 0)


def test_a_day_of_many_files_is_made_one_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisle.compaction.MOST_FILES", 2)
    files = MemoryFiles()
    log = EventLog(files)
    for name in "abcde":
        log.append("2026-01-01", [record(name)])
    assert compact(log, NOON, in_time=iter([True, False]).__next__) == Compacted([], [], [], 0, 1)
    assert (len([*files.names("raw/")]), len([*log.records()])) == (3, 5)
    assert compact(log, NOON) == Compacted(["2026-01-01"], [], [], 5)
    assert [*files.kept] == [compacted_name("2026-01-01")]


class SlowFiles(MemoryFiles):
    """Answers only when four are asked for at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Barrier(4, timeout=5)

    def read(self, name: str) -> bytes:
        if name.startswith("raw/"):
            self.asked.wait()
        return super().read(name)


def test_files_of_a_day_are_read_many_at_once() -> None:
    log = EventLog(SlowFiles())
    for name in "abcd":
        log.append("2026-01-01", [record(name)])
    assert len([*log.records()]) == 4


def test_who_reads_while_a_compaction_runs_misses_nothing() -> None:
    files = MemoryFiles()
    log, expected = world(files)
    raw, forgotten = log.raw_by_day(), log.forgotten_at()
    compact(log, NEXT_DAY)
    assert {r.event_id for day in raw for r in log.day(day, raw[day], forgotten)} == expected


@settings(max_examples=150)
@given(st.data())
def test_whatever_is_told_and_whenever_it_is_compacted_each_event_is_read_once(data: st.DataObject) -> None:
    """Against a model that keeps all records in one list."""
    files = MemoryFiles()
    log = EventLog(files)
    told: list[Record] = []
    forgotten: dict[str, int] = {}
    for _ in range(data.draw(st.integers(0, 12))):
        step = data.draw(st.sampled_from(["tell", "tell", "tell", "compact", "forget"]))
        if step == "tell":
            name, shopper = data.draw(st.sampled_from("abcd")), data.draw(st.sampled_from([ANNA, BEN]))
            at = NOON + data.draw(st.sampled_from([0, 1, DAY_MS]))
            new = record(f"{name}{shopper[1]}", at, NOON + data.draw(st.integers(0, 9)), shopper=shopper)
            told.append(new)
            log.append(new.timestamp[:10], [new])
        elif step == "forget":
            shopper, at = data.draw(st.sampled_from([ANNA, BEN])), NOON + data.draw(st.integers(0, 9))
            forgotten[shopper] = max(at, forgotten.get(shopper, 0))
            log.forget([shopper], at)
        else:
            times = iter(data.draw(st.lists(st.booleans(), max_size=3)))
            compact(log, NEXT_DAY, in_time=lambda times=times: next(times, True))  # type: ignore[misc]
    latest: dict[str, Record] = {}
    for each in told:
        known = latest.get(each.event_id)
        if min(each.timestamp, each.received_at) > moment(forgotten.get(each.shopper, 0)) and (
            known is None or (known.timestamp, known.received_at) < (each.timestamp, each.received_at)
        ):
            latest[each.event_id] = each
    assert sorted(log.records(), key=lambda r: r.event_id) == sorted(latest.values(), key=lambda r: r.event_id)


BROKEN = [
    (b"no gzip", "raw/date=2026-01-01/x.jsonl.gz is not gzipped, or not all of it (Not a gzipped file (b'no'))"),
    (packed([record("a")])[:-9], "raw/date=2026-01-01/x.jsonl.gz is not gzipped, or not all of it ("),
    (gzip.compress(b"{}\n"), "raw/date=2026-01-01/x.jsonl.gz, line 1 is no record (Object missing"),
    (gzip.compress(b'{"a": \xff}\n'), "raw/date=2026-01-01/x.jsonl.gz, line 1 is no record ("),
]


@pytest.mark.parametrize(("content", "told"), BROKEN)
def test_a_broken_file_is_named_and_spoils_its_day_alone(log: EventLog, content: bytes, told: str) -> None:
    log.append("2026-01-02", [record("b", NEXT_DAY)])
    log.files.write("raw/date=2026-01-01/x.jsonl.gz", content)
    with pytest.raises(BadInput) as refused:
        list(log.records())
    assert str(refused.value).startswith(told)
    done = compact(log, NEXT_DAY)
    assert (done.written, done.expired, len(done.unreadable), done.records) == (["2026-01-02"], [], 1, 1)
    assert done.unreadable[0].startswith(told)
    assert log.files.read("raw/date=2026-01-01/x.jsonl.gz") == content


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": "short"},
        {"shopper": "anna"},
        {"kind": "teleport"},
        {"position": 0},
        {"timestamp": "2026-13-01T00:00:00.000Z"},
        {"timestamp": "2026-01-01T00:00:00.000Z\n"},
        {"received_at": "2026-01-01"},
        {"product_id": "a" * 257},
    ],
)
def test_a_record_of_another_form_is_none(change: dict[str, object]) -> None:
    told = msgspec.to_builtins(record("a")) | change
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(told), type=Record)


def test_a_tombstone_of_another_form_is_told(log: EventLog) -> None:
    log.files.write("tombstones/x.json", b"[]")
    with pytest.raises(BadInput, match=r"tombstones/x\.json is no tombstone"):
        list(log.records())


def test_many_may_write_the_same_file_at_once(tmp_path: Path) -> None:
    log = EventLog(LocalFiles(tmp_path / "events"))
    told = [record(f"e{i}") for i in range(50)]
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(log.append, "2026-01-01", told) for _ in range(64)]:
            done.result()
    assert len([*(tmp_path / "events").rglob("*")]) == 3  # two folders and the file
    assert list(log.records()) == sorted(told, key=lambda r: r.event_id)


def test_what_cannot_be_kept_or_read_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    (tmp_path / "raw").mkdir()
    with pytest.raises(Unavailable, match=r"raw cannot be written \(Is a directory\)"):
        files.write("raw", b"lines")
    with pytest.raises(Unavailable, match=r"raw cannot be read \(Is a directory\)"):
        files.read("raw")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file")
    with pytest.raises(Unavailable, match="cannot be written"):
        EventLog(LocalFiles(tmp_path / "events")).append("2026-01-01", [record("a")])


def test_pyarrow_reads_the_log_as_a_table(log: EventLog, tmp_path: Path) -> None:
    pyarrow_json = pytest.importorskip("pyarrow.json", reason="needs the offline extra")
    log.append("2026-01-01", [record("1", position=3), record("2", hits=("a", "b"), kind="query", product_id="")])
    compact(log, NOON)
    with gzip.open(tmp_path / "events" / compacted_name("2026-01-01")) as lines:
        table = pyarrow_json.read_json(lines)
    assert table.column_names == list(Record.__struct_fields__)
    assert table.to_pylist()[0] | {"hits": []} == msgspec.to_builtins(record("1", position=3)) | {"hits": []}
    assert table.column("hits").to_pylist() == [[], ["a", "b"]]


def test_the_query_in_the_docs_reads_the_log_as_aisle_does(log: EventLog, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="needs the dev extra")
    page = (Path(__file__).parents[1] / "docs" / "your-data.md").read_text(encoding="utf-8")
    (query,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    log.extend([record("1", position=3), record("2", NEXT_DAY), record("3", NEXT_DAY, shopper=BEN)])
    compact(log, NEXT_DAY)
    log.extend([record("1", position=3), record("2", NEXT_DAY + 5), record("4", kind="query", hits=("a", "b"))])
    log.forget([BEN], NEXT_DAY)
    query = query.replace("'events/", f"'{tmp_path}/events/")
    read = duckdb.sql(f'SELECT event_id, position, epoch_ms("timestamp"), hits FROM ({query}) ORDER BY event_id')
    assert read.fetchall() == [
        ("1".rjust(22, "0"), 3, NOON, []),
        ("2".rjust(22, "0"), None, NEXT_DAY + 5, []),
        ("4".rjust(22, "0"), None, NOON, ["a", "b"]),
    ]
    assert {row[0]: row[2] for row in read.fetchall()} == {r.event_id: ms_of(r.timestamp) for r in log.records()}
