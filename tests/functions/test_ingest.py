"""The ingest function as Lambda calls it for SQS: what it keeps, what it buries, and what has to come again."""

import copy
import importlib
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from world_aws import profiles_table

from aisle.aws.event_bucket import EventBucket
from aisle.aws.profile_table import ProfileTable
from aisle.event_log import EventLog
from aisle.events import Record, act_of
from aisle.profile import Profile

EVENT = json.loads((Path(__file__).parents[1] / "events" / "sqs_events.json").read_text(encoding="utf-8"))
HAT = msgspec.json.decode(EVENT["Records"][0]["body"], type=list[Record])[0]
SHOE = msgspec.structs.replace(HAT, event_id="B" * 22, product_id="shoe")
BOB = msgspec.structs.replace(HAT, event_id="C" * 22, shopper="k" + "b" * 22)
BUCKET, TABLE = "aisle-dev-events-123456789012", "aisle-dev-profiles"


@pytest.fixture
def dead(aws: dict[str, str]) -> str:
    """The address of the dead letters, beside a table and a bucket."""
    profiles_table(TABLE)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    url: str = boto3.client("sqs").create_queue(QueueName="aisle-dev-events-dead")["QueueUrl"]
    return url


@pytest.fixture
def ingest(dead: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {"PROFILES_TABLE": TABLE, "EVENTS_BUCKET": BUCKET, "DEAD_LETTERS": dead}.items():
        monkeypatch.setenv(f"AISLE_{name}", value)
    sys.modules.pop("functions.ingest.handler", None)
    yield importlib.import_module("functions.ingest.handler").handler
    sys.modules.pop("functions.ingest.handler", None)


def event(*bodies: str) -> dict[str, Any]:
    """An event of messages m0, m1 and so on."""
    plain = EVENT["Records"][0]
    return {"Records": [plain | {"messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]}


def body(*records: Record) -> str:
    return msgspec.json.encode(records).decode()


def again(*places: int) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": f"m{place}"} for place in places]}


def profile(shopper: str) -> Profile:
    return ProfileTable(TABLE).read([shopper])


def logged() -> list[Record]:
    return sorted(EventLog(EventBucket(BUCKET)).records(), key=lambda record: record.event_id)


def letters(url: str) -> dict[str, str]:
    """Body -> reason of all dead letters."""
    sqs = boto3.client("sqs")
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    return {m["Body"]: m["MessageAttributes"]["reason"]["StringValue"] for m in found.get("Messages", [])}


def test_a_message_changes_the_profile_and_the_log(ingest: Any) -> None:
    assert ingest(copy.deepcopy(EVENT), None) == again()
    assert (profile(HAT.shopper), logged()) == (Profile((act_of(HAT),)), [HAT])  # type: ignore[arg-type]


def test_what_comes_twice_and_in_any_order_counts_once(ingest: Any) -> None:
    assert ingest(event(body(SHOE), body(HAT, BOB)), None) == again()
    assert ingest(event(body(HAT, BOB), body(BOB)), None) == again()
    assert [len(profile(shopper).acts) for shopper in (HAT.shopper, BOB.shopper)] == [2, 1]
    assert logged() == [HAT, SHOE, BOB]


def test_poison_is_buried_with_its_reason_and_its_neighbours_are_kept(ingest: Any, dead: str) -> None:
    wrong = body(HAT)[1:-1].replace('"click"', '"wish"')
    assert ingest(event(f"[{wrong},{body(SHOE)[1:-1]}]", "no list", body(BOB)), None) == again()
    assert logged() == [SHOE, BOB]
    assert letters(dead) == {
        wrong: "Not one of those known - at `$.kind`",
        "no list": "JSON is malformed: invalid character (byte 4)",
    }


def test_a_message_whose_poison_cannot_be_buried_comes_again(ingest: Any, dead: str) -> None:
    boto3.client("sqs").delete_queue(QueueUrl=dead)
    assert ingest(event(body(HAT), "no list", body(SHOE)), None) == again(1)
    assert logged() == [HAT, SHOE]


def test_without_a_table_what_changes_profiles_comes_again(ingest: Any, caplog: pytest.LogCaptureFixture) -> None:
    boto3.client("dynamodb").delete_table(TableName=TABLE)
    seen = msgspec.structs.replace(BOB, kind="impression")
    with caplog.at_level(logging.INFO):
        assert ingest(event(body(HAT), body(seen), body(SHOE)), None) == again(0, 2)
    assert logged() == [HAT, SHOE, seen]
    assert [record.getMessage() for record in caplog.records if record.name == "functions.ingest.handler"] == [
        "2 messages have to come again: the profile table aisle-dev-profiles: ResourceNotFoundException",
        "1 records of 3 messages, 0 dead letters",
    ]


def test_without_a_bucket_everything_comes_again_and_profiles_change(ingest: Any) -> None:
    boto3.client("s3").delete_bucket(Bucket=BUCKET)
    assert ingest(event(body(HAT), body(BOB)), None) == again(0, 1)
    assert len(profile(HAT.shopper).acts) == 1


class Hurried:
    """A Lambda context whose time runs out after some questions."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def get_remaining_time_in_millis(self) -> int:
        self.left -= 1
        return 50_000 if self.left >= 0 else 9_999


def test_a_batch_of_too_many_shoppers_is_done_in_parts(ingest: Any) -> None:
    shoppers = [msgspec.structs.replace(HAT, event_id=f"{n:022d}", shopper=f"k{n:022d}") for n in range(5)]
    bodies = [body(shopper) for shopper in shoppers]
    assert ingest(event(*bodies), Hurried(1 + 3)) == again(3, 4)  # a day and three profiles
    assert [len(profile(one.shopper).acts) for one in shoppers] == [1, 1, 1, 0, 0]
    assert ingest(event(*bodies[3:]), Hurried(1 + 2)) == again()
    assert [len(profile(one.shopper).acts) for one in shoppers] == [1] * 5


def test_neither_ids_nor_products_are_logged(ingest: Any, dead: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="functions"), caplog.at_level(logging.DEBUG, logger="aisle"):
        ingest(event(body(HAT), "ann@example.com"), None)
    text = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith(("functions", "aisle")))
    assert text == "1 records of 2 messages, 1 dead letters"


def test_a_cold_start_loads_no_model_no_web_framework_and_no_aws_client() -> None:
    heavy = {"numpy", "onnxruntime", "tokenizers", "starlette", "mangum", "boto3", "botocore", "jwt", "cryptography"}
    program = f"import sys, functions.ingest.handler; print(sorted({heavy!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
