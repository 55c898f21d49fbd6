"""The search function as Lambda calls it: API Gateway's events in, its response objects out."""

import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from world_http import TinyServices

EVENTS = Path(__file__).parents[1] / "events"
CONTEXT = SimpleNamespace(
    aws_request_id="8f5ad2b1-3c4d-4e5f-8a9b-0c1d2e3f4a5b",
    function_name="search",
    get_remaining_time_in_millis=lambda: 9000,
)
Handler = Callable[[dict[str, Any], object], dict[str, Any]]


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Handler]:
    """The function's handler, imported as at a cold start, over six products instead of a bundle."""
    runtime = ModuleType("aisle.runtime")
    runtime.open_services = lambda settings: TinyServices()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "aisle.runtime", runtime)
    monkeypatch.delitem(sys.modules, "functions.search.handler", raising=False)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # the one that Mangum finds
    yield importlib.import_module("functions.search.handler").handler
    sys.modules.pop("functions.search.handler", None)
    asyncio.set_event_loop(None)
    loop.close()


def event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EVENTS / name).read_text(encoding="utf-8"))
    return loaded


def test_a_search_link_is_answered_under_the_id_of_the_invocation(handler: Handler) -> None:
    response = handler(event("http_get_search.json"), CONTEXT)
    body = json.loads(response.pop("body"))
    assert response == {
        "statusCode": 200,
        "headers": {
            "cache-control": "private, no-store",
            "content-length": response["headers"]["content-length"],
            "content-type": "application/json",
            "server-timing": "lexical;dur=0.500, total;dur=1.250",
            "x-request-id": CONTEXT.aws_request_id,
        },
        "isBase64Encoded": False,
    }
    assert (body["total"], [hit["product_id"] for hit in body["hits"]]) == (3, ["hat-red"])


def test_a_base64_body_is_decoded_and_chinese_comes_back_whole(handler: Handler) -> None:
    response = handler(event("http_post_rerank_base64.json"), CONTEXT)
    assert json.loads(response["body"]) == {
        "id": CONTEXT.aws_request_id,
        "results": [
            {"index": 1, "relevance_score": 1.0, "document": {"text": "红色 red hat"}},
            {"index": 0, "relevance_score": 0.0, "document": {"text": "a mug"}},
        ],
    }


def test_a_missing_product_is_a_readable_problem(handler: Handler) -> None:
    response = handler(event("http_get_product_missing.json"), CONTEXT)
    assert (response["statusCode"], response["isBase64Encoded"]) == (404, False)
    assert json.loads(response["body"]) == {
        "title": "Not Found",
        "status": 404,
        "detail": "there is no product 'no-such-hat'",
        "remedy": "search for it, or check the id",
        "request_id": CONTEXT.aws_request_id,
    }


@pytest.mark.parametrize(
    ("rerank", "counted"),
    [("auto", {"Requests": [1]}), ("heavy", {"Requests": [1], "HeavyReranks": [1], "HeavyRerankFailures": [1]})],
)
def test_a_missing_heavy_reranker_is_counted_by_itself(
    handler: Handler, capsys: pytest.CaptureFixture[str], rerank: str, counted: dict[str, list[int]]
) -> None:
    asked = event("http_get_search.json")
    asked["rawQueryString"] += f"&rerank={rerank}"
    handler(asked, CONTEXT)
    metrics = next(line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "Requests" in line)
    names = ("Requests", "Degraded", "HeavyReranks", "HeavyRerankFailures")
    assert {name: metrics[name] for name in names if name in metrics} == counted
