"""A shop's table of orders as purchase events in the form of UBI 1.3, one for each line that was bought and kept.

The session is the order, so that what was bought together stays together. A line has no `position`: its place in an
order is no place on a page, which is what UBI means by it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from aisle.errors import BadInput
from aisle.events import moment, ms_of
from aisle.tables import Row, as_id, as_number

# What a column means -> its names, in lower case and without _, - and blanks.
COLUMNS = {
    "customer": ("customerid", "userid", "shopperid", "clientid", "customer"),
    "product": ("productid", "stockcode", "objectid", "itemid", "sku", "articleid", "product"),
    "time": ("timestamp", "invoicedate", "orderdate", "purchasedat", "orderedat", "createdat", "datetime", "date"),
    "order": ("orderid", "invoiceno", "invoice", "invoicenumber", "orderno", "ordernumber"),
    "quantity": ("quantity", "qty"),
}
REQUIRED = ("customer", "product", "time")
CANCELLATIONS, STRANGERS = "cancellations", "rows without a customer"
_CANCELLED = re.compile(r"C\d+", re.IGNORECASE)  # an invoice that takes another one back


def purchases(rows: Iterable[Row], source: str, left_out: dict[str, int]) -> Iterator[dict[str, Any]]:
    """The events, in the order of the rows; `left_out` counts what is none: what -> rows.

    Cancelled are rows of a quantity of 0 or less, and of an invoice numbered C and digits. Times without a zone are
    UTC. Raises BadInput: no column for one of REQUIRED, or a row whose product, time or quantity is none.
    """
    columns: Mapping[str, str] = {}
    for number, row in enumerate(rows, 1):
        columns = columns or _columns(row, source)
        cells = {meaning: _cell(row.get(column)) for meaning, column in columns.items()}
        where = f"{source}, row {number}"
        if _is_cancelled(cells, columns.get("order", ""), where):
            left_out[CANCELLATIONS] = left_out.get(CANCELLATIONS, 0) + 1
        elif cells["customer"] is None:
            left_out[STRANGERS] = left_out.get(STRANGERS, 0) + 1
        else:
            product_id = as_id(cells["product"], f"{where}, {columns['product']}")
            order = cells.get("order")
            yield {
                "action_name": "purchase",
                "timestamp": _time(cells["time"], f"{where}, {columns['time']}"),
                "user_id": as_id(cells["customer"], f"{where}, {columns['customer']}"),
                **({} if order is None else {"session_id": as_id(order, f"{where}, {columns['order']}")}),
                "event_attributes": {"object": {"object_id": product_id, "object_id_type": "product"}},
            }


def _columns(row: Row, source: str) -> dict[str, str]:
    """Meaning -> column; of several names the first that COLUMNS has."""
    named = {re.sub(r"[\s_-]", "", column).casefold(): column for column in row}
    found = {meaning: next((named[name] for name in names if name in named), "") for meaning, names in COLUMNS.items()}
    for meaning in REQUIRED:
        if not found[meaning]:
            have = ", ".join(row)
            raise BadInput(f"{source} has no column for the {meaning}; it has {have}", f"name it {_names(meaning)}")
    return {meaning: column for meaning, column in found.items() if column}


def _names(meaning: str) -> str:
    return " or ".join(COLUMNS[meaning][:2])


def _cell(value: object) -> object:
    """None for a blank one; a whole number that a tool stored as 17850.0 is whole again."""
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() else value
    if isinstance(value, str):
        text = value.strip()
        return text.removesuffix(".0") if re.fullmatch(r"\d+\.0", text) else text or None
    return value


def _is_cancelled(cells: Mapping[str, object], order_column: str, where: str) -> bool:
    if "invoice" in order_column.casefold() and _CANCELLED.fullmatch(str(cells["order"])):
        return True
    if cells.get("quantity") is None:
        return False
    quantity = as_number(cells["quantity"])
    if quantity is None or not math.isfinite(quantity):
        raise BadInput(f"{where}: the quantity is no number", "correct the row")
    return quantity <= 0


def _time(value: object, where: str) -> str:
    try:
        if isinstance(value, datetime | date):
            return moment(ms_of(value.isoformat()))
        if isinstance(value, str):
            return moment(ms_of(value))
    except ValueError:
        pass
    raise BadInput(
        f"{where}: {str(value)[:40]!r} is no ISO 8601 date", "write it as 2026-01-31 or 2026-01-31T09:30:00Z"
    )
