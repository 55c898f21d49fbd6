"""Lists for every shopper of an event log, by their pseudonyms: the acts that a profile would hold, and the bundle's
recommender over them.

Shoppers are dealt to groups by a hash, so that a task answers many of them. The log's end counts as now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from aisle.batch_kinds import MOST_K
from aisle.errors import BadInput
from aisle.events import act_of
from aisle.profile import Profile, merged
from aisle.shopping import Act
from model_export.spark import models
from model_export.spark.event_days import Piece, pieces
from model_export.spark.partitions import arrow_batches, each, placed, spark_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DEFAULT_K = 20
GROUP_ACTS = 200_000  # of the shoppers that one task answers together
_ACTS = pa.schema(
    [("shopper", pa.string()), ("at_ms", pa.int64())] + [(n, pa.string()) for n in ("event_id", "kind", "product_id")]
)
LISTS = pa.schema(
    [("shopper", pa.string()), ("rank", pa.int32()), ("product_id", pa.string()), ("score", pa.float32())]
)


def lists(spark: SparkSession, bundle: str, log: str, k: int, new: bool) -> DataFrame:
    """shopper, rank (from 1), product_id, score of the k best in stock for each shopper who has a profile;
    in order within a file, not from file to file.

    Raises BadInput for a k that is not 1 to 1000, BundleError, and what reading the log raises.
    """
    from pyspark.sql import functions as F

    if not 1 <= k <= MOST_K:
        raise BadInput(f"k is {k}", f"give a number from 1 to {MOST_K}")
    models.lists(bundle)  # here, where a bundle without one is told in a sentence
    acts = each(spark, pieces(log), _acts, _ACTS).persist()
    ((count, end),) = acts.agg(F.count("*"), F.max("at_ms")).collect()

    def answered(told: pa.Table) -> pa.Table:
        return _lists(bundle, told, end, k, new)

    groups = max(-(-count // GROUP_ACTS), spark.sparkContext.defaultParallelism)
    dealt = acts.withColumn("dealt", F.pmod(F.xxhash64("shopper"), F.lit(groups)))
    found = placed(dealt, "dealt", groups).applyInArrow(answered, spark_type(LISTS))
    return found.sortWithinPartitions("shopper", "rank")  # to sort all of them, Spark would choose all of them twice


def suited(bundle: str, acts: Sequence[Act], end_ms: int, k: int, new: bool) -> list[tuple[str, float]]:
    """(product_id, score) of the k best for one shopper, who did `acts` in any order, each perhaps twice."""
    lists = models.lists(bundle)
    return lists.suited(lists.recommender.acts(merged(Profile(), acts).acts), end_ms, k, new)


def _acts(piece: Piece) -> Iterator[pa.RecordBatch]:
    told = ((record.shopper, act) for record in piece.records() if (act := act_of(record)))
    return arrow_batches(((shopper, a.at_ms, a.event_id, a.kind, a.product_id) for shopper, a in told), _ACTS)


def _lists(bundle: str, told: pa.Table, end_ms: int, k: int, new: bool) -> pa.Table:
    shoppers: dict[str, list[Act]] = {}
    for row in told.select(_ACTS.names).to_pylist():
        shopper = row.pop("shopper")
        shoppers.setdefault(shopper, []).append(Act(**row))
    rows = [
        {"shopper": shopper, "rank": rank, "product_id": product_id, "score": score}
        for shopper, acts in shoppers.items()
        for rank, (product_id, score) in enumerate(suited(bundle, acts, end_ms, k, new), 1)
    ]
    return pa.Table.from_pylist(rows, schema=LISTS)
