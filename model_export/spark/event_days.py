"""What happened to each product on each day of an event log: each event once, nothing of the forgotten.

A day is read by `EventLog.day`, in one task. An event that was told with two days counts on the later one, as
`EventLog.records` has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from aisle.errors import NotFound
from aisle.event_log import EventLog
from aisle.events import Record
from model_export.spark.partitions import arrow_batch, each
from model_export.spark.storage import address, files_at

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COUNTED = {"impression": "impressions", "view": "views", "click": "clicks", "cart": "carts", "purchase": "purchases"}
AT_ONCE = 10_000  # records of one Arrow batch
_SCHEMA = pa.schema([(name, pa.string()) for name in ("event_id", "day", "product_id", "kind")])


class Day(NamedTuple):
    """One day of a log."""

    log: str
    day: str
    raw: list[str]
    forgotten: Mapping[str, str]

    def records(self) -> list[Record]:
        return EventLog(files_at(self.log)).day(self.day, self.raw, self.forgotten)


def days(log: str) -> list[Day]:
    """The days of the log at a path or an s3 address, the first one first. Raises NotFound, Unavailable, BadInput."""
    if address(log) is None and not Path(log).is_dir():
        raise NotFound(f"{log} is no folder of an event log", "check the path")
    read = EventLog(files_at(log))
    forgotten = read.forgotten_at()
    return [Day(log, day, raw, forgotten) for day, raw in sorted(read.raw_by_day().items())]


def aggregates(spark: SparkSession, log: str) -> DataFrame:
    """day, product_id, impressions, views, clicks, carts, purchases, in this order; queries name no product."""
    from pyspark.sql import functions as F

    told = each(spark, days(log), _told, _SCHEMA)
    once = told.groupBy("event_id").agg(F.max(F.struct("day", "product_id", "kind")).alias("last")).select("last.*")
    counts = [F.count_if(F.col("kind") == kind).alias(name) for kind, name in COUNTED.items()]
    return once.groupBy("day", "product_id").agg(*counts).orderBy("day", "product_id")


def _told(day: Day) -> Iterator[pa.RecordBatch]:
    records = [record for record in day.records() if record.kind in COUNTED and record.product_id]
    for at in range(0, len(records), AT_ONCE):
        yield arrow_batch([(r.event_id, day.day, r.product_id, r.kind) for r in records[at : at + AT_ONCE]], _SCHEMA)
