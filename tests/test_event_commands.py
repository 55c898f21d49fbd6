"""`aisle events` and `aisle replay` as a shop uses them: orders in, events out, and the past told to a shop."""

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from world_events import NOON, record

from aisle.aws.event_queue import queue_url
from aisle.aws.pseudonym_secret import read_pseudonyms, secret_name
from aisle.cli import main
from aisle.event_log import EventLog, read_log
from aisle.events import Record
from aisle.files import LocalFiles
from aisle.local_state import open_state
from aisle.profile import MemoryProfiles
from aisle.shoppers import local_shoppers

Capture = pytest.CaptureFixture[str]
ORDERS = """invoice_no,stock_code,quantity,invoice_date,customer_id
1,hat,2,2025-01-31T09:30:00,anna
1,shoe,1,2025-01-31T09:30:00,anna
2,hat,1,2025-02-01T10:00:00,ben
C2,hat,-1,2025-02-02T10:00:00,ben
3,hat,1,2025-02-02T10:00:00,
"""
CLICK = {"action_name": "click", "timestamp": "2025-01-31T09:00:00Z", "user_id": "anna"}


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS, encoding="utf-8")
    return path


def ran(capsys: Capture, *argv: object) -> tuple[str, str]:
    assert main([str(argument) for argument in argv]) == 0
    out, err = capsys.readouterr()
    return out, err


def failed(capsys: Capture, *argv: object) -> str:
    """What is said last; nothing is printed on stdout."""
    assert main([str(argument) for argument in argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()[-1].removeprefix("aisle: ")


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def kept(state: Path) -> list[tuple[str, str, str, bool]]:
    """(time, product, session, whether it is somebody's) of what a state's log has; the oldest first."""
    found = sorted(read_log(state / "events"), key=lambda r: (r.timestamp, r.product_id))
    return [(r.timestamp[:10], r.product_id, r.session, r.anonymous) for r in found]


def test_orders_become_events_on_stdout_or_in_a_file(orders: Path, tmp_path: Path, capsys: Capture) -> None:
    out, told = ran(capsys, "events", orders)
    assert told == "3 events; left out: 1 cancellations, 1 rows without a customer\n"
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(e["user_id"], e["event_attributes"]["object"]["object_id"]) for e in lines] == [
        ("anna", "hat"),
        ("anna", "shoe"),
        ("ben", "hat"),
    ]
    assert ran(capsys, "events", orders, "--out", tmp_path / "events.jsonl") == ("", told)
    assert (tmp_path / "events.jsonl").read_text(encoding="utf-8") == out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "orders.csv"]


def test_purchases_of_long_ago_are_known_whenever_the_state_is_opened(tmp_path: Path, capsys: Capture) -> None:
    hat = {"event_attributes": {"object": {"object_id": "hat"}}}
    past = {"action_name": "purchase", "timestamp": "2011-01-31T09:00:00Z", "user_id": "anna", **hat}
    (tmp_path / "past.jsonl").write_text(json.dumps(past), encoding="utf-8")
    ran(capsys, "replay", tmp_path / "past.jsonl", "--state", tmp_path / "state")
    for _ in range(2):
        state = open_state(tmp_path / "state")
        profile = local_shoppers(state, 30).profiles.read(state.pseudonyms.all("anna"))
        assert [act.product_id for act in profile.acts] == ["hat"]
    assert [(day, product) for day, product, *_ in kept(tmp_path / "state")] == [("2011-01-31", "hat")]


def test_what_is_printed_can_be_replayed_from_a_pipe(
    orders: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed, _ = ran(capsys, "events", orders)
    type_in(monkeypatch, printed)
    assert ran(capsys, "replay", "-", "--state", tmp_path / "state") == ('{"events":3,"left_out":0}\n', "")
    state = open_state(tmp_path / "state")
    first, second = (state.pseudonyms.of(order, "session") for order in "12")
    assert kept(tmp_path / "state") == [
        ("2025-01-31", "hat", first, False),
        ("2025-01-31", "shoe", first, False),
        ("2025-02-01", "hat", second, False),
    ]
    profiles = MemoryProfiles()
    for each in read_log(tmp_path / "state" / "events"):
        profiles.add(each.shopper, [each])
    assert [act.product_id for act in profiles.read(state.pseudonyms.all("anna")).acts] in (
        ["hat", "shoe"],
        ["shoe", "hat"],
    )


def test_replaying_again_changes_nothing_and_the_forgotten_stay_forgotten(
    orders: Path, tmp_path: Path, capsys: Capture
) -> None:
    events, state = tmp_path / "events.jsonl", tmp_path / "state"
    ran(capsys, "events", orders, "--out", events)
    ran(capsys, "replay", events, "--state", state)
    before = kept(state), sorted((state / "events").rglob("*.gz"))
    ran(capsys, "replay", events, "--state", state)
    assert (kept(state), sorted((state / "events").rglob("*.gz"))) == before

    EventLog(LocalFiles(state / "events")).forget([open_state(state).pseudonyms.of("anna")], NOON)
    ran(capsys, "replay", events, "--state", state)
    assert [(day, product) for day, product, *_ in kept(state)] == [("2025-02-01", "hat")]


def test_an_event_log_is_replayed_as_it_is(tmp_path: Path, capsys: Capture) -> None:
    told = [record("a"), record("b", NOON + 86_400_000, kind="click"), record("c", anonymous=True, kind="impression")]
    EventLog(LocalFiles(tmp_path / "log")).extend(told)
    ran(capsys, "replay", tmp_path / "log", "--state", tmp_path / "state")
    assert sorted(read_log(tmp_path / "state" / "events"), key=lambda r: r.event_id) == told


def test_queries_and_events_may_stand_in_one_file(tmp_path: Path, capsys: Capture) -> None:
    query = {
        "user_query": "hats",
        "query_id": "q",
        "timestamp": "2025-01-31T08:59:00Z",
        "query_response_hit_ids": ["hat"],
    }
    lines = [json.dumps(query), "", json.dumps(CLICK), json.dumps(CLICK | {"action_name": "teleport"})]
    (tmp_path / "e.jsonl").write_text("\n".join(lines), encoding="utf-8")
    out, told = ran(capsys, "replay", tmp_path / "e.jsonl", "--state", tmp_path / "state")
    assert out == '{"events":2,"left_out":1}\n'
    assert told.startswith(
        f"left out: 1 of 3; {tmp_path}/e.jsonl, line 4: action_name is none of those known: send one"
    )
    assert sorted(r.kind for r in read_log(tmp_path / "state" / "events")) == ["click", "query"]


GOOD = json.dumps(CLICK).encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "{} has no event that could be taken: give events as `aisle events` prints them"),
        (b"\n \n", "{} has no event that could be taken: give events as `aisle events` prints them"),
        (b'{"action_name": "click"}\n', "{} has no event that could be taken: give events as `aisle events` prints"),
        (GOOD + b"\n{", "{}, line 2 is no JSON object (Input data was truncated): write one event a line"),
        (b"[]\n", "{}, line 1 is no JSON object (Expected `object`, got `array`): write one event a line"),
        (b'{"a": "\xff"}\n', "{}, line 1 is no JSON object ("),
        (b'{"a":' * 5000 + b"\n", "{}, line 1 is no JSON object ("),
        (b" " * 1_000_000 + GOOD, "{}, line 1 has 1000080 bytes, more than 1000000: write one event a line"),
        (gzip.compress(GOOD), "{}, line 1 is no JSON object ("),
    ],
)
def test_a_hostile_file_is_one_sentence_with_its_line(
    content: bytes, told: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(content)
    assert failed(capsys, "replay", path, "--state", tmp_path / "state").startswith(told.format(path))


def test_what_cannot_be_replayed(orders: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    state = ("--state", tmp_path / "state")
    assert (
        failed(capsys, "replay", tmp_path / "none.jsonl", *state)
        == f"{tmp_path}/none.jsonl does not exist: check the path"
    )
    assert failed(capsys, "replay", tmp_path / "empty", *state).startswith(f"{tmp_path}/empty is no event log: it has")
    assert failed(capsys, "replay", orders).startswith("one of the arguments --state --stage is required")
    assert failed(capsys, "replay", orders, *state, "--stage", "dev").startswith("argument --stage: not allowed with")
    assert failed(capsys, "replay", orders, *state).startswith(f"{orders}, line 1 is no JSON object (")
    assert failed(capsys, "replay", orders, "--state", orders).startswith(f"{orders} cannot be used as a state folder")


def test_what_is_no_table_of_orders(orders: Path, tmp_path: Path, capsys: Capture) -> None:
    cancelled = tmp_path / "cancelled.csv"
    cancelled.write_text("".join(ORDERS.splitlines(keepends=True)[i] for i in (0, 4)), encoding="utf-8")
    assert failed(capsys, "events", tmp_path / "none.csv").startswith(f"{tmp_path}/none.csv does not exist")
    assert failed(capsys, "events", cancelled) == f"{cancelled} has no orders that were kept: give a table of orders"
    nowhere = tmp_path / "no" / "events.jsonl"
    assert failed(capsys, "events", orders, "--out", nowhere).startswith(f"{nowhere} cannot be written (No such file")


def test_a_stage_gets_messages_under_its_own_key(
    orders: Path, tmp_path: Path, aws: dict[str, str], capsys: Capture
) -> None:
    events = tmp_path / "events.jsonl"
    ran(capsys, "events", orders, "--out", events)
    assert failed(capsys, "replay", events, "--stage", "dev").startswith("secret aisle/dev/pseudonyms is missing")
    boto3.client("secretsmanager").create_secret(Name=secret_name("dev"), SecretString="s" * 40)
    assert failed(capsys, "replay", events, "--stage", "dev").startswith("the queue aisle-dev-events cannot be found: ")
    boto3.client("sqs").create_queue(QueueName="aisle-dev-events")

    assert ran(capsys, "replay", events, "--stage", "dev")[0] == '{"events":3,"left_out":0}\n'
    got: Any = boto3.client("sqs").receive_message(QueueUrl=queue_url("dev"), MaxNumberOfMessages=10)
    (message,) = got["Messages"]
    found = msgspec.json.decode(message["Body"], type=list[Record])
    assert [r.product_id for r in found] == ["hat", "shoe", "hat"]
    assert {r.shopper for r in found} == {read_pseudonyms(secret_name("dev")).of(raw) for raw in ("anna", "ben")}
