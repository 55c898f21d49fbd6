"""The overlay in DynamoDB: an item a product, all under one partition key, with an index by time of change.

One key holds what a shop changes between two builds: a thousand writes and three thousand reads of 4 KB a second, far
above what a catalogue needs. `standing` marks what must be read however old it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from aisle.aws.clients import client, told
from aisle.errors import Unavailable
from aisle.overlay import Entry, Update
from aisle.types import Product

PARTITION = "overlay"
_FORGOTTEN_S = 7 * 86_400  # how long a forgotten product's item stays, for readers to see that it was forgotten
_READ_TIMEOUT_S, _WRITE_TIMEOUT_S = 0.5, 5.0  # of a call
_READ_S, _FIRST_READ_S = 1.0, 8.0  # of all pages: inside a request, and at a start, for which Lambda gives ten seconds
log = logging.getLogger(__name__)


class OverlayTable:
    """An `aisle.overlay.Store` over the table `name`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, updates: Sequence[Update], now: int) -> None:
        """Raises Unavailable where the table is missing, refuses or does not answer."""
        table = client("dynamodb", timeout_s=_WRITE_TIMEOUT_S)
        with told(f"the overlay table {self._name}", "try again shortly; what was sent may be sent twice"):
            for update in updates:
                if update.forget:
                    item = self._key(update.product_id) | {
                        "changed_at": {"N": str(now)},
                        "expires": {"N": str(now // 1000 + _FORGOTTEN_S)},
                    }
                    table.put_item(TableName=self._name, Item=item)
                else:
                    table.update_item(
                        TableName=self._name, Key=self._key(update.product_id), **_expression(update, now)
                    )

    def read(self, since: int, standing: bool) -> list[Entry]:
        """Raises Unavailable where the table is missing, refuses or does not answer in time."""
        until = time.monotonic() + (_FIRST_READ_S if standing else _READ_S)
        with told(f"the overlay table {self._name}", "look at the table and its throttles"):
            entries = [*self._query("changes", "changed_at", since, until)]
            return entries + ([*self._query("standing", "standing", 0, until)] if standing else [])

    def _query(self, index: str, key: str, least: int, until: float) -> Iterator[Entry]:
        pages = client("dynamodb", timeout_s=_READ_TIMEOUT_S, attempts=1).get_paginator("query")
        asked = pages.paginate(
            TableName=self._name,
            IndexName=index,
            KeyConditionExpression="catalogue = :catalogue AND #key >= :least",
            ExpressionAttributeNames={"#key": key},
            ExpressionAttributeValues={":catalogue": {"S": PARTITION}, ":least": {"N": str(least)}},
        )
        for page in asked:
            if time.monotonic() > until:
                raise Unavailable(
                    f"the overlay table {self._name} takes too long to read", "send fewer changes at once"
                )
            yield from map(_entry, page["Items"])

    @staticmethod
    def _key(product_id: str) -> dict[str, Any]:
        return {"catalogue": {"S": PARTITION}, "product_id": {"S": product_id}}


def _expression(update: Update, now: int) -> dict[str, Any]:
    """The arguments of UpdateItem that carry out `update`: each field for itself, so that two writers lose nothing."""
    values: dict[str, Any] = {"changed_at": {"N": str(now)}}
    for name, value in update.values.items():
        values[name] = _attribute(value)
    values |= {f"{name}_at": {"N": str(now)} for name in update.timed}
    if update.stands:
        values["standing"] = {"N": str(now)}
    sets = ", ".join(f"#{name} = :{name}" for name in values)
    removes = ", ".join(f"#{name}" for name in (*update.cleared, "expires"))
    return {
        "UpdateExpression": f"SET {sets} REMOVE {removes}",
        "ExpressionAttributeNames": {f"#{name}": name for name in (*values, *update.cleared, "expires")},
        "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
    }


def _attribute(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": f"{Decimal(str(value)):f}"}
        case _:
            return {"S": msgspec.json.encode(value).decode()}


def _entry(item: dict[str, Any]) -> Entry:
    def number(name: str) -> Any:
        return float(item[name]["N"]) if name in item else None

    return Entry(
        product_id=item["product_id"]["S"],
        changed_at=int(item["changed_at"]["N"]),
        price=number("price"),
        price_at=int(number("price_at") or 0),
        stock=None if "stock" not in item else int(item["stock"]["N"]),
        stock_at=int(number("stock_at") or 0),
        hidden=item.get("hidden", {}).get("BOOL", False),
        product=_product(item["product"]["S"]) if "product" in item else None,
        product_at=int(number("product_at") or 0),
        standing="standing" in item,
    )


def _product(text: str) -> Product | None:
    """None, with a line in the log, where another version of aisle wrote what this one cannot read."""
    try:
        return msgspec.json.decode(text, type=Product)
    except msgspec.DecodeError as exc:
        log.error("a product of the overlay cannot be read and is left out: %s", exc)
        return None
