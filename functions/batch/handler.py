"""The door of the batch function: SQS hands it files that landed and chunks to score, Step Functions chunks alone.

What is nobody's fault comes again, later each time. What nobody can read goes to the dead letters with its reason. A
bad file fails alone, in its job's folder, and its message is done. The log says jobs, numbers and reasons, never a row.
"""

import logging
from dataclasses import replace
from typing import Any

from aisle.aws.batch_messages import Landed, Wanted, read_message, understood
from aisle.aws.event_queue import EventQueue, Message
from aisle.aws.lambda_price import usd_per_second
from aisle.errors import AisleError, BadInput
from aisle.runtime import open_services
from aisle.settings import Settings, lambda_memory_mb
from functions.batch.work import InTime, Work

ENDING_MS = 15_000  # of an invocation: what has been scored is written
FIRST_DELAY_S, MOST_DELAY_S = 60, 1800  # before a message that failed comes again; it grows by four
log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
settings = Settings.from_env()
# Rows are answered many at once, so each model call has one thread.
services = open_services(replace(settings, threads=1))
work = Work(
    settings.batch_bucket,
    settings.batch_queue,
    settings.batch_machine,
    settings.batch_fanout,
    services,
    settings.threads,
    usd_per_second(lambda_memory_mb()),
)
queue, dead_letters = EventQueue(settings.batch_queue), EventQueue(settings.dead_letters)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The messages that have to come again, as ReportBatchItemFailures wants them; the job's state to Step Functions.

    Raises to Step Functions what is to be tried again.
    """

    def in_time() -> bool:
        return context is None or context.get_remaining_time_in_millis() > ENDING_MS

    if not _of_a_queue(event):
        return {"state": obeyed(understood(event), in_time)}
    failed = [record for record in event["Records"] if not _done(record, in_time)]
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}


def obeyed(message: list[Landed] | Wanted, in_time: InTime) -> str:
    """The state of the job; of files that landed, nothing is known yet."""
    if isinstance(message, Wanted):
        return work.wanted(message, in_time)
    for file in message:
        work.landed(file, in_time)
    return ""


def _done(record: dict[str, Any], in_time: InTime) -> bool:
    """Whether the message is over: obeyed, or buried."""
    try:
        try:
            obeyed(read_message(record["body"]), in_time)
        except BadInput as exc:
            log.error("a message is poison: %s", exc.detail)
            dead_letters.bury([Message(record["body"], exc.detail)])
        return True
    except AisleError as exc:
        log.error("a message has to come again: %s", exc)
        _delay(record)
        return False


def _delay(record: dict[str, Any]) -> None:
    """Else it would stay away for as long as an invocation may take six times."""
    times = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
    try:
        queue.delay(record["receiptHandle"], min(FIRST_DELAY_S * 4 ** (times - 1), MOST_DELAY_S))
    except AisleError as exc:
        log.error("it comes when its visibility ends: %s", exc)


def _of_a_queue(event: dict[str, Any]) -> bool:
    records = event.get("Records")
    return isinstance(records, list) and all(record.get("eventSource") == "aws:sqs" for record in records)
