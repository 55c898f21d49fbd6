"""Understanding over colours by shapes: 12 white circles, 8 red circles, 6 red squares, titled in two languages."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.types import Product, Range, Understood
from aisle.understanding import Reading, Understanding


def shapes(count: int, color: str, chinese: str, shape: str, brand: str) -> list[Product]:
    color_name, shape_name = color.split("/")[0], shape
    return [
        Product(
            f"{color_name}-{shape_name}-{n}",
            f"{color_name.lower()} {shape_name.lower()} leather",
            category=shape_name,
            brand=brand,
            color=color_name,
            titles={"zh": chinese},
        )
        for n in range(count)
    ]


WORLD = (
    shapes(12, "White", "白色圆形", "Circle", "Euclid")
    + shapes(8, "Red", "红色圆形", "Circle", "The")
    + shapes(6, "Red", "红色方块", "Square", "Thales & Sons")
    + [Product("p1", "scarlet square", category="Square", color="Red", brand="Leather")]
)


def is_word(word: str) -> bool:
    return word in {"ladder", "sneakers"}


@pytest.fixture(params=["built", "loaded"])
def understanding(request: pytest.FixtureRequest, tmp_path: Path) -> Understanding:
    built = Understanding.build(WORLD, is_word)
    if request.param == "built":
        return built
    built.save(tmp_path / "understanding")
    return Understanding.load(tmp_path / "understanding", is_word)


@pytest.mark.parametrize(
    ("query", "text", "understood"),
    [
        ("", "", Understood()),
        ("Red  Circles", "Red Circles", Understood(color="Red", category="Circle")),
        ("red cirlce", "red circle", Understood(query="red circle", color="Red", category="Circle")),
        ("Leahter", "leather", Understood(query="leather")),
        ("thales & sons square", "thales & sons square", Understood(brand="Thales & Sons", category="Square")),
        ("white red circle", "white red circle", Understood(color="White", category="Circle")),
        ("cirlce under 50", "circle", Understood(query="circle under 50", category="Circle", price=Range(lte=50))),
        ("circle, under 50 eur", "circle", Understood(category="Circle", ignored=["under 50 eur"])),
        ("under 50", "", Understood(price=Range(lte=50))),
        ("白色圆形", "白色圆形", Understood(color="White", category="Circle")),
        ("圆形 白色", "圆形 白色", Understood(color="White", category="Circle")),
        ("红方块", "红方块", Understood(color="Red", category="Square")),
    ],
)
def test_a_query_is_read_as_the_catalogue_writes_it(
    understanding: Understanding, query: str, text: str, understood: Understood
) -> None:
    assert understanding.understand(query, "USD") == Reading(text, understood)


@pytest.mark.parametrize(
    "word", ["ladder", "sneakers", "rad", "circles", "circ1e", "白包", "zzzzzzz", "квадрат", "circlecircle"]
)
def test_a_word_is_left_alone_when_it_is_known_short_or_like_nothing(understanding: Understanding, word: str) -> None:
    reading = understanding.understand(word, "USD")
    assert (reading.text, reading.understood.query) == (word, None)


def test_a_brand_that_is_an_ordinary_word_is_not_read(understanding: Understanding) -> None:
    assert understanding.understand("the leather circle", "USD").understood == Understood(category="Circle")


def test_the_word_with_the_same_first_letter_wins_among_equals() -> None:
    products = [Product("1", "bakes bakes"), Product("2", "cakey")]
    reading = Understanding.build(products, is_word).understand("cakes", "")
    assert reading == Reading("cakey", Understood(query="cakey"))


def test_a_word_learns_no_meaning_from_a_catalogue_of_one_category() -> None:
    products = [Product(str(n), "round leather dot", category="Dot") for n in range(9)]
    understanding = Understanding.build(products, is_word)
    assert understanding.understand("round leather", "").understood == Understood()


def test_a_category_path_is_called_by_its_last_part_too() -> None:
    understanding = Understanding.build([Product("1", "x", category="Shapes > Flat > Kites")], is_word)
    assert understanding.understand("kite", "").understood == Understood(category="Shapes > Flat > Kites")


SMALL = Understanding.build(WORLD, is_word)
HOSTILE = ["\u202ecirlce\u202c", "🙂🙃", "\x00\x1b[31mred", "ا" * 10_000, "cirlce " * 1400, "白" * 10_000, "a" * 10_000]


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_text_is_read_as_any_other(query: str) -> None:
    assert isinstance(SMALL.understand(query, "USD"), Reading)


@given(st.text(max_size=80))
def test_understanding_never_raises_and_is_stable_on_its_own_text(query: str) -> None:
    reading = SMALL.understand(query, "USD")
    assert reading == SMALL.understand(query, "USD")
