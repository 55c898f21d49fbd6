"""The demo store's shoppers as `aisle serve --state` knows shoppers: what they did, told as UBI events.

The store's ninety days end when the state is written, so that its shoppers were here lately. Impressions are left out:
profiles keep none, and the workshop learns from the store itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from aisle.event_log import EventLog
from aisle.events import moment, ms_of
from aisle.files import LocalFiles
from aisle.identity import Caller
from aisle.local_state import SHOPPERS, open_state
from aisle.ubi import Reading

LISTED = 6  # shoppers whom one can be in the storefront
ACTIONS = {"click": "click", "cart": "add_to_cart", "purchase": "purchase"}
Rows = Sequence[dict[str, object]]


def write_state(folder: Path, events: Rows, now_ms: int) -> None:
    """Fills the folder with `events` (as of `Store`), moved in time so that the last one was an hour ago."""
    state = open_state(folder)
    assert state.events
    reading = Reading(Caller("demo", trusted=True), now_ms, state.pseudonyms, history=True)
    EventLog(LocalFiles(state.events)).extend([reading.event(event) for event in ubi_events(events, now_ms)])
    (folder / SHOPPERS).write_text("".join(f"{shopper}\n" for shopper in busiest(events)), encoding="utf-8")


def ubi_events(events: Rows, now_ms: int) -> Iterator[dict[str, object]]:
    """Clicks, additions to the cart and purchases in the form of UBI 1.3."""
    last_ms = max((ms_of(str(row["timestamp"])) for row in events), default=0)
    for row in events:
        if row["action"] in ACTIONS:
            at_ms = ms_of(str(row["timestamp"])) - last_ms + now_ms - 3_600_000
            yield {
                "action_name": ACTIONS[str(row["action"])],
                "client_id": row["shopper_id"],
                "session_id": row["session_id"],
                "query_id": row["query_id"],
                "timestamp": moment(at_ms),
                "event_attributes": {
                    "object": {"object_id": row["product_id"]},
                    "position": {"ordinal": row["position"]},
                },
            }


def busiest(events: Rows) -> list[str]:
    """The shoppers who bought most, then did most: they show what a history is good for."""
    done = Counter(str(row["shopper_id"]) for row in events if row["action"] in ACTIONS)
    bought = Counter(str(row["shopper_id"]) for row in events if row["action"] == "purchase")
    return sorted(done, key=lambda shopper: (-bought[shopper], -done[shopper], shopper))[:LISTED]
