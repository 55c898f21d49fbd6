"""Keeping the event log small and true: one file a day, each event once, nothing of the forgotten, nothing too old.

What is compacted is written before what it was made of is removed, so who reads meanwhile misses nothing and who breaks
off may start again. Looking for the forgotten on all days may take several calls, which go on where the one before
stopped. Only one compaction may run at a time: of two, each could overwrite what the other had read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from aisle.errors import BadInput, NotFound
from aisle.event_log import EventLog, compacted_name, packed
from aisle.events import moment
from aisle.profile import DAY_MS

MOST_FILES = 20_000  # of a day that are made one at once
SWEPT = "swept.json"  # what is known of who was looked for


class Swept(Struct, frozen=True):
    """`heeded`: pseudonym -> forgotten_at of each tombstone that every day has heeded. `sought`: the same of those that
    are looked for; `done`: the days that have heeded them. Both are empty between two rounds through all days."""

    heeded: dict[str, str] = {}
    sought: dict[str, str] = {}
    done: list[str] = []


class Compacted(Struct, frozen=True):
    """What was done. `unreadable`: what is wrong with days that were left as they were."""

    written: list[str]  # days
    expired: list[str]  # days
    unreadable: list[str]
    records: int  # in the days written
    left: int = 0  # days for which there was no time


def compact(
    log: EventLog, now_ms: int, kept_days: int | None = None, in_time: Callable[[], bool] = lambda: True
) -> Compacted:
    """Compacts every day that has raw files, and all days where somebody was forgotten since the last time.

    Days that ended more than `kept_days` ago are removed; None keeps all. It is asked before each day, and
    again within long ones, whether it is `in_time`; the next call does what is left. Raises Unavailable.
    """
    written: list[str] = []
    expired: list[str] = []
    unreadable: list[str] = []
    records = left = 0
    forgotten, swept = log.forgotten_at(), _swept(log)
    sought = swept.sought or forgotten
    news, done = sought.items() - swept.heeded.items(), {*swept.done}
    oldest = moment(now_ms - kept_days * DAY_MS)[:10] if kept_days is not None else ""
    # What is new comes first: looking for the forgotten on all other days may take longer than there is time for.
    for day, raw in sorted(log.raw_by_day().items(), key=lambda each: (not each[1], each[0])):
        if day < oldest:
            log.files.remove([*raw, compacted_name(day)])
            expired.append(day)
        elif raw or (news and day not in done):
            try:
                count = _compact_day(log, day, raw, forgotten, in_time)
            except BadInput as exc:
                unreadable.append(exc.detail)
                continue
            if count is None:
                left += 1
            else:
                records += count
                written.append(day)
                done.add(day)
    if news and left:
        log.files.write(SWEPT, msgspec.json.encode(Swept(swept.heeded, sought, sorted(done))))
    elif news:  # a round ends; where a day could not be read the next one looks for all of them again
        log.files.write(SWEPT, msgspec.json.encode(Swept(swept.heeded if unreadable else sought)))
    return Compacted(written, expired, unreadable, records, left)


def _compact_day(
    log: EventLog, day: str, raw: list[str], forgotten: Mapping[str, str], in_time: Callable[[], bool]
) -> int | None:
    """How many records the day has; None where there was no time for all of its files."""
    count = 0
    for start in range(0, max(len(raw), 1), MOST_FILES):
        if not in_time():
            return None
        some = raw[start : start + MOST_FILES]
        records = log.day(day, some, forgotten)
        if records:
            log.files.write(compacted_name(day), packed(records))
            log.files.remove(some)
        else:
            log.files.remove([*some, compacted_name(day)])
        count = len(records)
    return count


def _swept(log: EventLog) -> Swept:
    """What cannot be read is as good as nothing: every day is looked at again."""
    try:
        return msgspec.json.decode(log.files.read(SWEPT), type=Swept)
    except (NotFound, msgspec.MsgspecError, UnicodeDecodeError):
        return Swept()
