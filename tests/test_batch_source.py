"""Chunks lose no row and double none, whatever quotes, line ends and blanks a file has, wherever it is cut; a good file
gives the very rows of `read_table`; only a piece of a file is ever held.
"""

import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aisle import batch_parquet, batch_text
from aisle.batch_source import Chunk, LocalSource, chunks, columns, rows
from aisle.errors import BadInput, MissingExtra, NotFound, Unavailable
from aisle.tables import Row, read_table

FUZZ = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
LIMITS = {"at_most_rows": st.integers(1, 5), "at_most_bytes": st.integers(1, 60)}
PIECES = ["a", "é", "中", " ", '"', '""', ",", "\t", "\n", "\r\n", "\r", "\n\n", "\x00", "1", "\ufeff", "'", "\u2003"]
CELLS = st.text(st.sampled_from("aé中 \",\t\n1\x00'")).map(lambda text: text.replace("\r", ""))


class MemorySource:
    """A file in memory, which remembers the most that it handed out at once."""

    version = "1"

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.size, self._content, self.most = name, len(content), content, 0

    def read(self, start: int, stop: int) -> bytes:
        self.most = max(self.most, len(self._content[start:stop]))
        return self._content[start:stop]


def source(name: str, content: str | bytes) -> MemorySource:
    return MemorySource(name, content if isinstance(content, bytes) else content.encode())


def numbered(file: MemorySource, at_most_rows: int, at_most_bytes: int) -> list[tuple[int, Row | BadInput]]:
    """All rows of all chunks."""
    header = columns(file)
    return [row for chunk in chunks(file, at_most_rows, at_most_bytes) for row in rows(file, header, chunk)]


def said(found: Sequence[tuple[int, Row | BadInput]]) -> list[tuple[int, Row | str]]:
    return [(number, row.detail if isinstance(row, BadInput) else row) for number, row in found]


def check(folder: Path, name: str, content: bytes, at_most_rows: int, at_most_bytes: int) -> None:
    """A file that `read_table` takes gives its rows; any other is refused or gives the same whichever way it is cut."""
    path = folder / name
    path.write_bytes(content)
    file = source(name, content)
    try:
        whole = list(read_table(path))
    except BadInput:
        whole = None
    try:
        cut = numbered(file, at_most_rows, at_most_bytes)
    except BadInput:
        assert whole is None
        return
    numbers = [number for number, _ in cut]
    assert numbers == list(range(1, len(cut) + 1))
    if whole is not None:
        assert [row for _, row in cut] == whole
    assert said(numbered(file, 10**9, 10**9)) == said(cut)


@FUZZ
@given(content=st.lists(st.sampled_from(PIECES)).map("".join), name=st.sampled_from(["t.csv", "t.tsv"]), **LIMITS)
@example(content='a,b\n1,5" pipe\n2,6" pipe\n', name="t.csv", at_most_rows=1, at_most_bytes=60)
@example(content='\ufeffa,b\r\n1,"x\r\n""y"\r\n\r\n2,', name="t.csv", at_most_rows=1, at_most_bytes=60)
def test_any_text_gives_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, name: str, at_most_rows: int, at_most_bytes: int
) -> None:
    monkeypatch.setattr(batch_text, "BLOCK", 7)
    monkeypatch.setattr(batch_text, "HEAD_BLOCK", 5)
    check(tmp_path, name, content.encode(), at_most_rows, at_most_bytes)


@FUZZ
@given(
    table=st.lists(st.tuples(CELLS, CELLS), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    blank=st.booleans(),
    name=st.sampled_from(["t.csv", "t.tsv"]),
    **LIMITS,
)
def test_a_quoted_table_comes_back_as_it_was(
    tmp_path: Path,
    table: list[tuple[str, str]],
    end: str,
    blank: bool,
    name: str,
    at_most_rows: int,
    at_most_bytes: int,
) -> None:
    delimiter = "," if name == "t.csv" else "\t"
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in table]
    content = (end * (1 + blank)).join([f"x{delimiter}y", *quoted])
    found = numbered(source(name, content), at_most_rows, at_most_bytes)
    assert found == [(n, dict(zip("xy", row, strict=True))) for n, row in enumerate(table, 1)]
    check(tmp_path, name, content.encode(), at_most_rows, at_most_bytes)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)
LINES = st.one_of(
    st.dictionaries(st.sampled_from("abc"), JSON, max_size=3).map(json.dumps),
    st.dictionaries(st.sampled_from("abc"), JSON, max_size=3).map(lambda row: json.dumps(row, ensure_ascii=False)),
    st.sampled_from(["", " ", "\t", "\r", "\u2003", "\xa0", "\x1c", "\x85"]),
).map(lambda line: line.encode("utf-8", "surrogatepass"))
BROKEN = st.sampled_from([b"{", b"[1]", b"\xff", b"\xff{}", b'{"a": 1', b"nan", b"\xef\xbb\xbf"])


@FUZZ
@given(
    lines=st.lists(LINES, max_size=10), bad=st.lists(BROKEN, max_size=1), last=st.sampled_from([b"", b"\n"]), **LIMITS
)
@example(lines=[b'{"a": 1}', b"", b'{"b": 2}'], bad=[], last=b"\n", at_most_rows=1, at_most_bytes=1)
def test_any_json_lines_give_each_row_once(
    tmp_path: Path, lines: list[bytes], bad: list[bytes], last: bytes, at_most_rows: int, at_most_bytes: int
) -> None:
    content = b"\n".join([*lines, *bad, *lines[:2]]) + last
    check(tmp_path, "t.jsonl", content, at_most_rows, at_most_bytes)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(count=st.integers(0, 40), group=st.integers(1, 12), **LIMITS)
def test_any_parquet_gives_each_row_once(
    tmp_path: Path, count: int, group: int, at_most_rows: int, at_most_bytes: int
) -> None:
    written = io.BytesIO()
    table = pa.table({"id": pa.array(range(count), pa.int64()), "name": ["x" * (n % 7) for n in range(count)]})
    pq.write_table(table, written, row_group_size=group)
    check(tmp_path, "t.parquet", written.getvalue(), at_most_rows, at_most_bytes)


def test_chunks_say_where_their_rows_lie() -> None:
    file = source("t.csv", 'id,name\n1,a\n\n2,"b\nc"\n3,d')
    assert [*chunks(file, 2, 1000)] == [Chunk(0, 1, 2, 8, 21), Chunk(1, 3, 1, 21, 24)]
    assert [*chunks(file, 1000, 9)] == [Chunk(0, 1, 1, 8, 12), Chunk(1, 2, 1, 13, 21), Chunk(2, 3, 1, 21, 24)]


def test_chunks_of_parquet_join_small_groups_and_cut_large_ones() -> None:
    written = io.BytesIO()
    with pq.ParquetWriter(written, pa.schema({"id": pa.int64()})) as writer:
        for size in (2, 3, 7, 1):
            writer.write_table(pa.table({"id": range(size)}))
    file = source("t.parquet", written.getvalue())
    assert [*chunks(file, 4, 10**9)] == [
        Chunk(0, 1, 4, 0, 4, 0),
        Chunk(1, 5, 4, 2, 6, 1),
        Chunk(2, 9, 4, 3, 7, 2),
        Chunk(3, 13, 1, 0, 1, 3),
    ]
    assert [row for _, row in numbered(file, 4, 10**9)] == [{"id": n} for size in (2, 3, 7, 1) for n in range(size)]


def test_a_bad_row_is_its_own_matter() -> None:
    file = source("t.csv", b'id,name\n1,a\n2\n3,"b"x\n4,Caf\xe9\n5,\ra\n6,' + b"y" * 200_000 + b"\n7,z\n")
    found = [(number, row[:35] if isinstance(row, str) else row) for number, row in said(numbered(file, 2, 1000))]
    assert found == [
        (1, {"id": "1", "name": "a"}),
        (2, "1 cells where the header has 2"),
        (3, "',' expected after '\"'"),
        (4, "byte 6 of it, 0xe9, is not UTF-8"),
        (5, "new-line character seen in unquoted"),
        (6, "field larger than field limit (1310"),
        (7, {"id": "7", "name": "z"}),
    ]


def test_a_bad_line_of_json_is_its_own_matter() -> None:
    file = source("t.jsonl", b'{"id": 1}\n{"id"\n[2]\n{"id": "\xff"}\n{"name": 3}\n')
    assert columns(file) == ["id", "name"]
    assert said(numbered(file, 2, 1000)) == [
        (1, {"id": 1}),
        (2, "broken JSON (Expecting ':' delimiter: line 2 column 1 (char 6))"),
        (3, "'[2]' is no JSON object"),
        (4, "byte 9 of it, 0xff, is not UTF-8"),
        (5, {"name": 3}),
    ]


def test_a_value_of_parquet_that_cannot_be_read_is_its_rows_matter() -> None:
    written = io.BytesIO()
    texts = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffc")]
    )
    pq.write_table(pa.table({"name": texts}), written)
    found = numbered(source("t.parquet", written.getvalue()), 10, 1000)
    assert [row if isinstance(row, dict) else type(row) for _, row in found] == [{"name": "a"}, BadInput, {"name": "c"}]


def test_of_parquet_only_the_columns_wanted_are_read() -> None:
    written = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "picture": [os.urandom(100_000)] * 2}), written, use_dictionary=False)
    file = source("t.parquet", written.getvalue())
    (chunk,) = chunks(file, 10, 10**9)
    assert [*rows(file, ["id", "picture"], chunk, ["id"])] == [(1, {"id": 1}), (2, {"id": 2})]
    assert file.most < 70_000


@pytest.mark.parametrize(
    ("name", "content", "detail"),
    [
        ("t.xlsx", "PK", "t.xlsx ends in .xlsx"),
        ("t.csv", "", "t.csv has no header"),
        ("t.csv", "\n\n", "t.csv has no header"),
        ("t.csv", "id,id\n1,2\n", "t.csv: column 'id' occurs twice in the header"),
        ("t.csv", b"\xff\xfei\x00d\x00\n\x00", "t.csv, header: byte 1 of it, 0xff, is not UTF-8"),
        ("t.jsonl", "[1]\n2\n", "t.jsonl has no JSON object in its first lines"),
        ("t.csv", 'id,name\n1,"' + "a\n" * 600_000, "t.csv: the record at byte 8 has over 1048576 bytes"),
        ("t.csv", 'id,name\n1,"' + "a\n" * 600_000 + '"\n', "t.csv: the record at byte 8 has over 1048576 bytes"),
        ("t.jsonl", '{"id": "' + "a" * 1_100_000 + '"}', "t.jsonl: the record at byte 0 has over 1048576 bytes"),
        ("t.parquet", "PAR1 and then nothing", "t.parquet is no readable parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(name: str, content: str | bytes, detail: str) -> None:
    with pytest.raises(BadInput) as refused:
        numbered(source(name, content), 10, 10**9)
    assert refused.value.detail.startswith(detail)


def test_parquet_without_pyarrow_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"aisle\[offline\]"):
        columns(source("t.parquet", "PAR1"))


def test_a_store_that_does_not_answer_is_no_fault_of_the_file() -> None:
    class Silent(MemorySource):
        def read(self, start: int, stop: int) -> bytes:
            raise Unavailable("the bucket does not answer", "try again")

    for name in ("t.csv", "t.parquet"):
        with pytest.raises(Unavailable):
            columns(Silent(name, b"id\n" * 100))


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_no_more_than_a_chunk_is_ever_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(batch_text, "BLOCK", 20_000)
    monkeypatch.setattr(batch_parquet, "BUFFER", 20_000)
    table = [{"id": str(n), "text": f"{n}, {os.urandom(100).hex()}"} for n in range(2000)]
    if name == "t.parquet":
        path = tmp_path / name
        written = pa.Table.from_pylist(table)
        pq.write_table(
            written, path, row_group_size=2000, data_page_size=10_000, write_batch_size=20, use_dictionary=False
        )
        content = path.read_bytes()
    else:
        lines = [json.dumps(row) if name == "t.jsonl" else f'{row["id"]},"{row["text"]}"' for row in table]
        content = "\n".join(["id,text", *lines] if name == "t.csv" else lines).encode()
    file = source(name, content)
    assert [row for _, row in numbered(file, 10, 10**9)] == table
    assert file.size > 200_000
    assert file.most <= 70_000  # a header's block, a footer's guess


def test_of_long_rows_in_parquet_few_are_decoded_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_parquet, "BATCH_BYTES", 200_000)
    table = [{"id": str(n), "text": os.urandom(50_000).hex()} for n in range(100)]
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "t.parquet", data_page_size=50_000, write_batch_size=1)
    file, before, most = source("t.parquet", (tmp_path / "t.parquet").read_bytes()), pa.total_allocated_bytes(), 0
    found = []
    for row in batch_parquet.rows(file, None, 0, 0, 100):
        most = max(most, pa.total_allocated_bytes() - before)
        found.append(row)
    assert found == table
    assert most < 4_000_000  # of the 10,000,000 that all have


def test_a_file_of_this_machine_is_read_by_pieces(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"0123456789")
    file = LocalSource(path)
    assert (file.name, file.size, file.read(2, 5), file.read(8, 99), file.read(5, 5)) == (
        "t.csv",
        10,
        b"234",
        b"89",
        b"",
    )
    path.write_bytes(b"01234567")
    with pytest.raises(BadInput, match=r"t\.csv has changed since"):
        file.read(0, 1)
    path.unlink()
    with pytest.raises(NotFound, match=r"t\.csv is gone"):
        file.read(0, 1)
    with pytest.raises(NotFound, match="does not exist"):
        LocalSource(path)
    with pytest.raises(BadInput, match="is no file"):
        LocalSource(tmp_path)
