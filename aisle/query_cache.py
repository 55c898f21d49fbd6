"""What the cross-encoder said of the first products of frequent queries, so that nobody waits for it to say so again.

A pair's logit follows from the models and the two texts, but for the last digits: texts that are read together share
the scales of their int8 values. So what is kept under a bundle's id stays true until another bundle answers, whatever
filters, prices, stock or profiles a request brings; only the reading is saved.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from threading import Thread

import msgspec
from msgspec import Struct

from aisle.errors import BundleError, NotFound, Unavailable
from aisle.files import Files
from aisle.text import fold

MOST_QUERIES = 2000  # of a cache: some 100,000 logits, 20 MB in memory
Logits = Mapping[str, float]  # by product_id


class Said(Struct, frozen=True):
    """The file: query, folded as the cross-encoder reads it -> product_id -> logit."""

    bundle_id: str
    queries: dict[str, dict[str, float]]


class QueryCache:
    """Empty until `queries` are known."""

    def __init__(self, queries: Mapping[str, Logits] | None = None) -> None:
        self._queries = queries or {}

    @classmethod
    def reading(cls, files: Files, bundle_id: str) -> QueryCache:
        """One that is read meanwhile, and stays empty where there is no file: searches do not wait for it."""
        cache = cls()

        def read() -> None:
            try:
                cache._queries = unpacked(files.read(file_of(bundle_id)), bundle_id)
            except (NotFound, Unavailable, BundleError):
                return  # as good as none

        Thread(target=read, name="query-cache", daemon=True).start()
        return cache

    def find(self, query: str) -> Logits | None:
        """What was said of a query; None where it was not asked."""
        return self._queries.get(fold(query))


def file_of(bundle_id: str) -> str:
    return f"{bundle_id}.json.gz"


def packed(bundle_id: str, queries: Mapping[str, Logits]) -> bytes:
    """The file that keeps these."""
    said = Said(bundle_id, {query: dict(logits) for query, logits in queries.items()})
    return gzip.compress(msgspec.json.encode(said), mtime=0)


def unpacked(content: bytes, bundle_id: str) -> dict[str, dict[str, float]]:
    """Raises BundleError for what is no such file, or another bundle's."""
    try:
        said = msgspec.json.decode(gzip.decompress(content), type=Said)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BundleError(f"the query cache of {bundle_id} cannot be read ({exc})", "make it again") from exc
    if said.bundle_id != bundle_id:
        raise BundleError(f"the query cache is of bundle {said.bundle_id}, not of {bundle_id}", "make it again")
    return said.queries
