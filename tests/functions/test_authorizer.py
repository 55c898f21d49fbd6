"""The authorizer as API Gateway calls it, over an emulated AWS account that keeps the keys."""

import importlib
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from aisle.aws.key_parameter import write_keys
from aisle.errors import Unavailable
from aisle.keys import Keys, make_key, with_key

EVENT = json.loads((Path(__file__).parents[1] / "events" / "authorizer_get_search.json").read_text(encoding="utf-8"))
CONTEXT = SimpleNamespace(aws_request_id="8f5ad2b1-3c4d-4e5f-8a9b-0c1d2e3f4a5b", function_name="authorizer")
PK, SK = make_key("publishable", b"\1" * 32), make_key("secret", b"\2" * 32)
PARAMETER = "/aisle/dev/keys"
YES, NO = {"isAuthorized": True}, {"isAuthorized": False}


@pytest.fixture
def authorizer(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The function's module, imported as at a cold start."""
    write_keys(PARAMETER, with_key(with_key(Keys(), PK, "2026-11-01"), SK, "2026-11-01"), replacing=False)
    monkeypatch.setenv("AISLE_KEYS_PARAMETER", PARAMETER)
    sys.modules.pop("functions.authorizer.handler", None)
    yield importlib.import_module("functions.authorizer.handler")
    sys.modules.pop("functions.authorizer.handler", None)


def test_a_publishable_key_may_search_and_not_write(authorizer: Any) -> None:
    secret = EVENT | {"routeKey": "PUT /v1/overlay", "identitySource": [f"Bearer {PK}", "PUT /v1/overlay"]}
    assert (authorizer.handler(EVENT, CONTEXT), authorizer.handler(secret, CONTEXT)) == (YES, NO)


def test_a_refusal_is_logged_without_what_was_sent(authorizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    wrong = make_key("secret", b"\7" * 32)
    event = EVENT | {"identitySource": [f"Bearer {wrong}", "GET /v1/search"], "rawQueryString": f"key={wrong}"}
    with caplog.at_level(logging.DEBUG, logger="functions"):
        assert authorizer.handler(event, CONTEXT) == NO
    assert [record.getMessage() for record in caplog.records] == ["refused: no valid key"]


def test_while_the_keys_cannot_be_read_everybody_is_refused_and_no_answer_is_kept(authorizer: Any) -> None:
    boto3.client("ssm").delete_parameter(Name=PARAMETER)
    with pytest.raises(Unavailable, match="parameter /aisle/dev/keys is missing") as raised:
        authorizer.handler(EVENT, CONTEXT)
    assert PK not in str(raised.value)
    write_keys(PARAMETER, with_key(Keys(), PK, "2026-11-01"), replacing=False)
    assert authorizer.handler(EVENT, CONTEXT) == YES


def test_a_new_key_opens_within_seconds(authorizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 100.0 + authorizer.CACHE_S])
    monkeypatch.setattr(authorizer, "time", SimpleNamespace(monotonic=lambda: next(clock), time=lambda: 0.0))
    new = make_key("publishable", b"\5" * 32)
    event = EVENT | {"identitySource": [f"Bearer {new}", "GET /v1/search"]}
    assert authorizer.handler(event, CONTEXT) == NO
    write_keys(PARAMETER, with_key(Keys(), new, "2026-11-02"), replacing=True)
    assert authorizer.handler(event, CONTEXT) == YES


@pytest.mark.parametrize("event", [{}, {"version": "1.0"}, {"routeKey": None}, {"Records": []}, {"routeKey": {}}])
def test_an_event_of_another_kind_is_refused(authorizer: Any, event: dict[str, Any]) -> None:
    assert authorizer.handler(event, CONTEXT) == NO


def test_a_cold_start_loads_no_model_no_web_framework_and_no_aws_client() -> None:
    heavy = {"numpy", "onnxruntime", "tokenizers", "starlette", "mangum", "boto3", "botocore", "jwt", "cryptography"}
    program = f"import sys, functions.authorizer.handler; print(sorted({heavy!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
