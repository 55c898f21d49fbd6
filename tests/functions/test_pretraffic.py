"""The pre-traffic hook as CodeDeploy calls it: one question to the new version, one verdict, and no doubt in favour."""

import importlib
import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from loopback import Request, Response, serving

from aisle.errors import Unavailable

VERSION = "arn:aws:lambda:us-east-1:123456789012:function:aisle-dev-search:7"
EVENT = {"DeploymentId": "d-ABCDEF123", "LifecycleEventHookExecutionId": "eyJlbmNyeXB0ZWREYXRhIjoi"}
AGREES = {"ok": True, "reason": "mean overlap@10 is 1.000, not under 0.95.", "bundle_id": "0123456789abcdef"}
DIFFERS = {"ok": False, "reason": "another first hit for 'red shoes'.", "bundle_id": "0123456789abcdef"}


class Account:
    """Lambda's Invoke and CodeDeploy's verdict, as their HTTP APIs have them."""

    def __init__(self) -> None:
        self.answer = Response(200, {}, json.dumps(AGREES).encode())
        self.codedeploy_status = 200
        self.asked: list[tuple[str, bytes]] = []
        self.verdicts: list[dict[str, str]] = []

    def __call__(self, request: Request) -> Response:
        if request.path.endswith("/invocations"):
            self.asked.append((unquote(request.path), request.body))
            return self.answer
        assert request.headers["x-amz-target"] == "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus"
        self.verdicts.append(json.loads(request.body))
        said = {"lifecycleEventHookExecutionId": EVENT["LifecycleEventHookExecutionId"]}
        headers = {"content-type": "application/x-amz-json-1.1"}
        return Response(self.codedeploy_status, headers, json.dumps(said).encode())


@pytest.fixture
def account(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    account = Account()
    with serving(account) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_CODEDEPLOY", url)
        yield account


def hook(monkeypatch: pytest.MonkeyPatch, version: str = VERSION) -> dict[str, Any]:
    """What the handler returns, imported as at a cold start."""
    monkeypatch.setenv("AISLE_SEARCH_VERSION", version)
    monkeypatch.delitem(sys.modules, "functions.pretraffic.handler", raising=False)
    returned: dict[str, Any] = importlib.import_module("functions.pretraffic.handler").handler(EVENT, None)
    return returned


def verdict(status: str) -> dict[str, str]:
    return {
        "deploymentId": EVENT["DeploymentId"],
        "lifecycleEventHookExecutionId": EVENT["LifecycleEventHookExecutionId"],
        "status": status,
    }


def test_a_version_that_answers_as_its_builder_did_gets_traffic(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hook(monkeypatch) == AGREES
    assert account.asked == [(f"/2015-03-31/functions/{VERSION}/invocations", b'{"aisle": "replay"}')]
    assert account.verdicts == [verdict("Succeeded")]


UNHANDLED = {"X-Amz-Function-Error": "Unhandled"}
DENIED = {"x-amzn-errortype": "AccessDeniedException", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Response(200, {}, json.dumps(DIFFERS).encode()), "another first hit for 'red shoes'."),
        (
            Response(200, UNHANDLED, b'{"errorMessage": "no bundle"}'),
            'the version failed: {"errorMessage": "no bundle"}',
        ),
        (Response(200, UNHANDLED, json.dumps(AGREES).encode()), "the version failed: "),
        (Response(200, {}, b"ok"), "the version answered what is no replay: ok"),
        (Response(200, {}, b""), "the version answered what is no replay: "),
        (Response(200, {}, b"\xff\xfe"), "the version answered what is no replay: "),
        (Response(200, {}, b'{"ok": "yes", "reason": "", "bundle_id": ""}'), "the version answered what is no replay"),
        (Response(200, {}, b'{"ok": true}'), 'the version answered what is no replay: {"ok": true}'),
        (Response(200, {}, b'{"statusCode": 404, "body": "{}"}'), "the version answered what is no replay"),
        (Response(403, DENIED, b'{"Message": "no"}'), "the version could not be asked: AccessDeniedException"),
    ],
)
def test_each_doubt_is_told_as_a_failure_with_its_reason(
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: Response,
    reason: str,
) -> None:
    account.answer = answer
    returned = hook(monkeypatch)
    assert (returned["ok"], returned["reason"].startswith(reason)) == (False, True), returned
    assert account.verdicts == [verdict("Failed")]
    (record,) = [record for record in caplog.records if record.name == "functions.pretraffic.handler"]
    assert (record.levelno, record.getMessage()) == (logging.ERROR, f"refused {VERSION}: {returned['reason']}")


def test_a_version_that_cannot_be_reached_is_refused(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9")  # the discard port, where nobody listens
    assert hook(monkeypatch)["reason"] == "the version could not be asked: EndpointConnectionError"
    assert account.verdicts == [verdict("Failed")]


def test_a_version_that_takes_too_long_is_refused(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisle.aws.release._TIMEOUT_S", 0.2)
    quick = account.__call__

    def slow(request: Request) -> Response:
        if request.path.endswith("/invocations"):
            time.sleep(0.6)
        return quick(request)

    with serving(slow) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        assert hook(monkeypatch)["reason"] == "the version could not be asked: ReadTimeoutError"
    assert account.verdicts == [verdict("Failed")]


def test_a_hook_that_was_told_no_version_refuses(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hook(monkeypatch, "")["reason"] == "the version could not be asked: ParamValidationError"
    assert account.verdicts == [verdict("Failed")]


def test_a_verdict_that_cannot_be_told_is_an_error_of_the_function(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.codedeploy_status = 403
    with pytest.raises(Unavailable, match="CodeDeploy could not be told"):
        hook(monkeypatch)
