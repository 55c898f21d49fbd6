"""Work cut into partitions of like weight: what a partition costs goes with the tokens that models read, not with rows.

A file's chunks stay small; each is weighed on the executors, and neighbours are put together until a partition has its
share. Partition p of a job is the pth element of a list that every task gets, so nothing is shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from aisle.batch_source import Chunk

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

T = TypeVar("T")

CHUNK_ROWS, CHUNK_BYTES = 2000, 4 << 20  # of a chunk: what a task holds at once, and the grain of a partition


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


def arrow_batch(lines: Sequence[Sequence[object]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [*zip(*lines, strict=True)] or [()] * len(schema)
    arrays = [pa.array(cells, kind) for cells, kind in zip(columns, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def spark_type(schema: pa.Schema) -> Any:
    """As Spark writes it, with every column nullable."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)
