"""Records of a world with a few shoppers and products, for whoever keeps, reads or learns from them."""

from typing import Any

from aisle.events import Record, moment
from aisle.pseudonyms import Pseudonyms

PSEUDONYMS = Pseudonyms(bytes(range(32)), bytes(range(32, 64)))
NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z
ANNA, BEN = PSEUDONYMS.of("anna"), PSEUDONYMS.of("ben")


def record(name: str, at_ms: int = NOON, received_ms: int | None = None, **fields: Any) -> Record:
    """A purchase of Anna's; the event id is `name`, filled up."""
    told: dict[str, Any] = {
        "event_id": name.rjust(22, "0"),
        "shopper": ANNA,
        "anonymous": False,
        "session": "",
        "query_id": "",
        "kind": "purchase",
        "product_id": "hat",
        "position": None,
        "timestamp": moment(at_ms),
        "received_at": moment(at_ms if received_ms is None else received_ms),
    }
    return Record(**told | fields)
