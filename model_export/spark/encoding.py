"""The vectors of a catalogue, bit for bit those that one machine computes over all of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aisle.catalogue import product_text
from aisle.onnx import BATCH_TOKENS
from model_export.spark import PARTITION_TOKENS, models
from model_export.spark.partitions import placed, spark_type
from model_export.spark.products import product_of
from model_export.spark.token_batches import batch_of, offsets, places

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_KEPT = [("shard", pa.int32()), ("row", pa.int64()), ("product", pa.binary())]
_TASKS = pa.schema([*_KEPT, ("task", pa.int64())])
_VECTORS = pa.schema([*_KEPT, ("vector", pa.list_(pa.float32()))])


def vectors(dealt: DataFrame, bundle: str, partition_tokens: int = PARTITION_TOKENS) -> DataFrame:
    """shard, row, product and vector, of `products.products`.

    A task gets whole batches of the order by length, about `partition_tokens` of them, so tasks are of equal work. Task
    n is partition n.
    """
    counts = dealt.groupBy("chunk", "length").count().toArrow()
    before = offsets(np.stack([counts[name].to_numpy() for name in ("chunk", "length", "count")], axis=1))
    place = places({length: rows for length, rows in enumerate(before[-1].tolist()) if rows})
    last = batch_of(place[max(place)], int(before[-1, max(place)]) - 1)
    cluster = dealt.sparkSession.sparkContext
    batches = max(1, min(partition_tokens // BATCH_TOKENS, -(-(last + 1) // cluster.defaultParallelism)))
    shared = cluster.broadcast(before)  # a row a chunk: a process reads it once, not with each task

    def deal(found: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in found:
            chunks, lengths, nths = (batch.column(name).to_numpy() for name in ("chunk", "length", "nth"))
            nths = nths + shared.value[chunks, lengths]
            tasks = [batch_of(place[n], nth) // batches for n, nth in zip(lengths.tolist(), nths.tolist(), strict=True)]
            kept = [batch.column(name) for name, _ in _KEPT]
            yield pa.RecordBatch.from_arrays([*kept, pa.array(tasks, pa.int64())], schema=_TASKS)

    def encode(table: pa.Table) -> pa.Table:
        table = table.sort_by("row")  # of equal lengths the first row comes first, as in the whole catalogue
        texts = [product_text(product_of(line)) for line in table["product"].to_pylist()]
        encoder = models.encoder(bundle)
        starts = pa.array(np.arange(0, (len(texts) + 1) * encoder.dim, encoder.dim, dtype=np.int32))
        vectors = pa.ListArray.from_arrays(starts, pa.array(encoder.encode(texts).ravel()))
        return pa.table([*(table[name] for name, _ in _KEPT), vectors], schema=_VECTORS)

    told = dealt.select(*(name for name, _ in _KEPT), "chunk", "length", "nth").mapInArrow(deal, spark_type(_TASKS))
    return placed(told, "task", last // batches + 1).applyInArrow(encode, spark_type(_VECTORS))
