"""Columns over a lopsided world of colours by shapes: two red circles of one group, a blue square, a bare thing."""

from pathlib import Path

import numpy as np
import pytest
from msgspec import UNSET

from aisle.errors import BadInput
from aisle.filters import Columns, relax
from aisle.types import FacetCount, Filters, Product, Range

WORLD = [
    Product("c1", "red circle", category="Circle", color="Red", size="S", price=39.9, rating=4.5, group_id="circle"),
    Product("c2", "red circle", category="Circle", color="red", size="L", price=10.0, stock=0, group_id="circle"),
    Product("c3", "red circle", category="Circle", color="Red", price=10.0, rating=3.0, created_at="2026-03-01"),
    Product("s1", "蓝色 square", category="ｓｑｕａｒｅ", color="蓝色", price=99.0, created_at="2026-03-02T10:00:00Z"),
    Product("x1", "thing"),
]
EVERY = np.arange(len(WORLD))


@pytest.fixture(params=["built", "loaded"])
def columns(request: pytest.FixtureRequest, tmp_path: Path) -> Columns:
    built = Columns.build(WORLD)
    if request.param == "built":
        return built
    built.save(tmp_path / "columns")
    return Columns.load(tmp_path / "columns")


@pytest.mark.parametrize(
    ("filters", "passed"),
    [
        (Filters(), [1, 1, 1, 1, 1]),
        (Filters(color=["RED"]), [1, 1, 1, 0, 0]),
        (Filters(color=["red", "蓝色"]), [1, 1, 1, 1, 0]),
        (Filters(category=["Ｓquare"]), [0, 0, 0, 1, 0]),
        (Filters(color=["red"], category=["square"]), [0, 0, 0, 0, 0]),
        (Filters(price=Range(lte=39.9)), [1, 1, 1, 0, 0]),
        (Filters(price=Range(gte=39.9)), [1, 0, 0, 1, 0]),
        (Filters(price=Range()), [1, 1, 1, 1, 0]),
        (Filters(price=Range(gte=-1e300, lte=1e300)), [1, 1, 1, 1, 0]),
        (Filters(rating=Range(gte=4)), [1, 0, 0, 0, 0]),
        (Filters(in_stock=True), [1, 0, 1, 1, 1]),
        (Filters(in_stock=False), [0, 1, 0, 0, 0]),
        (Filters(color=["", "\x00", "‮der", "🙂" * 200, "purple"]), [0, 0, 0, 0, 0]),
    ],
)
def test_a_product_passes_when_it_satisfies_every_filter(columns: Columns, filters: Filters, passed: list[int]) -> None:
    assert columns.mask(filters).tolist() == [bool(flag) for flag in passed]


def test_facets_count_a_group_once_per_value(columns: Columns) -> None:
    assert columns.facet_counts(EVERY, ["color", "size", "brand"]) == {
        "color": [FacetCount("Red", 2), FacetCount("蓝色", 1)],
        "size": [FacetCount("L", 1), FacetCount("S", 1)],
        "brand": [],
    }


def test_facets_count_only_the_rows_they_are_given(columns: Columns) -> None:
    assert columns.facet_counts(np.array([3, 4]), ["color"]) == {"color": [FacetCount("蓝色", 1)]}
    assert columns.facet_counts(np.array([], np.int64), ["color"]) == {"color": []}


def test_facets_stop_at_fifty_values() -> None:
    columns = Columns.build([Product(str(n), "dot", brand=f"b{n:02}") for n in range(60)])
    found = columns.facet_counts(np.arange(60), ["brand"])["brand"]
    assert found == [FacetCount(f"b{n:02}", 1) for n in range(50)]


def test_an_unknown_facet_is_named_with_the_known_ones(columns: Columns) -> None:
    with pytest.raises(BadInput, match="'weight' is not a facet: ask for any of category, brand"):
        columns.facet_counts(EVERY, ["weight"])


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("relevance", [4, 2, 0, 1, 3]),
        ("price_asc", [2, 1, 0, 3, 4]),
        ("price_desc", [3, 0, 2, 1, 4]),
        ("newest", [3, 2, 4, 0, 1]),
        ("rating", [0, 2, 4, 1, 3]),
    ],
)
def test_orders_put_the_unknown_last_and_break_ties_by_score(columns: Columns, sort: str, order: list[int]) -> None:
    scores = np.array([0.2, 0.1, 0.3, 0.1, 0.9], np.float32)
    assert columns.order(EVERY, sort, scores).tolist() == order  # type: ignore[arg-type]


def test_filters_are_given_up_in_the_stated_order_and_stock_never() -> None:
    red, cheap = ["red"], Range(lte=5)
    filters = Filters(category=["circle"], color=red, size=["S"], price=cheap, in_stock=True)
    assert list(relax(filters)) == [
        ("size", Filters(category=["circle"], color=red, price=cheap, in_stock=True)),
        ("color", Filters(category=["circle"], price=cheap, in_stock=True)),
        ("price", Filters(category=["circle"], in_stock=True)),
        ("category", Filters(in_stock=True)),
    ]
    assert list(relax(Filters(in_stock=True, color=UNSET))) == []


def test_a_date_that_is_none_names_its_product() -> None:
    with pytest.raises(BadInput, match="created_at 'yesterday' of product x is not an ISO 8601 date"):
        Columns.build([Product("x", "dot", created_at="yesterday")])


def test_an_empty_catalogue_has_columns_too(tmp_path: Path) -> None:
    Columns.build([]).save(tmp_path)
    assert Columns.load(tmp_path).mask(Filters(color=["red"], price=Range(lte=1))).tolist() == []
