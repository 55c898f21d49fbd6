"""Lists for every shopper of an event log, by their pseudonyms: the acts that a profile would hold, and the bundle's
recommender over them.

Shoppers are dealt to groups by a hash, so that a task answers many of them. The log's end counts as now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from aisle.events import act_of, ms_of
from aisle.profile import Profile, merged
from aisle.shopping import Act
from model_export.spark import models
from model_export.spark.event_days import AT_ONCE, Day, days
from model_export.spark.partitions import arrow_batch, each, spark_type

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
    """shopper, rank (from 1), product_id, score of the k best in stock for each shopper who has a profile.

    Raises BundleError, and what reading the log raises.
    """
    from pyspark.sql import functions as F

    models.recommending(bundle)  # here, where a bundle without one is told in a sentence
    acts = each(spark, days(log), _acts, _ACTS).persist()
    ((count, end),) = acts.agg(F.count("*"), F.max("at_ms")).collect()

    def answered(told: pa.Table) -> pa.Table:
        return _lists(bundle, told, end, k, new)

    groups = max(-(-count // GROUP_ACTS), spark.sparkContext.defaultParallelism)
    dealt = acts.groupBy(F.pmod(F.xxhash64("shopper"), F.lit(groups)).alias("dealt"))
    return dealt.applyInArrow(answered, spark_type(LISTS)).orderBy("shopper", "rank")


def suited(bundle: str, acts: Sequence[Act], end_ms: int, k: int, new: bool) -> list[tuple[str, float]]:
    """(product_id, score) of the k best for one shopper, who did `acts` in any order, each perhaps twice."""
    known = models.recommending(bundle)
    profile = merged(Profile(), acts)
    now_ms = max(end_ms, known.recommender.fitted_at)
    found = known.recommender.recommend(profile.acts, now_ms, k, new=new, allowed=known.in_stock)
    ids = [known.products[row].product_id for row in found.rows.tolist()]
    return [*zip(ids, found.scores.tolist(), strict=True)]


def _acts(day: Day) -> Iterator[pa.RecordBatch]:
    told = [(record, act) for record in day.records() if (act := act_of(record))]
    for at in range(0, len(told), AT_ONCE):
        rows = [(r.shopper, ms_of(r.timestamp), a.event_id, a.kind, a.product_id) for r, a in told[at : at + AT_ONCE]]
        yield arrow_batch(rows, _ACTS)


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
