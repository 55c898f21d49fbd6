"""The event log: every record that was ever told, by day, as gzipped JSON lines that Spark, DuckDB and aisle read.

    raw/date=2026-01-31/<name>.jsonl.gz           as they came in, by the day (UTC) of `timestamp`
    compacted/date=2026-01-31/events.jsonl.gz     one file a day, made of them by `aisle.compaction`
    tombstones/<pseudonym>.json                   {"shopper", "forgotten_at"}: whom to forget, until when

The same event may stand in the log many times; who reads it sees it once. Where the files lie, in a folder or in a
bucket, is for `aisle.files` to know.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import msgspec
from msgspec import Struct

from aisle.errors import BadInput, NotFound
from aisle.events import Moment, Pseudonym, Record, first_known, moment
from aisle.files import Files, LocalFiles

_PLACE = re.compile(r"(raw|compacted)/date=(\d{4}-\d\d-\d\d)/[^/]+\.jsonl\.gz")
_DECODER = msgspec.json.Decoder(Record)
_NOTHING = gzip.compress(b"", mtime=0)
READERS = 8  # files read at once: a busy day has tens of thousands, and a bucket takes its time for each


class Tombstone(Struct, frozen=True):
    """Nothing of this shopper's that happened or was received by then is to be read."""

    shopper: Pseudonym
    forgotten_at: Moment


class EventLog:
    """The log that lies in `files`. Each method raises Unavailable, and those that read BadInput for broken files."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def append(self, day: str, records: Sequence[Record]) -> None:
        """Adds records of one day, such as 2026-01-31 (UTC). Adding the same ones again changes nothing."""
        lines = packed(records)
        self.files.write(f"raw/date={day}/{hashlib.sha256(lines).hexdigest()[:32]}.jsonl.gz", lines)

    def extend(self, records: Iterable[Record]) -> None:
        """Adds records of any days."""
        days: dict[str, list[Record]] = {}
        for record in records:
            days.setdefault(record.timestamp[:10], []).append(record)
        for day, told in days.items():
            self.append(day, told)

    def records(self) -> Iterator[Record]:
        """Each event once and nothing of the forgotten, the newest day first, each day in order of time.

        It remembers the ids that it has seen, some 100 bytes each.
        """
        forgotten = self.forgotten_at()
        seen: set[str] = set()
        for day, raw in sorted(self.raw_by_day().items(), reverse=True):
            for record in self.day(day, raw, forgotten):
                if record.event_id not in seen:
                    seen.add(record.event_id)
                    yield record

    def raw_by_day(self) -> dict[str, list[str]]:
        """Day -> the names of its raw files; also days that are compacted and have none."""
        days: dict[str, list[str]] = {}
        for folder in ("raw", "compacted"):
            for name in sorted(self.files.names(f"{folder}/")):
                if place := _PLACE.fullmatch(name):
                    days.setdefault(place[2], []).extend([name] if folder == "raw" else [])
        return days

    def day(self, day: str, raw: Iterable[str], forgotten: Mapping[str, str]) -> list[Record]:
        """The records of one day, each event once, at its latest time; nothing of the forgotten.

        The compacted file is read last: what a compaction takes out of `raw` meanwhile stands there by then.
        """
        latest: dict[str, Record] = {}
        for name, content in self._contents(raw, compacted_name(day)):
            for record in read_lines(name, content):
                known = latest.get(record.event_id)
                kept = first_known(record) > forgotten.get(record.shopper, "")
                if kept and (not known or _age(known) < _age(record)):
                    latest[record.event_id] = record
        return sorted(latest.values(), key=lambda record: (record.timestamp, record.event_id))

    def forgotten_at(self) -> dict[str, str]:
        """Pseudonym -> when this shopper was last forgotten."""
        with ThreadPoolExecutor(READERS) as readers:
            stones = [*readers.map(self._tombstone, [*self.files.names("tombstones/")])]
        return {stone.shopper: stone.forgotten_at for stone in stones if stone}

    def forget(self, shoppers: Iterable[str], at_ms: int) -> None:
        """Leaves tombstones: readers skip from now on what happened or came by then, and a compaction removes it."""
        for shopper in shoppers:
            name, told = f"tombstones/{shopper}.json", Tombstone(shopper, moment(at_ms))
            known = self._tombstone(name)
            if known is None or known.forgotten_at < told.forgotten_at:
                self.files.write(name, msgspec.json.encode(told))

    def _tombstone(self, name: str) -> Tombstone | None:
        try:
            return msgspec.json.decode(self.files.read(name), type=Tombstone)
        except NotFound:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise BadInput(f"{name} is no tombstone ({exc})", "write it as aisle does, or remove it") from exc

    def _contents(self, raw: Iterable[str], last: str) -> Iterator[tuple[str, bytes]]:
        """Name and content of those of the files that are there still; many at once, but `last` after all others."""
        names = [*raw]
        with ThreadPoolExecutor(READERS) as readers:
            yield from zip(names, readers.map(self._content, names), strict=True)
        yield last, self._content(last)

    def _content(self, name: str) -> bytes:
        """Nothing where the file is gone."""
        try:
            return self.files.read(name)
        except NotFound:
            return _NOTHING


def read_lines(name: str, content: bytes) -> Iterator[Record]:
    """The records of a file, in its order."""
    number = 0
    try:
        with gzip.open(BytesIO(content)) as lines:
            for line in lines:
                number += 1
                yield _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BadInput(f"{name}, line {number} is no record ({exc})", "remove the line") from exc
    except (OSError, EOFError, zlib.error) as exc:
        raise BadInput(f"{name} is not gzipped, or not all of it ({exc})", "fetch it again, or remove it") from exc


def packed(records: Sequence[Record]) -> bytes:
    """The file that holds these: the same bytes whenever it is made."""
    return gzip.compress(msgspec.json.Encoder().encode_lines(records), mtime=0)


def compacted_name(day: str) -> str:
    return f"compacted/date={day}/events.jsonl.gz"


def read_log(folder: Path) -> Iterator[Record]:
    """`EventLog.records` of a log in a folder. Raises NotFound where there is no such folder, BadInput."""
    if not folder.is_dir():
        raise NotFound(f"{folder} is no folder of an event log", "check the path")
    return EventLog(LocalFiles(folder)).records()


def _age(record: Record) -> tuple[str, str]:
    return record.timestamp, record.received_at
