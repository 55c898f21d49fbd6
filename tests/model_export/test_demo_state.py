"""The demo's shoppers, told to a folder of state: known to the service as they were in the store."""

from pathlib import Path

from aisle.event_log import read_log
from aisle.events import moment, ms_of
from aisle.local_state import open_state
from aisle.settings import Settings
from aisle.shoppers import open_shoppers
from model_export.demo_state import write_state
from model_export.demo_store import generate

NOW = ms_of("2026-11-23T12:00:00Z")


def event(shopper: str, action: str, product: str, timestamp: str) -> dict[str, object]:
    row = {"shopper_id": shopper, "session_id": "V1", "query_id": "Q1", "action": action, "product_id": product}
    return {**row, "timestamp": timestamp, "position": 2}


def test_shoppers_are_known_as_if_they_had_been_here_lately(tmp_path: Path) -> None:
    events = [
        event("S1", "impression", "P1", "2026-01-01T00:00:00Z"),
        event("S1", "click", "P1", "2026-01-01T00:00:04Z"),
        event("S2", "cart", "P2", "2026-01-02T00:00:00Z"),
        event("S2", "purchase", "P2", "2026-01-02T00:01:00Z"),
    ]
    write_state(tmp_path, events, NOW)
    state = open_state(tmp_path)
    assert state.shoppers == ["S2", "S1"]
    records = [(r.kind, r.product_id, r.position, r.timestamp) for r in read_log(tmp_path / "events")]
    assert sorted(records) == [
        ("cart", "P2", 2, "2026-11-23T10:59:00.000Z"),
        ("click", "P1", 2, "2026-11-22T10:59:04.000Z"),
        ("purchase", "P2", 2, "2026-11-23T11:00:00.000Z"),
    ]
    profile = open_shoppers(Settings(), state).profiles.read(state.pseudonyms.all("S2"))
    assert [(act.kind, act.product_id, moment(act.at_ms)) for act in profile.acts] == [
        ("cart", "P2", "2026-11-23T10:59:00.000Z"),
        ("purchase", "P2", "2026-11-23T11:00:00.000Z"),
    ]


def test_no_shoppers_id_is_written_but_those_that_the_storefront_lists(tmp_path: Path) -> None:
    store = generate(60, 40)
    write_state(tmp_path, store.events, NOW)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".gz")
    logged = {field for r in read_log(tmp_path / "events") for field in (r.shopper, r.session, r.query_id)}
    named = {str(row["shopper_id"]) for row in store.events}
    assert {name for name in named if name.encode() in written} == {*open_state(tmp_path).shoppers}
    assert not logged & named
