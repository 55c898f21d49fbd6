"""The functions of events and of the profile as Lambda calls them, over an emulated account: one shopper's way."""

import asyncio
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
import pytest
from world_aws import profiles_table

from aisle.aws.event_bucket import EventBucket
from aisle.aws.key_parameter import write_keys
from aisle.aws.profile_table import ProfileTable
from aisle.aws.pseudonym_secret import put_pseudonym_key
from aisle.event_log import EventLog
from aisle.events import Record
from aisle.keys import Keys, make_key, sign_shopper, with_key
from aisle.profile import Profile
from aisle.pseudonyms import Pseudonyms

CONTEXT = SimpleNamespace(aws_request_id="8f5ad2b1-3c4d-4e5f-8a9b-0c1d2e3f4a5b")
PK, SK = make_key("publishable", b"\1" * 32), make_key("secret", b"\2" * 32)
OLD_KEY, NEW_KEY = "o" * 64, "n" * 64
BUCKET, TABLE, PARAMETER, SECRET = "aisle-dev-events", "aisle-dev-profiles", "/aisle/dev/keys", "aisle/dev/pseudonyms"
ANN = Pseudonyms(OLD_KEY.encode()).of("ann@example.com")
CLICK = {
    "action_name": "click",
    "client_id": "c-1",
    "session_id": "s-1",
    "query_id": "q-1",
    "timestamp": "2026-11-23T16:20:00Z",
    "event_attributes": {"object": {"object_id": "hat", "object_id_field": "product_id"}, "position": {"ordinal": 2}},
}
Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def queue(aws: dict[str, str]) -> str:
    """The address of the queue, beside all that the functions use."""
    write_keys(PARAMETER, with_key(with_key(Keys(), PK, "2026-11-01"), SK, "2026-11-01"), replacing=False)
    boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=OLD_KEY)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    profiles_table(TABLE)
    url: str = boto3.client("sqs").create_queue(QueueName="aisle-dev-events")["QueueUrl"]
    return url


@pytest.fixture
def call(queue: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Calls the function behind a route, imported as at a cold start."""
    environment = {"EVENTS_QUEUE": queue, "PROFILES_TABLE": TABLE, "EVENTS_BUCKET": BUCKET}
    environment |= {"KEYS_PARAMETER": PARAMETER, "PSEUDONYM_SECRET": SECRET}
    for name, value in environment.items():
        monkeypatch.setenv(f"AISLE_{name}", value)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # the one that Mangum finds
    handlers = {}
    for name in ("events", "profile"):
        sys.modules.pop(f"functions.{name}.handler", None)
        handlers[f"/v1/{name}"] = importlib.import_module(f"functions.{name}.handler").handler

    def call(method: str, path: str, body: Any = None, key: str = PK, **headers: str) -> tuple[int, Any]:
        sent = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        event = {
            "version": "2.0",
            "routeKey": f"{method} {path}",
            "rawPath": path,
            "rawQueryString": "",
            "headers": sent | {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
                "stage": "$default",
            },
            "body": json.dumps(body),
            "isBase64Encoded": False,
        }
        response = handlers[path](event, CONTEXT)
        return response["statusCode"], json.loads(response["body"])

    yield call
    for path in handlers:
        sys.modules.pop(f"functions.{path.rpartition('/')[2]}.handler")
    asyncio.set_event_loop(None)
    loop.close()


def token(shopper: str = "ann@example.com") -> str:
    return sign_shopper(shopper, SK, int(time.time()))


def queued(url: str) -> list[Record]:
    messages = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [record for m in messages for record in msgspec.json.decode(m["Body"], type=list[Record])]


def test_an_event_is_queued_under_the_pseudonym_of_its_shopper(call: Call, queue: str) -> None:
    answer = call("POST", "/v1/events", {"events": [CLICK]}, x_shopper_token=token())
    assert answer == (202, {"accepted": 1, "rejected": []})
    (record,) = queued(queue)
    names = Pseudonyms(OLD_KEY.encode())
    assert record == Record(
        record.event_id,
        ANN,
        False,
        names.of("s-1", "session"),
        names.of("q-1", "query"),
        "click",
        "hat",
        2,
        "2026-11-23T16:20:00.000Z",
        record.received_at,
    )


def test_a_token_counts_for_nobody_else(call: Call, queue: str) -> None:
    forged = sign_shopper("ann@example.com", make_key("secret", b"\3" * 32), int(time.time()))
    late = sign_shopper("ann@example.com", SK, int(time.time()) - 3600)
    for headers in ({}, {"x_shopper_token": forged}, {"x_shopper_token": late}, {"x_shopper_token": "ann"}):
        assert call("POST", "/v1/events", {"events": [CLICK]}, **headers)[0] == 202
        assert call("GET", "/v1/profile", **headers)[0] == 401
        assert call("DELETE", "/v1/profile", **headers)[0] == 401
    stranger = Pseudonyms(OLD_KEY.encode()).of("c-1", "anonymous")
    assert [(record.shopper, record.anonymous) for record in queued(queue)] == [(stranger, True)] * 4


def test_the_shops_own_server_tells_for_its_shoppers(call: Call, queue: str) -> None:
    told = CLICK | {"user_id": "ann@example.com"}
    assert call("POST", "/v1/events", {"events": [told]}, key=SK)[0] == 202
    assert call("POST", "/v1/events", {"events": [told]}, key=PK)[0] == 202
    assert [(record.shopper, record.anonymous) for record in queued(queue)] == [
        (ANN, False),
        (Pseudonyms(OLD_KEY.encode()).of("c-1", "anonymous"), True),
    ]


def test_what_is_not_taken_is_told_and_its_neighbours_are_queued(call: Call, queue: str) -> None:
    status, answer = call("POST", "/v1/events", {"events": [CLICK | {"action_name": "ann@example.com"}, CLICK]})
    assert (status, answer["accepted"], len(queued(queue))) == (202, 1, 1)
    assert [(one["kind"], one["index"]) for one in answer["rejected"]] == [("events", 0)]
    assert "ann" not in json.dumps(answer)


def test_without_a_queue_the_sender_is_told_to_try_again(call: Call, queue: str) -> None:
    boto3.client("sqs").delete_queue(QueueUrl=queue)
    assert call("POST", "/v1/events", {"events": [CLICK]}, x_shopper_token=token())[0] == 503


def test_a_token_that_cannot_be_checked_makes_no_stranger(call: Call, queue: str) -> None:
    boto3.client("ssm").delete_parameter(Name=PARAMETER)
    for method, path in (("POST", "/v1/events"), ("GET", "/v1/profile"), ("DELETE", "/v1/profile")):
        assert (method, call(method, path, {"events": [CLICK]}, x_shopper_token=token())[0]) == (method, 503)
    assert call("POST", "/v1/events", {"events": [CLICK]})[0] == 202
    assert [record.anonymous for record in queued(queue)] == [True]


def test_a_shopper_sees_and_forgets_what_both_keys_wrote(call: Call, queue: str) -> None:
    profiles, log = ProfileTable(TABLE), EventLog(EventBucket(BUCKET))
    put_pseudonym_key(SECRET, NEW_KEY)
    now = Pseudonyms(NEW_KEY.encode()).of("ann@example.com")
    base = Record(
        "A" * 22, ANN, False, "", "", "click", "hat", None, "2026-11-23T16:20:00.000Z", "2026-11-23T16:20:00.000Z"
    )
    later = msgspec.structs.replace(
        base, event_id="B" * 22, shopper=now, kind="purchase", timestamp="2026-11-23T16:21:00.000Z"
    )
    for record in (base, later):
        profiles.add(record.shopper, [record])
        log.append("2026-11-23", [record])
    status, shown = call("GET", "/v1/profile", x_shopper_token=token())
    assert (status, shown["acts"], shown["kept_until"]) == (
        200,
        [
            {"product_id": "hat", "action": "purchase", "at": "2026-11-23T16:21:00.000Z"},
            {"product_id": "hat", "action": "click", "at": "2026-11-23T16:20:00.000Z"},
        ],
        "2027-12-28T16:21:00.000Z",
    )
    assert call("GET", "/v1/profile", x_shopper_token=token("bob"))[1]["acts"] == []
    status, forgotten = call("DELETE", "/v1/profile", x_shopper_token=token())
    assert (status, [*forgotten]) == (200, ["forgotten_at"])
    assert call("GET", "/v1/profile", x_shopper_token=token()) == (
        200,
        {"acts": [], "kept_until": None, "used_for": []},
    )
    assert [*log.records()] == []
    assert log.forgotten_at() == {ANN: forgotten["forgotten_at"], now: forgotten["forgotten_at"]}


def test_a_shopper_who_is_forgotten_right_after_a_rotation_is_forgotten_under_the_new_key(call: Call) -> None:
    profiles = ProfileTable(TABLE)
    assert call("GET", "/v1/profile", x_shopper_token=token())[0] == 200
    put_pseudonym_key(SECRET, NEW_KEY)
    now = Pseudonyms(NEW_KEY.encode()).of("ann@example.com")
    at = "2026-11-23T16:20:00.000Z"
    profiles.add(now, [Record("A" * 22, now, False, "", "", "click", "hat", None, at, at)])
    assert call("DELETE", "/v1/profile", x_shopper_token=token())[0] == 200
    assert profiles.read([now]) == Profile()
    assert EventLog(EventBucket(BUCKET)).forgotten_at().keys() == {ANN, now}


def test_without_a_table_nothing_is_shown_and_nothing_counts_as_forgotten(call: Call) -> None:
    boto3.client("dynamodb").delete_table(TableName=TABLE)
    assert call("GET", "/v1/profile", x_shopper_token=token())[0] == 503
    assert call("DELETE", "/v1/profile", x_shopper_token=token())[0] == 503


@pytest.mark.parametrize("name", ["events", "profile"])
def test_a_cold_start_loads_no_model_and_no_aws_client(name: str) -> None:
    heavy = {"numpy", "onnxruntime", "tokenizers", "boto3", "botocore", "jwt", "cryptography"}
    program = f"import sys, functions.{name}.handler; print(sorted({heavy!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
