"""What every test may ask for: real data sets, a tiny bundle, an emulated account; and which tests run when."""

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.emulated import emulated_aws, reset

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from stacks import Compiled


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", metavar="DIR", help="folder of the real data sets; default: AISLE_DATA")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests run where -m names them."""
    if "slow" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: make test SLOW=1"))


@pytest.fixture
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder that holds pricerunner-offers/ and so on. Skips, with the reason, where none is named."""
    named = request.config.getoption("--data") or os.environ.get("AISLE_DATA")
    if not named:
        pytest.skip("real data sets: give --data DIR or set AISLE_DATA")
    return Path(named)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed bundle of 60 demo products, built by the real workshop in seconds, and beside it `heavy`, its teacher.

    Skipped without the export extra.
    """
    pytest.importorskip("torch", reason="builds a bundle: needs the export extra")
    from model_export.build import build
    from model_export.recipe import read_recipe

    folder = tmp_path_factory.mktemp("tiny")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter and LightGBM's converter warn about their own internals
        return build(
            read_recipe(str(Path(__file__).with_name("tiny.toml"))),
            None,
            folder / "bundle",
            folder / "report.html",
            heavy=folder / "heavy",
        ).path


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """Spark on two cores of this machine, one for all tests of its jobs. Skipped without pyspark or Java."""
    pytest.importorskip("pyspark", reason="needs pyspark: pip install -c constraints.txt -e '.[spark]'")
    if shutil.which("java") is None:
        pytest.skip("needs Java: a Java 17 runtime")
    from model_export.spark.session import spark_session

    with spark_session("tests", cores=2) as session:
        yield session


@pytest.fixture(scope="session")
def _emulated_account() -> Iterator[dict[str, str]]:
    pytest.importorskip("moto", reason="emulates AWS: needs the dev extra")
    with emulated_aws() as environment:
        yield environment


@pytest.fixture(scope="session")
def compiled(_emulated_account: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> "Compiled":
    """Stacks as osls compiles them, each once, whichever tests ask for it. Skipped without Node."""
    from stacks import compiling

    return compiling(_emulated_account, tmp_path_factory.mktemp)


@pytest.fixture
def aws(_emulated_account: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of an empty emulated AWS account, set for the test: boto3 speaks to it over HTTP."""
    from aisle.aws.clients import client

    reset(_emulated_account["AWS_ENDPOINT_URL"])
    for name, value in _emulated_account.items():
        monkeypatch.setenv(name, value)
    client.cache_clear()  # clients keep the address that they were made with
    yield _emulated_account
    client.cache_clear()
