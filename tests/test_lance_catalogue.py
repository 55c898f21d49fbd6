"""Catalogues in tables: on emulated S3 as on a disk, what is asked of the store, and what becomes of a broken one.

`test_search.py` asks the whole search contract of a table as of a bundle.
"""

import shutil
import socket
from pathlib import Path

import msgspec
import numpy as np
import pytest
from world import MEANINGS, MeaningEncoder, search_world
from world_lance import gathered_world, written

from aisle.errors import BundleError, Unavailable
from aisle.lance_catalogue import LanceCatalogue, Place
from aisle.merchandising import Rules
from aisle.shopping import Act
from aisle.types import Filters, Product, Range, SearchRequest, Sort

pytest.importorskip("lancedb", reason="needs lancedb: pip install 'aisle[lance]'")

QUERIES = ["red circle", "crimson disc", "红圆", "red cirlce", "red circle under 50", "red circle under 1", "star", ""]
FILTERS = [
    Filters(),
    Filters(color=["blue", "O'Neill"], in_stock=True),
    Filters(price=Range(gte=11, lte=21), rating=Range(gte=3)),
    Filters(category=["angular"], size=["XXL"]),
]


def test_a_table_in_s3_answers_as_the_bundle_does(
    tmp_path: Path, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from aisle.aws.clients import client

    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    client("s3").create_bucket(Bucket="catalogues")
    embedded, stored = search_world(tmp_path), gathered_world(tmp_path, uri="s3://catalogues/shop")
    for query in QUERIES:
        for filters in FILTERS:
            request = SearchRequest(query, filters=filters, explain=True, facets=["color", "category"])
            one, other = embedded.search(request, "q"), stored.search(request, "q")
            assert (other.hits, other.total, other.facets) == (one.hits, one.total, one.facets)
            assert (other.relaxed, other.understood, other.degraded) == (one.relaxed, one.understood, one.degraded)


def test_rankings_and_products_are_those_of_the_bundle(tmp_path: Path) -> None:
    embedded, stored = search_world(tmp_path), gathered_world(tmp_path)
    for query in QUERIES:
        assert stored.ranking(query, 100) == embedded.ranking(query, 100)
        assert stored.said(query) == embedded.said(query)
    assert stored.product("c1", "zh") == embedded.product("c1", "zh")


def test_what_is_pinned_does_not_keep_filters_that_nothing_else_keeps(tmp_path: Path) -> None:
    rules = Rules(pin={"red circle": ["t1"], "red circle under 1": ["t1"]})
    embedded, stored = search_world(tmp_path, rules), gathered_world(tmp_path, rules)
    request = SearchRequest("red circle", filters=Filters(size=["XXL"]))
    one, other = embedded.search(request, "q"), stored.search(request, "q")
    assert [hit.product_id for hit in other.hits] == ["t1", "c1", "c3", "c4"]
    assert (other.hits, other.total, other.relaxed) == (one.hits, one.total, ["size"])
    assert stored.ranking("red circle under 1", 100) == embedded.ranking("red circle under 1", 100)
    assert stored.said("red circle under 1") == embedded.said("red circle under 1")


@pytest.mark.parametrize("query", ["", "red circle"])
def test_more_rows_are_gathered_where_an_article_has_many_variants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    products = [Product(f"p{n}", "Red circle", color="red", group_id=f"g{n // 10}", size=str(n)) for n in range(600)]
    embedded, stored = search_world(tmp_path, products=products), gathered_world(tmp_path, products=products)
    pages = [SearchRequest(query, page=page, rerank="none") for page in range(1, 8)]
    hits = [[hit.product_id for hit in stored.search(page, "q").hits] for page in pages]
    assert hits == [[hit.product_id for hit in embedded.search(page, "q").hits] for page in pages]
    assert [len(page) for page in hits] == [10, 10, 10, 10, 10, 10, 0]
    assert [stored.search(page, "q").total for page in pages] == [20, 20, 40, 40, 60, 60, 60]
    monkeypatch.setattr("aisle.gathering.MOST", 400)
    assert [stored.search(page, "q").total for page in pages] == [20, 20, 40, 40, 40, 40, 40]


@pytest.mark.parametrize("sort", ["relevance", "rating", "newest", "price_asc", "price_desc"])
def test_browsing_breaks_ties_as_the_bundle_does(tmp_path: Path, sort: Sort) -> None:
    products = [
        Product(
            f"p{n}", "Red circle", price=None if n % 5 == 0 else n % 2, rating=None if n % 3 == 0 else n % 47 / 10 + 0.1
        )
        for n in range(450)
    ]
    embedded, stored = search_world(tmp_path, products=products), gathered_world(tmp_path, products=products)
    pages = [SearchRequest(sort=sort, page=page) for page in (1, 10, 20, 21, 22, 40, 41, 45, 46)]
    hits = [[hit.product_id for hit in stored.search(page, "q").hits] for page in pages]
    assert hits == [[hit.product_id for hit in embedded.search(page, "q").hits] for page in pages]
    assert len({product for page in hits for product in page}) == 80


def test_what_a_shopper_did_is_gathered_beside_what_the_query_finds(tmp_path: Path) -> None:
    place, _ = written(str(tmp_path / "lance"))
    vector = MeaningEncoder().encode(["star"])[0]
    found = LanceCatalogue(place).find(["star"], vector, Filters(category=["angular"]), 1, lambda: ["c4", "gone"])
    ids = {msgspec.json.decode(record.product)["product_id"] for record in found}
    assert ids - {"t1", "t2"} == {"c4"}


def test_a_history_is_read_once_and_only_where_something_was_learned_from_clicks(tmp_path: Path) -> None:
    asked = []

    def history() -> list[Act]:
        asked.append(1)
        return []

    gathered_world(tmp_path).search(SearchRequest("red circle under 1"), "q", history)
    assert asked == []


def test_many_products_are_found_by_an_index_of_their_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisle.lance_writing.MOST_WHOLE", 1000)
    products = [
        Product(f"p{n}", f"{color} {shape}", price=n, color=color)
        for n in range(4000)
        for color, shape in [(MEANINGS[n % 3], MEANINGS[3 + n // 3 % 3])]
    ]
    place, _ = written(str(tmp_path / "lance"), products)
    table = LanceCatalogue(place)
    vector = MeaningEncoder().encode(["red circle"])[0]
    found = table.find([], vector, Filters(), 100, list)
    assert {np.frombuffer(record.vector, np.int8).tobytes() for record in found} == {
        np.rint(vector * 127).astype(np.int8).tobytes()
    }
    narrow = table.find([], vector, Filters(price=Range(gte=100, lte=130)), 100, list)
    assert sorted(record.row for record in narrow) == [*range(100, 131)]


def test_a_price_is_compared_as_the_column_has_it(tmp_path: Path) -> None:
    place, _ = written(str(tmp_path / "lance"), [Product("a", "Red circle", price=39.9), Product("b", "Red star")])
    table = LanceCatalogue(place)
    assert [r.row for r in table.browse(Filters(price=Range(lte=39.9)), "price_asc", 10, list)] == [0]
    assert [r.row for r in table.browse(Filters(price=Range(gte=39.9, lte=1e300)), "price_asc", 10, list)] == [0]
    assert [r.row for r in table.browse(Filters(color=[]), "newest", 10, list)] == []


def test_a_table_that_is_missing_is_named_with_the_remedy(tmp_path: Path) -> None:
    place, _ = written(str(tmp_path / "lance"))
    gone = Place(place.uri, "another", place.version, place.rows, place.dim)
    with pytest.raises(BundleError, match=r"table another, version \d+, of .*lance is not there"):
        LanceCatalogue(gone)
    with pytest.raises(BundleError, match=r"version 99, of .* is not there"):
        LanceCatalogue(Place(place.uri, place.table, 99, place.rows, place.dim))


@pytest.mark.parametrize("uri", ["{tmp}/shop-connect 503 timeout x/lance", "s3://shop-connect/dispatch 503"])
def test_names_of_a_missing_table_are_not_taken_for_what_went_wrong(
    tmp_path: Path, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    from aisle.aws.clients import client

    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    client("s3").create_bucket(Bucket="shop-connect")
    place, _ = written(uri.format(tmp=tmp_path))
    for table, version in (("products_503", place.version), (place.table, 99)):
        with pytest.raises(BundleError, match=f"table {table}, version {version}, of .* is not there"):
            LanceCatalogue(Place(place.uri, table, version, place.rows, place.dim))


def test_a_table_without_its_rows_is_told_when_it_is_asked(tmp_path: Path) -> None:
    place, _ = written(str(tmp_path / "lance"))
    shutil.rmtree(tmp_path / "lance" / "world.lance" / "data")
    with pytest.raises(BundleError, match="index"):
        LanceCatalogue(place).find(["red"], MeaningEncoder().encode(["red"])[0], Filters(), 10, list)


def test_a_damaged_table_is_told_when_it_is_asked(tmp_path: Path) -> None:
    place, _ = written(str(tmp_path / "lance"))
    for path in (tmp_path / "lance" / "world.lance" / "data").iterdir():
        path.write_bytes(b"\x00" * path.stat().st_size)
    with pytest.raises(BundleError, match="index"):
        LanceCatalogue(place).article("c1")


def test_a_table_says_which_products_it_holds(tmp_path: Path) -> None:
    place, _ = written(str(tmp_path / "lance"))
    assert LanceCatalogue(place).held(["c1", "O'Neill", "t2"]) == {"c1", "t2"}


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with socket.socket() as closed:  # bound and not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(Unavailable, match="s3://nowhere/shop does not answer"):
            LanceCatalogue(Place("s3://nowhere/shop", "products", 1, 1, 1))


@pytest.mark.slow
def test_a_store_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setattr("aisle.lance_catalogue.OPEN_S", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Unavailable, match="does not answer within 1 s"):
            LanceCatalogue(Place("s3://nowhere/shop", "products", 1, 1, 1))
