"""The index of a catalogue made in shards by many machines, and the shards made one bundle.

First come the statistics of the whole, then vectors, then shards. Weights are those of the whole index and vectors
those of one pass over the whole catalogue, so scores of different shards can be compared, and `merge` gives the very
files that `aisle index` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from aisle.bundle import Bundle
from aisle.dense import Dense
from aisle.errors import BadInput
from aisle.indexing import Found, Report, reindexed
from aisle.lexical import Lexical
from aisle.sealing import sealing
from model_export.spark import PARTITION_TOKENS, SHARD_PRODUCTS, models, shards
from model_export.spark.counting import counted
from model_export.spark.encoding import vectors
from model_export.spark.partitions import placed, spark_type
from model_export.spark.postings import Statistics, joined
from model_export.spark.products import opened, product_of, products
from model_export.spark.shards import HEAD, Head
from model_export.spark.storage import files_at

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_WRITTEN = pa.schema([("shard", pa.int32()), ("products", pa.int64()), ("bytes", pa.int64())])


def build(
    spark: SparkSession,
    bundle: str,
    catalogue: str,
    out: str,
    count: int | None,
    report: Report,
    partition_tokens: int = PARTITION_TOKENS,
) -> Head:
    """Writes the index of a catalogue, by the bundle's encoder, in `count` shards to the folder or address `out`;
    None: as many as SHARD_PRODUCTS asks for.

    Raises BadInput, NotFound, BundleError, Unavailable.
    """
    files, bundle_id = files_at(out), models.opened(bundle).manifest.bundle_id
    if HEAD in files.names(HEAD):
        raise BadInput(f"{out} has an index already", "choose another --out")
    report(f"read {catalogue}")
    table = opened(catalogue)
    count = count or -(-table.rows // SHARD_PRODUCTS)
    dealt = products(spark, bundle, table, count)
    report("count words")
    for field, whole in counted(dealt).items():
        whole.save(files, f"statistics/{field}")
    report("encode products, write shards")
    encoded = vectors(dealt, bundle, partition_tokens)
    found = placed(encoded, "shard", count).applyInArrow(_writing(out), spark_type(_WRITTEN)).collect()
    written = sorted(found, key=lambda row: row["shard"])  # Spark would compute all of it twice to sort it
    names, sizes = [shards.folder(row["shard"]) for row in written], [row["bytes"] for row in written]
    head = Head(bundle_id, catalogue, sum(row["products"] for row in written), names, sum(sizes))
    files.write(HEAD, msgspec.json.encode(head))
    dealt.unpersist()
    return head


def _writing(out: str) -> Callable[[pa.Table], pa.Table]:
    def write(table: pa.Table) -> pa.Table:
        table = table.sort_by("row")
        number, lines = table["shard"][0].as_py(), table["product"].to_pylist()
        rows = table["vector"].combine_chunks().flatten().to_numpy().reshape(len(lines), -1)
        shard = shards.indexed(out, lines, table["row"].to_numpy(), rows)
        size = shards.write(files_at(out), shards.folder(number), shard)
        return pa.table({"shard": [number], "products": [len(lines)], "bytes": [size]}, schema=_WRITTEN)

    return write


def merge(bundle: Bundle, index: str, out: Path, created_at: str, threads: int, report: Report) -> Bundle:
    """The models of `bundle` over the catalogue whose shards lie at `index`, sealed at `out`, on this machine.

    Raises BadInput, also where the shards were made with another bundle, NotFound and BundleError.
    """
    files = files_at(index)
    head = shards.read_head(files, index)
    if head.bundle_id != bundle.manifest.bundle_id:
        raise BadInput(f"{index} was made with bundle {head.bundle_id}", "name that bundle, or make the shards again")
    with sealing(out):
        pass  # a place where nothing can be sealed is refused before anything is read
    report(f"read {len(head.shards)} shards")
    read = [shards.read(files, name) for name in head.shards]
    # Rows count the rows of the file; a row's place is its rank among them.
    place = np.argsort(np.argsort(np.concatenate([shard.rows for shard in read])))
    ends = np.cumsum([len(shard.rows) for shard in read])
    places = [place[end - len(shard.rows) : end] for shard, end in zip(read, ends.tolist(), strict=True)]
    lines = [b""] * head.products
    encoded = np.empty((head.products, read[0].vectors.shape[1]), np.float32)
    for shard, at in zip(read, places, strict=True):
        encoded[at] = shard.vectors
        for row, line in zip(at.tolist(), shard.lines, strict=True):
            lines[row] = line

    def whole(field: str) -> Lexical:
        parts = [(at, shard.fields[field]) for shard, at in zip(read, places, strict=True)]
        return joined(parts, Statistics.load(files, f"statistics/{field}"))

    found = Found(whole("title"), whole("body"), Dense.build(encoded))
    catalogue = [product_of(line) for line in lines]
    return reindexed(bundle, catalogue, {}, out, None, created_at, threads, report, found)
