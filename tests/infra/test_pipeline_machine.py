"""The pipeline's state machine in moto's interpreter, from S3's event to its end, CodeBuild spoken to over HTTP.

CodeBuild is a small server here: it takes what the machine asks for, and its builds end as a test says.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from loopback import Request, Response, forward, serving

from infra.emulated import emulated_aws, reset

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "infra/pipeline/state-machine.asl.json"
EVENT = json.loads((ROOT / "tests/events/s3_catalogue_created.json").read_text())
TABLE = "aisle-dev-idempotency"
GOOD = ("SUCCEEDED", {"bundle_id": "0123456789abcdef", "reason": ""})
Ending = tuple[str, dict[str, str] | str | None]


class CodeBuild:
    """StartBuild and BatchGetBuilds; everything else goes on to moto, less what is
    `forbidden`. `ending` may wait, as a build takes its time."""

    def __init__(self) -> None:
        self.moto = ""
        self.asked: list[dict[str, str]] = []
        self.ending: Callable[[dict[str, str]], Ending | None] = lambda asked: GOOD
        self.refuses = False
        self.forbidden: str | None = None  # an operation of another service that is refused

    def __call__(self, request: Request) -> Response:
        service, _, operation = request.headers.get("x-amz-target", "").partition(".")
        if operation == self.forbidden:
            headers = {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": uuid.uuid4().hex}
            return Response(400, headers, b'{"__type": "AccessDeniedException", "message": "not allowed"}')
        if service != "CodeBuild_20161006":
            return forward(request, self.moto)
        asked = json.loads(request.body)
        answer = self.start(asked) if operation == "StartBuild" else self.look(asked)
        status = 400 if "__type" in answer else 200
        headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": uuid.uuid4().hex}
        return Response(status, headers, json.dumps(answer).encode())

    def start(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["projectName"] == "aisle-dev-pipeline"
        if self.refuses:
            return {"__type": "ResourceNotFoundException", "message": "no such project"}
        self.asked.append({row["name"]: row["value"] for row in asked["environmentVariablesOverride"]})
        return {"build": {"id": f"aisle-dev-pipeline:{len(self.asked) - 1}", "buildStatus": "IN_PROGRESS"}}

    def look(self, asked: dict[str, Any]) -> dict[str, Any]:
        (build_id,) = asked["ids"]
        ended = self.ending(self.asked[int(build_id.rpartition(":")[2])])
        build = {"id": build_id, "buildStatus": ended[0] if ended else "IN_PROGRESS"}
        if ended and ended[1] is not None:
            said = ended[1] if isinstance(ended[1], str) else json.dumps(ended[1])
            build["exportedEnvironmentVariables"] = [{"name": "AISLE_OUTCOME", "value": said}]
        return {"builds": [build]}


@pytest.fixture(scope="module")
def emulated() -> Iterator[tuple[CodeBuild, dict[str, str]]]:
    """An account whose Step Functions speak to CodeBuild and, through it, to moto."""
    pytest.importorskip("moto", reason="emulates AWS: needs the dev extra")
    builds = CodeBuild()
    with pytest.MonkeyPatch.context() as patch, serving(lambda request: builds(request)) as url:
        patch.setenv("MOTO_PORT", url.rpartition(":")[2])  # where moto's interpreter finds the services
        with emulated_aws() as environment:
            builds.moto = environment["AWS_ENDPOINT_URL"]
            yield builds, environment


class Pipeline:
    """The deployed machine, the file events that start it, and what can be seen of it."""

    def __init__(self, builds: CodeBuild) -> None:
        self.builds = builds
        key = {"AttributeName": "id", "KeyType": "HASH"}
        self.table = boto3.client("dynamodb")
        self.table.create_table(
            TableName=TABLE,
            KeySchema=[key],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        topic = boto3.client("sns").create_topic(Name="aisle-dev-alarms")["TopicArn"]
        self.queue = boto3.client("sqs").create_queue(QueueName="mail")["QueueUrl"]
        boto3.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:mail"
        )
        definition = DEFINITION.read_text()
        values = {"Project": "aisle-dev-pipeline", "Table": TABLE, "Topic": topic, "Stage": "dev"}
        for name, value in values.items():
            definition = definition.replace(f"${{{name}}}", value)
        assert '"Seconds": 30' in definition
        self.states = boto3.client("stepfunctions")
        self.machine = self.states.create_state_machine(
            name="aisle-dev-pipeline",
            definition=definition.replace('"Seconds": 30', '"Seconds": 1'),
            roleArn="arn:aws:iam::123456789012:role/pipeline",
        )["stateMachineArn"]

    def put(self, etag: str = "a", at: str = "03:00:07", key: str = "catalogue/products.jsonl") -> str:
        """The execution that the event of this file starts."""
        event = json.loads(json.dumps(EVENT))
        event["time"] = f"2026-11-23T{at}Z"
        event["detail"]["object"] |= {"etag": etag, "key": key}
        started = self.states.start_execution(
            stateMachineArn=self.machine, name=uuid.uuid4().hex, input=json.dumps(event)
        )
        arn: str = started["executionArn"]
        return arn

    def end(self, execution: str) -> tuple[str, str]:
        """(status, cause), once it has ended."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            seen = self.states.describe_execution(executionArn=execution)
            if seen["status"] != "RUNNING":
                return seen["status"], seen.get("cause", "")
            time.sleep(0.1)
        history = self.states.get_execution_history(executionArn=execution)["events"]
        raise AssertionError(history[-3:])

    def item(self) -> dict[str, str]:
        item = self.table.get_item(TableName=TABLE, Key={"id": {"S": "pipeline"}}).get("Item", {})
        return {name: value["S"] for name, value in item.items() if name != "id"}

    def mail(self) -> list[str]:
        received = boto3.client("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"])["Message"] for message in received.get("Messages", [])]

    def steps(self) -> list[tuple[str, str]]:
        return [(asked["AISLE_STEP"], asked["AISLE_ETAG"]) for asked in self.builds.asked]


@pytest.fixture
def pipeline(emulated: tuple[CodeBuild, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    builds, environment = emulated
    reset(environment["AWS_ENDPOINT_URL"])
    interpret(environment["AWS_ENDPOINT_URL"])
    builds.asked, builds.ending, builds.refuses, builds.forbidden = [], lambda asked: GOOD, False, None
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Pipeline(builds)


def interpret(moto: str) -> None:
    """Without this moto's state machines end at once, whatever they say."""
    wanted = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
    forward(Request("POST", "/moto-api/config", {"content-type": "application/json"}, wanted), moto)


def refused(reason: str, step: str = "candidate") -> Callable[[dict[str, str]], Ending]:
    bad: Ending = ("FAILED", {"bundle_id": "", "reason": reason})
    return lambda asked: bad if asked["AISLE_STEP"] == step else GOOD


def test_the_definition_passes_the_linter() -> None:
    statelint = pytest.importorskip("statelint.linter", reason="lints the state machine: needs the dev extra")
    assert statelint.Linter().validate(json.loads(DEFINITION.read_text())) == []


def test_a_file_becomes_a_candidate_and_then_a_canary(pipeline: Pipeline) -> None:
    assert pipeline.end(pipeline.put()) == ("SUCCEEDED", "")
    file = {"AISLE_CATALOGUE": "catalogue/products.jsonl", "AISLE_ETAG": "a"}
    assert pipeline.builds.asked == [
        {"AISLE_STEP": "candidate", "AISLE_BUNDLE_ID": "", **file},
        {"AISLE_STEP": "canary", "AISLE_BUNDLE_ID": "0123456789abcdef", **file},
    ]
    assert pipeline.item() == {
        "wanted_at": "2026-11-23T03:00:07Z 00617F08299329D189",
        "wanted_key": "catalogue/products.jsonl",
        "wanted_etag": "a",
        "outcome": "done",
    }
    assert pipeline.mail() == []


def test_a_refused_candidate_is_not_deployed_and_the_alarm_says_why(pipeline: Pipeline) -> None:
    pipeline.builds.ending = refused('products: 900 of 1000 are gone, the first is "hat"')
    execution = pipeline.put()
    assert pipeline.end(execution) == ("FAILED", 'products: 900 of 1000 are gone, the first is "hat"')
    assert (pipeline.steps(), pipeline.item()["outcome"]) == ([("candidate", "a")], "failed")
    assert pipeline.mail() == [
        'catalogue/products.jsonl: products: 900 of 1000 are gone, the first is "hat". The version before goes on '
        f"answering. Step: candidate; execution: {execution}"
    ]
    assert "holder" not in pipeline.item()


def test_a_deployment_that_went_back_raises_the_alarm(pipeline: Pipeline) -> None:
    pipeline.builds.ending = refused("stack aisle-dev went back", "canary")
    assert pipeline.end(pipeline.put()) == ("FAILED", "stack aisle-dev went back")
    assert (pipeline.steps(), len(pipeline.mail())) == ([("candidate", "a"), ("canary", "a")], 1)


@pytest.mark.parametrize(("status", "said"), [("FAILED", ""), ("FAULT", None), ("TIMED_OUT", None), ("SUCCEEDED", "")])
def test_a_build_that_cannot_say_why_still_raises_the_alarm(pipeline: Pipeline, status: str, said: str | None) -> None:
    pipeline.builds.ending = lambda asked: (status, said)
    reason = f"build aisle-dev-pipeline:0 ended as {status} before it could say why"
    assert pipeline.end(pipeline.put()) == ("FAILED", reason)
    assert [message.partition(". ")[0] for message in pipeline.mail()] == [f"catalogue/products.jsonl: {reason}"]


def test_a_build_that_does_not_start_raises_the_alarm(pipeline: Pipeline) -> None:
    pipeline.builds.refuses = True
    status, cause = pipeline.end(pipeline.put())
    assert (status, cause.startswith("the build could not be started: ")) == ("FAILED", True), cause
    assert (len(pipeline.mail()), pipeline.item()["outcome"]) == (1, "failed")


def test_a_catalogue_that_changes_nothing_ends_without_a_canary(pipeline: Pipeline) -> None:
    pipeline.builds.ending = lambda asked: ("SUCCEEDED", {"bundle_id": "", "reason": ""})
    assert pipeline.end(pipeline.put()) == ("SUCCEEDED", "")
    assert (pipeline.steps(), pipeline.item()["outcome"]) == ([("candidate", "a")], "done")


def test_an_event_that_comes_twice_or_late_starts_nothing(pipeline: Pipeline) -> None:
    pipeline.end(pipeline.put("a"))
    again = [pipeline.put("a"), pipeline.put("a", "09:00:00"), pipeline.put("old", "02:00:00")]
    assert [pipeline.end(execution) for execution in again] == [("SUCCEEDED", "")] * 3
    assert pipeline.steps() == [("candidate", "a"), ("canary", "a")]
    pipeline.end(pipeline.put("b", "10:00:00"))
    assert pipeline.steps()[2:] == [("candidate", "b"), ("canary", "b")]


def test_the_same_file_put_again_after_a_failure_is_tried_again(pipeline: Pipeline) -> None:
    pipeline.builds.ending = refused("the disk was full")
    pipeline.end(pipeline.put("a"))
    pipeline.end(pipeline.put("a"))  # the same event once more, not a new file
    pipeline.builds.ending = lambda asked: GOOD
    assert pipeline.end(pipeline.put("a", "04:00:00")) == ("SUCCEEDED", "")
    assert pipeline.steps() == [("candidate", "a"), ("candidate", "a"), ("canary", "a")]


def test_the_same_file_put_again_after_a_stop_or_a_break_is_tried_again(pipeline: Pipeline) -> None:
    pipeline.builds.ending = lambda asked: None
    stopped = pipeline.put("a", "03:00:00")
    while not pipeline.builds.asked:
        time.sleep(0.05)
    pipeline.states.stop_execution(executionArn=stopped)
    pipeline.end(stopped)
    pipeline.builds.forbidden = "GetItem"
    broken = pipeline.put("a", "04:00:00")
    assert pipeline.end(broken)[0] == "FAILED"
    assert pipeline.item()["outcome"] == "wanted"
    pipeline.builds.ending, pipeline.builds.forbidden = lambda asked: GOOD, None
    assert pipeline.end(pipeline.put("a", "05:00:00")) == ("SUCCEEDED", "")
    assert pipeline.steps() == [("candidate", "a"), ("candidate", "a"), ("canary", "a")]
    assert pipeline.item()["outcome"] == "done"
    assert pipeline.end(pipeline.put("a", "06:00:00")) == ("SUCCEEDED", "")
    assert len(pipeline.steps()) == 3


def test_a_second_file_waits_for_the_first_and_the_newest_wins(pipeline: Pipeline) -> None:
    free: list[bool] = []
    pipeline.builds.ending = lambda asked: GOOD if free or asked["AISLE_ETAG"] != "a" else None
    first = pipeline.put("a", "03:00:00")
    while not pipeline.builds.asked:
        time.sleep(0.05)
    # One after the other: what moto writes on a condition, two threads may write at once.
    assert pipeline.end(pipeline.put("b", "04:00:00")) == ("SUCCEEDED", "")
    assert pipeline.end(pipeline.put("c", "05:00:00", "catalogue/other.csv")) == ("SUCCEEDED", "")
    assert pipeline.steps() == [("candidate", "a")]
    free.append(True)
    assert pipeline.end(first) == ("SUCCEEDED", "")
    newest = {asked["AISLE_CATALOGUE"] for asked in pipeline.builds.asked[1:]}
    assert (pipeline.steps(), newest) == (
        [("candidate", "a"), ("candidate", "c"), ("canary", "c")],
        {"catalogue/other.csv"},
    )
    assert (pipeline.item()["outcome"], "holder" in pipeline.item()) == ("done", False)


def test_a_newer_file_is_built_even_where_the_one_before_was_refused(pipeline: Pipeline) -> None:
    free: list[bool] = []
    bad: Ending = ("FAILED", {"bundle_id": "", "reason": "half of it is gone"})
    pipeline.builds.ending = lambda asked: GOOD if asked["AISLE_ETAG"] == "b" else bad if free else None
    first = pipeline.put("a", "03:00:00")
    while not pipeline.builds.asked:
        time.sleep(0.05)
    pipeline.end(pipeline.put("b", "04:00:00"))
    free.append(True)
    assert pipeline.end(first) == ("SUCCEEDED", "")
    assert pipeline.steps() == [("candidate", "a"), ("candidate", "b"), ("canary", "b")]
    assert [message.partition(". ")[0] for message in pipeline.mail()] == [
        "catalogue/products.jsonl: half of it is gone"
    ]


def test_what_a_stopped_execution_held_is_taken_over(pipeline: Pipeline) -> None:
    pipeline.builds.ending = lambda asked: None if asked["AISLE_ETAG"] == "a" else GOOD
    first = pipeline.put("a", "03:00:00")
    while not pipeline.builds.asked:
        time.sleep(0.05)
    pipeline.states.stop_execution(executionArn=first)
    assert pipeline.end(first)[0] == "ABORTED"
    assert pipeline.item()["holder"] == first
    assert pipeline.end(pipeline.put("b", "04:00:00")) == ("SUCCEEDED", "")
    assert pipeline.steps() == [("candidate", "a"), ("candidate", "b"), ("canary", "b")]
    assert "holder" not in pipeline.item()


def test_a_pipeline_that_cannot_remember_says_so(pipeline: Pipeline) -> None:
    pipeline.table.delete_table(TableName=TABLE)
    execution = pipeline.put()
    assert pipeline.end(execution)[0] == "FAILED"
    (message,) = pipeline.mail()
    assert message.endswith(f"The version before goes on answering. Execution: {execution}")
    assert pipeline.builds.asked == []
