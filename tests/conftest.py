"""What every test may ask for: the folder of real data sets, if whoever runs the tests has it."""

import os
import warnings
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


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed bundle of 60 demo products, built by the real workshop in seconds; skipped without the export extra."""
    pytest.importorskip("torch", reason="builds a bundle: needs the export extra")
    from model_export.build import build
    from model_export.recipe import read_recipe

    folder = tmp_path_factory.mktemp("tiny")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter and LightGBM's converter warn about their own internals
        return build(
            read_recipe(str(Path(__file__).with_name("tiny.toml"))), None, folder / "bundle", folder / "report.html"
        ).path
