"""Pairs as `aisle score` reads and scores them, over a few products whose features can be worked out by hand."""

from collections.abc import Sequence
from math import exp, log1p
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.errors import BundleError
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


@pytest.mark.parametrize(
    ("query", "title", "brand", "flags"),
    [
        ("acme shoe", "Acme shoe", "", (1, 0)),  # without a brand column the title's counts
        ("acme shoe", "Bolt shoe", "", (0, 1)),
        ("acme shoe", "shoe", "", (0, 1)),
        ("shoe", "Acme shoe", "", (0, 0)),
        ("levi's jeans", "501", "Levi's", (1, 0)),
        ("coca cola bottle", "Bottle", "Coca-Cola", (1, 0)),
        ("levi's jeans", "Jeans", "Acme", (0, 1)),
    ],
)
def test_brands_are_told_however_they_are_written(query: str, title: str, brand: str, flags: tuple[int, int]) -> None:
    tables = Tables(10, {}, frozenset({"acme", "bolt", "levi s"}))
    found = dict(zip(FEATURES, word_features(Pair("p", query, title, brand), tables), strict=False))
    assert (found["brand_asked"], found["brand_other"]) == flags


@pytest.mark.parametrize(
    ("query", "title", "flags"),
    [
        ('tv 55"', 'TV 50"', (1, 1)),
        ("tv 55 inch", "TV 50 inch", (1, 1)),
        ('tv 55"', "TV 50 cm", (1, 0)),
        ("size 8", "Shoe, 3-pack", (1, 0)),  # bare numbers have no unit to share
        ("64gb", "64 GB", (0, 0)),
    ],
)
def test_another_number_of_the_same_unit_is_told(query: str, title: str, flags: tuple[int, int]) -> None:
    found = features(Pair("p", query, title))
    assert (found["numbers_missing"], found["numbers_other"]) == flags


@pytest.mark.parametrize(
    ("query", "title", "flags"),
    [
        ("メンズ 靴", "レディース 靴", (1, 0)),
        ("男士运动鞋", "女士运动鞋", (1, 0)),
        ("男士运动鞋", "运动鞋", (0, 1)),
        ("男士运动鞋", "男女通用运动鞋", (0, 0)),
        ("zapatos niña", "Zapatos para niño", (1, 0)),
    ],
)
def test_for_whom_is_told_in_every_language(query: str, title: str, flags: tuple[int, int]) -> None:
    found = features(Pair("p", query, title))
    assert (found["audience_other"], found["audience_missing"]) == flags


def test_what_a_long_text_says_late_is_not_looked_at() -> None:
    early, late = Pair("p", "kettle", "kettle " + "x " * 5000), Pair("p", "kettle", "x " * 5000 + "kettle")
    assert (features(early)["missing"], features(late)["missing"]) == (0, 1)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"{", "cannot be read"),
        (b"\xff", "cannot be read"),
        (None, "cannot be read"),
        (msgspec.json.encode(Fitted(["missing"], TABLES, [0], [1], [1], 0)), "other features than this code"),
    ],
)
def test_a_broken_or_foreign_scorer_is_refused(tmp_path: Path, written: bytes | None, sentence: str) -> None:
    if written is not None:
        (tmp_path / "scorer.json").write_bytes(written)
    with pytest.raises(BundleError, match=sentence):
        PairScorer.load(tmp_path, Lengths(), Lengths())


def test_a_scorer_is_written_alike_whatever_the_order_of_its_brands(tmp_path: Path) -> None:
    brands = frozenset(f"brand {n}" for n in range(50))
    fitted = Fitted(list(FEATURES), Tables(9, {"b": 2, "a": 3}, brands), [], [], [], 0.5)
    PairScorer.save(fitted, tmp_path / "pairs")
    written = msgspec.json.decode((tmp_path / "pairs" / "scorer.json").read_bytes())
    assert written["tables"]["brands"] == sorted(brands)
    assert list(written["tables"]["frequency"]) == ["a", "b"]


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
    scorer = PairScorer(
        Fitted(list(FEATURES), TABLES, [1.0] * len(FEATURES), spread, weights, 0.5), Lengths(), Lengths()
    )
    assert scorer.score(SHOE) == pytest.approx(1 / (1 + exp(-((4 - 1) / 2 + 0.5))))
