"""A catalogue read by many machines: the products of its rows, with what it takes to deal them out again.

The rules are those of `aisle.catalogue.read_products`: each row's by itself here, what concerns rows together by Spark.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pyarrow as pa

from aisle.batch_source import Chunk, Source, chunks, columns, rows
from aisle.catalogue import MAX_PROBLEMS, is_read, product_text, row_product
from aisle.errors import BadInput
from aisle.item_ids import hashed
from aisle.tables import checked_header
from aisle.types import Product
from model_export.spark import models
from model_export.spark.partitions import CHUNK_BYTES, CHUNK_ROWS, arrow_batch, each
from model_export.spark.storage import source_at

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REMEDY = "correct these rows and try again"
# row: from 0. chunk: of the file. length: tokens that the encoder reads. nth: among those of its chunk and length.
_COLUMNS = [("row", pa.int64()), ("chunk", pa.int64()), ("shard", pa.int32()), ("length", pa.int32())]
_COLUMNS += [("nth", pa.int64()), ("product_id", pa.string()), ("currency", pa.string()), ("product", pa.binary())]
_SCHEMA = pa.schema([*_COLUMNS, ("problem", pa.string())])


class Catalogue(NamedTuple):
    """A table cut into chunks; `name` as it was given."""

    name: str
    source: Source
    header: list[str]
    chunks: list[Chunk]

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)


def opened(name: str) -> Catalogue:
    """Raises BadInput, also where it has no row, and NotFound."""
    source = source_at(name)
    header = checked_header(columns(source), source.name, ("product_id", "title"))
    cut = [*chunks(source, CHUNK_ROWS, CHUNK_BYTES)]
    if not cut:
        raise BadInput(f"{name} has no products", "give at least one row")
    return Catalogue(name, source, header, cut)


def products(spark: SparkSession, bundle: str, catalogue: Catalogue, shards: int) -> DataFrame:
    """row, chunk, shard, length, nth, product_id, product (a line of JSON), kept for what is asked of it next.

    Raises BadInput, as `read_catalogue` does, with up to ten problems in one error.
    """
    source, header = catalogue.source, catalogue.header

    def read(chunk: Chunk) -> Iterator[pa.RecordBatch]:
        yield _read(source, header, chunk, bundle, shards)

    found = each(spark, catalogue.chunks, read, _SCHEMA).persist()
    if problems := _problems(found):
        raise BadInput(f"{catalogue.name}: {'; '.join(problems)}", REMEDY)
    return found


def product_of(line: bytes) -> Product:
    """The product that was written as this line. A whole number among its attributes stays one, as a type would not."""
    return Product(**json.loads(line))


def _read(source: Source, header: Sequence[str], chunk: Chunk, bundle: str, shards: int) -> pa.RecordBatch:
    read, problems = [], []
    for number, row in rows(source, header, chunk, [column for column in header if is_read(column)]):
        try:
            if isinstance(row, BadInput):
                raise row
            read.append((number - 1, row_product(row)))
        except BadInput as exc:
            problems.append((number - 1, f"row {number}: {exc.detail}"))
    lengths = models.lengths(bundle, [product_text(product) for _, product in read])
    # The upper half: a range of the hashes is a shard.
    halves = hashed([product.product_id for _, product in read]) >> 32
    seen: Counter[int] = Counter()
    lines: list[tuple[object, ...]] = []
    for (at, product), length, half in zip(read, lengths, halves.tolist(), strict=True):
        line = msgspec.json.encode(product)
        shard = half * shards >> 32
        lines.append((at, chunk.number, shard, length, seen[length], product.product_id, product.currency, line, None))
        seen[length] += 1
    lines += [(at, chunk.number, *(None,) * 6, problem) for at, problem in problems]
    return arrow_batch(lines, _SCHEMA)


def _problems(found: DataFrame) -> list[str]:
    """Up to ten, in the order of the rows as far as they are of one sort."""
    from pyspark.sql import functions as F

    bad = found.where("problem is not null").orderBy("row").limit(MAX_PROBLEMS).collect()
    told = [str(row["problem"]) for row in bad]
    ids = found.groupBy("product_id").agg(
        F.count("row").alias("n"), F.min("row").alias("first"), F.max("row").alias("last")
    )
    for row in ids.where("n > 1 and product_id is not null").orderBy("last").limit(MAX_PROBLEMS).collect():
        told.append(f"row {row['last'] + 1}: product_id {row['product_id']} is also in row {row['first'] + 1}")
    money = found.where("currency != ''").groupBy("currency").agg(F.min("row").alias("first")).orderBy("first").limit(2)
    for first, other in [money.collect()] if money.count() > 1 else []:
        has = f"row {first['first'] + 1} has {first['currency']}; a catalogue has one"
        told.append(f"row {other['first'] + 1}: currency {other['currency']}, but {has}")
    return told[:MAX_PROBLEMS]
