"""What the wiring asks of the process that it runs in."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from aisle.runtime import open_services
from aisle.settings import Settings
from aisle.types import OverlayChange, OverlayRequest, SearchRequest

SCRIPT = """
import resource
import numpy as np
from aisle.runtime import keep_freed_memory
keep_freed_memory()
faults = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.zeros(2_000_000, np.float32).fill(1)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(max(faults[1:]))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc: it keeps memory by rules of its own")
def test_the_memory_of_a_large_array_serves_the_next_one() -> None:
    """8 MB are two thousand pages, each a fault when it is fresh."""
    printed = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert int(printed) < 50


def test_changes_are_searched_at_once_on_a_laptop(tiny_bundle: Path) -> None:
    services = open_services(Settings(bundle=tiny_bundle))
    first = services.search(SearchRequest(""), "q").hits[0]
    changed = services.overlay(
        OverlayRequest(
            changes=[OverlayChange(first.product_id, hidden=True)],
            products=[{"product_id": "new", "title": "Zyxel quadcopter"}],
        )
    )
    assert changed.changed == 2
    assert services.search(SearchRequest("zyxel quadcopter"), "q").hits[0].product_id == "new"
    assert first.product_id not in [hit.product_id for hit in services.search(SearchRequest("", k=200), "q").hits]
    assert first.title not in [s.text for s in services.suggest(first.title[:4], 200, None).suggestions]
    assert services.replay().ok  # the sealed bundle's, whatever the overlay says


def test_search_answers_without_its_table_and_says_so(tiny_bundle: Path, aws: dict[str, str]) -> None:
    services = open_services(Settings(bundle=tiny_bundle, overlay_table="no-such-table"))
    answer = services.search(SearchRequest("shoes"), "q")
    assert (bool(answer.hits), answer.degraded) == (True, ["overlay"])
