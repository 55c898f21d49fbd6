"""What a batch asks of its rows: to score pairs, to search, to recommend or to embed; and each row's answer.

A row is answered by itself, by the very functions that serve single requests, so an answer depends neither on its
neighbours nor on where a file was cut. What is wrong with a row is its own answer; the rest goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aisle.assessment import untied
from aisle.catalogue import is_read, product_text, row_product
from aisle.errors import BadInput, MissingExtra
from aisle.pairs import COLUMNS, Pair, row_pair
from aisle.tables import Row, as_id

T = TypeVar("T")
U = TypeVar("U")

JOB_FILE = ".job.json"  # what a job file's name adds to the name of the file that it is about
MOST_K = 1000  # as deep as `aisle run` goes
SEARCH_K, RECOMMEND_K = 100, 20  # where the options say nothing, as of `aisle run` and `aisle recommend`
SLICE = 8  # rows that a thread takes at once: one by one, threads wait for the interpreter a fifth of their time
AHEAD = 2  # slices a thread that are read before their turn


class Scorer(Protocol):
    """The seam: what answers. `runtime.Services` does; calls may come from several threads at once."""

    @property
    def dim(self) -> int:
        """Of a vector."""

    def score(self, pair: Pair) -> float: ...

    def ranking(self, query: str, k: int) -> list[tuple[str, float]]: ...

    def suited(self, customer_id: str, k: int, new: bool) -> list[tuple[str, float]]: ...

    def embed(self, text: str) -> NDArray[np.float32]: ...


class Options(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a job file says. `k`: products a query or customer; None: the kind's own. `new`: none bought before."""

    kind: str | None = None
    k: int | None = None
    new: bool = False


def read_options(content: bytes, name: str) -> Options:
    """Of a job file. Raises BadInput, which begins with `name`."""
    try:
        return msgspec.json.decode(content, type=Options)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BadInput(
            f"{name}: {exc}", 'write it as {"kind": "search", "k": 100}; kind, k and new may be left out'
        ) from exc


class Answer(NamedTuple):
    """The lines of the output that answer row number `row`, in the columns of the kind's schema."""

    row: int
    lines: list[tuple[Any, ...]]


class Reject(NamedTuple):
    row: int
    reason: str
    remedy: str


class Kind(NamedTuple):
    """`needs`: columns without which there is no such job; `without`: those that tell another kind."""

    needs: tuple[str, ...]
    without: tuple[str, ...]
    reads: Callable[[str], bool]
    answer: Callable[[Row, Options, Scorer], list[tuple[Any, ...]]]
    takes: tuple[str, ...] = ()  # of the options


def told_kind(columns: Sequence[str], options: Options) -> str:
    """The kind that the options name, or else the columns. Raises BadInput where neither does, or both disagree."""
    fits = [name for name, kind in KINDS.items() if {*kind.needs} <= {*columns} and {*kind.without}.isdisjoint(columns)]
    if options.kind is not None:
        return _named(columns, options.kind, options)
    if len(fits) == 1:
        return _named(columns, fits[0], options)
    have = ", ".join(columns[:20]) or "none"
    told = f"the columns {have} tell {'no kind of job' if not fits else 'several kinds: ' + ', '.join(fits)}"
    every = "; ".join(f"{name}: {', '.join(kind.needs)}" for name, kind in KINDS.items())
    raise BadInput(told, f"name the kind in the job file or with --kind, and give its columns ({every})")


def _named(columns: Sequence[str], name: str, options: Options) -> str:
    if name not in KINDS:
        raise BadInput(f"{name!r} is no kind of job", f"name one of {', '.join(KINDS)}")
    kind = KINDS[name]
    if missing := [column for column in kind.needs if column not in columns]:
        have = ", ".join(columns[:20])
        raise BadInput(f"{name} needs the column {', '.join(missing)}; there is {have}", "add or rename the column")
    for option, given in (("k", options.k is not None), ("new", options.new)):
        if given and option not in kind.takes:
            raise BadInput(f"{name} knows no option {option}", "leave it out")
    if options.k is not None and not 1 <= options.k <= MOST_K:
        raise BadInput(f"k is {options.k}", f"give a number from 1 to {MOST_K}")
    return name


def read_columns(kind: str, columns: Sequence[str]) -> list[str]:
    """Those of the columns that a job of this kind looks at."""
    return [column for column in columns if KINDS[kind].reads(column)]


def schema(kind: str, dim: int) -> Any:
    """The pyarrow schema of the answers' lines; `dim`: of a vector. Raises MissingExtra."""
    try:
        import pyarrow as pa
    except ImportError as exc:
        raise MissingExtra("pyarrow", "offline") from exc
    text, number = pa.string(), pa.float32()
    ranked = [("rank", pa.int32()), ("product_id", text), ("score", number)]
    return pa.schema(
        {
            "score": [("pair_id", text), ("score", number)],
            "search": [("query_id", text), *ranked],
            "recommend": [("customer_id", text), *ranked],
            "embed": [("product_id", text), ("vector", pa.list_(number, dim))],
        }[kind]
    )


def answered(
    kind: str, options: Options, scorer: Scorer, rows: Iterable[tuple[int, Row | BadInput]], threads: int
) -> Generator[Answer | Reject, None, None]:
    """Each row's answer, or why it has none, in the order of `rows`; `threads` rows at a time.

    Raises what is nobody's row's fault: BundleError where the bundle cannot do this, Unavailable.
    """

    def ask(found: tuple[int, Row | BadInput]) -> Answer | Reject:
        number, row = found
        try:
            if isinstance(row, BadInput):
                raise row
            return Answer(number, KINDS[kind].answer(row, options, scorer))
        except BadInput as exc:
            return Reject(number, exc.detail, exc.remedy)

    yield from map(ask, rows) if threads == 1 else _ahead(ask, rows, threads)


def _ahead(ask: Callable[[T], U], items: Iterable[T], threads: int) -> Iterator[U]:
    """`map` in a pool of threads, of which no more than a few items are read before their turn."""

    def ask_all(some: Sequence[T]) -> list[U]:
        return [ask(item) for item in some]

    slices = iter(partial(lambda left: [*islice(left, SLICE)], iter(items)), [])
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(ask_all, some) for some in islice(slices, threads * AHEAD))
        try:
            while waiting:
                yield from waiting.popleft().result()
                waiting.extend(pool.submit(ask_all, some) for some in islice(slices, 1))
        finally:
            pool.shutdown(cancel_futures=True)


def _score(row: Row, options: Options, scorer: Scorer) -> list[tuple[Any, ...]]:
    pair_id = as_id(row.get("pair_id"), "pair_id")
    pair = row_pair(pair_id, row)
    if not pair.query:
        raise BadInput("query is empty", "give what a shopper would type")
    if not (pair.title or pair.bullet_points or pair.description):
        raise BadInput("title is empty", "give a title, or bullet_points or description in its place")
    return [(pair_id, scorer.score(pair))]


def _search(row: Row, options: Options, scorer: Scorer) -> list[tuple[Any, ...]]:
    query_id, query = as_id(row.get("query_id"), "query_id"), row.get("query")
    if not isinstance(query, str) or not query.strip():
        raise BadInput(f"query {repr(query)[:60]} is no text", "give what a shopper would type")
    return _ranked(query_id, untied(scorer.ranking(query, options.k or SEARCH_K)).items())


def _recommend(row: Row, options: Options, scorer: Scorer) -> list[tuple[Any, ...]]:
    customer_id = as_id(row.get("customer_id"), "customer_id")
    return _ranked(customer_id, scorer.suited(customer_id, options.k or RECOMMEND_K, options.new))


def _embed(row: Row, options: Options, scorer: Scorer) -> list[tuple[Any, ...]]:
    product = row_product(row)
    return [(product.product_id, scorer.embed(product_text(product)))]


def _ranked(of: str, found: Iterable[tuple[str, float]]) -> list[tuple[Any, ...]]:
    return [(of, rank, product_id, score) for rank, (product_id, score) in enumerate(found, 1)]


KINDS = {
    "score": Kind(("pair_id", "query", "title"), (), {"pair_id", "query", *COLUMNS}.__contains__, _score),
    "search": Kind(("query_id", "query"), ("title",), {"query_id", "query"}.__contains__, _search, ("k",)),
    "recommend": Kind(("customer_id",), (), {"customer_id"}.__contains__, _recommend, ("k", "new")),
    "embed": Kind(("product_id", "title"), ("query",), is_read, _embed),
}
