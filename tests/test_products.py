"""Products are found by their ids, many at once too, in the sealed file and under an overlay."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import PRODUCTS

from aisle.products import Products
from aisle.types import Product

NEW = Product("n1", "Orange moon")


def test_many_ids_are_found_at_once_and_unknown_ones_told(tmp_path: Path) -> None:
    Products.save(PRODUCTS, tmp_path)
    products = Products.load(tmp_path)
    assert products.find_all(["t2", "nobody", "c1", "c1", ""]).tolist() == [7, -1, 0, 0, -1]
    assert products.find_all([]).tolist() == []


def test_hidden_products_are_not_found_and_added_ones_are(tmp_path: Path) -> None:
    Products.save(PRODUCTS, tmp_path)
    products = Products.load(tmp_path).overlaid({}, {0}, [NEW])
    assert products.find_all(["c1", "c2", "n1", "n2"]).tolist() == [-1, 1, 8, -1]


def test_a_bundle_without_hashes_answers_alike(tmp_path: Path) -> None:
    Products.save(PRODUCTS, tmp_path)
    (tmp_path / "products_by_hash.npy").unlink()
    products = Products.load(tmp_path).overlaid({}, {0}, [NEW])
    assert products.find_all(["c1", "c2", "n1", "n2"]).tolist() == [-1, 1, 8, -1]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, max_size=20),
    st.lists(st.text(), max_size=5),
)
def test_any_id_is_found_where_it_is_one(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], others: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    Products.save([Product(i, "title") for i in ids], folder)
    asked = [*ids, *others]
    assert Products.load(folder).find_all(asked).tolist() == [ids.index(i) if i in ids else -1 for i in asked]
