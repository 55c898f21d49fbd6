"""Work cut into partitions of like weight: what a partition costs goes with the tokens that models read, not with rows.

A file's chunks stay small; each is weighed on the executors, and neighbours are put together until a partition has its
share. Partition p of a job is the pth element of a list that every task gets, so nothing is shuffled. What has to be
brought together first is put into partitions by number, not by the hash of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from aisle.batch_source import Chunk

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

T = TypeVar("T")

CHUNK_ROWS, CHUNK_BYTES = 2000, 4 << 20  # of a chunk: what a task holds at once, and the grain of a partition
LINES = 4096  # of one Arrow batch
_TRIED = 64  # numbers for each partition, of which some one has its hash: all miss it once in e^64


def each(
    spark: SparkSession, parts: Sequence[T], answer: Callable[[T], Iterator[pa.RecordBatch]], schema: pa.Schema
) -> DataFrame:
    """What `answer` gives for each of `parts`, a task each, in their order. `answer` and `parts` travel by pickle."""
    work = [*parts]

    def run(numbers: Iterator[Any]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                yield from answer(work[number])

    numbers = spark.range(0, len(work), 1, max(len(work), 1))
    return numbers.mapInArrow(run, spark_type(schema))


def placed(found: DataFrame, number: str, partitions: int) -> Any:
    """`found` grouped by the column `number` (from 0, below `partitions`), group n in partition n.

    By the hash of the number itself a third of the partitions would stay empty and others get several groups, and
    Spark would put small ones together. So each number stands for one whose hash is that of its partition.
    """
    from pyspark.sql import functions as F

    partition = F.pmod(F.hash("id"), F.lit(partitions)).alias(number)
    places = found.sparkSession.range(_TRIED * partitions).groupBy(partition).agg(F.min("id").alias("place"))
    return found.join(F.broadcast(places), number).repartition(partitions, "place").groupBy("place")


def shares(items: Sequence[T], weights: Sequence[int], most: int, cores: int) -> list[list[T]]:
    """Neighbours together, in shares that weigh the same but for an item: at most `most`, and as many for each core."""
    total, before = max(sum(weights), 1), 0
    count = -(-max(-(-total // most), 1) // cores) * cores
    found: list[list[T]] = [[] for _ in range(count)]
    for item, weight in zip(items, weights, strict=True):
        middle = (2 * before + weight) * count // (2 * total)  # where the item's middle lies, in shares
        found[min(middle, count - 1)].append(item)
        before += weight
    return [share for share in found if share]


def together(chunks: Sequence[Chunk]) -> Chunk:
    """Neighbours as one chunk."""
    first, rows = chunks[0], sum(chunk.rows for chunk in chunks)
    stop = chunks[-1].stop if first.group is None else first.start + rows
    return Chunk(first.number, first.first_row, rows, first.start, stop, first.group)


def arrow_batches(lines: Iterable[Sequence[object]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Batches of at most LINES lines; none where there is no line."""
    left = iter(lines)
    while some := [*islice(left, LINES)]:
        yield arrow_batch(some, schema)


def arrow_batch(lines: Sequence[Sequence[object]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [*zip(*lines, strict=True)] or [()] * len(schema)
    arrays = [pa.array(cells, kind) for cells, kind in zip(columns, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def spark_type(schema: pa.Schema) -> Any:
    """As Spark writes it, with every column nullable."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)
