"""The door of the compact function: a schedule calls it once a day, an operator whenever it is to be sooner.

A day that cannot be read is left as it is and fails the call, after the other days are done: the alarm rings. What
there is no time for waits for the next call.
"""

import logging
import time
from typing import Any

from aisle.aws.event_bucket import EventBucket
from aisle.compaction import compact
from aisle.errors import Unavailable
from aisle.event_log import EventLog
from aisle.profile import KEPT_DAYS
from aisle.settings import Settings

LEASE_S = 1000.0  # more than the function's timeout
A_DAY_MS = 120_000  # more than one day of the log takes
log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
bucket = EventBucket(Settings.from_env().events_bucket)


def handler(event: object, context: Any) -> dict[str, object]:
    """Which days were written and which are over. Raises Unavailable where another one runs, or a day is broken."""

    def in_time() -> bool:
        left: int = context.get_remaining_time_in_millis()
        return left > A_DAY_MS

    with bucket.leased(LEASE_S):
        done = compact(EventLog(bucket), time.time_ns() // 1_000_000, KEPT_DAYS, in_time)
    told = (done.records, len(done.written), len(done.expired), done.left)
    log.info("%d records in %d days, %d days are over, %d are left", *told)
    if done.unreadable:
        raise Unavailable("; ".join(done.unreadable), "these days are left as they are")
    return {"written": done.written, "expired": done.expired, "records": done.records, "left": done.left}
