"""The batch's state machine in moto's interpreter: each chunk once through the function, a retry, and the end.

The function is a small server here: it notes what it is asked for and answers, or fails, as a test says.
"""

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from loopback import Request, Response, forward, serving

from infra.emulated import emulated_aws, reset

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "infra/batch/state-machine.asl.json"
BUCKET, JOB = "aisle-dev-batch-123456789012", "pairs-0123456789"
CHUNKS = f"batch/jobs/{JOB}/chunks.json"
INVOKED = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")


class Function:
    """Lambda's Invoke; everything else goes on to moto. `state` says how a job stands, `fails` whether a call does."""

    def __init__(self) -> None:
        self.moto = ""
        self.asked: list[dict[str, Any]] = []
        self.state: Callable[[dict[str, Any]], str] = lambda asked: "running"
        self.fails: Callable[[dict[str, Any]], bool] = lambda asked: False

    def __call__(self, request: Request) -> Response:
        if not INVOKED.match(request.path):
            answer = forward(request, self.moto)
            headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
            return answer._replace(headers=headers)
        asked = json.loads(request.body)
        self.asked.append(asked)
        headers = {"content-type": "application/json", "x-amzn-requestid": uuid.uuid4().hex}
        if self.fails(asked):
            body = {"errorType": "Unavailable", "errorMessage": "SlowDown"}
            return Response(200, headers | {"x-amz-function-error": "Unhandled"}, json.dumps(body).encode())
        return Response(200, headers, json.dumps({"state": self.state(asked)}).encode())

    def chunks(self) -> Counter[int]:
        return Counter(asked["chunk"] for asked in self.asked if "chunk" in asked)


@pytest.fixture(scope="module")
def emulated() -> Iterator[tuple[Function, dict[str, str]]]:
    """An account whose Step Functions invoke this function and, through it, speak to moto."""
    pytest.importorskip("moto", reason="emulates AWS: needs the dev extra")
    function = Function()
    with pytest.MonkeyPatch.context() as patch, serving(lambda request: function(request)) as url:
        patch.setenv("MOTO_PORT", url.rpartition(":")[2])  # where moto's interpreter finds the services
        with emulated_aws() as environment:
            function.moto = environment["AWS_ENDPOINT_URL"]
            yield function, environment


@pytest.fixture
def function(emulated: tuple[Function, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Function:
    made, environment = emulated
    reset(environment["AWS_ENDPOINT_URL"])
    wanted = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
    forward(Request("POST", "/moto-api/config", {"content-type": "application/json"}, wanted), made.moto)
    made.asked, made.state, made.fails = [], lambda asked: "running", lambda asked: False
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return made


def ended(numbers: list[int]) -> tuple[str, str]:
    """(status, error) of an execution over these chunks."""
    s3, states = boto3.client("s3"), boto3.client("stepfunctions")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=CHUNKS, Body=json.dumps(numbers).encode())
    arn = "arn:aws:lambda:us-east-1:123456789012:function:aisle-dev-batch"
    definition = DEFINITION.read_text().replace("${Function}", arn).replace("${Bucket}", BUCKET)
    definition = re.sub(r'"IntervalSeconds": \d+', '"IntervalSeconds": 1', definition).replace(
        '"BackoffRate": 3.0', '"BackoffRate": 1.0'
    )
    definition = definition.replace('Percentage": 100', 'Percentage": 100.0')  # else moto sees no number
    machine = states.create_state_machine(
        name="aisle-dev-batch", definition=definition, roleArn="arn:aws:iam::123456789012:role/batch"
    )["stateMachineArn"]
    asked = json.dumps({"job": JOB, "chunks": CHUNKS})
    execution = states.start_execution(stateMachineArn=machine, name=JOB, input=asked)["executionArn"]
    until = time.monotonic() + 60
    while time.monotonic() < until:
        seen = states.describe_execution(executionArn=execution)
        if seen["status"] != "RUNNING":
            return seen["status"], seen.get("error", "")
        time.sleep(0.1)
    raise AssertionError(states.get_execution_history(executionArn=execution)["events"][-3:])


def test_the_definition_passes_the_linter_but_for_what_it_does_not_know() -> None:
    statelint = pytest.importorskip("statelint.linter", reason="lints the state machine: needs the dev extra")
    reader = "State Machine.States.Chunks.ItemReader.ReaderConfig"  # of the distributed map, where it is required
    problems = statelint.Linter().validate(json.loads(DEFINITION.read_text()))
    assert problems == [f'Field "InputType" not allowed in {reader}']


def test_each_chunk_is_scored_and_the_end_comes_last(function: Function) -> None:
    function.state = lambda asked: "finished" if asked.get("finish") else "running"
    assert ended([*range(25)]) == ("SUCCEEDED", "")
    assert function.chunks() == Counter(range(25))
    assert {asked["job"] for asked in function.asked} == {JOB}
    assert function.asked[-1] == {"job": JOB, "finish": True}


def test_a_chunk_that_fails_for_a_while_is_tried_again(function: Function) -> None:
    function.state = lambda asked: "finished"
    function.fails = lambda asked: asked.get("chunk") == 3 and function.chunks()[3] < 3
    assert ended([*range(5)]) == ("SUCCEEDED", "")
    assert function.chunks() == {0: 1, 1: 1, 2: 1, 3: 3, 4: 1}


def test_a_chunk_that_fails_for_good_stops_no_other_and_the_execution_says_so(function: Function) -> None:
    function.fails = lambda asked: asked.get("chunk") == 0
    assert ended([*range(5)]) == ("FAILED", "ChunksMissing")
    assert set(function.chunks()) == {*range(5)}
    assert function.asked[-1] == {"job": JOB, "finish": True}


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_job_that_is_over_otherwise_is_no_failure_of_the_machine(function: Function, state: str) -> None:
    function.state = lambda asked: state
    assert ended([0, 1]) == ("SUCCEEDED", "")
