"""Colours are mixed where nobody asked for one: three red circles and, behind them, a blue one as good."""

from pathlib import Path

import numpy as np
import pytest
from world import search_world

from aisle.merchandising import Rules
from aisle.types import Filters, Product, SearchRequest
from aisle.variety import varied

BLACK, RED = 4, 7
CIRCLES = [
    *(Product(f"r{n}", "Circle", color="red", price=10, currency="USD") for n in range(3)),
    Product("b0", "Circle", color="blue", price=9, currency="USD"),
]


def ids(folder: Path, request: SearchRequest, rules: Rules | None = None) -> list[str]:
    return [hit.product_id for hit in search_world(folder, rules, products=CIRCLES).search(request, "q").hits]


def test_a_colour_counts_less_each_time_and_what_is_clearly_worse_stays_behind() -> None:
    scores = np.array([0.9, 0.899, 0.898, 0.8975, 0.5], np.float32)
    order, falling = varied(scores, np.array([BLACK, BLACK, BLACK, RED, RED], np.int32))
    assert order.tolist() == [0, 3, 1, 2, 4]
    assert falling.tolist() == pytest.approx([0.9, 0.8975, 0.897, 0.894, 0.498], abs=1e-6)


def test_articles_behind_the_first_fifty_keep_their_order_below_them() -> None:
    scores = np.linspace(0.9, 0.89, 60, dtype=np.float32)
    order, falling = varied(scores, np.full(60, BLACK, np.int32))
    assert order.tolist() == list(range(60))
    assert np.all(np.diff(falling) <= 0)


def test_no_articles_are_no_trouble() -> None:
    order, falling = varied(np.zeros(0, np.float32), np.zeros(0, np.int32))
    assert (order.tolist(), falling.tolist()) == ([], [])


def test_equally_good_articles_show_their_colours(tmp_path: Path) -> None:
    assert ids(tmp_path, SearchRequest("circle")) == ["r0", "b0", "r1", "r2"]


def test_pages_of_mixed_colours_follow_one_another(tmp_path: Path) -> None:
    pages = [ids(tmp_path, SearchRequest("circle", k=2, page=page)) for page in (1, 2)]
    assert pages == [["r0", "b0"], ["r1", "r2"]]


@pytest.mark.parametrize(
    "request_",
    [
        SearchRequest("red circle"),
        SearchRequest("circle", filters=Filters(color=["red", "blue"])),
        SearchRequest("circle", sort="price_desc"),
    ],
)
def test_whoever_names_a_colour_or_another_order_gets_it(tmp_path: Path, request_: SearchRequest) -> None:
    assert ids(tmp_path, request_)[:3] == ["r0", "r1", "r2"]


def test_where_the_shop_rules_its_order_stands(tmp_path: Path) -> None:
    assert ids(tmp_path, SearchRequest("circle"), Rules(bury={"circle": ["r0"]})) == ["r1", "r2", "b0", "r0"]
