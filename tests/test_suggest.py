"""Type-ahead over colours by shapes: six circles in two languages, two squares, one brand each."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.suggest import Suggester
from aisle.types import Product, Suggestion

WORLD = [
    *(
        Product(f"c{n}", f"Red round circle {n}", category="Circles", brand="Euclid", titles={"zh": f"红色圆形 {n}"})
        for n in range(6)
    ),
    Product("s1", "Blue square", category="Squares", brand="Thales"),
    Product("s2", "blue  SQUARE", category="squares", brand="Rond Café"),
]


@pytest.fixture(params=["built", "loaded"])
def suggester(request: pytest.FixtureRequest, tmp_path: Path) -> Suggester:
    built = Suggester.build(WORLD)
    if request.param == "built":
        return built
    built.save(tmp_path / "suggest")
    return Suggester.load(tmp_path / "suggest")


def test_categories_come_before_phrases_of_titles_and_those_before_products(suggester: Suggester) -> None:
    assert suggester.suggest("CIRC", 3) == [
        Suggestion("Circles", "category"),
        Suggestion("red round circle", "query"),
        Suggestion("Red round circle 0", "product"),
    ]


def test_texts_that_start_with_the_prefix_come_before_those_with_a_later_word(suggester: Suggester) -> None:
    assert suggester.suggest("ro", 3) == [
        Suggestion("Rond Café", "brand"),
        Suggestion("red round circle", "query"),
        Suggestion("Red round circle 0", "product"),
    ]


def test_a_prefix_may_have_several_words_and_accents_are_folded(suggester: Suggester) -> None:
    assert suggester.suggest("Rond  cafe", 5) == [Suggestion("Rond Café", "brand")]


def test_no_text_is_suggested_twice(suggester: Suggester) -> None:
    assert suggester.suggest("s", 9) == [Suggestion("Squares", "category"), Suggestion("Blue square", "product")]


def test_chinese_is_found_from_any_of_its_characters(suggester: Suggester) -> None:
    assert suggester.suggest("圆形", 2, "zh") == [Suggestion("红色圆形", "query"), Suggestion("红色圆形 0", "product")]


def test_titles_in_another_language_are_left_out(suggester: Suggester) -> None:
    assert suggester.suggest("红色圆形 3", 5, "zh") == [Suggestion("红色圆形 3", "product")]
    assert suggester.suggest("红色圆形 3", 5, "en") == []


def test_an_empty_prefix_gives_the_largest_categories(suggester: Suggester) -> None:
    categories = [Suggestion("Circles", "category"), Suggestion("Squares", "category")]
    assert suggester.suggest("", 5) == categories
    assert suggester.suggest(" \u202e\x00 ", 1) == categories[:1]


def test_an_unknown_prefix_gives_nothing(suggester: Suggester) -> None:
    assert suggester.suggest("zebra", 5) == []
    assert suggester.suggest("ircle", 5) == []


def test_the_last_of_many_matches_is_reached_past_repeats() -> None:
    products = [Product(str(n), "dot " * (n + 1)) for n in range(30)]
    suggester = Suggester.build([*products, Product("last", "dotted")])
    assert len(suggester.suggest("dot", 100)) == 31
    assert Suggester.build([]).suggest("dot", 3) == []


SMALL = Suggester.build(WORLD)


@given(st.text(max_size=50), st.integers(0, 20))
def test_suggesting_never_raises_and_keeps_to_k(prefix: str, k: int) -> None:
    assert len(SMALL.suggest(prefix, k)) <= k


@pytest.mark.parametrize("prefix", ["a" * 10_000, "圆" * 10_000, "🙂", "\U0010ffff", "\u202eelcric", "\ud800"])
def test_hostile_prefixes_find_nothing(prefix: str) -> None:
    assert [item.kind for item in SMALL.suggest(prefix, 3)] in ([], ["category", "category"])
