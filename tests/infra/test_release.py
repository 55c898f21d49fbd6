"""Rolling back in an emulated account: real versions and a real alias; Invoke and CodeDeploy over loopback HTTP."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from loopback import Request, Response, forward, serving

from aisle.aws.publishing import Live, live, note_live
from aisle.errors import BadInput, NotFound, Unavailable
from infra.live import note
from infra.rollback import roll_back

NAME = "aisle-dev-search"
BUCKET = "aisle-dev-bundles-123456789012"
BUNDLES = {"1": "1111111111111111", "2": "2222222222222222", "3": "3333333333333333", "4": "4444444444444444"}
IMAGES = {version: f"registry/aisle-dev@sha256:{version * 64}" for version in BUNDLES}
JSON = {"content-type": "application/x-amz-json-1.1"}


class Account:
    """What moto lacks of the two services: what versions answer to an invocation, and deployments that run."""

    def __init__(self, moto: str) -> None:
        self.moto = moto
        self.refusing: dict[str, str] = {}  # version -> reason
        self.silent: set[str] = set()  # versions that fail
        self.deployments: dict[str, str] = {}  # id -> status
        self.stubborn = False
        self.recommending: str | None = IMAGES["4"]  # None: there is no such function

    def __call__(self, request: Request) -> Response:
        if "x-amz-target" in request.headers:
            operation = request.headers["x-amz-target"].removeprefix("CodeDeploy_20141006.")
            return self.codedeploy(operation, json.loads(request.body))
        if "/invocations" in request.path:
            return self.invoke(unquote(request.path).split("/")[3].removeprefix(f"{NAME}:"))
        if request.path.startswith(f"/2015-03-31/functions/{NAME}?Qualifier="):
            image = IMAGES[request.path.rpartition("=")[2]]
            return Response(200, {}, json.dumps({"Code": {"ImageUri": image}}).encode())
        if request.path == "/2015-03-31/functions/aisle-dev-recommend/code":
            if self.recommending is None:
                return Response(404, {"x-amzn-errortype": "ResourceNotFoundException"}, b"{}")
            self.recommending = json.loads(request.body)["ImageUri"]
            return Response(200, {}, b"{}")
        return forward(request, self.moto)

    def invoke(self, version: str) -> Response:
        if version in self.silent:
            return Response(200, {"X-Amz-Function-Error": "Unhandled"}, b'{"errorMessage": "no bundle"}')
        refusal = self.refusing.get(version)
        said = {"ok": refusal is None, "reason": refusal or "as built", "bundle_id": BUNDLES[version]}
        return Response(200, {}, json.dumps(said).encode())

    def codedeploy(self, operation: str, asked: dict[str, Any]) -> Response:
        answer: dict[str, Any] = {}
        if operation == "ListDeployments":
            assert (asked["applicationName"], asked["deploymentGroupName"]) == ("aisle-dev", NAME)
            answer = {"deployments": [i for i, s in self.deployments.items() if s in asked["includeOnlyStatuses"]]}
        elif operation == "StopDeployment":
            assert asked["autoRollbackEnabled"] is False
            if not self.stubborn:
                self.deployments[asked["deploymentId"]] = "Stopped"
        elif operation == "GetDeployment":
            answer = {"deploymentInfo": {"status": self.deployments[asked["deploymentId"]]}}
        return Response(200, JSON, json.dumps(answer).encode())


@pytest.fixture
def account(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Four versions of search, the fourth one live, and the bundles bucket."""
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    role = boto3.client("iam").create_role(RoleName="search", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context): ...")
    lambda_ = boto3.client("lambda")
    lambda_.create_function(
        FunctionName=NAME, Runtime="python3.11", Handler="handler.handler", Role=role, Code={"ZipFile": code.getvalue()}
    )
    for description in BUNDLES:
        lambda_.update_function_configuration(FunctionName=NAME, Description=description)
        lambda_.publish_version(FunctionName=NAME)
    lambda_.create_alias(FunctionName=NAME, Name="live", FunctionVersion="4")
    account = Account(aws["AWS_ENDPOINT_URL"])
    with serving(account) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_CODEDEPLOY", url)
        yield account


def traffic() -> tuple[str, dict[str, float]]:
    """The version behind `live`, and the shares of others."""
    found = boto3.client("lambda").get_alias(FunctionName=NAME, Name="live")
    return found["FunctionVersion"], found.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})


def test_the_version_before_takes_over_and_is_noted_as_live(account: Account) -> None:
    told: list[str] = []
    assert roll_back("dev", None, told.append) == Live(BUNDLES["3"], "3")
    assert (traffic(), live(BUCKET)) == (("3", {}), Live(BUNDLES["3"], "3"))
    assert told == [
        "version 3 has all of the traffic now; it was with version 4",
        "aisle-dev-recommend has the image of version 3",
        "bundle 3333333333333333 is noted as live",
    ]
    assert account.recommending == IMAGES["3"]


def test_a_stack_that_recommends_nothing_goes_back_too(account: Account) -> None:
    account.recommending = None
    told: list[str] = []
    assert roll_back("dev", None, told.append) == Live(BUNDLES["3"], "3")
    assert told[1:] == ["bundle 3333333333333333 is noted as live"]


def test_a_version_that_the_hook_would_refuse_is_passed_over(account: Account) -> None:
    account.refusing["3"] = "another first hit"
    account.silent.add("2")
    told: list[str] = []
    assert roll_back("dev", None, told.append) == Live(BUNDLES["1"], "1")
    assert traffic() == ("1", {})
    assert told[:2] == [
        "version 3 is passed over: another first hit",
        'version 2 is passed over: the version failed: {"errorMessage": "no bundle"}',
    ]


def test_a_canary_loses_its_share_and_its_deployment_is_stopped_first(account: Account) -> None:
    weights = {"AdditionalVersionWeights": {"4": 0.1}}
    boto3.client("lambda").update_alias(FunctionName=NAME, Name="live", FunctionVersion="3", RoutingConfig=weights)
    account.deployments = {"d-RUNNING": "InProgress", "d-OLD": "Succeeded"}
    told: list[str] = []
    assert roll_back("dev", None, told.append) == Live(BUNDLES["3"], "3")
    assert (traffic(), account.deployments) == (("3", {}), {"d-RUNNING": "Stopped", "d-OLD": "Succeeded"})
    assert told[:2] == [
        "deployment d-RUNNING is stopped",
        "version 3 has all of the traffic now; it was with version 3 and 4",
    ]


@pytest.mark.parametrize(("to", "version"), [("2", "2"), (BUNDLES["1"], "1"), (BUNDLES["4"], "4")])
def test_a_version_or_a_bundle_may_be_named_and_serves_whatever_it_answers(
    account: Account, to: str, version: str
) -> None:
    account.refusing = {"1": "kernels differ", "2": "kernels differ"}
    assert roll_back("dev", to, lambda sentence: None) == Live(BUNDLES[version], version)
    assert traffic() == (version, {})


def test_a_version_that_is_named_but_silent_leaves_the_note_as_it_was(account: Account) -> None:
    note_live(BUCKET, Live(BUNDLES["4"], "4"))
    account.silent.add("2")
    told: list[str] = []
    roll_back("dev", "2", told.append)
    assert (traffic(), live(BUCKET)) == (("2", {}), Live(BUNDLES["4"], "4"))
    assert told[-1].startswith("live.json stays as it is: version 2 does not say which bundle it carries")


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("9", r"'9' is neither a bundle id nor a version of aisle-dev-search: versions are 4, 3, 2, 1"),
        ("fedcba9876543210", r"no version of aisle-dev-search carries bundle fedcba9876543210: deploy it"),
    ],
)
def test_what_is_not_there_is_told_and_moves_nothing(account: Account, to: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        roll_back("dev", to, lambda sentence: None)
    assert traffic() == ("4", {})


def test_where_no_version_answers_well_nothing_moves(account: Account) -> None:
    account.silent = {"1", "2", "3"}
    with pytest.raises(BadInput, match="has no version before 4 that answers well: name one with --to"):
        roll_back("dev", None, lambda sentence: None)
    assert traffic() == ("4", {})


def test_a_deployment_that_does_not_stop_is_named_and_nothing_moves(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.rollback._STOP_S", 0.1)
    monkeypatch.setattr("infra.rollback._POLL_S", 0.05)
    account.deployments, account.stubborn = {"d-RUNNING": "InProgress"}, True
    with pytest.raises(Unavailable, match="deployment d-RUNNING does not stop: stop it in CodeDeploy"):
        roll_back("dev", None, lambda sentence: None)
    assert traffic() == ("4", {})


def test_a_stage_that_is_not_deployed_is_told(account: Account) -> None:
    with pytest.raises(NotFound, match="aisle-prod-search has no alias live in this account and region: make deploy"):
        roll_back("prod", None, lambda sentence: None)


def test_what_is_live_is_asked_of_the_version_behind_the_alias(account: Account) -> None:
    assert note("dev") == Live(BUNDLES["4"], "4") == live(BUCKET)


@pytest.mark.parametrize("module", ["rollback", "live"])
def test_the_command_ends_with_one_sentence_and_exit_code_2(account: Account, module: str) -> None:
    command = [sys.executable, "-m", f"infra.{module}", "--stage", "prod"]
    run = subprocess.run(command, capture_output=True, text=True)
    reason = "aisle-prod-search has no alias live in this account and region: make deploy STAGE=prod"
    assert (run.returncode, run.stdout, run.stderr) == (2, "", f"{module}: {reason}\n")
