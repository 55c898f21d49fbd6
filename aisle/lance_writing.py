"""A LanceDB table and its indexes, written from chunks of products: memory goes with a chunk, and with what an index
needs to be trained.

Small tables have no vector index: comparing some thousand vectors takes a millisecond and finds everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError, MissingExtra, Unavailable
from aisle.lance_catalogue import Place, connected
from aisle.types import FACETS

MOST_WHOLE = 5_000  # rows that a vector question compares one by one: 4 MB to read where they lie in S3
WRITE_S = 120.0  # the most that the store may take for one part
_ORDERED = ("product_id", "group_id", "brand", "category", "size", "price", "rating", "created")
_FEW_VALUES = ("color", "material", "in_stock")
Chunk = tuple[dict[str, list[Any]], NDArray[np.float32]]  # columns (`aisle.table_record`), and (rows, dim) vectors


def write_table(uri: str, name: str, dim: int, chunks: Iterable[Chunk], report: Callable[[str], None]) -> Place:
    """Table `name` of `uri`, written whole, an older one of that name kept as an older version.

    Raises MissingExtra without lancedb and pyarrow, Unavailable where the store does not take it.
    """
    try:
        import pyarrow as pa
        from lancedb.index import FTS, Bitmap, BTree, IvfFlat, IvfRq
    except ImportError as exc:
        raise MissingExtra("lancedb", "lance") from exc
    rows = 0
    words, number = pa.string(), pa.float32()
    kinds = {"row": pa.int64(), "product_id": words, "group_id": words, **dict.fromkeys(FACETS, words)}
    kinds |= {"price": number, "rating": number, "in_stock": pa.bool_(), "created": pa.int64()}
    kinds |= {"title": words, "body": words, "vector": pa.list_(pa.float16(), dim), "record": pa.binary()}
    schema = pa.schema([*kinds.items()])

    def batches() -> Iterable[Any]:
        nonlocal rows
        for columns, vectors in chunks:
            flat = pa.array(vectors.astype(np.float16).ravel())
            columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, dim)
            rows += len(columns["row"])
            yield pa.record_batch([pa.array(columns[column], kind) for column, kind in kinds.items()], schema=schema)

    terms = FTS(
        base_tokenizer="whitespace",  # the terms are ours: cut, folded and stemmed already
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
        max_token_length=None,
        with_position=False,
    )
    try:
        reader = pa.RecordBatchReader.from_batches(schema, batches())
        table = connected(uri, WRITE_S).create_table(name, reader, schema=schema, mode="overwrite")
        report(f"index {rows} products: the table's indexes")
        for column in ("title", "body"):
            table.create_index(column, config=terms)
        for column in _ORDERED:
            table.create_index(column, config=BTree())
        for column in _FEW_VALUES:
            table.create_index(column, config=Bitmap())
        if rows > MOST_WHOLE:
            # RaBitQ with four bits a dimension, which it takes by eight. Of the exact search's pages among 20,000
            # products 98 % are kept so, with one bit 94 %, with a byte (IvfSq) 99 %.
            lists: dict[str, Any] = {"distance_type": "dot", "num_partitions": round(rows**0.5)}
            table.create_index("vector", config=IvfFlat(**lists) if dim % 8 else IvfRq(**lists, num_bits=4))
        return Place(uri, name, table.version, rows, dim)
    except AisleError:
        raise
    except (RuntimeError, ValueError, OSError) as exc:  # lancedb's, with a text from Rust
        cause: BaseException | None = exc
        while cause:  # what a chunk raised came back through Rust
            if isinstance(cause, AisleError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        detail = f"the catalogue cannot be written to {uri} ({' '.join(str(exc).split())[:300]})"
        raise Unavailable(detail, "check the address, the keys and the room that is left") from exc
