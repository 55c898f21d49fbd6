"""What stands between a queue and its function: Lambda's event source, as far as one batch at a time.

Messages are received, handed to the function in one event, and deleted unless the function names them as failed or
fails itself; those come again when their visibility ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from infra.emulator import FunctionFailed

AT_ONCE = 10  # messages of one ReceiveMessage


class Batch(NamedTuple):
    """Message ids; `handles` are those by which the failed ones can be made visible at once."""

    deleted: list[str]
    failed: list[str]
    handles: list[str]


def poll(sqs: Any, url: str, invoke: Callable[[Any], Any], most: int = 100) -> Batch:
    """One batch of at most so many messages of the queue at `url`; an empty one where none is visible."""
    messages: list[dict[str, Any]] = []
    while len(messages) < most:
        asked = min(AT_ONCE, most - len(messages))
        found = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=asked, AttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages", [])
        messages += found
        if not found:
            break
    if not messages:
        return Batch([], [], [])
    try:
        answer = invoke(sqs_event(messages, url))
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    except FunctionFailed:
        failed = {message["MessageId"] for message in messages}
    done = [message for message in messages if message["MessageId"] not in failed]
    for start in range(0, len(done), AT_ONCE):
        entries = [
            {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
            for place, message in enumerate(done[start : start + AT_ONCE])
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    left = [message for message in messages if message["MessageId"] in failed]
    return Batch(
        [message["MessageId"] for message in done],
        [message["MessageId"] for message in left],
        [message["ReceiptHandle"] for message in left],
    )


def sqs_event(messages: list[dict[str, Any]], url: str) -> dict[str, Any]:
    """The event in which Lambda hands these on (https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html)."""
    account, name = url.split("/")[-2:]
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message.get("Attributes", {}),
                "messageAttributes": {
                    key: {"dataType": value["DataType"], "stringValue": value.get("StringValue")}
                    for key, value in message.get("MessageAttributes", {}).items()
                },
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:{account}:{name}",
                "awsRegion": "us-east-1",
            }
            for message in messages
        ]
    }
