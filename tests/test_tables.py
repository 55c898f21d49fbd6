import contextlib
import io
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisle.errors import BadInput, MissingExtra, NotFound
from aisle.tables import as_number, read_qrels, read_queries, read_table

ROWS = [{"id": "007", "name": "Ré, d"}, {"id": "12345678901234567890", "name": ""}]
FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
GARBAGE = st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda t: t.encode("utf-8", "surrogatepass")))


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parquet(path: Path, columns: dict[str, list[object]]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'id,name\r\n007,"Ré, d"\r\n\r\n12345678901234567890,\r\n'),
        ("t.csv", '\ufeffid,name\n007,"Ré, d"\n12345678901234567890,\n'),
        ("t.TSV", "id\tname\n007\tRé, d\n12345678901234567890\t\n"),
        ("t.jsonl", '{"id": "007", "name": "Ré, d"}\n\n{"id": "12345678901234567890", "name": ""}'),
    ],
)
def test_every_text_format_gives_the_same_rows_with_ids_as_written(tmp_path: Path, name: str, content: str) -> None:
    assert list(read_table(written(tmp_path, name, content), required=("id",))) == ROWS


def test_parquet_keeps_whole_numbers_exact_and_nulls_absent(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", {"id": [2**60 + 1, 2], "name": ["a", None]})
    assert list(read_table(path)) == [{"id": 2**60 + 1, "name": "a"}, {"id": 2, "name": None}]


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "t.parquet", {"id": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"aisle\[offline\]"):
        list(read_table(path))


def test_a_dash_is_tsv_on_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"query_id\tquery\n1\tred shoes\n")))
    assert read_queries("-") == [("1", "red shoes")]


@pytest.mark.parametrize(
    ("name", "content", "detail"),
    [
        ("t.csv", "", "t.csv is empty"),
        ("t.csv", "\n\n", "t.csv has no header"),
        ("t.csv", "name\nx\n", "t.csv has no column id; it has name"),
        ("t.csv", "id,name,id\n", "t.csv: column 'id' occurs twice in the header"),
        ("t.csv", "id,name\n1,a\n2\n", "t.csv, line 3: 1 cells where the header has 2"),
        ("t.csv", 'id,name\n1,"a\n', "t.csv, line 2: unexpected end of data"),
        ("t.csv", b"id,name\n1,a\n2,Caf\xe9\n", "t.csv, line 3, byte 6: 0xe9 is not UTF-8"),
        ("t.tsv", "id\n1".encode("utf-16"), "t.tsv, line 1, byte 1: 0xff is not UTF-8"),
        ("t.jsonl", '{"id": 1}\n[1]\n', "t.jsonl, line 2: '[1]' is no JSON object"),
        ("t.jsonl", '{"name": 1}\n', "t.jsonl, line 1 has no column id; it has name"),
        ("t.xlsx", "PK", "t.xlsx ends in .xlsx"),
    ],
)
def test_a_broken_table_is_refused_with_file_line_and_value(
    tmp_path: Path, name: str, content: str | bytes, detail: str
) -> None:
    with pytest.raises(BadInput) as refused:
        list(read_table(written(tmp_path, name, content), required=("id",)))
    assert refused.value.detail.replace(f"{tmp_path}/", "") == detail


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_damaged_json_and_parquet_are_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=name):
        list(read_table(written(tmp_path, name, '{"id": 1')))


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    for name in ("t.csv", "t.parquet", "t.trec"):
        with pytest.raises(NotFound, match="does not exist"):
            read_qrels(tmp_path / name)


def test_queries_keep_file_order_and_skip_other_columns(tmp_path: Path) -> None:
    path = parquet(tmp_path / "q.parquet", {"query_id": [9, 10], "query": ["b", "a"], "split": ["x", "y"]})
    assert read_queries(path) == [("9", "b"), ("10", "a")]


@pytest.mark.parametrize("query_id", [1.5, None, True])
def test_an_id_that_is_neither_text_nor_whole_is_refused(tmp_path: Path, query_id: object) -> None:
    path = parquet(tmp_path / "q.parquet", {"query_id": [query_id], "query": ["a"]})
    with pytest.raises(BadInput, match=r"row 1, query_id: .* is no id"):
        read_queries(path)


def test_a_query_id_that_repeats_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="row 2: query_id 1 occurs twice"):
        read_queries(written(tmp_path, "q.csv", "query_id,query\n1,a\n1,b\n"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.trec", "q1 0 p1 3\nq1 0 p2 0\nq2 0 p1 1\n"),
        ("l.csv", "query_id,product_id,rating,agent\nq1,p1,3,x\nq1,p2,0,x\nq2,p1,1.0,x\n"),
        ("l.jsonl", '{"query_id":"q1","product_id":"p1","label":3}\n{"query_id":"q1","product_id":"p2","label":0}\n'
                    '{"query_id":"q2","product_id":"p1","label":1.0}'),
    ],
)  # fmt: skip
def test_qrels_turn_ratings_into_gains(tmp_path: Path, name: str, content: str) -> None:
    assert read_qrels(written(tmp_path, name, content)) == {"q1": {"p1": 7, "p2": 0}, "q2": {"p1": 1}}


def test_esci_letters_keep_their_ratios_as_whole_gains(tmp_path: Path) -> None:
    path = written(tmp_path, "l.tsv", "query_id\tproduct_id\tlabel\n1\ta\tE\n1\tb\tS\n1\tc\tC\n1\td\tI\n")
    assert read_qrels(path) == {"1": {"a": 100, "b": 10, "c": 1, "d": 0}}


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("q 0 p -1\n", "neither a whole number from 0 to 30"),
        ("q 0 p 31\n", "neither a whole number from 0 to 30"),
        ("q 0 p 1.5\n", "neither a whole number from 0 to 30"),
        ("q 0 p nan\n", "neither a whole number from 0 to 30"),
        ("q 0 p X\n", "nor one of E, S, C, I"),
        ("q 0 p\n", "line 1: 3 columns"),
        ("q 0 p 1\nq 0 p 2\n", "judged twice"),
        ("q 0 p 1\nq 0 r E\n", "mixes letters and numbers"),
        ("\n", "has no judgments"),
    ],
)
def test_qrels_that_break_a_rule_are_refused(tmp_path: Path, content: str, rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        read_qrels(written(tmp_path, "l.qrels", content))


@pytest.mark.parametrize(
    ("text", "number"),
    [("39.90", 39.9), (" 7 ", 7), ("1e3", 1000.0), ("1_000", None), ("$5", None), ("", None), ("9" * 400, None)],
)
def test_numbers_are_read_only_in_plain_notation(text: str, number: float | None) -> None:
    assert as_number(text) == number


@FUZZ
@given(content=GARBAGE, name=st.sampled_from(["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.trec"]))
def test_garbage_never_gives_anything_but_bad_input(tmp_path: Path, content: bytes, name: str) -> None:
    path = written(tmp_path, name, content)
    with contextlib.suppress(BadInput):
        read_qrels(path)
    if name != "t.trec":
        with contextlib.suppress(BadInput):
            list(read_table(path))


@FUZZ
@given(cells=st.lists(st.sampled_from(["E", "I", "3", "-1", "nan", "", " ", '"', "1e999", "q", "\x00"]), max_size=12))
def test_garbage_judgments_never_give_anything_but_bad_input(tmp_path: Path, cells: list[str]) -> None:
    rows = [",".join(cells[i : i + 3]) for i in range(0, len(cells), 3)]
    path = written(tmp_path, "l.csv", "\n".join(["query_id,product_id,label", *rows]))
    with contextlib.suppress(BadInput):
        assert all(gain >= 0 for gains in read_qrels(path).values() for gain in gains.values())
