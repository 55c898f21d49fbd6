"""What BM25 asks of a whole catalogue, counted by many machines: which texts have a term, and where it stands first.

Terms are numbered in the order in which they appear in the catalogue, as `Lexical.build` numbers them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aisle.catalogue import body_text, title_text
from aisle.text import terms
from model_export.spark.partitions import arrow_batch, spark_type
from model_export.spark.postings import Statistics
from model_export.spark.products import product_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FIELDS = {"title": title_text, "body": body_text}
_TERMS = pa.schema([("field", pa.string()), ("term", pa.string()), ("texts", pa.int64()), ("at", pa.int64())])
_LONGEST = 1 << 24  # terms of one text; the place of a term is row * _LONGEST + its place in the text


def counted(dealt: DataFrame) -> dict[str, Statistics]:
    """The statistics of each field, of `products.products`. Every term comes to the driver, once."""
    from pyspark.sql import functions as F

    told = dealt.select("row", "product").mapInArrow(_terms, spark_type(_TERMS)).groupBy("field", "term")
    found = told.agg(F.sum("texts").alias("texts"), F.min("at").alias("at")).orderBy("field", "at").toArrow()
    n, made = dealt.count(), {}
    for field in FIELDS:
        rows = found.filter(pc.equal(found["field"], field))
        texts = dict(zip(rows["term"].to_pylist(), rows["texts"].to_pylist(), strict=True))
        total = texts.pop("")
        vocabulary = {term: number for number, term in enumerate(texts)}
        made[field] = Statistics(vocabulary, np.array([*texts.values()], np.int64), n, total / n)
    return made


def _terms(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Of each field and term of a batch the texts that have it; under the empty term, which none has, all terms."""
    for batch in batches:
        found: dict[tuple[str, str], list[int]] = {}
        for row, line in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            product = product_of(line)
            for field, text_of in FIELDS.items():
                said = terms(text_of(product))
                found.setdefault((field, ""), [0, 0])[0] += len(said)
                for at, term in enumerate(dict.fromkeys(said)):
                    found.setdefault((field, term), [0, row * _LONGEST + at])[0] += 1
        yield arrow_batch([(*named, *numbers) for named, numbers in found.items()], _TERMS)
