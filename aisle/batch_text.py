"""CSV, TSV and JSON lines record by record: where each ends, without holding more than a block of the file.

A record ends at the first line end outside of quotes, and a quote opens only where a cell begins, as the csv module has
it; so a stray inch mark swallows nothing. One expression finds the end of records for whoever cuts and whoever reads.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from aisle.errors import BadInput
from aisle.tables import Row, checked_header, json_object

BLOCK = 8 << 20  # bytes read at once
MOST_RECORD = 1 << 20  # bytes; what is longer is a quote that was never closed
HEAD = 100  # records of JSON lines whose fields are the columns
HEAD_BLOCK = 1 << 16
_BOM = b"\xef\xbb\xbf"


class Readable(Protocol):
    """As `batch_source.Source`."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def read(self, start: int, stop: int) -> bytes: ...


class Span(NamedTuple):
    """`rows` rows in the bytes from `start` to before `stop`."""

    rows: int
    start: int
    stop: int


def columns(source: Readable, delimiter: str | None) -> list[str]:
    """The header, or of JSON lines (no delimiter) the fields of the first records. Raises BadInput."""
    found = records(source, delimiter, 0, source.size, HEAD_BLOCK)
    if delimiter is None:
        head = [_json_row(raw) for _, raw in islice(found, HEAD)]
        named = [row for row in head if not isinstance(row, BadInput)]
        if head and not named:
            raise BadInput(f"{source.name} has no JSON object in its first lines", "write one JSON object a line")
        return [*dict.fromkeys(column for row in named for column in row)]
    for _, raw in found:
        return _header(source.name, raw, delimiter)
    raise BadInput(f"{source.name} has no header", "name the columns in the first line")


def spans(source: Readable, delimiter: str | None, at_most_rows: int, at_most_bytes: int) -> Iterator[Span]:
    """All rows, in order. Raises BadInput for a record that is too long."""
    found = records(source, delimiter, 0, source.size, BLOCK)
    if delimiter is not None:
        next(found, None)  # the header
    rows = start = stop = 0
    for at, raw in found:
        if rows and (rows == at_most_rows or at + len(raw) - start > at_most_bytes):
            yield Span(rows, start, stop)
            rows = 0
        if not rows:
            start = at
        rows, stop = rows + 1, at + len(raw)
    if rows:
        yield Span(rows, start, stop)


def rows(
    source: Readable, delimiter: str | None, columns: Sequence[str], start: int, stop: int
) -> Iterator[Row | BadInput]:
    """The rows of a span, whose columns are those of the header."""
    for _, raw in records(source, delimiter, start, stop, BLOCK):
        yield _json_row(raw) if delimiter is None else _separated_row(raw, delimiter, columns)


def records(source: Readable, delimiter: str | None, start: int, stop: int, block: int) -> Iterator[tuple[int, bytes]]:
    """(where it begins, its bytes with the line end) of each record but the blank; `start` is where one begins."""
    end_of = _pattern(delimiter).match
    blank = _is_blank_line if delimiter is None else _is_blank_record
    at, rest = start, b""
    for begin in range(start, stop, block):
        content = rest + source.read(begin, min(begin + block, stop))
        done = 0
        if begin == 0 and content.startswith(_BOM):
            done = len(_BOM)
        while found := end_of(content, done):
            raw, place = found[0], at + done
            done += len(raw)
            if len(raw) > MOST_RECORD:
                raise _too_long(source, place)
            if not blank(raw):
                yield place, raw
        at, rest = at + done, content[done:]
        if len(rest) > MOST_RECORD:
            raise _too_long(source, at)
    if rest and not blank(rest):
        yield at, rest


def _too_long(source: Readable, at: int) -> BadInput:
    seen = f"{source.name}: the record at byte {at} has over {MOST_RECORD} bytes"
    return BadInput(seen, "close the quote that begins there, and double the quotes inside of quotes")


def _pattern(delimiter: str | None) -> re.Pattern[bytes]:
    """A whole record; no match where its end is not there. Nothing in it is tried twice, so it takes linear time."""
    if delimiter is None:
        return re.compile(rb"[^\n]*+\n")
    d = delimiter.encode()
    quoted = rb'"[^"]*+(?:""[^"]*+)*+"[^%b\n]*+' % d
    plain = rb'[^"%b\n][^%b\n]*+' % (d, d)
    cell = rb"(?>%b|%b|)" % (quoted, plain)
    return re.compile(rb"%b(?:%b%b)*+\n" % (cell, d, cell))


def _is_blank_record(raw: bytes) -> bool:
    return raw[0] in b"\r\n" and not raw.strip(b"\r\n")


def _is_blank_line(raw: bytes) -> bool:
    return raw[0] != 0x7B and not raw.decode(errors="replace").strip()  # 0x7B: {


def _header(name: str, raw: bytes, delimiter: str) -> list[str]:
    cells = _cells(raw, delimiter)
    if isinstance(cells, BadInput):
        raise BadInput(f"{name}, header: {cells.detail}", cells.remedy) from cells
    return checked_header([cell.strip() for cell in cells], name)


def _separated_row(raw: bytes, delimiter: str, columns: Sequence[str]) -> Row | BadInput:
    cells = _cells(raw, delimiter)
    if isinstance(cells, BadInput):
        return cells
    if len(cells) != len(columns):
        seen = f"{len(cells)} cells where the header has {len(columns)}"
        return BadInput(seen, "give every row one cell a column; quote cells that contain the separator")
    return dict(zip(columns, cells, strict=True))


def _cells(raw: bytes, delimiter: str) -> list[str] | BadInput:
    try:
        return next(csv.reader([raw.decode()], delimiter=delimiter, strict=True))
    except UnicodeDecodeError as exc:
        return _not_utf8(raw, exc)
    except csv.Error as exc:
        return BadInput(str(exc), "quote cells that contain quotes or line ends, and double the quotes inside")


def _json_row(raw: bytes) -> Row | BadInput:
    try:
        return json_object(raw.decode())
    except UnicodeDecodeError as exc:
        return _not_utf8(raw, exc)
    except BadInput as exc:
        return exc


def _not_utf8(raw: bytes, exc: UnicodeDecodeError) -> BadInput:
    return BadInput(f"byte {exc.start + 1} of it, 0x{raw[exc.start]:02x}, is not UTF-8", "save the file as UTF-8")
