"""Pairs as `aisle score` reads and scores them, over a few products whose features can be worked out by hand."""

from collections.abc import Sequence
from math import exp, log1p

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.pair_scorer import FEATURES, Fitted, PairScorer, Tables, model_features, word_features
from aisle.pairs import Pair, pair_of

SHOE = Pair("p", "Acme running shoe 42 cm for women", "Acme Runing Shoe 40 cm", "Acme", "red", bullet_points="men")
TABLES = Tables(10, {"shoe": 4}, frozenset({"acme", "bolt"}))
RARE, SHOES = log1p(9.5 / 1.5), log1p(6.5 / 4.5)


def features(pair: Pair) -> dict[str, float]:
    return dict(zip(FEATURES, word_features(pair, TABLES), strict=False))


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"title": "Red\tshoe", "brand": "Acme", "color": "red", "description": "desc"}, "Red shoe Acme"),
        ({"bullet_points": "<li>soft</li><li>light</li>"}, "soft light"),
        ({"description": "x" * 500}, "x" * 160),
        ({}, ""),
    ],
)
def test_the_text_of_a_pair_is_its_products_and_something_stands_in_for_a_missing_title(
    columns: dict[str, str], text: str
) -> None:
    names = ("query", "title", "brand", "color", "description", "bullet_points")
    assert pair_of("p", {name: columns.get(name, "") for name in names}).text == text


def test_the_features_of_words_are_what_they_say() -> None:
    found = features(SHOE)
    near = 0.008 * (200 * 6 / 13)  # running and runing: 6 of 13 letters twice, as rapidfuzz's ratio counts
    assert found["missing"] == pytest.approx(
        (RARE * (1 - near) + RARE + RARE) / (5 * RARE + SHOES), rel=1e-6
    )  # of acme, running, shoe, 42, cm and women; 42 and women are not there at all
    assert found["missing_most"] == pytest.approx(RARE)
    assert found["missing_words"] == 4  # run, 42, for, women
    assert found["rarest"] == pytest.approx(RARE)
    assert found["precision"] == pytest.approx(3 / 6)  # acme, shoe and cm of acme, rune, shoe, 40, cm, red
    flags = ("brand_asked", "brand_other", "numbers_missing", "numbers_other", "audience_other", "audience_missing")
    assert [found[name] for name in flags] == [1, 0, 1, 1, 0, 1]
    assert found["without"] == 0


def test_another_brand_and_another_audience_are_told() -> None:
    found = features(Pair("p", "bolt shoe without laces men", "Acme women's shoe", "Acme"))
    assert (found["brand_asked"], found["brand_other"], found["without"]) == (0, 1, 1)
    assert (found["audience_other"], found["audience_missing"]) == (1, 0)


def test_chinese_is_missing_by_its_pieces() -> None:
    """红 and 鞋 stand in the title, 红鞋 as a pair does not: a third of the pieces is missing."""
    assert features(Pair("p", "红鞋", "红色的鞋"))["missing"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("query", ["", "...", "\x00", "\ud800", "a" * 5000, "1" * 400, "the of"])
def test_any_query_and_an_empty_product_have_finite_features(query: str) -> None:
    assert np.isfinite(word_features(Pair("p", query, ""), Tables.of([]))).all()


def test_tables_count_texts_and_forget_what_occurs_once() -> None:
    pairs = [Pair("1", "q", "red red shoe", "Acme"), Pair("2", "q", "red kettle", "ACME"), Pair("3", "q", "lamp", "Bo")]
    assert Tables.of(pairs) == Tables(3, {"red": 2, "acm": 2}, frozenset({"acme"}))


class Lengths:
    """An encoder whose vectors point to the text's length, and a cross-encoder that counts its letters."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[np.cos(len(t) / 10), np.sin(len(t) / 10)] for t in texts], np.float32)

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([len(t) for t in texts], np.float32)


def test_the_nearest_text_of_a_product_counts_and_absent_ones_do_not() -> None:
    pair = Pair("p", "12345", "1", description="1234567")
    assert model_features(pair, Lengths(), Lengths()) == pytest.approx([np.cos(0.2), 1])


def test_a_score_is_the_logistic_of_weighed_features() -> None:
    weights = [float(name == "missing_words") for name in FEATURES]
    spread = [2.0] * len(FEATURES)
    scorer = PairScorer(Fitted(TABLES, [1.0] * len(FEATURES), spread, weights, 0.5), Lengths(), Lengths())
    assert scorer.score(SHOE) == pytest.approx(1 / (1 + exp(-((4 - 1) / 2 + 0.5))))
