"""The door of the nightly function: a schedule says that it is night, and SQS hands back what there is to do.

The night is cut into messages: one for each segment of the profiles, one for the frequent queries. A segment that takes
longer than an invocation goes on in a message of its own. Whatever comes twice is done twice to the same end.
"""

import logging
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aisle.aws.bucket_files import BucketFiles
from aisle.aws.event_queue import EventQueue
from aisle.aws.profile_table import ProfileTable
from aisle.errors import AisleError, NotFound
from aisle.nightly import Task, night, suggest_all
from aisle.query_cache import MOST_QUERIES, file_of, packed
from aisle.runtime import open_services, query_files
from aisle.settings import Settings
from aisle.shoppers import now_ms
from aisle.tables import read_queries

ENDING_MS = 30_000  # of an invocation: a page of profiles takes seconds
FREQUENT = "frequent/"  # of the batch bucket: the shop's own list of queries, a table of any ending but parquet
log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
settings = Settings.from_env()
services = open_services(settings)
profiles, queue = ProfileTable(settings.profiles_table), EventQueue(settings.nightly_queue)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """For the schedule's {"aisle": "night", "segments": n} how many messages follow; for SQS what has to come again."""
    if event.get("aisle") == "night":
        messages = [task.message for task in night(event["segments"])]
        queue.send(messages)
        return {"messages": len(messages)}
    failed = []
    for message in event["Records"]:
        try:
            obey(Task.read(message["body"]), context)
        except NotFound as exc:  # a bundle whose catalogue lies in a table recommends nothing
            log.info("nothing is chosen: %s", exc.detail)
        except AisleError as exc:
            log.error("a part of the night has to come again: %s", exc)
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


def obey(task: Task, context: Any) -> None:
    def in_time() -> bool:
        left: int = context.get_remaining_time_in_millis()
        return left > ENDING_MS

    if task.segment is None:
        precompute(in_time)
        return
    done = suggest_all(task.segment, profiles, services.choose, services.bundle_id, now_ms, in_time)
    if done.rest:
        queue.send([Task(done.rest).message])
    log.info("chosen for %d shoppers; %d were fresh, %d changed, rest %s", *done)


def precompute(in_time: Callable[[], bool]) -> None:
    """Writes what the cross-encoder says of the shop's frequent queries, where the shop has named any.

    The most frequent come first, so those that there is no time for are the least missed.
    """
    caches, bucket = query_files(settings.query_cache), BucketFiles(settings.batch_bucket)
    names = sorted(name for name in bucket.names(FREQUENT) if not name.endswith("/"))
    if not names or caches is None:
        log.info("no frequent queries are named under %s", FREQUENT)
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / Path(names[0]).name
        path.write_bytes(bucket.read(names[0]))
        queries = [query for _, query in read_queries(path)][:MOST_QUERIES]
    kept = services.precompute(takewhile(lambda _: in_time(), queries))
    caches.write(file_of(services.bundle_id), packed(services.bundle_id, kept))
    log.info("%d of %d frequent queries are ready", len(kept), len(queries))
