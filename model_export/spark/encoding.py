"""The vectors of a catalogue, bit for bit those that one machine computes over all of it at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aisle.catalogue import product_text
from aisle.onnx import BATCH_TOKENS
from model_export.spark import PARTITION_TOKENS, models
from model_export.spark.partitions import spark_type
from model_export.spark.products import product_of
from model_export.spark.token_batches import batch_of, offsets, places

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_KEPT = [("shard", pa.int32()), ("row", pa.int64()), ("product", pa.binary())]
_TASKS = pa.schema([*_KEPT, ("task", pa.int64())])
_VECTORS = pa.schema([*_KEPT, ("vector", pa.list_(pa.float32()))])


def vectors(dealt: DataFrame, bundle: str, partition_tokens: int = PARTITION_TOKENS) -> DataFrame:
    """shard, row, product and vector, of `products.products`.

    A task gets whole batches of the order by length, about `partition_tokens` of them, so tasks are of equal work.
    """
    counts = [(row["chunk"], row["length"], row["count"]) for row in dealt.groupBy("chunk", "length").count().collect()]
    rows: Counter[int] = Counter()
    for _, length, count in counts:
        rows[length] += count
    place, before = places(rows), offsets(counts)
    last = batch_of(place[max(rows)], rows[max(rows)] - 1)
    cores = dealt.sparkSession.sparkContext.defaultParallelism
    batches = max(1, min(partition_tokens // BATCH_TOKENS, -(-(last + 1) // cores)))

    def deal(found: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in found:
            columns = (batch.column(name).to_pylist() for name in ("chunk", "length", "nth"))
            tasks = [
                batch_of(place[n], before[chunk, n] + nth) // batches for chunk, n, nth in zip(*columns, strict=True)
            ]
            kept = [batch.column(name) for name, _ in _KEPT]
            yield pa.RecordBatch.from_arrays([*kept, pa.array(tasks, pa.int64())], schema=_TASKS)

    def encode(table: pa.Table) -> pa.Table:
        table = table.sort_by("row")  # of equal lengths the first row comes first, as in the whole catalogue
        texts = [product_text(product_of(line)) for line in table["product"].to_pylist()]
        encoder = models.encoder(bundle)
        starts = pa.array(np.arange(0, (len(texts) + 1) * encoder.dim, encoder.dim, dtype=np.int32))
        vectors = pa.ListArray.from_arrays(starts, pa.array(encoder.encode(texts).ravel()))
        return pa.table([*(table[name] for name, _ in _KEPT), vectors], schema=_VECTORS)

    return dealt.mapInArrow(deal, spark_type(_TASKS)).groupBy("task").applyInArrow(encode, spark_type(_VECTORS))
