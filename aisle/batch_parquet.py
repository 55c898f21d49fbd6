"""Parquet row by row from ranged reads: the footer says where rows lie, pages are read as they are needed.

Small row groups make one part together and large ones many; whoever begins inside of a group decodes what lies before
it there and throws it away, so groups of up to some hundred thousand rows are best.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from aisle.batch_text import Readable
from aisle.errors import BadInput, MissingExtra
from aisle.tables import Row, checked_header

BATCH, BATCH_BYTES = 1024, 8 << 20  # rows decoded at once, fewer where they are long
BUFFER = 1 << 20  # bytes of a column read at once; a page that is larger is read whole


class Part(NamedTuple):
    """`rows` rows from the `start`th (from 0) of row group `group` on, also of the groups after it."""

    rows: int
    group: int
    start: int


def columns(source: Readable) -> list[str]:
    """Raises BadInput, and MissingExtra without pyarrow, as each function here does."""
    with _opened(source) as table:
        return checked_header(table.schema_arrow.names, source.name)


def parts(source: Readable, at_most_rows: int, at_most_bytes: int) -> Iterator[Part]:
    """All rows, in order; bytes are those of the decoded pages, as the footer knows them, spread evenly."""
    with _opened(source) as table:
        groups = [(group.num_rows, group.total_byte_size) for group in _groups(table)]
    rows, room, begin = 0, float(at_most_bytes), (0, 0)
    for group, (count, size) in enumerate(groups):
        row_bytes, at = max(size / max(count, 1), 1.0), 0
        while at < count:
            fits = min(at_most_rows - rows, int(room / row_bytes))
            if fits < 1 and rows:
                yield Part(rows, *begin)
                rows, room = 0, float(at_most_bytes)
                continue
            begin = begin if rows else (group, at)
            taken = min(count - at, max(fits, 1))
            rows, room, at = rows + taken, room - taken * row_bytes, at + taken
    if rows:
        yield Part(rows, *begin)


def rows(source: Readable, only: Sequence[str] | None, group: int, start: int, count: int) -> Iterator[Row | BadInput]:
    """The rows of a part, of the columns `only`, or of all where it is None."""
    with _opened(source) as table:
        wanted, covered = [], 0
        for number in range(group, table.num_row_groups):
            if covered >= start + count:
                break
            wanted.append(number)
            covered += table.metadata.row_group(number).num_rows
        facts = [table.metadata.row_group(number) for number in wanted]
        widest = max((fact.total_byte_size / max(fact.num_rows, 1) for fact in facts), default=1.0)
        at_once = max(1, min(BATCH, int(BATCH_BYTES / max(widest, 1.0))))
        for batch in table.iter_batches(at_once, wanted, columns=only, use_threads=False):
            kept = batch.slice(start, count)
            start, count = max(start - len(batch), 0), count - len(kept)
            yield from _rows(kept)
            if not count:
                return


def _rows(batch: Any) -> Iterator[Row | BadInput]:
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError, KeyError):  # text that is not UTF-8, a time that no calendar has
        for number in range(len(batch)):
            yield _row(batch.slice(number, 1))


def _row(batch: Any) -> Row | BadInput:
    try:
        row: Row = batch.to_pylist()[0]
        return row
    except (ValueError, OverflowError, KeyError) as exc:
        return BadInput(f"it holds what cannot be read ({exc})", "write text as UTF-8 and times within the calendar")


def _groups(table: Any) -> Iterator[Any]:
    return (table.metadata.row_group(number) for number in range(table.num_row_groups))


@contextmanager
def _opened(source: Readable) -> Iterator[Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingExtra("pyarrow", "offline") from exc
    try:
        # Without pre_buffer nothing is read ahead: by default whole column chunks are.
        with pq.ParquetFile(_Ranged(source), buffer_size=BUFFER, pre_buffer=False) as table:
            yield table
    except (pa.ArrowException, OSError, ValueError, OverflowError) as exc:
        raise BadInput(f"{source.name} is no readable parquet ({exc})", "write the file again, or use .jsonl") from exc


class _Ranged(io.RawIOBase):
    """A source as the file that pyarrow wants."""

    def __init__(self, source: Readable) -> None:
        self._source, self._at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._source.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(self._at, self._source.size if size < 0 else self._at + size)
        self._at += len(content)
        return content
