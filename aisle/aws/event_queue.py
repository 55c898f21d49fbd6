"""Messages into SQS: ten at once and never more than a batch may hold; what SQS does not take is sent again.

The same class fills the queue and its dead letters, whose messages carry the attribute `reason`, so that whoever reads
them later sees why each is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from aisle.aws.clients import client, told
from aisle.errors import TooLarge, Unavailable

MOST_AT_ONCE, MOST_BYTES = 10, 262_144  # messages and bytes of one SendMessageBatch; bytes of one message too
MOST_REASON = 1000  # characters
_TRIES, _PAUSE_S = 4, 0.05
_TIMEOUT_S = 3.0  # of a call
_UNSENDABLE = str.maketrans({"\ufffe": "\\ufffe", "\uffff": "\\uffff"})  # SQS takes what XML takes


def queue_url(stage: str, of: str = "events") -> str:
    """Where the events of a stage go, or its batches. Raises Unavailable where there is no such queue."""
    name = f"aisle-{stage}-{of}"
    with told(f"the queue {name} cannot be found", "check AWS credentials, AWS_DEFAULT_REGION and the stage"):
        url: str = client("sqs", _TIMEOUT_S).get_queue_url(QueueName=name)["QueueUrl"]
    return url


class Message(Struct, frozen=True):
    """`body` is JSON; `reason` says why it is a dead letter, and is empty for one that is none."""

    body: str
    reason: str = ""

    @property
    def size(self) -> int:
        """In bytes, as SQS counts them."""
        return len(self.body.translate(_UNSENDABLE).encode()) + len("reasonString" * bool(self.reason) + self.told)

    @property
    def told(self) -> str:
        """The reason in ASCII: attributes have the same forbidden characters and count in bytes."""
        return self.reason.encode("ascii", "replace").decode()[:MOST_REASON]


class EventQueue:
    """The queue at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, bodies: Sequence[str]) -> None:
        """Raises Unavailable where SQS took only some of them or none, TooLarge where one is too long for any queue."""
        self.bury([Message(body) for body in bodies])

    def bury(self, letters: Sequence[Message]) -> None:
        """As `send`, with the reasons of dead letters."""
        for batch in batches(letters):
            self._send_batch(batch)

    def delay(self, receipt: str, seconds: int) -> None:
        """The message that was received so is seen again in so many seconds. Raises Unavailable."""
        with told(f"the queue {self._url}", "wait: the message comes again by itself"):
            client("sqs", _TIMEOUT_S).change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            )

    def _send_batch(self, batch: list[Message]) -> None:
        left = {str(place): message for place, message in enumerate(batch)}
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE_S * 2**attempt)
            with told(f"the queue {self._url}", "send the same again shortly; what comes twice counts once"):
                asked = [_entry(place, message) for place, message in left.items()]
                answer = client("sqs", _TIMEOUT_S).send_message_batch(QueueUrl=self._url, Entries=asked)
            for sent in answer.get("Successful", []):
                del left[sent["Id"]]
            if not left:
                return
        code = answer["Failed"][0].get("Code", "refused")
        raise Unavailable(f"the queue {self._url} did not take {len(left)} messages: {code}", "send the same again")


def batches(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """In order, each small enough for one call. Raises TooLarge."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        if message.size > MOST_BYTES:
            raise TooLarge(f"a message has {message.size} bytes, more than {MOST_BYTES}", "send fewer events at once")
        if len(batch) == MOST_AT_ONCE or size + message.size > MOST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += message.size
    if batch:
        yield batch


def _entry(place: str, message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": place, "MessageBody": message.body.translate(_UNSENDABLE)}
    if message.reason:
        entry["MessageAttributes"] = {"reason": {"DataType": "String", "StringValue": message.told}}
    return entry
