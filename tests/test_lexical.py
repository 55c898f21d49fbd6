"""BM25 and coverage over a few texts whose scores can be worked out by hand."""

from itertools import pairwise
from math import log
from pathlib import Path

import numpy as np
import pytest

from aisle.lexical import K1, B, Lexical

TEXTS = ["red shoes", "red red boots", "blue shoes 64gb", "靴子 red", ""]


def test_scores_are_lucenes_bm25() -> None:
    match = Lexical.build(TEXTS).match("boots")
    lengths = [2, 3, 5, 4, 0]  # 64gb counts as itself and its two parts, 靴子 as two characters and their pair
    idf = log(1 + (5 - 1 + 0.5) / (1 + 0.5))
    norm = K1 * (1 - B + B * lengths[1] / np.mean(lengths))
    assert match.score.tolist() == pytest.approx([0, idf * 1 / (1 + norm), 0, 0, 0], rel=1e-5)


def test_coverage_is_the_share_of_idf_and_an_unknown_word_costs_some() -> None:
    index = Lexical.build(TEXTS)
    assert index.match("red shoes").coverage[0] == pytest.approx(1)
    assert 0 < index.match("red unheard").coverage[0] < 0.5


def test_identifiers_count_only_terms_with_digits() -> None:
    index = Lexical.build(TEXTS)
    detail = index.detail(index.match("blue 64 gb"), np.arange(5))
    assert detail.identifiers.tolist() == [0, 0, 1, 0, 0]
    assert detail.matched.tolist() == [0, 0, 3, 0, 0]


def test_what_was_not_asked_for_is_weighed_by_idf() -> None:
    index = Lexical.build(TEXTS)
    detail = index.detail(index.match("blue shoes"), np.array([4, 0, 1, 2, 3]))  # rows come in any order
    red, rare = log(1 + (5 - 3 + 0.5) / (3 + 0.5)), log(1 + (5 - 1 + 0.5) / (1 + 0.5))
    assert detail.unasked.tolist() == pytest.approx([0, red, red + rare, 3 * rare, red + 3 * rare], rel=1e-5)
    assert detail.unasked_identifiers.tolist() == pytest.approx([0, 0, 0, 2 * rare, 0], rel=1e-5)


def test_details_of_unheard_words_and_of_no_rows_are_none() -> None:
    index = Lexical.build(TEXTS)
    assert index.detail(index.match("unheard"), np.array([1])).matched.tolist() == [0]
    assert index.detail(index.match("red"), np.zeros(0, np.int64)).matched.tolist() == []


def test_a_repeated_query_word_counts_once() -> None:
    index = Lexical.build(TEXTS)
    assert index.match("red red red").score.tolist() == index.match("red").score.tolist()


def test_extra_words_score_but_need_not_be_covered() -> None:
    match = Lexical.build(TEXTS).match("shoes", extra="shoes boots")
    assert match.score[1] > 0
    assert match.coverage[0] == pytest.approx(1)


def test_saved_and_loaded_is_the_same_index(tmp_path: Path) -> None:
    built = Lexical.build(TEXTS)
    built.save(tmp_path / "lexical")
    loaded = Lexical.load(tmp_path / "lexical")
    mine, other = built.match("red 靴子 64gb"), loaded.match("red 靴子 64gb")
    assert (mine.score.tolist(), mine.coverage.tolist()) == (other.score.tolist(), other.coverage.tolist())
    rows = np.arange(5)
    for one, two in zip(built.detail(mine, rows), loaded.detail(other, rows), strict=True):
        assert one.tolist() == two.tolist()


def test_postings_rise_and_terms_are_numbered_as_they_come() -> None:
    index = Lexical.build(TEXTS)
    assert list(index.vocabulary)[:3] == ["red", "shoe", "boot"]
    assert all(np.all(np.diff(index.rows[a:b]) > 0) for a, b in pairwise(index.start.tolist()))


def test_texts_without_words_make_an_index_that_finds_nothing() -> None:
    assert Lexical.build(["", "..."]).match("red").score.tolist() == [0, 0]
