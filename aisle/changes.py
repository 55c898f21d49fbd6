"""The wiring of the overlay: where changes are kept, and writing them now. It loads no model and no numpy."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from aisle.overlay import MemoryStore, Store, updates
from aisle.settings import Settings
from aisle.types import OverlayRequest, OverlayResponse


class Changes:
    """What the overlay's door calls (`aisle.operations.OverlayServices`), over a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def overlay(self, request: OverlayRequest) -> OverlayResponse:
        """Writes what `request` asks. Raises BadInput, Unavailable."""
        wanted, now = updates(request), time.time_ns() // 1_000_000
        self.store.write(wanted, now)
        return OverlayResponse(len(wanted), datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds"))


def open_changes(settings: Settings) -> Changes:
    """Over the settings' table, or over this process's memory where they name none."""
    if not settings.overlay_table:
        return Changes(MemoryStore())
    from aisle.aws.overlay_table import OverlayTable

    return Changes(OverlayTable(settings.overlay_table))
