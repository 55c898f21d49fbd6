"""Both halves of the way in: requests become messages; messages become profiles and log, whatever the queue does."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_events import ANNA, BEN, NOON, PSEUDONYMS, record

from aisle.collecting import MAX_MESSAGE_BYTES, Collected, Ingest, Ingested, Poison, collect, messages
from aisle.errors import BadInput, TooLarge, Unavailable
from aisle.event_log import EventLog, read_log
from aisle.events import Record
from aisle.files import LocalFiles
from aisle.identity import Caller
from aisle.profile import MemoryProfiles, Profile
from aisle.shopping import MAX_EVENTS, Act, EventsRequest, EventsResponse, Rejected
from aisle.ubi import Reading

SHOP = Caller("r", trusted=True)
CLICK: dict[str, Any] = {
    "action_name": "click",
    "client_id": "anna",
    "timestamp": "2026-01-01T12:00:00Z",
    "event_attributes": {"object": {"object_id": "hat"}},
}
QUERY: dict[str, Any] = {"user_query": "hats", "client_id": "anna", "timestamp": "2026-01-01T12:00:00Z"}


def collected(request: EventsRequest, caller: Caller = SHOP) -> Collected:
    return collect(request, caller, NOON, PSEUDONYMS)


def records_of(told: Sequence[str]) -> list[Record]:
    return [record for message in told for record in msgspec.json.decode(message, type=list[Record])]


def test_a_request_becomes_one_message_queries_first() -> None:
    reading = Reading(SHOP, NOON, PSEUDONYMS)
    answer = collected(EventsRequest([CLICK], [QUERY]))
    assert answer.response == EventsResponse(2, [])
    assert len(answer.messages) == 1
    assert records_of(answer.messages) == [reading.query(QUERY), reading.event(CLICK)]


def test_one_bad_event_does_not_cost_its_neighbours() -> None:
    bad: dict[str, object] = {"action_name": "purchase", "timestamp": "2026-01-01T12:00:00Z"}
    answer = collected(EventsRequest([CLICK, bad, CLICK | {"client_id": "ben"}], [{}]))
    assert [(r.shopper, r.product_id) for r in records_of(answer.messages)] == [(ANNA, "hat"), (BEN, "hat")]
    missing = "it breaks the form of UBI 1.3 (Object missing required field `user_query`): send it in that form"
    without = "a purchase without event_attributes.object.object_id: send the product's id there"
    assert answer.response == EventsResponse(2, [Rejected("queries", 0, missing), Rejected("events", 1, without)])


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        (EventsRequest(), BadInput, "neither events nor queries: send 1 to 500 of them, in the form of UBI 1.3"),
        (EventsRequest([CLICK] * MAX_EVENTS, [QUERY]), TooLarge, "501 events and queries: send at most 500 of them"),
        (
            EventsRequest([CLICK | {"timestamp": ""}, {}]),
            BadInput,
            r"nothing could be taken; events\[0\]: timestamp is no ISO 8601 date and time: send one such as",
        ),
    ],
)
def test_a_request_of_which_nothing_can_be_taken(asked: EventsRequest, error: type[BadInput], told: str) -> None:
    with pytest.raises(error, match=f"^{told}"):
        collected(asked)


def test_messages_are_as_few_and_as_full_as_the_queue_allows() -> None:
    some = [record(f"e{i}", hits=("运" * 250,) * (i % 7), kind="query", product_id="") for i in range(1000)]
    told = list(messages(some))
    assert records_of(told) == some
    assert max(len(message.encode()) for message in told) <= MAX_MESSAGE_BYTES
    assert min(len(message.encode()) for message in told[:-1]) > MAX_MESSAGE_BYTES - 6000
    assert list(messages([])) == []


def test_the_largest_query_fits_into_a_message() -> None:
    hits = ["\\" + "𠀀" * 200 + '"' * 55] * 200
    asked = EventsRequest(queries=[QUERY | {"query_response_hit_ids": hits}, QUERY | {"query_id": "b"}])
    told = collected(asked).messages
    assert [len(records_of([message])) for message in told] in ([2], [1, 1])
    assert max(len(message.encode()) for message in told) <= MAX_MESSAGE_BYTES


def text(*records: object) -> str:
    return msgspec.json.encode(records).decode()


def acts(*records: Record) -> Profile:
    return Profile(tuple(Act(NOON, r.event_id, "purchase", r.product_id) for r in records))


def test_messages_become_profiles_and_a_log(tmp_path: Path) -> None:
    profiles = MemoryProfiles()
    bought, others, shown = record("a"), record("b", shopper=BEN), record("c", kind="query", product_id="")
    stranger = record("d", anonymous=True)
    done = Ingest(profiles, EventLog(LocalFiles(tmp_path)))([text(bought, shown), text(), text(others, stranger)])
    assert done == Ingested(4, [], {})
    assert [profiles.read([shopper]) for shopper in (ANNA, BEN)] == [acts(bought), acts(others)]
    assert list(read_log(tmp_path)) == [bought, others, shown, stranger]


@pytest.mark.parametrize(
    ("body", "poison"),
    [
        ("", Poison(0, "", "Input data was truncated")),
        ("not json", Poison(0, "not json", "JSON is malformed: invalid character (byte 4)")),
        ("{}", Poison(0, "{}", "Expected `array`, got `object`")),
        ("[" * 100_000, Poison(0, "[" * 100_000, "maximum recursion depth exceeded")),
        ("[\ud800]", Poison(0, "[?]", "'utf-8' codec can't encode character '\\ud800' in position 1: surrogates")),
        ("x" * 300_000, Poison(0, "x" * MAX_MESSAGE_BYTES, "JSON is malformed: invalid character (byte 0)")),
        ("[1]", Poison(0, "1", "Expected `object`, got `int`")),
        ("[null]", Poison(0, "null", "Expected `object`, got `null`")),
        ("[{}]", Poison(0, "{}", "Object missing required field `event_id`")),
    ],
)
def test_a_message_that_no_one_can_read_is_told_with_its_reason(body: str, poison: Poison) -> None:
    done = Ingest(MemoryProfiles())([body])
    assert (done.records, done.failed, len(done.poison)) == (0, {}, 1)
    assert done.poison[0].record == poison.record
    assert done.poison[0].reason.startswith(poison.reason)


def test_a_poisoned_record_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    profiles, log = MemoryProfiles(), EventLog(LocalFiles(tmp_path))
    good, better = record("a"), record("b", shopper=BEN)
    unknown = msgspec.to_builtins(record("c")) | {"kind": "teleport-by-anna"}
    done = Ingest(profiles, log)(["garbage", text(good, unknown, better)])
    assert done == Ingested(
        2,
        [
            Poison(0, "garbage", "JSON is malformed: invalid character (byte 0)"),
            Poison(1, json.dumps(unknown, separators=(",", ":")), "Not one of those known - at `$.kind`"),
        ],
        {},
    )
    assert list(log.records()) == [good, better]
    assert profiles.read([BEN]) == acts(better)


class Breaking(MemoryProfiles):
    """Does not answer for some shoppers."""

    def __init__(self, *shoppers: str) -> None:
        super().__init__()
        self.silent = {*shoppers}

    def add(self, shopper: str, records: Sequence[Record]) -> None:
        if shopper in self.silent:
            raise Unavailable("the table is throttled", "try again")
        super().add(shopper, records)


class Full(LocalFiles):
    """Takes no file of one day."""

    day = "2026-01-02"

    def write(self, name: str, content: bytes) -> None:
        if self.day in name:
            raise Unavailable("the bucket does not answer", "try again")
        super().write(name, content)


def test_only_messages_of_a_profile_that_did_not_answer_come_again(tmp_path: Path) -> None:
    profiles = Breaking(BEN)
    log = EventLog(LocalFiles(tmp_path))
    a, b, c = record("a"), record("b", shopper=BEN), record("c", kind="click")
    bodies = [text(a), text(b, c, {}), text(record("d", shopper=BEN, kind="query", product_id="")), "poison"]
    ingest = Ingest(profiles, log)

    assert ingest(bodies) == Ingested(
        2, [Poison(3, "poison", "JSON is malformed: invalid character (byte 0)")], {1: "the table is throttled"}
    )
    profiles.silent.clear()
    assert ingest([bodies[1]]) == Ingested(2, [Poison(0, "{}", "Object missing required field `event_id`")], {})
    assert [len(profiles.read([shopper]).acts) for shopper in (ANNA, BEN)] == [2, 1]
    assert sorted(r.event_id[-1] for r in log.records()) == ["a", "b", "c", "d"]


def test_only_messages_of_a_day_that_could_not_be_written_come_again(tmp_path: Path) -> None:
    profiles = MemoryProfiles()
    today, tomorrow = record("a"), record("b", NOON + 86_400_000)
    ingest = Ingest(profiles, EventLog(Full(tmp_path)))
    assert ingest([text(today), text(tomorrow), text(today, tomorrow)]) == Ingested(
        1, [], {1: "the bucket does not answer", 2: "the bucket does not answer"}
    )
    assert list(read_log(tmp_path)) == [today]


def test_what_there_is_no_time_for_comes_again(tmp_path: Path) -> None:
    profiles, log = MemoryProfiles(), EventLog(LocalFiles(tmp_path))
    a, b, c = record("a"), record("b", shopper=BEN), record("c", shopper=BEN, kind="query", product_id="")
    answers = iter([True, True, False])  # the day, Anna, Ben
    late = "there was no time left"
    ingest = Ingest(profiles, log)
    assert ingest([text(a), text(b), text(c), ""], answers.__next__) == Ingested(
        2, [Poison(3, "", "Input data was truncated")], {1: late}
    )
    assert [profiles.read([shopper]) for shopper in (ANNA, BEN)] == [acts(a), Profile()]
    assert ingest([text(b)]) == Ingested(1, [], {})
    assert ([*log.records()], profiles.read([BEN])) == ([a, b, c], acts(b))


EVENTS = st.builds(
    lambda name, at, who, kind: record(f"{name}{kind[:2]}{who[1]}", NOON + at, shopper=who, kind=kind),
    st.sampled_from("abcdef"),
    st.integers(0, 3),
    st.sampled_from([ANNA, BEN]),
    st.sampled_from(["click", "purchase", "query", "impression"]),
)


@settings(max_examples=60)
@given(st.data(), st.lists(EVENTS, max_size=20))
def test_a_queue_that_repeats_reorders_and_fails_changes_nothing(data: st.DataObject, told: list[Record]) -> None:
    once = MemoryProfiles()
    Ingest(once)([text(*told)])

    again = data.draw(st.permutations(told * 2))
    step = data.draw(st.integers(1, 5))
    waiting = [text(*again[at : at + step]) for at in range(0, len(again), step)]
    profiles = Breaking()
    ingest = Ingest(profiles)
    for attempt in range(100):
        profiles.silent = data.draw(st.sets(st.sampled_from([ANNA, BEN]))) if attempt < 6 else set()
        batch, waiting = waiting[:3], waiting[3:]
        waiting += [batch[place] for place in ingest(batch).failed]
    assert waiting == []
    assert [profiles.read([who]) for who in (ANNA, BEN)] == [once.read([who]) for who in (ANNA, BEN)]


@given(st.lists(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps), max_size=4))
def test_no_message_stops_the_others(bodies: list[str]) -> None:
    done = Ingest(MemoryProfiles())([*bodies, text(record("a"))])
    assert (done.records, done.failed) == (1, {})
