"""What happened to each product on each day of an event log: each event once, nothing of the forgotten.

A task reads some files of one day, line by line. Spark brings the records of an event together and keeps the one that
`EventLog.records` keeps: the latest, by day, time and when it was received.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from aisle.errors import NotFound
from aisle.event_log import READERS, EventLog, compacted_name, read_lines
from aisle.events import Record, first_known
from aisle.files import Files
from model_export.spark.partitions import arrow_batches, each
from model_export.spark.storage import address, files_at

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COUNTED = {"impression": "impressions", "view": "views", "click": "clicks", "cart": "carts", "purchase": "purchases"}
PIECE_FILES = 50  # raw files of a day that one task reads
_AGE = ("day", "timestamp", "received_at")
_SCHEMA = pa.schema([(name, pa.string()) for name in ("event_id", *_AGE, "product_id", "kind")])


class Piece(NamedTuple):
    """Some files of one day of a log."""

    log: str
    day: str
    names: list[str]
    forgotten: Mapping[str, str]

    def records(self) -> Iterator[Record]:
        """Nothing of the forgotten; an event may come many times. Held are a few packed files and one record.

        A raw file that is gone was compacted since it was listed, so its records stand in the day's compacted file.
        """
        files, gone = files_at(self.log), False
        with ThreadPoolExecutor(READERS) as readers:
            for at in range(0, len(self.names), READERS):
                some = self.names[at : at + READERS]
                for name, content in zip(some, readers.map(partial(_content, files), some), strict=True):
                    gone = gone or content is None
                    yield from self._kept(name, content)
        last = compacted_name(self.day)
        if gone and last not in self.names:
            yield from self._kept(last, _content(files, last))

    def _kept(self, name: str, content: bytes | None) -> Iterator[Record]:
        for record in read_lines(name, content) if content else ():
            if first_known(record) > self.forgotten.get(record.shopper, ""):
                yield record


def pieces(log: str) -> list[Piece]:
    """All files of the log at a path or an s3 address, the first day first. Raises NotFound, Unavailable, BadInput."""
    if address(log) is None and not Path(log).is_dir():
        raise NotFound(f"{log} is no folder of an event log", "check the path")
    read = EventLog(files_at(log))
    forgotten = read.forgotten_at()
    found = []
    for day, raw in sorted(read.raw_by_day().items()):
        some = [[compacted_name(day)], *(raw[at : at + PIECE_FILES] for at in range(0, len(raw), PIECE_FILES))]
        found += [Piece(log, day, names, forgotten) for names in some]
    return found


def aggregates(spark: SparkSession, log: str) -> DataFrame:
    """day, product_id, impressions, views, clicks, carts, purchases, in this order; queries name no product."""
    from pyspark.sql import functions as F

    told = each(spark, pieces(log), _told, _SCHEMA)
    latest = F.max(F.struct(*_AGE, "product_id", "kind")).alias("latest")
    # What names no product is left out last: it may be what became of an event that named one.
    once = told.groupBy("event_id").agg(latest).select("latest.*").where("product_id != ''")
    counted = once.where(F.col("kind").isin(*COUNTED)).groupBy("day", "product_id")
    counts = [F.count_if(F.col("kind") == kind).alias(name) for kind, name in COUNTED.items()]
    return counted.agg(*counts).orderBy("day", "product_id")


def _told(piece: Piece) -> Iterator[pa.RecordBatch]:
    told = ((r.event_id, piece.day, r.timestamp, r.received_at, r.product_id, r.kind) for r in piece.records())
    return arrow_batches(told, _SCHEMA)


def _content(files: Files, name: str) -> bytes | None:
    """None where there is no such file."""
    try:
        return files.read(name)
    except NotFound:
        return None
