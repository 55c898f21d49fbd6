"""The catalogue in a LanceDB table, on a disk or in S3: full text, vectors and filters are the table's, few rows come
back.

A search asks two questions at once, for row ids by words and by meaning, which the indexes alone answer, and then takes
the rows of both in one request. Which version of the table is read, the bundle says, so that a table that is written
anew changes no answer of a bundle that stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aisle.errors import AisleError, BundleError, MissingExtra, Unavailable
from aisle.gathering import Ids
from aisle.table_record import Record, condition, decode, one_of
from aisle.types import Filters, Sort

PLACE = "catalogue.json"  # of a bundle whose products lie elsewhere
_WORDS = ("title", "body")
PROBED = 20  # of the vector index's lists, each with as many rows as there are lists
ASK_S = 6.0  # the most that one question of a request may take
OPEN_S = 20.0  # loading lancedb takes a second or more of it
_ORDERS: dict[Sort, tuple[str, bool]] = {  # column, rising
    "relevance": ("rating", False),
    "rating": ("rating", False),
    "price_asc": ("price", True),
    "price_desc": ("price", False),
    "newest": ("created", False),
}
_GONE = ("not found", "notfound", "does not exist", "no longer exists", "no such file", "404")
_SILENT = ("timed out", "timeout", "error sending request", "connect", "dispatch", "retries", "503", "500 ", "throttl")
T = TypeVar("T")

os.putenv("LANCEDB_LOG", "error")  # read as lancedb loads: it warns of every table that it makes


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """catalogue.json. `uri`: a folder or s3://BUCKET/PREFIX; `version`: of the table.

    `rows`: products, their vectors of `dim` dimensions. `sampled`: whether some of them taught spelling and names.
    """

    uri: str
    table: str
    version: int
    rows: int
    dim: int
    sampled: bool = False

    @classmethod
    def load(cls, folder: Path) -> Place:
        """BundleError where it cannot be read."""
        path = folder / PLACE
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise BundleError(f"{path} cannot be read ({exc})", "copy the bundle again or rebuild it") from exc

    def save(self, folder: Path) -> None:
        (folder / PLACE).write_bytes(msgspec.json.encode(self))


class LanceCatalogue:
    """`aisle.gathering.Table` over a place; opened once, asked by many threads.

    `patience_s`: the most that one question may take, and opening; None for what a shopper has.
    """

    def __init__(self, place: Place, patience_s: float | None = None) -> None:
        self.place = place
        self._pool = ThreadPoolExecutor(8, "lance")
        self._patience_s = patience_s or OPEN_S
        self._table = self._asked(
            lambda: connected(place.uri, patience_s or ASK_S).open_table(place.table, version=place.version)
        )
        self._patience_s = patience_s or ASK_S

    def find(
        self, terms: Sequence[str], vector: NDArray[np.float32], filters: Filters, limit: int, also: Ids
    ) -> list[Record]:
        where = condition(filters)
        asked = self._later(lambda: self._by_meaning(vector, where, limit))
        said = [self._later(partial(self._by_words, terms, column, where, limit)) for column in _WORDS if terms]
        named = self._named(also)
        return self._taken([asked, *named], _best([*map(self._waited, said)], limit))

    def browse(self, filters: Filters, sort: Sort, limit: int, also: Ids) -> list[Record]:
        from lancedb.query import ColumnOrdering

        column, rising = _ORDERS[sort]
        keys = {column: rising, "rating": False, "row": True}  # ties as among the gathered rows
        order = [ColumnOrdering(column_name=name, ascending=up, nulls_first=False) for name, up in keys.items()]
        where = condition(filters)
        asked = self._later(lambda: self._ids(self._filtered(self._table.search(), where).order_by(order).limit(limit)))
        return self._taken([asked, *self._named(also)])

    def article(self, product_id: str) -> list[Record]:
        found = self._asked(lambda: self._only(one_of("product_id", [product_id]), ["group_id"]))
        groups = [group for group in found["group_id"].to_pylist() if group]
        ids = found["_rowid"].to_pylist()
        if groups:
            ids += self._asked(lambda: self._only(one_of("group_id", groups), []))["_rowid"].to_pylist()
        return self._rows([*dict.fromkeys(ids)])

    def held(self, ids: Sequence[str]) -> set[str]:
        return {*self._asked(lambda: self._only(one_of("product_id", ids), ["product_id"]))["product_id"].to_pylist()}

    def _by_meaning(self, vector: NDArray[np.float32], where: str, limit: int) -> list[int]:
        """Of a filter that leaves few rows in the lists, rows that it leaves anywhere: all, where they are few."""
        query = self._table.search(vector).distance_type("dot").nprobes(PROBED)
        found = self._ids(self._filtered(query, where).limit(limit), "_distance")
        if where and len(found) < limit:
            found += self._ids(self._table.search().where(where).limit(limit))
        return found

    def _by_words(self, terms: Sequence[str], column: str, where: str, limit: int) -> dict[int, float]:
        """Row id -> BM25. Of one column: a question over both together reads every posting, this one skips most."""
        from lancedb.query import MatchQuery

        match: Any = MatchQuery  # pydantic hides its defaults from the type checker
        query = self._filtered(self._table.search(match(" ".join(terms), column)), where).limit(limit)
        found = query.select(["_score"]).with_row_id(True).to_arrow(timeout=self._ask())
        return dict(zip(found["_rowid"].to_pylist(), found["_score"].to_pylist(), strict=True))

    def _named(self, also: Ids) -> list[Future[list[int]]]:
        """Asked for only now: the other questions are under way."""
        ids = [*dict.fromkeys(also())]
        if not ids:
            return []
        return [self._later(lambda: self._only(one_of("product_id", ids), [])["_rowid"].to_pylist())]

    def _taken(self, asked: Sequence[Future[list[int]]], known: Sequence[int] = ()) -> list[Record]:
        found = (row_id for future in asked for row_id in self._waited(future))
        return self._rows([*dict.fromkeys(chain(found, known))])

    def _rows(self, row_ids: Sequence[int]) -> list[Record]:
        if not row_ids:
            return []
        taken = self._asked(lambda: self._table.take_row_ids(row_ids).select(["record"]).to_arrow(timeout=self._ask()))
        try:
            return [decode(record) for record in taken["record"].to_pylist()]
        except (msgspec.DecodeError, TypeError) as exc:
            raise self._broken(exc) from exc

    def _only(self, where: str, columns: Sequence[str]) -> Any:
        query = self._filtered(self._table.search(), where).select([*columns, "row"]).with_row_id(True)
        return query.to_arrow(timeout=self._ask())

    @staticmethod
    def _filtered(query: Any, where: str) -> Any:
        return query.where(where) if where else query

    def _ids(self, query: Any, score: str = "row") -> list[int]:
        ids: list[int] = query.select([score]).with_row_id(True).to_arrow(timeout=self._ask())["_rowid"].to_pylist()
        return ids

    def _ask(self) -> timedelta:
        return timedelta(seconds=self._patience_s)

    def _later(self, ask: Callable[[], T]) -> Future[T]:
        return self._pool.submit(ask)

    def _asked(self, ask: Callable[[], T]) -> T:
        return self._waited(self._later(ask))

    def _waited(self, future: Future[T]) -> T:
        """Waited for here, because retries within retries of a store that is away outlast each of their own limits.

        lancedb raises RuntimeError and ValueError with a text from Rust; the text tells them apart.
        """
        try:
            return future.result(self._patience_s)
        except AisleError:
            raise
        except Exception as exc:
            said = self._told(exc)
            if isinstance(exc, TimeoutError) or any(word in said for word in _SILENT):
                raise Unavailable(
                    f"the catalogue at {self.place.uri} does not answer{self._because(exc)}", "try again in a moment"
                ) from exc
            if any(word in said for word in _GONE):
                missing = f"table {self.place.table}, version {self.place.version}, of {self.place.uri} is not there"
                remedy = "write it with `aisle index ... --catalogue-at`, or use the bundle that belongs to the table"
                raise BundleError(f"{missing} ({_short(exc)})", remedy) from exc
            raise self._broken(exc) from exc

    def _told(self, exc: Exception) -> str:
        """What the error says, without paths, addresses and the table's name, in which any word may be."""
        said, address = str(exc).lower(), self.place.uri.rpartition("://")[2].strip("/").lower()
        for name in (self.place.table.lower(), address if "/" in address else ""):  # an address may have blanks
            said = said.replace(name, "/") if name else said
        return re.sub(r"\S*/\S*", " ", said)

    def _because(self, exc: Exception) -> str:
        return f" ({_short(exc)})" if str(exc) else f" within {self._patience_s:g} s"

    def _broken(self, exc: Exception) -> BundleError:
        where = f"table {self.place.table} of {self.place.uri}"
        return BundleError(f"{where} cannot be read ({_short(exc)})", "write it again with `aisle index`")


def connected(uri: str, patience_s: float) -> Any:
    """The database at `uri`, of a store that may take so long for one read. Raises MissingExtra without lancedb.

    Keys, region and AWS_ENDPOINT_URL come from the environment as the AWS SDKs read it; plain HTTP needs
    AWS_ALLOW_HTTP=true there.
    """
    try:
        import lancedb
    except ImportError as exc:
        raise MissingExtra("lancedb", "lance") from exc
    # Of object_store: without them a store that is away is asked for three minutes.
    limits = {"timeout": f"{patience_s:g}s", "client_retry_timeout": f"{patience_s:g}"}
    options = {"connect_timeout": "2s", "client_max_retries": "1", **limits}
    return lancedb.connect(uri, storage_options=options if "://" in uri else None)


def absolute(uri: str) -> str:
    """A folder's name as it holds from anywhere; the address of a store as it is."""
    return uri if "://" in uri else os.path.abspath(uri)


def _short(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200]


def _best(scores: Sequence[dict[int, float]], limit: int) -> list[int]:
    """The row ids with the largest sums."""
    sums: dict[int, float] = {}
    for row_id, score in chain.from_iterable(map(dict.items, scores)):
        sums[row_id] = sums.get(row_id, 0.0) + score
    return sorted(sums, key=lambda row_id: (-sums[row_id], row_id))[:limit]
