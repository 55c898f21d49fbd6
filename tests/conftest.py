"""What every test may ask for: the folder of real data sets, if whoever runs the tests has it."""

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", metavar="DIR", help="folder of the real data sets; default: AISLE_DATA")


@pytest.fixture
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder that holds pricerunner-offers/ and so on. Skips, with the reason, where none is named."""
    named = request.config.getoption("--data") or os.environ.get("AISLE_DATA")
    if not named:
        pytest.skip("real data sets: give --data DIR or set AISLE_DATA")
    return Path(named)
