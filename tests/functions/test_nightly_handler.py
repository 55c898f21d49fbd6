"""The nightly function over the emulated account: its schedule, its messages, and what shoppers find then."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from test_ingest import again, event
from test_profile_table import ANN, BOB, record
from world_aws import profiles_table

from aisle.aws.bucket_files import BucketFiles
from aisle.aws.profile_table import ProfileTable
from aisle.bundle import Bundle
from aisle.query_cache import file_of, unpacked
from aisle.runtime import open_services
from aisle.settings import Settings

BUCKET, TABLE = "aisle-dev-batch-123456789012", "aisle-dev-profiles"
TIME_ENOUGH = SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000)
NO_TIME = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)
SEGMENT, QUERIES = '{"segment":[0,1,null]}', '{"segment":null}'


@pytest.fixture
def queue(aws: dict[str, str]) -> str:
    profiles_table(TABLE)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    url: str = boto3.client("sqs").create_queue(QueueName="aisle-dev-nightly")["QueueUrl"]
    return url


@pytest.fixture
def nightly(queue: str, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    values = {"BUNDLE": str(tiny_bundle), "PROFILES_TABLE": TABLE, "NIGHTLY_QUEUE": queue, "BATCH_BUCKET": BUCKET}
    for name, value in (values | {"QUERY_CACHE": f"s3://{BUCKET}/cache"}).items():
        monkeypatch.setenv(f"AISLE_{name}", value)
    sys.modules.pop("functions.nightly.handler", None)
    yield importlib.import_module("functions.nightly.handler").handler
    sys.modules.pop("functions.nightly.handler", None)


def waiting(queue: str) -> list[str]:
    sqs = boto3.client("sqs")
    return sorted(m["Body"] for m in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []))


def put(name: str, text: str) -> None:
    BucketFiles(BUCKET).write(name, text.encode())


def test_a_night_is_a_message_for_each_segment_and_one_for_the_queries(nightly: Any, queue: str) -> None:
    assert nightly({"aisle": "night", "segments": 2}, TIME_ENOUGH) == {"messages": 3}
    assert waiting(queue) == ['{"segment":[0,2,null]}', '{"segment":[1,2,null]}', '{"segment":null}']


def test_a_segment_leaves_each_shopper_a_list_by_this_bundle(nightly: Any, tiny_bundle: Path) -> None:
    services = open_services(Settings(bundle=tiny_bundle))
    products = [
        hit["product_id"] for hit in map(json.loads, (tiny_bundle / "products.jsonl").read_bytes().splitlines())
    ]
    table = ProfileTable(TABLE)
    table.add(ANN, [record(products[0], kind="view")])
    table.add(BOB, [record(products[1], shopper=BOB, kind="view")])
    assert nightly(event(SEGMENT), TIME_ENOUGH) == again()
    for shopper in (ANN, BOB):
        profile = table.read([shopper])
        assert profile.suggested is not None
        assert profile.suggested == services.choose(profile.acts, profile.suggested.made_at_ms)
        assert len(profile.suggested.products) > 10


def test_what_there_is_no_time_for_is_a_message_of_its_own(nightly: Any, queue: str) -> None:
    ProfileTable(TABLE).add(ANN, [record("hat")])
    assert nightly(event(SEGMENT), NO_TIME) == again()
    assert waiting(queue) == [SEGMENT]
    assert ProfileTable(TABLE).read([ANN]).suggested is None


def test_frequent_queries_are_kept_under_the_bundles_id_and_spare_the_reading(nightly: Any, tiny_bundle: Path) -> None:
    put("frequent/queries.tsv", "query_id\tquery\n1\tred shoes\n2\t运动鞋\n3\t!!\n")
    assert nightly(event(QUERIES), TIME_ENOUGH) == again()
    bundle_id = Bundle.open(tiny_bundle).manifest.bundle_id
    kept = unpacked(BucketFiles(BUCKET, "cache/").read(file_of(bundle_id)), bundle_id)
    services = open_services(Settings(bundle=tiny_bundle))
    assert kept == services.precompute(["red shoes", "运动鞋"])
    assert [len(said) > 5 for said in kept.values()] == [True, True]


def test_the_most_frequent_queries_come_first_and_a_folder_is_no_list(nightly: Any, tiny_bundle: Path) -> None:
    put("frequent/", "")
    put("frequent/queries.tsv", "query_id\tquery\n1\tred shoes\n2\t运动鞋\n")
    left = iter([300_000, 20_000])
    assert nightly(event(QUERIES), SimpleNamespace(get_remaining_time_in_millis=lambda: next(left))) == again()
    bundle_id = Bundle.open(tiny_bundle).manifest.bundle_id
    kept = unpacked(BucketFiles(BUCKET, "cache/").read(file_of(bundle_id)), bundle_id)
    assert [*kept] == ["red shoes"]


def test_a_shop_that_names_no_queries_gets_no_cache(nightly: Any) -> None:
    assert nightly(event(QUERIES), TIME_ENOUGH) == again()
    assert BucketFiles(BUCKET, "cache/").names("") == []


@pytest.mark.parametrize("body", ["", "[]", '{"segment":[0]}', '{"segment":[0,1,null],"more":1}', "\x00"])
def test_a_message_that_says_nothing_comes_again_until_it_is_a_dead_letter(nightly: Any, body: str) -> None:
    assert nightly(event(body, QUERIES), TIME_ENOUGH) == again(0)


def test_a_broken_list_of_queries_and_a_missing_table_fail_their_own_message(nightly: Any) -> None:
    put("frequent/queries.tsv", "words\nred shoes\n")
    boto3.client("dynamodb").delete_table(TableName=TABLE)
    assert nightly(event(QUERIES, SEGMENT), TIME_ENOUGH) == again(0, 1)
