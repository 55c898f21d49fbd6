"""What a request to the overlay becomes, and where entries are kept: in memory, and in the table of the stack."""

from collections.abc import Iterator
from typing import Any

import boto3
import msgspec
import pytest
from world_aws import overlay_table

from aisle.aws.overlay_table import OverlayTable
from aisle.errors import BadInput, Unavailable
from aisle.overlay import MOST, Entry, MemoryStore, Store, Update, updates
from aisle.types import OverlayRequest, Product


def request(**fields: Any) -> OverlayRequest:
    return msgspec.convert(fields, OverlayRequest)


def test_a_request_becomes_an_update_a_product() -> None:
    asked = request(
        changes=[
            {"product_id": "a", "price": 9.5, "stock": None},
            {"product_id": "b", "hidden": True},
            {"product_id": "c", "forget": True},
        ],
        products=[{"product_id": "d", "title": "New  hat", "price": "12"}],
    )
    assert updates(asked) == [
        Update("a", {"price": 9.5}, ("stock",)),
        Update("b", {"hidden": True}),
        Update("c", forget=True),
        Update("d", {"product": Product("d", "New hat", price=12.0), "price": 12.0}, ("stock",)),
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "0 changes and products: send 1 to 100"),
        ({"changes": [{"product_id": str(i), "stock": 1} for i in range(MOST + 1)]}, "101 changes and products"),
        ({"changes": [{"product_id": "a"}]}, "a change changes nothing of product 'a': give price, stock or hidden"),
        ({"changes": [{"product_id": "a", "forget": True, "stock": 1}]}, "forgets and changes product 'a'"),
        ({"changes": [{"product_id": "a", "stock": 1}] * 2}, "product 'a' is named twice"),
        (
            {"changes": [{"product_id": "a", "stock": 1}], "products": [{"product_id": "a", "title": "A"}]},
            "product 'a' is named twice",
        ),
        ({"products": [{"product_id": "a"}]}, "row 1: title is empty"),
        ({"products": [{"product_id": "a", "title": "A", "price": -1}]}, "row 1: price -1 is not a number 0 or more"),
        ({"products": [{"product_id": "a", "title": "A", "colour": "red"}]}, "products: unknown fields: colour"),
        ({"changes": [{"product_id": "红" * 342, "stock": 1}]}, "has more than 1024 bytes: use a shorter one"),
        ({"products": [{"product_id": "a" * 1025, "title": "A"}]}, "has more than 1024 bytes"),
        ({"changes": [{"product_id": "a", "price": 5e-324}]}, "is not 0 or 1e-09 to 1e+12: correct the price"),
        ({"products": [{"product_id": "a", "title": "A", "price": 1e13}]}, "price 1e+13 of product 'a' is not 0 or"),
        ({"products": [{"product_id": "a", "title": "A", "description": "x" * 350_000}]}, "more than 350000: shorten"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as refused:
        updates(request(**fields))
    assert told in str(refused.value)


@pytest.fixture(params=["memory", "table"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        request.getfixturevalue("aws")
        yield OverlayTable(overlay_table())


def entries(store: Store, since: int = 0, standing: bool = False) -> dict[str, Entry]:
    return {entry.product_id: entry for entry in store.read(since, standing)}


def test_later_changes_add_to_earlier_ones_each_with_its_time(store: Store) -> None:
    store.write([Update("a", {"price": 9.5}), Update("b", {"stock": 0})], 1000)
    store.write([Update("a", {"stock": 3})], 2000)
    store.write([Update("a", cleared=("price",))], 3000)
    assert entries(store) == {
        "a": Entry("a", 3000, price_at=3000, stock=3, stock_at=2000),
        "b": Entry("b", 1000, stock=0, stock_at=1000),
    }


def test_only_what_changed_since_is_read(store: Store) -> None:
    store.write([Update("a", {"stock": 1}), Update("b", {"stock": 2})], 1000)
    store.write([Update("b", {"stock": 3})], 2000)
    assert entries(store, since=1001) == {"b": Entry("b", 2000, stock=3, stock_at=2000)}


def test_what_is_hidden_or_added_is_read_however_old(store: Store) -> None:
    hat = Product("hat", "红帽 <Hat>", price=0.1, attributes={"warm": True})
    store.write([Update("hat", {"product": hat}), Update("bad", {"hidden": True}), Update("a", {"stock": 1})], 1000)
    assert entries(store, since=5000, standing=True) == {
        "hat": Entry("hat", 1000, product=hat, product_at=1000, standing=True),
        "bad": Entry("bad", 1000, hidden=True, standing=True),
    }


def test_forgetting_leaves_an_empty_entry_for_those_who_had_read_more(store: Store) -> None:
    store.write([Update("a", {"hidden": True, "price": 1e12})], 1000)
    store.write([Update("a", forget=True)], 2000)
    assert entries(store, standing=True) == {"a": Entry("a", 2000)}


def test_an_entry_is_kept_whole_whatever_its_id_says(store: Store) -> None:
    for product_id in ("<script>", "红 帽", "a#b:c", "'; DROP TABLE", "x" * 500):
        store.write([Update(product_id, {"price": 1e-9, "stock": 2**53 - 1})], 1000)
        assert entries(store)[product_id] == Entry(product_id, 1000, 1e-9, 1000, 2**53 - 1, 1000)


def test_many_entries_are_read_page_by_page(aws: dict[str, str]) -> None:
    table = OverlayTable(overlay_table())
    text = "x" * 300_000  # three fill a page of a megabyte
    for number in range(8):
        table.write([Update(str(number), {"product": Product(str(number), "Hat", description=text)})], 1000 + number)
    assert sorted(entries(table)) == [str(number) for number in range(8)]


def test_a_product_that_another_version_wrote_is_left_out_with_a_line_in_the_log(
    aws: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    table = OverlayTable(overlay_table())
    table.write([Update("a", {"product": Product("a", "Hat")}), Update("b", {"stock": 1})], 1000)
    boto3.client("dynamodb").update_item(
        TableName="overlay",
        Key={"catalogue": {"S": "overlay"}, "product_id": {"S": "a"}},
        UpdateExpression="SET product = :newer",
        ExpressionAttributeValues={":newer": {"S": '{"title": 7}'}},
    )
    assert entries(table)["a"].product is None
    assert entries(table)["b"].stock == 1
    assert "a product of the overlay cannot be read and is left out" in caplog.text


def test_a_missing_table_is_unavailable(aws: dict[str, str]) -> None:
    table = OverlayTable("no-such-table")
    with pytest.raises(Unavailable, match="the overlay table no-such-table: ResourceNotFoundException: look at"):
        table.read(0, standing=True)
    with pytest.raises(Unavailable, match="ResourceNotFoundException"):
        table.write([Update("a", {"stock": 1})], 1000)


def test_a_table_that_does_not_answer_is_given_up_within_a_second(
    aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(Unavailable, match="EndpointConnectionError"):
        OverlayTable("overlay").read(0, standing=True)
