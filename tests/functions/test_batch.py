"""The batch function as Lambda and Step Functions call it: what it plans, scores, refuses, buries and does again."""

import copy
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pyarrow.parquet as pq
import pytest

from aisle.aws import event_queue
from aisle.aws.batch_jobs import INCOMING, JOBS, enqueue, files_of, list_jobs, queue_of, submit
from aisle.aws.batch_messages import Landed, Wanted, read_message
from aisle.aws.bucket_files import S3Source
from aisle.aws.clients import client
from aisle.batch_job import CHUNK_ROWS, Manifest, Plan, Status, cancel, plan, resume, status
from aisle.batch_kinds import Options
from aisle.bundle import Bundle
from aisle.errors import BadInput, NotFound
from aisle.sealing import sealing

EVENT = json.loads((Path(__file__).parents[1] / "events" / "sqs_s3_created.json").read_text(encoding="utf-8"))
BUCKET, QUEUE, DEAD = "aisle-dev-batch-123456789012", "aisle-dev-batch", "aisle-dev-batch-dead"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:aisle-dev-batch"
OLDER = "0123456789abcdef"
NOTHING: dict[str, Any] = {"batchItemFailures": []}


class Function:
    """The handler in this process with its bucket and queues in the emulated account."""

    def __init__(self, bundle: Path) -> None:
        self.bundle_id = Bundle.open(bundle).manifest.bundle_id
        self.s3, self.sqs = boto3.client("s3"), boto3.client("sqs")
        self.s3.create_bucket(Bucket=BUCKET)
        self.queue, self.dead = (self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in (QUEUE, DEAD))
        self.handler: Any = None

    def put(self, name: str, content: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=INCOMING + name, Body=content.encode())

    def told(self, *bodies: str) -> Any:
        """The answer to an event of these messages."""
        plain = EVENT["Records"][0]
        records = [plain | {"messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]
        return self.handler({"Records": records}, None)

    def landed(self, name: str, bucket: str = BUCKET) -> Any:
        body = json.loads(EVENT["Records"][0]["body"])
        body["Records"][0]["s3"] |= {"bucket": {"name": bucket}, "object": {"key": name}}
        return self.told(json.dumps(body))

    def waiting(self, queue: str) -> list[dict[str, Any]]:
        """All messages of a queue, taken away."""
        found = []
        while some := self.sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in some:
                found.append(message)
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def run(self) -> None:
        """Everything that waits, until nothing does."""
        while bodies := [message["Body"] for message in self.waiting(self.queue)]:
            assert self.told(*bodies) == NOTHING

    def objects(self) -> dict[str, bytes]:
        """What lies in the bucket, by key."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {row["Key"]: self.s3.get_object(Bucket=BUCKET, Key=row["Key"])["Body"].read() for row in listed}

    def jobs(self) -> list[Status]:
        return list_jobs(BUCKET)

    @property
    def job(self) -> str:
        (job,) = (found.job for found in self.jobs())
        return job

    def manifest(self) -> Manifest:
        return msgspec.json.decode(files_of(BUCKET, self.job).read("manifest.json"), type=Manifest)


@pytest.fixture
def function(aws: dict[str, str], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    yield from opened(tiny_bundle, monkeypatch)


def opened(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """With chunks of ten searches."""
    monkeypatch.setitem(CHUNK_ROWS, "search", 10)
    made = Function(bundle)
    environment = {"BUNDLE": str(bundle), "BATCH_BUCKET": BUCKET, "BATCH_QUEUE": made.queue}
    environment |= {"DEAD_LETTERS": made.dead, "BATCH_MACHINE": MACHINE, "BATCH_FANOUT": "3"}
    for name, value in environment.items():
        monkeypatch.setenv(f"AISLE_{name}", value)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "3008")
    for name in ("handler", "work"):
        sys.modules.pop(f"functions.batch.{name}", None)
    made.handler = importlib.import_module("functions.batch.handler").handler
    yield made
    sys.modules.pop("functions.batch.handler", None)


PAIRS = (
    "pair_id,query,title\n1,red shoes,Red running shoes\n2,red shoes,Blue hat\n,red shoes,Nobody's\n4,hat,Blue hat\n"
)


def queries(count: int) -> str:
    return "query_id,query\n" + "".join(f"{n},shoes {n % 7}\n" for n in range(count))


# A file


def test_a_file_is_planned_scored_and_told_of(function: Function) -> None:
    name = "red shoes, 鞋.csv"
    function.put(name, PAIRS)
    assert function.handler(copy.deepcopy(EVENT), None) == NOTHING
    assert [json.loads(message["Body"]) for message in function.waiting(function.queue)] == [
        {"job": function.job, "chunk": 0}
    ]
    assert function.jobs()[0].state == "planned"
    assert function.told(json.dumps({"job": function.job, "chunk": 0})) == NOTHING
    (found,) = function.jobs()
    assert (found.kind, found.state, found.rows, found.done, found.rejected) == ("score", "finished", 4, 4, 1)
    manifest = function.manifest()
    assert (manifest.source.name, manifest.bundle_id, manifest.scored) == (name, function.bundle_id, 3)
    assert manifest.cost_usd == pytest.approx(manifest.seconds * 3008 / 1024 * 0.0000166667 + 0.2e-6, abs=2e-6)
    files = files_of(BUCKET, function.job)
    (reject,) = (json.loads(line) for line in files.read("rejects/chunk-00000.jsonl").splitlines())
    assert (reject["row"], reject["reason"]) == (3, "pair_id: '' is empty or has control characters")
    part = function.s3.get_object(Bucket=BUCKET, Key=files.key("parts/chunk-00000.parquet"))["Body"].read()
    assert pq.read_table(_file(part)).column("pair_id").to_pylist() == ["1", "2", "4"]
    assert [key for key in function.objects() if key.startswith("batch/in/")] == [f"batch/in/{name}"]


def test_what_is_asked_of_a_file_stands_beside_it(function: Function) -> None:
    function.put("q.csv.job.json", '{"k": 2}')
    function.put("q.csv", queries(3))
    function.landed("batch/in/q.csv")
    function.run()
    manifest = function.manifest()
    assert (manifest.options, [part.rows for part in manifest.parts]) == (Options(k=2), [6])


@pytest.mark.parametrize(
    ("job_file", "content", "reason"),
    [
        ("{", PAIRS, "q.csv.job.json: Input data was truncated"),
        ('{"depth": 3}', PAIRS, "q.csv.job.json: Object contains unknown field `depth`"),
        ('{"kind": "embed"}', PAIRS, "embed needs the column product_id; there is pair_id, query, title"),
        ("{}", "", "q.csv has no header"),
    ],
)
def test_a_bad_file_fails_alone_and_says_why(function: Function, job_file: str, content: str, reason: str) -> None:
    function.put("good.csv", PAIRS)
    function.put("q.csv.job.json", job_file)
    function.put("q.csv", content)
    assert function.landed("batch/in/q.csv") == function.landed("batch/in/good.csv") == NOTHING
    function.run()
    assert sorted(found.state for found in function.jobs()) == ["failed", "finished"]
    (failed,) = (found for found in function.jobs() if found.state == "failed")
    assert failed.reason == reason
    assert function.waiting(function.dead) == []


def test_what_the_bundle_cannot_do_fails_the_job(
    aws: dict[str, str], tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Bundle.open(tiny_bundle)
    with sealing(tmp_path / "bundle") as draft:
        shutil.copytree(
            tiny_bundle, draft.folder, ignore=shutil.ignore_patterns("recommender", "manifest.json"), dirs_exist_ok=True
        )
        draft.seal(whole.manifest)
    for function in opened(tmp_path / "bundle", monkeypatch):
        function.put("c.csv", "customer_id\n1\n")
        function.landed("batch/in/c.csv")
        function.run()
        (found,) = function.jobs()
        assert (found.state, found.kind, "recommender" in found.reason) == ("failed", "recommend", True)


def _file(content: bytes) -> Any:
    import pyarrow as pa

    return pa.BufferReader(content)


# Twice, in any order, broken off


def test_what_is_told_twice_is_done_once(function: Function) -> None:
    function.put("q.csv", queries(25))
    for _ in range(2):
        function.landed("batch/in/q.csv")
    bodies = [message["Body"] for message in function.waiting(function.queue)]
    assert [json.loads(body)["chunk"] for body in bodies] == [0, 1, 2, 0, 1, 2]
    function.told(*reversed(bodies[:2]))
    halfway = function.objects()
    assert function.jobs()[0].state == "running"
    function.told(*reversed(bodies))
    function.landed("batch/in/q.csv")
    assert function.waiting(function.queue) == []
    after = function.objects()
    assert after.items() >= halfway.items()
    assert function.manifest().rows == function.manifest().scored == 25


def test_a_worker_that_died_before_its_receipt_or_the_manifest_is_followed_by_another(function: Function) -> None:
    function.put("q.csv", queries(20))
    function.landed("batch/in/q.csv")
    function.run()
    before = function.objects()
    for gone in ("receipts/chunk-00000.json", "manifest.json"):
        files_of(BUCKET, function.job).remove(["manifest.json", gone])
        enqueue(queue_of("dev"), function.job, resume(files_of(BUCKET, function.job)))
        function.run()
        assert function.objects().keys() == before.keys()
        part = f"{JOBS}{function.job}/parts/chunk-00000.parquet"
        assert function.objects()[part] == before[part]


def test_a_file_that_is_deleted_in_mid_job_fails_and_goes_on_when_it_is_put_back(function: Function) -> None:
    function.put("q.csv", queries(15))
    function.landed("batch/in/q.csv")
    first, second = (message["Body"] for message in function.waiting(function.queue))
    function.told(first)
    function.s3.delete_object(Bucket=BUCKET, Key="batch/in/q.csv")
    assert function.told(second) == NOTHING
    (found,) = function.jobs()
    assert (found.state, found.done, found.reason) == ("failed", 10, "q.csv is gone")
    assert function.landed("batch/in/q.csv") == NOTHING  # the event of a file that is gone
    function.put("q.csv", queries(15))
    function.landed("batch/in/q.csv")
    function.run()
    assert (function.jobs()[0].state, function.manifest().scored) == ("finished", 15)


def test_a_file_that_failed_before_it_was_planned_is_tried_again_when_it_is_put_again(function: Function) -> None:
    function.put("q.csv.job.json", "{")
    function.put("q.csv", queries(3))
    function.landed("batch/in/q.csv")
    assert function.jobs()[0].state == "failed"
    function.s3.delete_object(Bucket=BUCKET, Key=f"{INCOMING}q.csv.job.json")
    function.put("q.csv", queries(3))
    function.landed("batch/in/q.csv")
    function.run()
    assert (function.jobs()[0].state, function.manifest().scored) == ("finished", 3)


def test_a_file_for_which_there_is_no_time_fails_and_says_so(function: Function) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 10_000

    function.put("q.csv", queries(31))
    body = json.loads(EVENT["Records"][0]["body"])
    body["Records"][0]["s3"]["object"] = {"key": "batch/in/q.csv"}
    record = EVENT["Records"][0] | {"body": json.dumps(body)}
    assert function.handler({"Records": [record]}, Context()) == NOTHING
    (found,) = function.jobs()
    assert (found.state, found.reason) == ("failed", "q.csv takes too long to cut after row 1")


def test_a_file_that_is_replaced_in_mid_job_is_never_mixed(function: Function) -> None:
    function.put("q.csv", queries(15))
    function.landed("batch/in/q.csv")
    old = function.job
    first, second = (message["Body"] for message in function.waiting(function.queue))
    function.told(first)
    function.put("q.csv", queries(10))
    function.told(second)
    assert status(files_of(BUCKET, old)).reason == "q.csv has changed since it was cut into chunks"
    function.landed("batch/in/q.csv")
    function.run()
    states = {found.job: (found.state, found.rows) for found in function.jobs()}
    assert states.pop(old) == ("failed", 15)
    assert [*states.values()] == [("finished", 10)]


def test_a_job_that_is_cancelled_stops_and_goes_on_when_it_is_resumed(function: Function) -> None:
    function.put("q.csv", queries(15))
    function.landed("batch/in/q.csv")
    first, second = (message["Body"] for message in function.waiting(function.queue))
    function.told(first)
    cancel(files_of(BUCKET, function.job), "enough")
    function.told(second)
    function.landed("batch/in/q.csv")  # the same event once more starts nothing
    assert function.waiting(function.queue) == []
    assert (function.jobs()[0].state, function.jobs()[0].done) == ("cancelled", 10)
    enqueue(queue_of("dev"), function.job, resume(files_of(BUCKET, function.job)))
    function.run()
    assert function.jobs()[0].state == "finished"


# Another bundle


def planned(function: Function, bundle_id: str) -> Plan:
    """What a function with that bundle had planned."""
    function.put("q.csv", queries(15))
    source = S3Source(BUCKET, INCOMING, "q.csv")
    job = plan(files_of(BUCKET, "any"), source, Options(), bundle_id, lambda: 1.0)
    for key, content in function.objects().items():
        if key.startswith(f"{JOBS}any/"):
            function.s3.put_object(Bucket=BUCKET, Key=key.replace("any", job.job), Body=content)
            function.s3.delete_object(Bucket=BUCKET, Key=key)
    return job


def test_a_plan_of_an_older_bundle_is_made_anew_and_says_so(function: Function) -> None:
    old = planned(function, OLDER)
    enqueue(function.queue, old.job, [0, 1])
    function.run()
    states = {found.job: (found.state, found.done, found.reason) for found in function.jobs()}
    assert states.pop(old.job) == ("cancelled", 0, f"scored anew under bundle {function.bundle_id}")
    assert [(state, done) for state, done, _ in states.values()] == [("finished", 15)]


def test_two_bundles_at_once_end_with_the_one_that_stays(function: Function) -> None:
    """While a deployment moves, functions with either bundle may take messages, and move a job to and fro."""
    old = planned(function, OLDER)
    enqueue(function.queue, old.job, [0])
    function.told(*(message["Body"] for message in function.waiting(function.queue)))
    (ours,) = (found.job for found in function.jobs() if found.job != old.job)
    cancel(files_of(BUCKET, ours), f"scored anew under bundle {OLDER}")  # as the older one does with ours
    files_of(BUCKET, old.job).remove(["cancelled.json"])
    enqueue(function.queue, old.job, [1])
    function.run()
    assert {found.job: found.state for found in function.jobs()} == {old.job: "cancelled", ours: "finished"}


def test_what_a_person_cancelled_no_bundle_takes_up(function: Function) -> None:
    old = planned(function, OLDER)
    cancel(files_of(BUCKET, old.job), "enough")
    enqueue(function.queue, old.job, [0, 1])
    function.run()
    assert [(found.job, found.state) for found in function.jobs()] == [(old.job, "cancelled")]


# What is refused


@pytest.mark.parametrize(
    "key", ["batch/in/a.txt", "batch/in/a", "batch/jobs/x/parts/a.parquet", "reranked/a.csv", "batch/in/", "a.csv"]
)
def test_other_keys_are_refused_and_start_nothing(function: Function, key: str) -> None:
    function.s3.put_object(Bucket=BUCKET, Key=key, Body=PAIRS.encode())
    assert function.landed(key) == NOTHING
    assert function.landed("batch/in/a.csv", "another-bucket") == NOTHING
    assert [*function.objects()] == [key]
    assert function.waiting(function.queue) == function.waiting(function.dead) == []


def test_s3_may_try_whether_it_may_send(function: Function) -> None:
    trying = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET, "RequestId": "1", "HostId": "2"}
    assert function.told(json.dumps(trying)) == NOTHING
    assert function.waiting(function.dead) == []


POISON = {
    "no JSON": "JSON is malformed: invalid character (byte 4)",
    "[1]": "Expected `object`, got `array`",
    "{}": "Object missing required field `job`",
    '{"job": "a"}': "a message names either a chunk or the end",
    '{"job": "a", "chunk": "1"}': "Expected `int | null`, got `str` - at `$.chunk`",
    '{"job": "nobody-0123456789", "chunk": 0}': "there is no job nobody-0123456789",
    '{"Records": [{"s3": 1}]}': "Expected `object`, got `int` - at `$.Records[0].s3`",
}


def test_poison_goes_to_the_dead_letters_with_its_reason(function: Function) -> None:
    assert function.told(*POISON) == NOTHING
    letters = function.waiting(function.dead)
    assert {m["Body"]: m["MessageAttributes"]["reason"]["StringValue"] for m in letters} == POISON


def test_a_chunk_that_the_plan_does_not_have_is_poison(function: Function) -> None:
    function.put("q.csv", queries(3))
    function.landed("batch/in/q.csv")
    job = function.job
    for chunk in (-1, 1):
        assert function.told(json.dumps({"job": job, "chunk": chunk})) == NOTHING
    assert len(function.waiting(function.dead)) == 2


def test_what_is_nobodys_fault_comes_again_later_each_time(function: Function) -> None:
    sent = function.sqs.send_message(QueueUrl=function.queue, MessageBody="x")
    (message,) = function.sqs.receive_message(QueueUrl=function.queue)["Messages"]
    record = EVENT["Records"][0] | {"messageId": sent["MessageId"], "receiptHandle": message["ReceiptHandle"]}
    record["body"] = json.dumps({"job": "../../x", "chunk": 0})
    function.s3.delete_bucket(Bucket=BUCKET)
    again = {"batchItemFailures": [{"itemIdentifier": sent["MessageId"]}]}
    delays: list[int] = []
    client("sqs", event_queue._TIMEOUT_S).meta.events.register(
        "provide-client-params.sqs.ChangeMessageVisibility",
        lambda params, **_: delays.append(params["VisibilityTimeout"]),
    )
    for times in ("1", "2", "3", "4", "5"):
        record["attributes"] = {"ApproximateReceiveCount": times}
        assert function.handler({"Records": [record]}, None) == again
    assert delays == [60, 240, 960, 1800, 1800]


# Step Functions


def machine() -> Any:
    states = boto3.client("stepfunctions")
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    role = "arn:aws:iam::123456789012:role/batch"
    states.create_state_machine(name="aisle-dev-batch", definition=definition, roleArn=role)
    return states


def test_a_large_file_goes_to_the_state_machine_once(function: Function) -> None:
    states = machine()
    function.put("q.csv", queries(31))
    function.landed("batch/in/q.csv")
    (started,) = states.list_executions(stateMachineArn=MACHINE)["executions"]
    assert started["name"] == function.job
    asked = json.loads(states.describe_execution(executionArn=started["executionArn"])["input"])
    assert asked == {"job": function.job, "chunks": f"batch/jobs/{function.job}/chunks.json"}
    assert json.loads(function.objects()[asked["chunks"]]) == [0, 1, 2, 3]
    assert function.waiting(function.queue) == []


def test_a_file_that_is_put_back_while_its_execution_runs_is_given_out_through_the_queue(function: Function) -> None:
    machine()
    function.put("q.csv", queries(31))
    function.landed("batch/in/q.csv")
    function.s3.delete_object(Bucket=BUCKET, Key="batch/in/q.csv")
    assert function.handler({"job": function.job, "chunk": 0}, None) == {"state": "running"}
    assert function.jobs()[0].state == "failed"  # so what the execution asks for now is passed over
    function.put("q.csv", queries(31))
    function.landed("batch/in/q.csv")
    function.run()
    assert (function.jobs()[0].state, function.manifest().scored) == ("finished", 31)


def test_step_functions_asks_for_chunks_and_the_end(function: Function) -> None:
    function.put("q.csv", queries(15))
    function.landed("batch/in/q.csv")
    job = function.job
    assert function.handler({"job": job, "finish": True}, None) == {"state": "planned"}
    assert function.handler({"job": job, "chunk": 1}, None) == {"state": "running"}
    assert function.handler({"job": job, "finish": True}, None) == {"state": "running"}
    assert function.handler({"job": job, "chunk": 0}, None) == {"state": "finished"}
    assert function.handler({"job": job, "finish": True}, None) == {"state": "finished"}
    with pytest.raises(BadInput, match="there is no job nobody"):
        function.handler({"job": "nobody", "chunk": 0}, None)


# The command line's half


def test_submitting_puts_what_is_asked_before_the_file(function: Function, tmp_path: Path) -> None:
    (tmp_path / "Q.CSV").write_text(queries(3))
    assert submit(BUCKET, tmp_path / "Q.CSV", Options(k=3)) == f"s3://{BUCKET}/batch/in/Q.csv"
    assert json.loads(function.objects()["batch/in/Q.csv.job.json"]) == {"k": 3}
    submit(BUCKET, tmp_path / "Q.CSV", Options())
    assert [*function.objects()] == ["batch/in/Q.csv"]
    with pytest.raises(NotFound):
        submit(BUCKET, tmp_path / "none.csv", Options())


def test_messages_are_read_as_s3_and_we_write_them() -> None:
    assert read_message(EVENT["Records"][0]["body"]) == [Landed(BUCKET, "batch/in/red shoes, 鞋.csv")]
    assert read_message('{"job": "a", "chunk": 3}') == Wanted("a", 3)
    assert read_message('{"job": "a", "finish": true}') == Wanted("a", None, True)
    removed = EVENT["Records"][0]["body"].replace("ObjectCreated:Put", "ObjectRemoved:Delete")
    assert read_message(removed) == []


def test_only_files_that_start_a_job_are_submitted(function: Function, tmp_path: Path) -> None:
    for name in ("notes.txt", "pairs.csv.gz", "pairs"):
        (tmp_path / name).write_text(PAIRS)
        with pytest.raises(BadInput, match="which starts no job"):
            submit(BUCKET, tmp_path / name, Options())
    assert function.objects() == {}


def test_a_job_that_cannot_be_read_hides_no_other(function: Function) -> None:
    function.put("q.csv", queries(3))
    function.landed("batch/in/q.csv")
    job = function.job
    files_of(BUCKET, "broken").write("plan.json", b'{"job": "broken"}')
    found = {told.job: (told.state, told.reason) for told in function.jobs()}
    missing = "Object missing required field `kind`"
    reason = f"plan.json is not what this version of aisle writes ({missing})"
    assert found == {job: ("planned", ""), "broken": ("failed", reason)}


def test_importing_it_needs_no_aws(tiny_bundle: Path) -> None:
    program = "import sys, functions.batch.handler; assert 'boto3' not in sys.modules and 'pyarrow' not in sys.modules"
    environment = {"AISLE_BUNDLE": str(tiny_bundle), "PYTHONPATH": str(Path(__file__).parents[2])}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
