"""When the heavy reranker is asked, what of its answers is believed, and what the shopper gets without it."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from world import Clock, search_world

from aisle.heavy import HeavyRoute, Opinion, Untrue, margin, read_scores
from aisle.search import Search
from aisle.types import Rerank, SearchRequest, SearchResponse

SQUARES_FIRST = {"Red square": 3.0}  # what the heavy reranker says, everything else 0


class Second:
    """A heavy reranker that knows its opinions by how texts begin, and writes down what it was asked."""

    def __init__(self, opinions: dict[str, float] | None) -> None:
        self.opinions = opinions
        self.asked: list[tuple[str, int, float]] = []

    def begin(self, query: str, texts: Sequence[str], within_s: float) -> Opinion:
        self.asked.append((query, len(texts), within_s))
        return lambda: self._logits(texts)

    def _logits(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        if self.opinions is None:
            return None
        return np.array([next((v for k, v in self.opinions.items() if t.startswith(k)), 0.0) for t in texts], "f4")


def ask(
    folder: Path, second: Second | None, below: float = 0.0, rerank: Rerank = "auto", query: str = "red", **fields: Any
) -> SearchResponse:
    world = search_world(folder)
    route = HeavyRoute(second, below) if second else None
    search = Search(world.parts, "world", fields.pop("clock", Clock()), route)
    return search.search(SearchRequest(query, rerank=rerank, **fields), "q1")


def ids(answer: SearchResponse) -> list[str]:
    return [hit.product_id for hit in answer.hits]


def test_what_is_asked_for_is_read_again_and_takes_that_order(tmp_path: Path) -> None:
    second = Second(SQUARES_FIRST)
    student, heavy = ask(tmp_path, second, rerank="student"), ask(tmp_path, second, rerank="heavy")
    assert (ids(student), ids(heavy)) == (["c1", "s1", "t2", "c3"], ["s1", "c1", "c3", "t2"])
    assert second.asked == [("red", 5, 0.3)]
    assert heavy.degraded == []
    assert list(heavy.timings_ms) == ["understand", "lexical", "dense", "rank", "rerank", "heavy_rerank", "total"]
    assert "heavy_rerank" not in student.timings_ms


def test_without_an_opinion_the_students_order_is_served_and_told(tmp_path: Path) -> None:
    student = ask(tmp_path, None, rerank="student")
    for second in (None, Second(None)):
        answer = ask(tmp_path, second, rerank="heavy")
        assert (answer.hits, answer.degraded) == (student.hits, ["heavy_rerank"])
    assert ask(tmp_path, None).degraded == []  # auto wanted nothing


@pytest.mark.parametrize(("below", "asked"), [(0.0, 0), (0.05, 1), (1.0, 1)])
def test_auto_asks_where_the_first_two_are_nearly_equal(tmp_path: Path, below: float, asked: int) -> None:
    second = Second(SQUARES_FIRST)
    answer = ask(tmp_path, second, below)
    assert len(second.asked) == asked
    assert ids(answer)[0] == ("s1" if asked else "c1")


def test_auto_leaves_a_clear_order_alone(tmp_path: Path) -> None:
    second = Second(SQUARES_FIRST)
    assert ids(ask(tmp_path, second, 0.05, query="blue square"))[0] == "s2"
    assert second.asked == []


@pytest.mark.parametrize("fields", [{"rerank": "none"}, {"rerank": "student"}, {"sort": "price_asc"}, {"query": ""}])
def test_what_needs_no_opinion_asks_for_none(tmp_path: Path, fields: dict[str, Any]) -> None:
    second = Second(SQUARES_FIRST)
    assert ask(tmp_path, second, 1.0, **fields).degraded == []
    assert second.asked == []


def test_a_query_that_finds_nothing_has_nothing_to_read_again(tmp_path: Path) -> None:
    second = Second(SQUARES_FIRST)
    answer = ask(tmp_path, second, 1.0, "heavy", query="zzz")
    assert (answer.hits, answer.degraded, second.asked) == ([], [], [])


def test_the_time_left_is_what_the_heavy_one_gets(tmp_path: Path) -> None:
    second = Second(SQUARES_FIRST)
    ask(tmp_path, second, 1.0, clock=Clock(tick=0.01), budget_ms=500)
    ((_, _, within_s),) = second.asked
    assert 0.3 < within_s < 0.5  # each look at the clock took ten milliseconds


def test_a_budget_that_ends_before_the_student_leaves_both_out(tmp_path: Path) -> None:
    answer = ask(tmp_path, Second(SQUARES_FIRST), 1.0, "heavy", clock=Clock(tick=0.2))
    assert answer.degraded == ["rerank", "heavy_rerank"]


@pytest.mark.parametrize(
    ("scores", "sure"),
    [([0.5, 0.5, 0.1], 0.0), ([0.75, 0.5], 0.5), ([0.75, 0.25], 0.8), ([0.99, 0.9], 0.8333), ([1.0, 0.0], 1.0)],
)
def test_the_margin_is_how_surely_the_first_is_better_than_the_second(scores: list[float], sure: float) -> None:
    assert margin(np.array(scores, np.float32)) == pytest.approx(sure, abs=1e-4)


def test_nothing_is_open_where_one_article_was_found() -> None:
    assert margin(np.array([0.1], np.float32)) == 1.0


def answer(*scored: tuple[object, object]) -> bytes:
    return json.dumps([{"index": index, "score": score} for index, score in scored]).encode()


def test_scores_come_back_in_the_order_of_the_texts() -> None:
    assert read_scores(answer((2, 0.5), (0, -1.0), (1, -3.0)), 3).tolist() == [-1.0, -3.0, 0.5]
    assert read_scores(b"[]", 0).tolist() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"{}",
        b"\xff\xfe",
        b'{"index": 0, "score": 1}',
        b'[{"index": 0, "score": 1, "x": ' + b"[" * 100_000,
        answer((0, 1.0)),
        answer((0, 1.0), (1, 1.0), (2, 1.0)),
        answer((0, 1.0), (0, 1.0)),
        answer((1, 1.0), (2, 1.0)),
        answer((-1, 1.0), (0, 1.0)),
        answer((0, 1.0), (1, "1.0")),
        answer((0, 1.0), (1, None)),
        answer((0, 1.0), ("1", 1.0)),
        b'[{"index": 0, "score": NaN}, {"index": 1, "score": 1}]',
        b'[{"index": 0, "score": 1e999}, {"index": 1, "score": 1}]',
        b'[{"index": 0, "score": 1e300}, {"index": 1, "score": 1}]',
        b'[{"index": 0, "score": 1}, {"index": 1, "score": 1}',
    ],
)
def test_what_cannot_be_scores_of_the_two_texts_is_not_believed(body: bytes) -> None:
    with pytest.raises(Untrue):
        read_scores(body, 2)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with contextlib.suppress(Untrue):
        assert read_scores(body, 3).shape == (3,)
