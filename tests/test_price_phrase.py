"""Price phrases in two languages, and the numbers that are none."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.price_phrase import read_price
from aisle.text import fold
from aisle.types import Range


def left(query: str, currency: str = "USD") -> tuple[Range | None, list[str], str]:
    """The price, what was ignored, and the folded query without its phrases."""
    text = fold(query)
    price, ignored, spans = read_price(text, currency)
    for start, end in reversed(spans):
        text = text[:start] + text[end:]
    return price, ignored, " ".join(text.split())


@pytest.mark.parametrize(
    ("query", "price", "text"),
    [
        ("red circle under 50", Range(lte=50), "red circle"),
        ("below $1,299.50 circle", Range(lte=1299.5), "circle"),
        ("circle for less than 49.99", Range(lte=49.99), "circle"),
        ("circle up to 50 usd", Range(lte=50), "circle"),
        ("circle max 50", Range(lte=50), "circle"),
        ("circle 50 max", None, "circle 50 max"),
        ("circle $50 max", Range(lte=50), "circle"),
        ("circle cheaper than 20 dollars", Range(lte=20), "circle"),
        ("circle no more than 30", Range(lte=30), "circle"),
        ("circle no less than 30", Range(gte=30), "circle"),
        ("circle at least 30", Range(gte=30), "circle"),
        ("circle over 20 under 50", Range(gte=20, lte=50), "circle"),
        ("circle $50 and up", Range(gte=50), "circle"),
        ("between 50 and 20 circle", Range(gte=20, lte=50), "circle"),
        ("circle 20-30 dollars", Range(gte=20, lte=30), "circle"),
        ("circle $20 to $30", Range(gte=20, lte=30), "circle"),
        ("$50 circle", Range(lte=50), "circle"),
        ("circle 50 bucks", Range(lte=50), "circle"),
    ],
)
def test_english_phrases_are_read_and_cut(query: str, price: Range | None, text: str) -> None:
    assert left(query) == (price, [], text)


@pytest.mark.parametrize(
    ("query", "price", "text"),
    [
        ("红色圆形200元以下", Range(lte=200), "红色圆形"),
        ("200以内的圆形", Range(lte=200), "圆形"),
        ("低于２００圆形", Range(lte=200), "圆形"),
        ("不超过200块钱圆形", Range(lte=200), "圆形"),
        ("圆形￥200以内", Range(lte=200), "圆形"),
        ("圆形 100元以上", Range(gte=100), "圆形"),
        ("高于100圆形", Range(gte=100), "圆形"),
        ("超过100元圆形", Range(gte=100), "圆形"),
        ("100到200元圆形", Range(gte=100, lte=200), "圆形"),
        ("圆形100-200元", Range(gte=100, lte=200), "圆形"),
        ("预算1.5万元的圆形", Range(lte=15000), "圆形"),
        ("人民币100以下圆形", Range(lte=100), "圆形"),
    ],
)
def test_chinese_phrases_are_read_and_cut(query: str, price: Range, text: str) -> None:
    assert left(query, "CNY") == (price, [], text)


@pytest.mark.parametrize(
    "query",
    [
        *(
            "iphone 11",
            "65 inch tv",
            "tv under 50 inch",
            'tv under 50"',
            "phone under 64gb",
            "less than 64 gb",
            "20-30",
        ),
        *("pro max 256", "nike air max 90", "2-in-1 laptop", "toys for kids under 5", "under 12 months"),
        *("between 3 and 5 years", "dumbbell 50 pounds", "under 12345678901234", "from paris to 12:30"),
        *("低于100厘米", "2块香皂", "3个月以上"),
    ],
)
def test_a_number_without_price_words_or_with_a_unit_is_no_price(query: str) -> None:
    assert left(query) == (None, [], fold(query))


@pytest.mark.parametrize(
    ("query", "currency", "ignored"),
    [
        ("circle under 50 eur", "USD", ["under 50 eur"]),
        ("circle 200元以下", "USD", ["200元以下"]),
        ("circle $50", "CNY", ["$50"]),
        ("circle under £50", "EUR", ["under £50"]),
    ],
)
def test_an_amount_in_another_currency_is_cut_and_named(query: str, currency: str, ignored: list[str]) -> None:
    assert left(query, currency) == (None, ignored, "circle")


@pytest.mark.parametrize(
    ("sign", "currency"), [("$", "CAD"), ("¥", "JPY"), ("¥", "CNY"), ("£", "GBP"), ("€", "EUR"), ("€", "")]
)
def test_a_sign_means_every_currency_that_writes_it(sign: str, currency: str) -> None:
    assert left(f"circle {sign}50", currency) == (Range(lte=50), [], "circle")


def test_a_phrase_that_contradicts_the_first_is_named() -> None:
    assert left("circle over 50 under 20") == (Range(gte=50), ["under 20"], "circle")


PIECES = [
    "under",
    "over",
    "between",
    "and",
    "to",
    "1",
    "50",
    "1,299",
    ".5",
    "$",
    "€",
    "元",
    "块",
    "以下",
    "100-200",
    "max",
]
PHRASED = st.lists(st.sampled_from([*PIECES, "-", "的", "circle", "\u202e", "🙂", "\x00"]))


@given(st.text(max_size=60) | PHRASED.map(" ".join) | PHRASED.map("".join), st.sampled_from(["USD", "CNY", "", "XXX"]))
def test_reading_never_raises_and_never_cuts_twice(query: str, currency: str) -> None:
    price, ignored, spans = read_price(fold(query), currency)
    assert all(0 <= start < end <= len(fold(query)) for start, end in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert bool(spans) == bool(ignored or price)


@given(st.integers(0, 99_999_999), st.sampled_from(["under {}", "under {:,}", "${:.2f}", "{}元以下", "不超过{}"]))
def test_an_amount_comes_back_as_it_was_written(amount: int, phrase: str) -> None:
    assert left(f"circle {phrase.format(amount)}", "") == (Range(lte=amount), [], "circle")


@pytest.mark.parametrize("query", ["1" * 10_000, "1,000," * 2000, "$" * 10_000, "under 50 " * 1100, "到5" * 5000])
def test_long_nonsense_is_read_in_bounded_time(query: str) -> None:
    assert read_price(query, "USD").ignored == []
