"""`python -m model_export.spark JOB BUNDLE INPUT --out DIR`: one job, on this machine's cores or a cluster's.

Progress goes to stderr; the last line on stdout is the job's figures, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisle.batch_kinds import KINDS, Options
from aisle.errors import AisleError, BadInput, Unavailable
from model_export.spark import PARTITION_TOKENS, SHARD_PRODUCTS
from model_export.spark.session import spark_session
from model_export.spark.storage import address

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Figures = dict[str, Any]
_EPILOGUE = """jobs:
  batch      answer a file as `aisle batch run` does: pairs to score, queries to search, customers to recommend for,
             products to embed; told by its columns or --kind
  index      the index of a catalogue in --shards shards, at --out
  merge      INPUT is what `index` wrote: the bundle of those shards, sealed in the folder --out; without Spark
  recommend  INPUT is an event log: lists for every shopper in it
  events     INPUT is an event log, BUNDLE is -: what happened to each product on each day

example:
  python -m model_export.spark batch .aisle/demo-300 pairs.csv --out scored
  python -m model_export.spark events - s3://BUCKET --out s3a://OTHER/days
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code; every AisleError becomes one sentence on stderr."""
    asked = build_parser().parse_args(argv)
    began = time.perf_counter()
    try:
        figures = _figures(asked)
    except AisleError as exc:
        print("spark:", " ".join(str(exc).split()), file=sys.stderr)
        return 2
    seconds = time.perf_counter() - began
    print(json.dumps({"job": asked.job, **figures, "seconds": round(seconds, 2), "out": asked.out}))
    return 0


def build_parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m model_export.spark", epilog=_EPILOGUE, formatter_class=formatter)
    parser.add_argument("job", choices=sorted(JOBS))
    parser.add_argument("bundle", metavar="BUNDLE", help="folder that every machine has under this path")
    parser.add_argument("input", metavar="INPUT", help="path or s3:// address")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder or s3a:// address, of merge a folder; nothing may lie there"
    )
    parser.add_argument("--kind", choices=sorted(KINDS), help="of batch, where the columns do not tell")
    parser.add_argument("--k", type=int, help="products a query, customer or shopper")
    parser.add_argument("--new", action="store_true", help="recommend nothing that was bought before")
    parser.add_argument("--shards", type=int, help=f"of index (one for {SHARD_PRODUCTS} products)")
    parser.add_argument("--tokens", type=int, default=PARTITION_TOKENS, help=f"of a partition ({PARTITION_TOKENS})")
    parser.add_argument("--cores", type=int, help="of this machine (all); spark-submit says it for a cluster")
    return parser


def _figures(asked: argparse.Namespace) -> Figures:
    if asked.job == "merge":
        return _merge(asked)
    if asked.tokens < 1 or (asked.shards is not None and asked.shards < 1):
        raise BadInput("--shards and --tokens are counts", "give 1 or more")
    with spark_session(f"aisle {asked.job}", asked.cores) as spark:
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        try:
            return JOBS[asked.job](spark, asked)
        except (PySparkException, Py4JJavaError) as exc:
            raise Unavailable(f"Spark gave up: {_said(exc)}", "see what its tasks wrote on stderr") from exc


def _batch(spark: SparkSession, asked: argparse.Namespace) -> Figures:
    from pyspark import StorageLevel

    from model_export.spark.answering import REJECTED, answers, told_options

    parts_at, rejects_at = f"{asked.out}/parts", f"{asked.out}/rejects"
    _refuse_taken(spark, parts_at, rejects_at)
    tell("read and weigh the rows")
    told = told_options(asked.input)
    options = Options(asked.kind or told.kind, told.k if asked.k is None else asked.k, asked.new or told.new)
    found = answers(spark, asked.bundle, asked.input, options, asked.tokens).persist(StorageLevel.DISK_ONLY)
    parts = found.rdd.getNumPartitions()
    tell(f"answer them in {parts} partitions")
    lines = _written(found.where("reason is null").drop(*REJECTED), parts_at)
    bad = found.where("reason is not null").select(*REJECTED)
    rejected = bad.count()
    if rejected:
        bad.write.json(rejects_at)
    return {"lines": lines, "rejected": rejected, "partitions": parts}


def _index(spark: SparkSession, asked: argparse.Namespace) -> Figures:
    from model_export.spark.index import build

    head = build(spark, asked.bundle, asked.input, asked.out, asked.shards, tell, asked.tokens)
    return {"products": head.products, "shards": len(head.shards), "bytes": head.bytes}


def _merge(asked: argparse.Namespace) -> Figures:
    from aisle.bundle import Bundle
    from model_export.spark.index import merge

    if address(asked.out):
        raise BadInput(f"{asked.out} is an address; a bundle is sealed on a disk", "name a folder and copy it then")
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    bundle = Bundle.open(Path(asked.bundle))
    made = merge(bundle, asked.input, Path(asked.out), created_at, asked.cores or os.cpu_count() or 1, tell)
    return {"products": made.manifest.n_products, "bundle_id": made.manifest.bundle_id}


def _recommend(spark: SparkSession, asked: argparse.Namespace) -> Figures:
    from model_export.spark.shoppers import DEFAULT_K, lists

    tell("read the log, choose for each shopper")
    k = DEFAULT_K if asked.k is None else asked.k
    return {"lines": _written(lists(spark, asked.bundle, asked.input, k, asked.new), asked.out)}


def _events(spark: SparkSession, asked: argparse.Namespace) -> Figures:
    from model_export.spark.event_days import aggregates

    tell("read the log, count by product and day")
    return {"lines": _written(aggregates(spark, asked.input), asked.out)}


def _refuse_taken(spark: SparkSession, *places: str) -> None:
    """Raises BadInput where something lies at one of these."""
    for place in places:
        path = spark._jvm.org.apache.hadoop.fs.Path(place)
        if path.getFileSystem(spark._jsc.hadoopConfiguration()).exists(path):
            raise BadInput(f"{place} is there already", "choose another --out")


def _written(found: DataFrame, out: str) -> int:
    """Lines of the parquet written to `out`. Raises BadInput where something lies there."""
    from pyspark.errors import AnalysisException

    try:
        found.write.option("compression", "zstd").parquet(out)
    except AnalysisException as exc:
        raise BadInput(f"{out} cannot be written ({_said(exc)})", "choose another --out") from exc
    lines: int = found.sparkSession.read.parquet(out).count()
    return lines


def _said(exc: Exception) -> str:
    """What Spark says of a failure in one line: of a task's Python error the error itself."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("aisle.errors.")] or lines or [type(exc).__name__]
    return said[0][:300]


def tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)


JOBS: dict[str, Callable[[Any, argparse.Namespace], Figures]] = {
    "batch": _batch,
    "index": _index,
    "merge": lambda spark, asked: _merge(asked),
    "recommend": _recommend,
    "events": _events,
}

if __name__ == "__main__":
    raise SystemExit(main())
