"""The search image around a bundle whose products lie in a table: built without a key to it, and reads it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from containers import buildah, container, debian, make_image, require

from aisle.bundle import Bundle
from aisle.cli import main
from aisle.table_indexing import reindex_at
from infra.emulated import emulated_aws

pytestmark = pytest.mark.slow
pytest.importorskip("lancedb", reason="needs lancedb: pip install 'aisle[lance]'")

TAG, BUCKET = "localhost/aisle-test/table:slim", "aisle-catalogues"
RECOMMEND = """
from types import SimpleNamespace
from functions.recommend.handler import handler
print(handler(EVENT, SimpleNamespace(function_name="recommend"))["statusCode"])
"""


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """The environment in which an empty bucket lies."""
    with pytest.MonkeyPatch.context() as patch, emulated_aws() as environment:
        environment |= {"AWS_ALLOW_HTTP": "true"}
        for name, value in environment.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield environment


@pytest.fixture(scope="module")
def bundle(store: dict[str, str], tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    catalogue = folder / "catalogue.jsonl"
    shutil.copyfile(tiny_bundle / "products.jsonl", catalogue)
    uri = f"s3://{BUCKET}/shop"
    made = Bundle.open(tiny_bundle)
    return reindex_at(
        made, catalogue, folder / "stored", None, uri, "2026-01-02T03:04:05+00:00", 1, lambda _: None
    ).path


@pytest.fixture(scope="module")
def image(bundle: Path) -> Iterator[str]:
    """A container."""
    require()
    built = make_image(bundle, debian(), "slim", TAG)
    assert built.returncode == 0, built.stderr
    with container(TAG) as name:
        yield name


def inside(name: str, environment: dict[str, str], *command: str) -> str:
    given = [f"--env={key}={value}" for key, value in environment.items()]
    return buildah("run", "--isolation=chroot", *given, name, "--", *command)


def test_it_answers_as_this_machine_does(
    image: str, bundle: Path, store: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["search", "red shoes under 80", "--k", "5"]
    assert main([asked[0], str(bundle), *asked[1:]]) == 0
    here = found(capsys.readouterr().out)
    there = inside(image, store, "python3", "-m", "aisle", asked[0], "/opt/aisle/bundle", *asked[1:])
    assert found(there) == here != []


def found(printed: str) -> list[str]:
    return [json.loads(line)["product_id"] for line in printed.splitlines()]


def test_what_it_cannot_recommend_is_told(image: str, store: dict[str, str]) -> None:
    event = {
        "version": "2.0",
        "routeKey": "GET /v1/recommendations",
        "rawPath": "/v1/recommendations",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "http": {"method": "GET", "path": "/v1/recommendations", "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1"},
            "stage": "$default",
            "requestId": "r1",
            "domainName": "localhost",
            "timeEpoch": 1,
        },
        "isBase64Encoded": False,
    }
    program = f"EVENT = {event!r}\n{RECOMMEND}"
    powertools = {"POWERTOOLS_SERVICE_NAME": "aisle", "POWERTOOLS_METRICS_DISABLED": "true"}
    assert inside(image, store | powertools, "python3", "-c", program).splitlines()[-1] == "404"
