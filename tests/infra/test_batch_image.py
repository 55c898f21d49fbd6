"""The batch image, built for real by the recipe of search's, and its own entrypoint under Lambda's emulator."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import config, container, debian, inside, make_image, require, started

from aisle.bundle import Bundle

pytestmark = pytest.mark.slow

BUDGET_MB = 280  # what the image may add to its base, without the bundle
TAG = "localhost/aisle-test/batch:slim"
ROUND_TRIP = """
import io, pyarrow as pa, pyarrow.parquet as pq
sink = io.BytesIO()
pq.write_table(pa.table({"a": pa.array(["x", "y"]), "v": pa.array([[1.0], [2.0]], pa.list_(pa.float32(), 1))}), sink,
               compression="zstd")
print(pq.ParquetFile(io.BytesIO(sink.getvalue())).read().to_pylist())
"""


@pytest.fixture(scope="module")
def image(tiny_bundle: Path) -> Iterator[tuple[str, str]]:
    """A container, and what the build printed."""
    require()
    built = make_image(tiny_bundle, debian(), "slim", TAG, "batch")
    assert built.returncode == 0, built.stderr
    with container(TAG) as name:
        yield name, built.stdout


def test_it_reads_and_writes_parquet_and_has_one_door(image: tuple[str, str]) -> None:
    assert inside(image[0], "python3", "-c", ROUND_TRIP) == "[{'a': 'x', 'v': [1.0]}, {'a': 'y', 'v': [2.0]}]"
    listed = inside(image[0], "python3", "-c", "import glob; print(*glob.glob('functions/*/handler.py'))")
    assert listed == "functions/batch/handler.py"
    services = "import glob; print(*sorted(p.rsplit('/', 2)[-2] for p in glob.glob('botocore/data/*/')))"
    assert inside(image[0], "python3", "-c", services) == "s3 sqs stepfunctions"


def test_its_own_entrypoint_answers_lambda(image: tuple[str, str], tmp_path: Path) -> None:
    """Nothing of AWS is there: a try of S3's is ignored, and what is no message is told as an error of its caller."""
    trying = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})
    record = {"eventSource": "aws:sqs", "messageId": "m0", "receiptHandle": "r", "body": trying, "attributes": {}}
    with started(image[0], TAG, tmp_path / "log", 3008) as function:
        assert function.invoke({"Records": [record]}) == {"batchItemFailures": []}


def test_it_says_what_it_is_and_is_small(image: tuple[str, str], tiny_bundle: Path) -> None:
    found = config(TAG)
    assert found["Cmd"] == ["functions.batch.handler.handler"]
    assert found["Labels"]["org.opencontainers.image.title"] == "aisle-batch"
    assert found["Labels"]["aisle.bundle-id"] == Bundle.open(tiny_bundle).manifest.bundle_id
    rows = dict(row.split(" MB  ")[::-1] for row in image[1].splitlines() if " MB  " in row)
    assert 0 < float(rows["added, without the bundle"]) <= BUDGET_MB
