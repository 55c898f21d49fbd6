"""`aisle serve` without its extra says which one to install."""

import sys
from pathlib import Path

import pytest

from aisle.errors import MissingExtra
from aisle.server import serve


def test_serve_names_the_extra_that_brings_uvicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match=r"uvicorn is not installed: pip install 'aisle\[server\]'"):
        serve(Path("bundle"))
