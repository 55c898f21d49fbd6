"""Messages reach the emulated queue whole, in few calls, and whatever SQS does not take is sent again or told."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from loopback import Request, Response, forward, serving

from aisle.aws.clients import client
from aisle.aws.event_queue import MOST_BYTES, EventQueue, Message, batches
from aisle.errors import TooLarge, Unavailable


class Between:
    """Hands calls on to the emulated account, and says of some messages of a batch that they were not taken."""

    def __init__(self, account: str) -> None:
        self._account = account
        self.refusing: list[set[str]] = []  # of each next call, the bodies that it does not take
        self.calls: list[list[str]] = []  # the bodies of each call

    def __call__(self, request: Request) -> Response:
        asked = json.loads(request.body)
        if not request.headers["x-amz-target"].endswith("SendMessageBatch"):
            return forward(request, self._account)
        self.calls.append([entry["MessageBody"] for entry in asked["Entries"]])
        refused = self.refusing.pop(0) if self.refusing else set()
        left = [entry for entry in asked["Entries"] if entry["MessageBody"] not in refused]
        failed = [
            {"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"}
            for entry in asked["Entries"]
            if entry["MessageBody"] in refused
        ]
        answer: dict[str, Any] = {"Successful": [], "Failed": failed}
        if left:
            body = json.dumps(asked | {"Entries": left}).encode()
            headers = {name: value for name, value in request.headers.items() if name != "content-length"}
            answer = json.loads(forward(request._replace(body=body, headers=headers), self._account).body)
            answer = {"Successful": answer["Successful"], "Failed": failed}
        return Response(200, {"content-type": "application/x-amz-json-1.0"}, json.dumps(answer).encode())


@pytest.fixture
def url(aws: dict[str, str]) -> str:
    made: str = boto3.client("sqs").create_queue(QueueName="aisle-dev-events")["QueueUrl"]
    return made


@pytest.fixture
def between(aws: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    between = Between(aws["AWS_ENDPOINT_URL"])
    monkeypatch.setattr("aisle.aws.event_queue._PAUSE_S", 0.001)
    with serving(between) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", address)
        client.cache_clear()
        yield between


def received(url: str, aws: dict[str, str]) -> list[dict[str, Any]]:
    """All messages that wait in the queue."""
    sqs = boto3.client("sqs", endpoint_url=aws["AWS_ENDPOINT_URL"])
    found: list[dict[str, Any]] = []
    while True:
        some = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        if not some.get("Messages"):
            return found
        found += some["Messages"]


def bodies(url: str, aws: dict[str, str]) -> list[str]:
    return sorted(message["Body"] for message in received(url, aws))


def test_ten_go_at_once(aws: dict[str, str], url: str, between: Between) -> None:
    sent = [json.dumps({"n": n}) for n in range(23)]
    EventQueue(url).send(sent)
    assert [len(call) for call in between.calls] == [10, 10, 3]
    assert bodies(url, aws) == sorted(sent)


def test_nothing_to_send_asks_nobody(url: str, between: Between) -> None:
    EventQueue(url).send([])
    assert between.calls == []


def test_a_batch_holds_no_more_bytes_than_sqs_takes() -> None:
    half, small = Message("红" * (MOST_BYTES // 6) + "xy"), Message("x")  # exactly half, in bytes
    assert [len(batch) for batch in batches([half, half, small, half])] == [2, 2]
    assert list(batches([half, half, small, half])) == [[half, half], [small, half]]
    assert list(batches([Message("x" * MOST_BYTES), small])) == [[Message("x" * MOST_BYTES)], [small]]


def test_a_message_that_no_queue_takes_is_told_before_any_is_sent(url: str, between: Between) -> None:
    with pytest.raises(TooLarge, match="262145 bytes, more than 262144: send fewer events at once"):
        EventQueue(url).send(["x" * (MOST_BYTES + 1)])
    assert between.calls == []


def test_what_was_not_taken_is_sent_again_and_nothing_else(aws: dict[str, str], url: str, between: Between) -> None:
    between.refusing = [{"1", "3"}, {"3"}]
    EventQueue(url).send([str(n) for n in range(5)])
    assert between.calls == [["0", "1", "2", "3", "4"], ["1", "3"], ["3"]]
    assert bodies(url, aws) == ["0", "1", "2", "3", "4"]


def test_what_is_never_taken_is_told(aws: dict[str, str], url: str, between: Between) -> None:
    between.refusing = [{"1"}] * 4
    with pytest.raises(Unavailable, match="did not take 1 messages: InternalError"):
        EventQueue(url).send(["0", "1"])
    assert between.calls == [["0", "1"], ["1"], ["1"], ["1"]]
    assert bodies(url, aws) == ["0"]


def test_a_dead_letter_carries_its_reason(aws: dict[str, str], url: str) -> None:
    EventQueue(url).bury([Message("[1]", "event_id is missing: 红"), Message("[2]", "x" * 3000)])
    found = {message["Body"]: message["MessageAttributes"]["reason"]["StringValue"] for message in received(url, aws)}
    assert found == {"[1]": "event_id is missing: ?", "[2]": "x" * 1000}


def test_characters_that_sqs_refuses_arrive_all_the_same(aws: dict[str, str], url: str) -> None:
    EventQueue(url).send([json.dumps("a\uffffb\ufffe", ensure_ascii=False)])
    (body,) = bodies(url, aws)
    assert (body, json.loads(body)) == ('"a\\uffffb\\ufffe"', "a\uffffb\ufffe")


def test_a_queue_that_is_not_there_is_told(aws: dict[str, str], url: str) -> None:
    with pytest.raises(Unavailable, match=r"the queue .*nobodys: .*NonExistentQueue"):
        EventQueue(url + "-nobodys").send(["{}"])
