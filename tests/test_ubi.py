"""What is kept of UBI events and queries: whole records, and never anything that says who somebody is."""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from world_events import ANNA, NOON, PSEUDONYMS

from aisle.errors import BadInput
from aisle.events import MAX_HITS, MAX_HITS_BYTES, Record, moment
from aisle.profile import KEPT_DAYS
from aisle.ubi import ACTIONS, Reading

NOW = NOON + 2_000
FULL_EVENT: dict[str, Any] = {
    "application": "web-shop",
    "action_name": "add_to_cart",
    "query_id": "q-1",
    "session_id": "s-1",
    "client_id": "firefox-77",
    "user_id": None,
    "timestamp": "2026-01-01T12:00:00Z",
    "message_type": "CONVERSION",
    "message": "call me on 555",
    "email": "anna@example.org",
    "event_attributes": {
        "object": {"object_id": "shoe-1", "object_id_type": "product", "object_id_field": "sku", "name": "Anna"},
        "position": {"ordinal": 3, "xy": {"x": 1, "y": 2.5}},
        "address": "1 Main Street",
    },
}
FULL_QUERY: dict[str, Any] = {
    "application": "web-shop",
    "query_id": "q-1",
    "client_id": "firefox-77",
    "user_query": " Red  SHOES for anna@example.org",
    "query_attributes": {"filter": "anna"},
    "object_id_field": "sku",
    "timestamp": "2026-01-01T12:59:59.5+01:00",
    "query_response_id": "r-1",
    "query_response_hit_ids": ["shoe-1", 7, " shoe-2 "],
}


@dataclass(frozen=True)
class Sender:
    shoppers: tuple[str, ...] = ()
    raw_shopper: str | None = None
    trusted: bool = False


STRANGER, SHOP, SHOPPER = Sender(), Sender(trusted=True), Sender((ANNA, "k" + "x" * 22), "anna-the-shopper")


def event(sender: Sender = STRANGER, now_ms: int = NOW, **fields: Any) -> Record:
    said = {"action_name": "click", "timestamp": "2026-01-01T12:00:00Z"} | fields
    return Reading(sender, now_ms, PSEUDONYMS).event(said)


def about(product_id: object, **fields: Any) -> dict[str, Any]:
    return {"event_attributes": {"object": {"object_id": product_id, **fields}}}


def refusal(sender: Sender = STRANGER, **fields: Any) -> str:
    with pytest.raises(BadInput) as refused:
        event(sender, **fields)
    return str(refused.value)


def test_a_whole_event_of_a_stranger() -> None:
    kept = event(**FULL_EVENT)
    assert kept == Record(
        event_id=kept.event_id,
        shopper=PSEUDONYMS.of("firefox-77", "anonymous"),
        anonymous=True,
        session=PSEUDONYMS.of("s-1", "session"),
        query_id=PSEUDONYMS.of("q-1", "query"),
        kind="cart",
        product_id="shoe-1",
        position=3,
        timestamp="2026-01-01T12:00:00.000Z",
        received_at="2026-01-01T12:00:02.000Z",
        hits=(),
        query_hash="",
    )
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Record) == kept


def test_a_whole_query() -> None:
    kept = Reading(STRANGER, NOW, PSEUDONYMS).query(FULL_QUERY)
    assert kept == Record(
        event_id=kept.event_id,
        shopper=PSEUDONYMS.of("firefox-77", "anonymous"),
        anonymous=True,
        session="",
        query_id=PSEUDONYMS.of("q-1", "query"),
        kind="query",
        product_id="",
        position=None,
        timestamp="2026-01-01T11:59:59.500Z",
        received_at="2026-01-01T12:00:02.000Z",
        hits=("shoe-1", "7", "shoe-2"),
        query_hash=PSEUDONYMS.of("red shoes for anna@example.org", "query"),
    )


@pytest.mark.parametrize(
    ("sender", "fields", "shopper", "anonymous"),
    [
        (STRANGER, {"client_id": "c", "user_id": "anna"}, PSEUDONYMS.of("c", "anonymous"), True),
        (STRANGER, {"user_id": "anna", "session_id": "s"}, PSEUDONYMS.of("s", "anonymous"), True),
        (STRANGER, {"user_id": "anna", "client_id": ""}, "", True),
        (SHOP, {"client_id": "c", "user_id": "anna"}, ANNA, False),
        (SHOP, {"client_id": "anna", "user_id": ""}, ANNA, False),
        (SHOP, {"session_id": "s"}, PSEUDONYMS.of("s", "anonymous"), True),
        (SHOPPER, {"client_id": "c", "user_id": "ben"}, ANNA, False),
        (Sender((ANNA,), "anna", trusted=True), {"user_id": "ben"}, ANNA, False),
    ],
)
def test_whose_an_event_is(sender: Sender, fields: dict[str, Any], shopper: str, anonymous: bool) -> None:
    kept = event(sender, **fields)
    assert (kept.shopper, kept.anonymous) == (shopper, anonymous)


def test_actions_have_one_name_each() -> None:
    kept = {action: event(**about("hat"), action_name=action).kind for action in ACTIONS}
    assert kept == {
        "impression": "impression",
        "view": "view",
        "watch": "view",
        "click": "click",
        "click_through": "click",
        "add_to_cart": "cart",
        "purchase": "purchase",
    }


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-01-01T12:00:00", "2026-01-01T12:00:00.000Z"),
        ("2026-01-01T14:30:00.1239+02:30", "2026-01-01T12:00:00.123Z"),
        ("2026-01-01T12:05:02Z", "2026-01-01T12:05:02.000Z"),
        ("2026-01-01T12:05:02.001Z", "2026-01-01T12:00:02.000Z"),
        ("9999-12-31T23:59:59-14:00", "2026-01-01T12:00:02.000Z"),
        ("0001-01-01T00:00:00+14:00", "2026-01-01T12:00:02.000Z"),
        (moment(NOW - KEPT_DAYS * 86_400_000), moment(NOW - KEPT_DAYS * 86_400_000)),
        (moment(NOW - KEPT_DAYS * 86_400_000 - 1), "2026-01-01T12:00:02.000Z"),
    ],
)
def test_a_clock_that_cannot_be_right_is_not_believed(sent: str, kept: str) -> None:
    assert event(timestamp=sent).timestamp == kept


def test_the_past_told_on_purpose_counts_as_received_then() -> None:
    past = Reading(SHOP, NOW, PSEUDONYMS, history=True)
    said = {"action_name": "view", "client_id": "anna", "timestamp": "2010-12-01T08:26:00"}
    kept = past.event(said)
    assert (kept.timestamp, kept.received_at) == ("2010-12-01T08:26:00.000Z", "2010-12-01T08:26:00.000Z")
    kept = past.event(said | {"timestamp": "2026-01-01T12:00:03Z"})
    assert (kept.timestamp, kept.received_at) == (moment(NOW), moment(NOW))
    with pytest.raises(BadInput, match="timestamp is no ISO 8601"):
        past.event(said | {"timestamp": "0001-01-01T00:00:00+14:00"})


def test_an_event_sent_again_has_the_same_id_and_any_other_another_one() -> None:
    first = event(**FULL_EVENT)
    again = Reading(STRANGER, NOW + 60_000, PSEUDONYMS).event(FULL_EVENT | {"message": "other", "application": "app"})
    changes: list[dict[str, Any]] = [
        {"action_name": "click"},
        {"query_id": "q-2"},
        {"session_id": "s-2"},
        {"client_id": "firefox-78"},
        {"timestamp": "2026-01-01T12:00:00.001Z"},
        {"event_attributes": FULL_EVENT["event_attributes"] | {"position": {"ordinal": 4}}},
        {"event_attributes": FULL_EVENT["event_attributes"] | {"object": {"object_id": "shoe-2"}}},
    ]
    others = {event(**FULL_EVENT | change).event_id for change in changes}
    assert again.event_id == first.event_id
    assert again.received_at != first.received_at
    assert len({first.event_id, *others}) == len(changes) + 1


def test_a_query_needs_no_time() -> None:
    reading = Reading(STRANGER, NOW, PSEUDONYMS)
    later = Reading(STRANGER, NOW + 5, PSEUDONYMS)
    named, unnamed = {"user_query": "hat", "query_id": "q"}, {"user_query": "hat"}
    assert reading.query(named).timestamp == moment(NOW)
    assert reading.query(named).event_id == later.query(named).event_id
    assert reading.query(unnamed).event_id != later.query(unnamed).event_id
    assert reading.query({"user_query": " "}).query_hash == ""


def test_no_query_keeps_the_reader_busy() -> None:
    reading = Reading(STRANGER, NOW, PSEUDONYMS)
    accents = "a" + "\u0315\u0300" * 400_000  # 800,000 of them are normalised in nine minutes
    started = time.process_time()
    first = reading.query({"user_query": accents, "query_id": "q"})
    assert time.process_time() - started < 1
    assert first.query_hash == reading.query({"user_query": accents[:1000], "query_id": "q"}).query_hash != ""


def test_of_a_long_answer_the_first_hits_are_kept() -> None:
    reading = Reading(STRANGER, NOW, PSEUDONYMS)
    many = [f"p{i}" for i in range(MAX_HITS + 9)]
    assert reading.query({"user_query": "", "query_response_hit_ids": many}).hits == tuple(many[:MAX_HITS])
    wide = ["红" * 250 + f"{i:03d}" for i in range(MAX_HITS)]
    kept = reading.query({"user_query": "", "query_response_hit_ids": wide}).hits
    assert kept == tuple(wide[: MAX_HITS_BYTES // (753 + 3)])


@pytest.mark.parametrize(
    ("product_id", "why"),
    [
        ("", "object_id is empty, too long or not printable"),
        (" ", "object_id is empty, too long or not printable"),
        ("a\x00b", "object_id is empty, too long or not printable"),
        ("a\nb", "object_id is empty, too long or not printable"),
        ("half \ud83d", "object_id is empty, too long or not printable"),
        (10**30, "object_id is empty, too long or not printable"),
        ("a" * 257, "event_attributes.object.object_id breaks the form of UBI 1.3 (Expected `str` of length <= 256)"),
        (1.5, "event_attributes.object.object_id breaks the form of UBI 1.3 (Expected `int | str`, got `float`)"),
        (None, "event_attributes.object.object_id breaks the form of UBI 1.3 (Expected `int | str`, got `null`)"),
        (True, "event_attributes.object.object_id breaks the form of UBI 1.3 (Expected `int | str`, got `bool`)"),
        ("anna@example.org", "object_id looks like an address"),
        ("anna%40example.org", "object_id looks like an address"),
        ("/account?of=anna%252540example.org", "object_id looks like an address"),
        ("anna＠example.org", "object_id looks like an address"),
        ("1 Main Street, London", "object_id looks like an address"),
        ("1%20Main%20Street%20London", "object_id looks like an address"),
        ("1 Main Street London", "object_id looks like an address"),
        ("x10.20.30.40x", "object_id looks like an IP address or a telephone number"),
        ("10%2E20%2e30%2E40", "object_id looks like an IP address or a telephone number"),
        ("2001%3Adb8%3A%3A1", "object_id looks like an IP address or a telephone number"),
        ("[2001:db8::1]:443", "object_id looks like an IP address or a telephone number"),
        ("fe80::1%eth0", "object_id looks like an IP address or a telephone number"),
        ("tel +49(170)123", "object_id looks like an IP address or a telephone number"),
        ("c-77", "object_id holds the id of whom the event is about"),
        ("S-01", "object_id holds the id of whom the event is about"),
        ("u-0001:hat", "object_id holds the id of whom the event is about"),
        ("my-Anna-the-Shopper-hat", "object_id holds the id of whom the event is about"),
        ("my-anna%2Dthe%2Dshopper", "object_id holds the id of whom the event is about"),
        ("ｕ-0001:hat", "object_id holds the id of whom the event is about"),
    ],
)
def test_what_is_no_product_id(product_id: object, why: str) -> None:
    who = {"client_id": "c-77", "user_id": "U-0001", "session_id": "s-01"}
    assert refusal(SHOPPER, **who, **about(product_id)).startswith(f"{why}: ")


@pytest.mark.parametrize(
    ("product_id", "kept"),
    [
        ("ISBN 0-061-96436-0", "ISBN 0-061-96436-0"),
        (" 85123A ", "85123A"),
        (85123, "85123"),
        (-7, "-7"),
        ("运动鞋/红", "运动鞋/红"),
        ("gid://shopify/Product/123", "gid://shopify/Product/123"),
        ("sku:12:red", "sku:12:red"),
        ("1.2.3.4.5", "1.2.3.4.5"),
        ("shoe-42", "shoe-42"),
        ("100%25-cotton", "100%25-cotton"),
        ("50%", "50%"),
        ("a" * 256, "a" * 256),
    ],
)
def test_product_ids_of_shops(product_id: object, kept: str) -> None:
    assert event(client_id="42", **about(product_id)).product_id == kept


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (
            {"action_name": "teleport"},
            "action_name is none of those known: send one of impression, view, watch, click, ",
        ),
        ({"action_name": "purchase"}, "a purchase without event_attributes.object.object_id: send the product's id"),
        ({"action_name": "add_to_cart"}, "a cart without event_attributes.object.object_id: send the product's id"),
        ({"action_name": "a" * 101}, "action_name breaks the form of UBI 1.3 (Expected `str` of length <= 100)"),
        ({"client_id": "a" * 101}, "client_id breaks the form of UBI 1.3 (Expected `str` of length <= 100)"),
        ({"message": "a" * 1025}, "message breaks the form of UBI 1.3 (Expected `str` of length <= 1024)"),
        ({"timestamp": "yesterday"}, "timestamp is no ISO 8601 date and time: send one such as 2026-11-23T16:20:00Z"),
        ({"timestamp": "2026-02-30T00:00:00Z"}, "timestamp is no ISO 8601 date and time"),
        ({"event_attributes": "\ud800"}, "it breaks the form of UBI 1.3 (not Unicode)"),
        ({"timestamp": 1767268800}, "timestamp breaks the form of UBI 1.3 (Expected `str`, got `int`)"),
        (about("u-1", object_id_type="user"), "object_id_type is not that of a product: send events of products alone"),
        ({"event_attributes": {"position": {"ordinal": 0}}}, "event_attributes.position.ordinal breaks the form"),
        ({"event_attributes": {"position": {"xy": {"x": 1}}}}, "event_attributes.position.xy breaks the form"),
        ({"event_attributes": "none"}, "event_attributes breaks the form of UBI 1.3 (Expected `object | null`, got"),
    ],
)
def test_what_is_no_event(fields: dict[str, Any], why: str) -> None:
    assert refusal(**fields).startswith(why)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "it breaks the form of UBI 1.3 (Object missing required field `user_query`)"),
        ({"user_query": None}, "user_query breaks the form of UBI 1.3 (Expected `str`, got `null`)"),
        ({"user_query": "", "query_response_hit_ids": ["a", "b@c"]}, "query_response_hit_ids[1] looks like an address"),
        ({"user_query": "", "query_response_hit_ids": ["a" * 257]}, "query_response_hit_ids[0] breaks the form"),
    ],
)
def test_what_is_no_query(said: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=f"^{re.escape(why)}"):
        Reading(STRANGER, NOW, PSEUDONYMS).query(said)


@pytest.mark.parametrize("fields", [{"user_id": "\ud800"}, {"session_id": "\udfff"}, {"query_id": "\x00"}])
def test_ids_of_any_characters_have_pseudonyms(fields: dict[str, Any]) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event(SHOP, **fields)), type=Record) == event(SHOP, **fields)


RAW = "raw-7f3a"  # in every field at once
LEAVES = st.sampled_from([RAW, f"x{RAW}y", f"{RAW}@example.org", 1, None])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("k"), inner))
FIELDS = [*FULL_EVENT, *FULL_QUERY, "action_name", "object_id", "anything"]


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES), st.sampled_from([STRANGER, SHOP]), LEAVES)
def test_no_record_and_no_reason_holds_a_raw_id(said: dict[str, Any], sender: Sender, product_id: Any) -> None:
    reading = Reading(sender, NOW, PSEUDONYMS)
    whole = {"action_name": "click", "timestamp": "2026-01-01T12:00:00Z", "user_query": RAW} | said | {"user_id": RAW}
    whole |= about(product_id)  # of an event that names another shopper, RAW would be a product like any other
    for read in (reading.event, reading.query):
        try:
            told = msgspec.json.encode(read(whole)).decode()
        except BadInput as exc:
            told = json.dumps(str(exc))
        assert RAW not in told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(categories=["Cs"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.booleans())
def test_whatever_is_sent_becomes_a_record_that_can_be_read_again_or_a_reason(
    said: dict[str, Any], history: bool
) -> None:
    reading = Reading(SHOP, NOW, PSEUDONYMS, history)
    for whole in (said, FULL_EVENT | said, FULL_QUERY | said):
        for read in (reading.event, reading.query):
            try:
                kept = read(whole)
            except BadInput:
                continue
            assert msgspec.json.decode(msgspec.json.encode(kept), type=Record) == kept
