"""One part of a batch's output: a chunk's answers as the bytes of a parquet file, the same for the same answers."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from aisle.batch_kinds import Answer

LINES = 1 << 16  # that are held before they become bytes


class PartFile:
    """A parquet file in memory; lines become bytes as they come, so that few are held."""

    def __init__(self, schema: Any) -> None:
        import pyarrow.parquet as pq

        self.rows = self.lines = 0
        self._schema, self._file = schema, BytesIO()
        self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")
        self._held: list[tuple[Any, ...]] = []

    def add(self, answer: Answer) -> None:
        self.rows, self.lines = self.rows + 1, self.lines + len(answer.lines)
        self._held += answer.lines
        if len(self._held) >= LINES:
            self._write()

    def content(self) -> bytes:
        """The whole file; nothing can be added any more."""
        self._write()
        self._writer.close()
        return self._file.getvalue()

    def _write(self) -> None:
        import pyarrow as pa

        if self._held:
            columns = zip(self._schema.types, zip(*self._held, strict=True), strict=True)
            arrays = [pa.array(cells, of_type) for of_type, cells in columns]
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._held = []
