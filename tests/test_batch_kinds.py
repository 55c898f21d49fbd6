"""Kinds of jobs: told by columns or by word; each row answered by itself, in order, a bad one with its reason."""

import threading
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_batch import Letters

from aisle import batch_kinds
from aisle.batch_kinds import Answer, Options, Reject, answered, read_columns, read_options, schema, told_kind
from aisle.errors import BadInput, Unavailable
from aisle.pairs import Pair
from aisle.tables import Row


def ask(kind: str, *rows: Row | BadInput, options: Options = Options(), threads: int = 1) -> list[Answer | Reject]:  # noqa: B008
    return [*answered(kind, options, Letters(), enumerate(rows, 1), threads)]


def rejected(kind: str, row: Row) -> str:
    (found,) = ask(kind, row)
    assert isinstance(found, Reject)
    assert found.remedy
    return found.reason


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ("pair_id query title", "score"),
        ("pair_id query title brand query_id product_id", "score"),
        ("query_id query split", "search"),
        ("customer_id country", "recommend"),
        ("product_id title price", "embed"),
    ],
)
def test_columns_tell_the_kind(columns: str, kind: str) -> None:
    assert told_kind(columns.split(), Options()) == kind


@pytest.mark.parametrize(
    ("columns", "options", "detail"),
    [
        ("title price", Options(), "the columns title, price tell no kind of job"),
        ("", Options(), "the columns none tell no kind of job"),
        ("customer_id query_id query", Options(), "tell several kinds: search, recommend"),
        ("customer_id", Options("score"), "score needs the column pair_id, query, title; there is customer_id"),
        ("customer_id", Options("sing"), "'sing' is no kind of job"),
        ("query_id query", Options(k=1001), "k is 1001"),
        ("query_id query", Options(k=0), "k is 0"),
        ("query_id query", Options(new=True), "search knows no option new"),
        ("product_id title", Options(k=3), "embed knows no option k"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(columns: str, options: Options, detail: str) -> None:
    with pytest.raises(BadInput) as refused:
        told_kind(columns.split(), options)
    assert detail in refused.value.detail


def test_a_word_decides_where_columns_tell_several() -> None:
    assert told_kind(["customer_id", "query_id", "query"], Options("recommend", k=5, new=True)) == "recommend"


def test_a_job_file_is_read_strictly() -> None:
    assert read_options(b'{"kind": "search", "k": 7}', "f") == Options("search", 7)
    assert read_options(b"{}", "f") == Options()
    for content in (b'{"kin": "search"}', b'{"k": "7"}', b"[]", b"", b"\xff"):
        with pytest.raises(BadInput, match=r"f\.job\.json"):
            read_options(content, "f.job.json")


def test_pairs_are_scored_as_aisle_score_reads_them() -> None:
    row: Row = {"pair_id": 7, "query": "<b>red", "title": "", "description": "<p>A hat", "brand": None, "color": 4.0}
    expected = Pair("7", "<b>red", "", "", "4", "A hat")
    assert ask("score", row) == [Answer(1, [("7", Letters().score(expected))])]


def test_searches_and_lists_are_ranked_from_one() -> None:
    assert ask("search", {"query_id": " q1 ", "query": "hat"}) == [
        Answer(
            1, [("q1", 1, "hat", 3.0), ("q1", 2, "cap", 1.0), ("q1", 3, "shoe", float(np.nextafter(np.float32(1), 0)))]
        )
    ]
    assert ask("search", {"query_id": 2, "query": "zzz"}) == [Answer(1, [])]
    assert ask("search", {"query_id": 2, "query": "hat"}, options=Options(k=1)) == [Answer(1, [("2", 1, "hat", 3.0)])]
    lists = ask("recommend", {"customer_id": "anna"}, {"customer_id": "anna"}, options=Options(k=1))
    assert lists == [Answer(1, [("anna", 1, "hat", 0.5)]), Answer(2, [("anna", 1, "hat", 0.5)])]
    assert ask("recommend", {"customer_id": "anna"}, options=Options(new=True)) == [
        Answer(1, [("anna", 1, "cap", 0.5), ("anna", 2, "shoe", 0.5)])
    ]


def test_products_are_embedded_by_the_text_that_the_index_reads() -> None:
    (found,) = ask(
        "embed", {"product_id": 1, "title": "Hat", "brand": "Acme", "price": "3", "title_zh": "帽", "other": []}
    )
    assert isinstance(found, Answer)
    ((product_id, vector),) = found.lines
    assert (product_id, vector.tolist()) == ("1", [len("Hat Acme 帽"), 1, 1])


@pytest.mark.parametrize(
    ("kind", "row", "reason"),
    [
        ("score", {"query": "a", "title": "b"}, "pair_id: None is no id"),
        ("score", {"pair_id": float("nan"), "query": "a", "title": "b"}, "pair_id: nan is no id"),
        ("score", {"pair_id": "1", "query": None, "title": "b"}, "query is empty"),
        ("score", {"pair_id": "1", "query": float("nan"), "title": "b"}, "query is empty"),
        ("score", {"pair_id": "1", "query": "a", "title": None}, "title is empty"),
        ("score", {"pair_id": "1", "query": "a", "title": ["b"]}, "title ['b'] is not text"),
        ("search", {"query_id": "", "query": "a"}, "query_id: '' is empty or has control characters"),
        ("search", {"query_id": "1", "query": " "}, "query ' ' is no text"),
        ("search", {"query_id": "1", "query": 7}, "query 7 is no text"),
        ("search", {"query_id": "1"}, "query None is no text"),
        ("recommend", {"customer_id": {"id": 1}}, "customer_id: {'id': 1} is no id"),
        ("recommend", {"customer_id": True}, "customer_id: True is no id"),
        ("embed", {"product_id": "1", "title": " "}, "title is empty"),
        ("embed", {"title": "x", "price": "-1"}, "product_id: None is no id; price '-1' is not a number 0 or more"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(kind: str, row: Row, reason: str) -> None:
    assert rejected(kind, row) == reason


def test_what_could_not_be_read_is_rejected_in_its_place() -> None:
    good: Row = {"customer_id": "ben"}
    found = ask("recommend", good, BadInput("2 cells", "fix it"), good, threads=2)
    assert [type(row) for row in found] == [Answer, Reject, Answer]
    assert found[1] == Reject(2, "2 cells", "fix it")


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries({"pair_id": st.none() | st.text(), "query": st.text(), "title": st.text()})),
    threads=st.integers(1, 4),
    cut=st.integers(0, 20),
)
def test_answers_depend_neither_on_threads_nor_on_neighbours(rows: list[Row], threads: int, cut: int) -> None:
    alone = [found._replace(row=number) for number, row in enumerate(rows, 1) for found in ask("score", row)]
    assert ask("score", *rows, threads=threads) == alone
    parts = [*ask("score", *rows[:cut], threads=threads), *ask("score", *rows[cut:], threads=threads)]
    assert [found._replace(row=number) for number, found in enumerate(parts, 1)] == alone


def test_only_a_few_rows_are_read_before_their_turn() -> None:
    read = 0

    def rows() -> Iterator[tuple[int, Row | BadInput]]:
        nonlocal read
        for number in range(1, 10_001):
            read = number
            yield number, {"customer_id": "ben"}

    found = answered("recommend", Options(), Letters(), rows(), 2)
    for number in range(1, 101):
        assert next(found).row == number
        assert read <= number + 2 * batch_kinds.AHEAD * batch_kinds.SLICE
    before = threading.active_count()
    found.close()
    assert threading.active_count() < before


def test_a_fault_that_is_no_rows_is_raised() -> None:
    class Broken(Letters):
        def score(self, pair: Pair) -> float:
            raise Unavailable("the model", "wait")

    rows: list[tuple[int, Row | BadInput]] = [(1, {"pair_id": "1", "query": "a", "title": "b"})]
    for threads in (1, 2):
        with pytest.raises(Unavailable):
            [*answered("score", Options(), Broken(), rows, threads)]


def test_each_kind_has_columns_of_its_own() -> None:
    assert read_columns("search", ["query_id", "split", "query", "picture"]) == ["query_id", "query"]
    assert read_columns("embed", ["product_id", "title_zh", "price", "picture"]) == ["product_id", "title_zh", "price"]
    assert schema("score", 3) == pa.schema([("pair_id", pa.string()), ("score", pa.float32())])
    assert schema("recommend", 3).names == ["customer_id", "rank", "product_id", "score"]
    assert schema("embed", 3).field("vector").type == pa.list_(pa.float32(), 3)
