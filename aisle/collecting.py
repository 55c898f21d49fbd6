"""Events on their way in, in two halves with a queue between them: records out of requests, profiles and log out of
records.

The queue delivers at least once and in any order. Neither matters: an event keeps its id, profiles are merged and the
log is read by ids, so a message may be done twice. What cannot be read goes to the dead letters, each record by itself;
what cannot be kept at the moment fails its own message alone, and comes again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from aisle.errors import BadInput, TooLarge, Unavailable
from aisle.event_log import EventLog
from aisle.events import Record, act_of
from aisle.profile import ProfileStore
from aisle.pseudonyms import Pseudonyms
from aisle.shopping import MAX_EVENTS, EventsRequest, EventsResponse, Rejected
from aisle.ubi import Reading, Sender

MAX_MESSAGE_BYTES = 200_000  # a queue takes 262,144, a dead letter's reason among them
_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(Record)
_SHOWN_VALUE = re.compile(r"Invalid enum value .*?(?= - at |$)", re.DOTALL)


class Collected(NamedTuple):
    """`messages`: JSON lists of records, each of MAX_MESSAGE_BYTES at most in UTF-8."""

    response: EventsResponse
    messages: list[str]


def collect(request: EventsRequest, sender: Sender, now_ms: int, pseudonyms: Pseudonyms) -> Collected:
    """What can be taken of a request, as messages. Raises BadInput where nothing can, TooLarge for too many."""
    count = len(request.events) + len(request.queries)
    if not count:
        raise BadInput("neither events nor queries", f"send 1 to {MAX_EVENTS} of them, in the form of UBI 1.3")
    if count > MAX_EVENTS:
        raise TooLarge(f"{count} events and queries", f"send at most {MAX_EVENTS} of them in one request")
    reading = Reading(sender, now_ms, pseudonyms)
    records: list[Record] = []
    rejected: list[Rejected] = []
    for index, said in enumerate(request.queries):
        try:
            records.append(reading.query(said))
        except BadInput as exc:
            rejected.append(Rejected("queries", index, str(exc)))
    for index, said in enumerate(request.events):
        try:
            records.append(reading.event(said))
        except BadInput as exc:
            rejected.append(Rejected("events", index, str(exc)))
    if not records:
        first = rejected[0]
        raise BadInput(f"nothing could be taken; {first.kind}[{first.index}]: {first.reason}", "correct and send again")
    return Collected(EventsResponse(len(records), rejected), list(messages(records)))


def messages(records: Iterable[Record]) -> Iterator[str]:
    """The records, in order, as messages for `Ingest`."""
    parts: list[bytes] = []
    size = 0
    for record in records:
        part = _ENCODER.encode(record)
        if parts and size + len(part) + 3 > MAX_MESSAGE_BYTES:
            yield f"[{b','.join(parts).decode()}]"
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield f"[{b','.join(parts).decode()}]"


class Poison(Struct, frozen=True):
    """What will never be read, and why: a record of a message, or all of one that is no list."""

    place: int  # of the message
    record: str
    reason: str


class Ingested(Struct, frozen=True):
    """What became of messages, each named by its place among them.

    `failed`: place -> what did not answer. Such a message has to come again, whole; its poison is told then.
    """

    records: int  # that are kept by now
    poison: list[Poison]
    failed: dict[int, str]


class Ingest:
    """Keeps what messages hold: acts in profiles, and every record in the log where there is one."""

    def __init__(self, profiles: ProfileStore, log: EventLog | None = None) -> None:
        self._profiles, self._log = profiles, log

    def __call__(self, bodies: Sequence[str], in_time: Callable[[], bool] = lambda: True) -> Ingested:
        """Each shopper's profile is written once, and one file a day. What fails is in the answer, not raised.

        It is asked before each of them whether it is `in_time`; what it is too late for fails.
        """
        read: list[Placed] = []
        poison: list[Poison] = []
        for place, body in enumerate(bodies):
            records, unreadable = _read(place, body)
            read += records
            poison += unreadable
        failed: dict[int, str] = {}
        if self._log:
            _keep(read, lambda record: record.timestamp[:10], self._log.append, failed, in_time)
        acting = [placed for placed in read if act_of(placed.record)]
        _keep(acting, lambda record: record.shopper, self._profiles.add, failed, in_time)
        kept = sum(placed.place not in failed for placed in read)
        return Ingested(kept, [each for each in poison if each.place not in failed], failed)


class Placed(NamedTuple):
    """A record of the message at `place`."""

    place: int
    record: Record


def _keep(
    read: Iterable[Placed],
    part_of: Callable[[Record], str],
    keep: Callable[[str, Sequence[Record]], None],
    failed: dict[int, str],
    in_time: Callable[[], bool],
) -> None:
    """Keeps each part by itself; where it is not taken, the messages that tell of it go to `failed`."""
    parts: dict[str, list[Placed]] = {}
    for placed in read:
        parts.setdefault(part_of(placed.record), []).append(placed)
    for part, told in parts.items():
        try:
            if not in_time():
                raise Unavailable("there was no time left", "let it come again")
            keep(part, [placed.record for placed in told])
        except Unavailable as exc:
            failed |= dict.fromkeys((placed.place for placed in told), exc.detail)


def _read(place: int, body: str) -> tuple[list[Placed], list[Poison]]:
    try:
        parts = msgspec.json.decode(body.encode(), type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        return [], [Poison(place, _shown(body), _reason(exc))]
    records: list[Placed] = []
    poison: list[Poison] = []
    for part in parts:
        try:
            records.append(Placed(place, _DECODER.decode(part)))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
            poison.append(Poison(place, _shown(bytes(part).decode(errors="replace")), _reason(exc)))
    return records, poison


def _shown(text: str) -> str:
    """As much of it as fits into a message."""
    return text.encode(errors="replace")[:MAX_MESSAGE_BYTES].decode(errors="ignore")


def _reason(exc: Exception) -> str:
    """Without the value, which is told beside it: reasons are logged."""
    return _SHOWN_VALUE.sub("Not one of those known", str(exc))
