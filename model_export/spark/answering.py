"""`aisle batch run` on many machines: a file of pairs, queries, customers or products, and each row's answer.

Chunks, rows and answers are those of `aisle.batch_source` and `aisle.batch_kinds`, so the output has the same lines in
the same order, and what is rejected is rejected for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from aisle.batch_kinds import JOB_FILE, Answer, Options, Reject, answered, read_columns, read_options, schema, told_kind
from aisle.batch_source import Chunk, Source, chunks, columns, rows
from aisle.catalogue import product_text, row_product
from aisle.errors import BadInput, NotFound
from aisle.pairs import row_pair
from aisle.tables import Row
from model_export.spark import PARTITION_TOKENS, models
from model_export.spark.partitions import arrow_batch, arrow_batches, each, shares, together
from model_export.spark.storage import files_at, source_at

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROW_TOKENS = {"search": 2000, "recommend": 100}  # what a row costs whatever it says: fifty products are reranked
GRAIN_ROWS, GRAIN_BYTES = 250, 1 << 20  # of a chunk, the least that a partition is put together from
WEIGHED_ROWS, WEIGHED_BYTES = 20_000, 8 << 20  # of the chunks that one task weighs
REJECTED = ("row", "reason", "remedy")


class Work(NamedTuple):
    """What a task needs to know of the job. The source knows its version: a file that changes meanwhile is told."""

    bundle: str
    kind: str
    options: Options
    source: Source
    columns: Sequence[str]

    def rows(self, chunk: Chunk) -> Iterator[tuple[int, Row | BadInput]]:
        return rows(self.source, self.columns, chunk, read_columns(self.kind, self.columns))


def answers(
    spark: SparkSession, bundle: str, file: str, options: Options, partition_tokens: int = PARTITION_TOKENS
) -> DataFrame:
    """The columns of the kind's schema, and row, reason and remedy where a row was rejected: then the others are null.

    Raises BadInput for a file that cannot be read, BundleError, NotFound.
    """
    opened = models.services(bundle)  # here too, where what is wrong with it is told in a sentence
    source = source_at(file)
    header = columns(source)
    work = Work(bundle, told_kind(header, options), options, source, header)
    cut = [*chunks(source, GRAIN_ROWS, GRAIN_BYTES)]
    cores = spark.sparkContext.defaultParallelism
    weights = _weights(spark, work, cut, cores)
    parts = [together(share) for share in shares(cut, weights, partition_tokens, cores)]
    told = _with_rejects(schema(work.kind, opened.dim))

    def answer(chunk: Chunk) -> Iterator[pa.RecordBatch]:
        return _answered(work, chunk, told)

    return each(spark, parts, answer, told)


def told_options(file: str) -> Options:
    """What the job file beside `file` says. Raises BadInput."""
    folder, slash, name = file.rpartition("/")
    try:
        return read_options(files_at(folder + slash or ".").read(name + JOB_FILE), file + JOB_FILE)
    except NotFound:
        return Options()


def _weights(spark: SparkSession, work: Work, cut: Sequence[Chunk], cores: int) -> list[int]:
    """What each chunk costs, in tokens; measured on the executors where rows differ."""
    if work.kind in ROW_TOKENS:
        return [ROW_TOKENS[work.kind] * chunk.rows for chunk in cut]
    told = pa.schema([("tokens", pa.int64())])
    most = WEIGHED_BYTES if cut and cut[0].group is None else WEIGHED_ROWS

    def weigh(share: Sequence[Chunk]) -> Iterator[pa.RecordBatch]:
        scorer = models.opened(work.bundle).has("pairs/scorer.json")
        found = work.rows(together(share))  # in one go: beginning inside of a row group takes decoding what is before
        for chunk in share:
            texts = [text for _, row in islice(found, chunk.rows) for text in read_texts(work.kind, row, scorer)]
            yield arrow_batch([(sum(models.lengths(work.bundle, texts)),)], told)

    read = shares(cut, [chunk.stop - chunk.start for chunk in cut], most, cores)
    return [tokens for (tokens,) in each(spark, read, weigh, told).collect()]


def read_texts(kind: str, row: Row | BadInput, scorer: bool) -> list[str]:
    """What the models read of a row of pairs or products; nothing of a bad one.

    `scorer`: the bundle has a scorer of pairs, for which query, title, bullet points and description are encoded, too.
    """
    try:
        if isinstance(row, BadInput):
            return []
        if kind == "embed":
            return [product_text(row_product(row))]
        pair = row_pair("", row)
    except BadInput:
        return []
    alone = (pair.query, pair.title, pair.bullet_points, pair.description) if scorer else ()
    return [f"{pair.query} {pair.text}", *filter(None, alone)]


def _with_rejects(lines: pa.Schema) -> pa.Schema:
    """With a list of any length where there is a vector: Spark knows none of a fixed one."""
    fields = [field.with_type(pa.list_(pa.float32())) if field.name == "vector" else field for field in lines]
    return pa.schema([*fields, ("row", pa.int64()), ("reason", pa.string()), ("remedy", pa.string())])


def _answered(work: Work, chunk: Chunk, told: pa.Schema) -> Iterator[pa.RecordBatch]:
    empty = (None,) * (len(told) - len(REJECTED))
    found = answered(work.kind, work.options, models.services(work.bundle), work.rows(chunk), threads=1)
    return arrow_batches((line for one in found for line in _lines(one, empty)), told)


def _lines(one: Answer | Reject, empty: tuple[None, ...]) -> list[tuple[Any, ...]]:
    return [(*line, None, None, None) for line in one.lines] if isinstance(one, Answer) else [(*empty, *one)]
