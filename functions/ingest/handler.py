"""The door of the ingest function: SQS hands it messages of records, and keeps those that it names as failed.

A record that nobody will ever read goes to the dead letters with its reason, and its neighbours are kept. What there is
no time for comes again; were the function stopped instead, everything would, until all of it were dead letters. The log
says how many and never what.
"""

import logging
from typing import Any

from aisle.aws.event_bucket import EventBucket
from aisle.aws.event_queue import EventQueue, Message
from aisle.aws.profile_table import ProfileTable
from aisle.collecting import Ingest, Ingested
from aisle.errors import AisleError
from aisle.event_log import EventLog
from aisle.settings import Settings

ENDING_MS = 10_000  # of an invocation; what has begun takes as long at most, and so do the dead letters
log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
settings = Settings.from_env()
ingest = Ingest(ProfileTable(settings.profiles_table), EventLog(EventBucket(settings.events_bucket)))
dead_letters = EventQueue(settings.dead_letters)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The messages that have to come again, as ReportBatchItemFailures wants them; no `context`: time enough."""

    def in_time() -> bool:
        return context is None or context.get_remaining_time_in_millis() > ENDING_MS

    messages = event["Records"]
    done = ingest([message["body"] for message in messages], in_time)
    failed = done.failed | buried(done)
    for reason in sorted(set(failed.values())):
        log.error("%d messages have to come again: %s", [*failed.values()].count(reason), reason)
    log.info("%d records of %d messages, %d dead letters", done.records, len(messages), len(done.poison))
    return {"batchItemFailures": [{"itemIdentifier": messages[place]["messageId"]} for place in sorted(failed)]}


def buried(done: Ingested) -> dict[int, str]:
    """Place -> why the dead letters did not take what they should."""
    try:
        dead_letters.bury([Message(poison.record, poison.reason) for poison in done.poison])
    except AisleError as exc:
        return {poison.place: exc.detail for poison in done.poison}
    return {}
