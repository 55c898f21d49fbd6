"""A table too large to hold: where it can be cut into chunks, and the rows of one chunk.

Chunks are found in one pass and depend on the file alone, so whoever reads one needs none of the others. A bad row is
one row's matter and is handed out as its error; what makes the whole file unreadable is raised. Good files give the
very rows of `tables.read_table`. How text and parquet are cut is in `batch_text` and `batch_parquet`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from msgspec import Struct

from aisle import batch_parquet, batch_text
from aisle.errors import BadInput, NotFound
from aisle.tables import ENDINGS, Row

Ending = str  # one of tables.ENDINGS


class Source(Protocol):
    """A file that is read piece by piece. `name` is its last part, `version` says which content it has."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def version(self) -> str: ...

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`, fewer at the end of the file.

        Raises NotFound where the file is gone, BadInput where it is another version by now, Unavailable.
        """


class LocalSource:
    """A file of this machine. Raises NotFound, BadInput."""

    def __init__(self, path: Path) -> None:
        self._path, self.name = path, path.name
        try:
            found = path.stat()
        except OSError as exc:
            raise NotFound(f"{path} does not exist", "check the path") from exc
        if not path.is_file():
            raise BadInput(f"{path} is no file", f"name a file that ends in {', '.join(ENDINGS)}")
        self.size, self.version = found.st_size, _version(found)

    def read(self, start: int, stop: int) -> bytes:
        try:
            with self._path.open("rb", buffering=0) as file:
                if _version(os.fstat(file.fileno())) != self.version:
                    raise BadInput(f"{self.name} has changed since it was cut into chunks", "score it as a new job")
                file.seek(start)
                return file.read(max(stop - start, 0))
        except FileNotFoundError as exc:
            raise NotFound(f"{self.name} is gone", "put it back, or score another file") from exc
        except OSError as exc:
            raise BadInput(f"{self.name} cannot be read ({exc.strerror})", "check who may read it") from exc


def _version(found: os.stat_result) -> str:
    return f"{found.st_size}-{found.st_mtime_ns}"


class Chunk(Struct, frozen=True):
    """`rows` rows from number `first_row` on (from 1, the header not counted), in the `number`th chunk (from 0).

    Of a text format: the bytes from `start` to before `stop`. Of parquet: the rows from `start` to before `stop`,
    counted from the first row of row group `group`; they may run on into the groups after it.
    """

    number: int
    first_row: int
    rows: int
    start: int
    stop: int
    group: int | None = None


def columns(source: Source) -> list[str]:
    """The header; of JSON lines the fields of the first rows. Raises BadInput for a file that has none."""
    if _ending(source) == ".parquet":
        return batch_parquet.columns(source)
    return batch_text.columns(source, _delimiter(source))


def chunks(source: Source, at_most_rows: int, at_most_bytes: int) -> Iterator[Chunk]:
    """All rows in chunks of at most so many rows and bytes, but at least one row; blank lines are no rows.

    Reads the file once, in blocks; of parquet only the footer. Raises BadInput for a file that cannot be read.
    """
    first_row = 1
    if _ending(source) == ".parquet":
        for number, part in enumerate(batch_parquet.parts(source, at_most_rows, at_most_bytes)):
            yield Chunk(number, first_row, part.rows, part.start, part.start + part.rows, part.group)
            first_row += part.rows
        return
    for number, span in enumerate(batch_text.spans(source, _delimiter(source), at_most_rows, at_most_bytes)):
        yield Chunk(number, first_row, span.rows, span.start, span.stop)
        first_row += span.rows


def rows(
    source: Source, columns: Sequence[str], chunk: Chunk, only: Sequence[str] | None = None
) -> Iterator[tuple[int, Row | BadInput]]:
    """(row number, row) of a chunk in order; for a row that breaks the format, what is wrong with it.

    `columns`: of the file, as `columns` gave them. `only`: those that are needed, which of parquet are the only ones
    read. Raises BadInput where the file cannot be read after all.
    """
    if chunk.group is None:
        found = batch_text.rows(source, _delimiter(source), columns, chunk.start, chunk.stop)
    else:
        found = batch_parquet.rows(source, only, chunk.group, chunk.start, chunk.rows)
    return enumerate(found, chunk.first_row)


def _ending(source: Source) -> Ending:
    ending = PurePosixPath(source.name).suffix.lower()
    if ending not in ENDINGS:
        raise BadInput(f"{source.name} ends in {ending or 'nothing'}", f"name it for its format: {', '.join(ENDINGS)}")
    return ending


def _delimiter(source: Source) -> str | None:
    """None for JSON lines."""
    return {".csv": ",", ".tsv": "\t", ".jsonl": None}[_ending(source)]
