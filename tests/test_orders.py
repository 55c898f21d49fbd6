"""Orders as shops keep them, as purchase events: what is read, what is left out and what is refused."""

import csv
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from aisle.errors import BadInput
from aisle.orders import CANCELLATIONS, STRANGERS, purchases
from aisle.tables import Row, read_table

UCI: Row = {
    "invoice_no": "536365",
    "stock_code": "85123A",
    "description": "HOLDER",
    "quantity": 6,
    "invoice_date": datetime(2010, 12, 1, 8, 26),
    "unit_price": 2.55,
    "customer_id": 17850,
    "country": "United Kingdom",
}
EVENT = {
    "action_name": "purchase",
    "timestamp": "2010-12-01T08:26:00.000Z",
    "user_id": "17850",
    "session_id": "536365",
    "event_attributes": {"object": {"object_id": "85123A", "object_id_type": "product"}},
}


def of(*rows: Row) -> tuple[list[dict[str, Any]], dict[str, int]]:
    left_out: dict[str, int] = {}
    return list(purchases(rows, "orders.csv", left_out)), left_out


def test_an_order_line_is_a_purchase_in_the_session_of_its_order() -> None:
    assert of(UCI) == ([EVENT], {})


def test_cancellations_and_rows_without_a_customer_are_counted_and_left_out() -> None:
    rows: list[Row] = [
        UCI | {"invoice_no": "C536365", "quantity": -6},
        UCI | {"invoice_no": "c536365"},
        UCI | {"quantity": -1, "customer_id": None},
        UCI | {"quantity": 0},
        UCI | {"customer_id": None},
        UCI | {"customer_id": float("nan")},
        UCI | {"customer_id": " "},
        UCI,
    ]
    assert of(*rows) == ([EVENT], {CANCELLATIONS: 4, STRANGERS: 3})


@pytest.mark.parametrize(
    ("row", "event"),
    [
        (
            {"Order ID": "C1", "Product ID": " 7 ", "Timestamp": "2026-01-31T09:30:00+01:00", "User ID": "anna"},
            {"object_id": "7", "timestamp": "2026-01-31T08:30:00.000Z", "user_id": "anna", "session_id": "C1"},
        ),
        (
            {
                "InvoiceNo": 1,
                "StockCode": "x",
                "Quantity": "2",
                "InvoiceDate": "2026-01-31 09:30",
                "CustomerID": "17.0",
            },
            {"object_id": "x", "timestamp": "2026-01-31T09:30:00.000Z", "user_id": "17", "session_id": "1"},
        ),
        (
            {"sku": 12.0, "order-date": date(2026, 1, 31), "shopper_id": 9.0},
            {"object_id": "12", "timestamp": "2026-01-31T00:00:00.000Z", "user_id": "9", "session_id": None},
        ),
        (
            {"order_id": "", "product_id": "x", "date": "2026-01-31", "customer": "a", "qty": ""},
            {"object_id": "x", "timestamp": "2026-01-31T00:00:00.000Z", "user_id": "a", "session_id": None},
        ),
    ],
)
def test_shops_name_their_columns_differently(row: Row, event: dict[str, Any]) -> None:
    ((told,), left_out) = of(row)
    seen = {name: told.get(name) for name in ("timestamp", "user_id", "session_id")}
    assert seen | {"object_id": told["event_attributes"]["object"]["object_id"]} == event
    assert left_out == {}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"product_id": "x", "timestamp": "2026-01-31"},
            "orders.csv has no column for the customer; it has product_id, timestamp: name it customerid or userid",
        ),
        (
            UCI | {"stock_code": None},
            "orders.csv, row 1, stock_code: None is no id: write ids as text or whole numbers",
        ),
        (UCI | {"stock_code": 1.5}, "orders.csv, row 1, stock_code: 1.5 is no id: write ids as text or whole numbers"),
        (UCI | {"customer_id": True}, "orders.csv, row 1, customer_id: True is no id"),
        (UCI | {"quantity": "many"}, "orders.csv, row 1: the quantity is no number: correct the row"),
        (UCI | {"quantity": float("inf")}, "orders.csv, row 1: the quantity is no number: correct the row"),
        (UCI | {"invoice_date": "12/1/2010 8:26"}, "orders.csv, row 1, invoice_date: '12/1/2010 8:26' is no ISO 8601"),
        (UCI | {"invoice_date": 44}, "orders.csv, row 1, invoice_date: '44' is no ISO 8601 date: write it as 2026-"),
        (UCI | {"invoice_date": "0001-01-01T00:00+14:00"}, "orders.csv, row 1, invoice_date: '0001-01-01T00:00+14:00'"),
    ],
)
def test_a_table_that_breaks_a_rule_is_told_by_its_row(row: Row, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        of(row)
    assert str(refused.value).startswith(told)


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="parquet needs the offline extra")
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [UCI, UCI | {"customer_id": None}, UCI | {"stock_code": "84406B", "quantity": -2}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "orders.parquet")
    with (tmp_path / "orders.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*UCI])
        writer.writeheader()
        writer.writerows(rows)
    expected = ([EVENT], {STRANGERS: 1, CANCELLATIONS: 1})
    assert of(*read_table(tmp_path / "orders.parquet")) == expected
    assert of(*read_table(tmp_path / "orders.csv")) == expected


@pytest.mark.data
def test_a_year_of_a_real_shop(data_dir: Path) -> None:
    left_out: dict[str, int] = {}
    orders = data_dir / "uci-online-retail" / "transactions.parquet"
    events = list(purchases(read_table(orders), str(orders), left_out))
    assert (len(events), left_out) == (359_811, {CANCELLATIONS: 9873, STRANGERS: 118_034})
    assert (events[0]["user_id"], events[0]["timestamp"]) == ("17850", "2010-12-01T08:26:00.000Z")
