"""Keeping the event log small and true: one file a day, each event once, nothing of the forgotten, nothing too old.

What is compacted is written before what it was made of is removed, so who reads meanwhile misses nothing and who breaks
off may start again. Only one compaction may run at a time: of two, each could overwrite what the other had read.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from aisle.errors import BadInput, NotFound
from aisle.event_log import EventLog, compacted_name, packed
from aisle.events import moment
from aisle.profile import DAY_MS

SWEPT = "swept.json"  # pseudonym -> the forgotten_at of the tombstone that every compacted file has heeded


class Compacted(Struct, frozen=True):
    """What was done. `unreadable`: what is wrong with days that were left as they were."""

    written: list[str]  # days
    expired: list[str]  # days
    unreadable: list[str]
    records: int  # in the days written


def compact(log: EventLog, now_ms: int, kept_days: int | None = None) -> Compacted:
    """Compacts every day that has raw files, and all days where somebody was forgotten since the last time.

    Days that ended more than `kept_days` ago are removed; None keeps all. Raises Unavailable.
    """
    written: list[str] = []
    expired: list[str] = []
    unreadable: list[str] = []
    records = 0
    forgotten = log.forgotten_at()
    news = forgotten.items() - _swept(log).items()
    oldest = moment(now_ms - kept_days * DAY_MS)[:10] if kept_days is not None else ""
    # What is new comes first: looking for the forgotten on all other days may take longer than there is time for.
    for day, raw in sorted(log.raw_by_day().items(), key=lambda each: (not each[1], each[0])):
        if day < oldest:
            log.files.remove([*raw, compacted_name(day)])
            expired.append(day)
        elif raw or news:
            try:
                records += _compact_day(log, day, raw, forgotten)
                written.append(day)
            except BadInput as exc:
                unreadable.append(exc.detail)
    if news and not unreadable:
        log.files.write(SWEPT, msgspec.json.encode(forgotten))
    return Compacted(written, expired, unreadable, records)


def _compact_day(log: EventLog, day: str, raw: list[str], forgotten: Mapping[str, str]) -> int:
    """How many records the day has."""
    records = log.day(day, raw, forgotten)
    if records:
        log.files.write(compacted_name(day), packed(records))
        log.files.remove(raw)
    else:
        log.files.remove([*raw, compacted_name(day)])
    return len(records)


def _swept(log: EventLog) -> dict[str, str]:
    """What cannot be read is as good as nothing: every day is looked at again."""
    try:
        return msgspec.json.decode(log.files.read(SWEPT), type=dict[str, str])
    except (NotFound, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
