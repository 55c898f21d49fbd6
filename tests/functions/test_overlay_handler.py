"""The overlay function as Lambda calls it, over the emulated table: what it writes is what search reads."""

import asyncio
import importlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from world_aws import overlay_table

from aisle.aws.overlay_table import OverlayTable
from aisle.overlay import Entry

ID = "8f5ad2b1-3c4d-4e5f-8a9b-0c1d2e3f4a5b"


class Context:
    aws_request_id = ID

    def get_remaining_time_in_millis(self) -> int:
        return 5000


@pytest.fixture
def handler(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AISLE_OVERLAY_TABLE", overlay_table())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # the one that Mangum finds
    yield importlib.import_module("functions.overlay.handler").handler
    sys.modules.pop("functions.overlay.handler")
    asyncio.set_event_loop(None)
    loop.close()


def put(handler: Any, body: object) -> tuple[int, dict[str, Any]]:
    event = {
        "version": "2.0",
        "routeKey": "PUT /v1/overlay",
        "rawPath": "/v1/overlay",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "shop.example"},
        "requestContext": {
            "http": {"method": "PUT", "path": "/v1/overlay", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "stage": "$default",
        },
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
    response = handler(event, Context())
    return response["statusCode"], json.loads(response["body"])


def test_changes_are_written_to_the_table(handler: Any) -> None:
    status, answer = put(handler, {"changes": [{"product_id": "a", "price": 9.5}, {"product_id": "b", "hidden": True}]})
    assert (status, answer["changed"]) == (200, 2)
    found = {entry.product_id: entry for entry in OverlayTable("overlay").read(0, standing=False)}
    at = found["a"].changed_at
    assert found == {
        "a": Entry("a", at, price=9.5, price_at=at),
        "b": Entry("b", at, hidden=True, standing=True),
    }


def test_what_cannot_be_meant_is_refused_and_writes_nothing(handler: Any) -> None:
    status, answer = put(handler, {"changes": [{"product_id": "a", "price": 9.5}, {"product_id": "b", "pirce": 1}]})
    assert (status, answer["request_id"]) == (400, ID)
    assert "pirce" in answer["detail"]
    assert OverlayTable("overlay").read(0, standing=True) == []


def test_a_missing_table_is_a_503_that_says_to_try_again(handler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    boto3.client("dynamodb").delete_table(TableName="overlay")
    status, answer = put(handler, {"changes": [{"product_id": "a", "stock": 1}]})
    assert (status, answer["detail"]) == (503, "this service cannot answer at the moment")
