"""Files that land in the batch bucket of the deployed stack, until S3 tells that their jobs have ended.

S3 tells the queue and the topic as the stack's template says, the function runs under the real Lambda runtime, and the
queue is emptied as Lambda's event source does (infra/poller.py). What comes out is held, byte by byte, against what
`aisle batch run` writes on this machine, and read by DuckDB.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from shop import Service, opened

from aisle.cli import main
from infra.package import ROOT
from infra.poller import Batch, poll
from infra.worker import Worker

pytestmark = pytest.mark.slow

BUCKET, QUEUE, DEAD = "aisle-dev-batch-123456789012", "aisle-dev-batch", "aisle-dev-batch-dead"
TOPIC = "arn:aws:sns:us-east-1:123456789012:aisle-dev-batch-finished"
KILLS, WORKERS = 10, 2
CHUNK = 1000  # searches


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with opened(tiny_bundle, tmp_path_factory.mktemp("log") / "functions.log", "batch=on") as made:
        queue = boto3.client("sqs").create_queue(QueueName="ends")
        arn = "arn:aws:sqs:us-east-1:123456789012:ends"
        assert queue["QueueUrl"].endswith("ends")
        boto3.client("sns").subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn)
        yield made


@pytest.fixture
def folder(service: Service, tmp_path: Path) -> Path:
    """An empty one; bucket and queues are empty, too."""
    s3 = boto3.client("s3")
    for version in s3.list_object_versions(Bucket=BUCKET).get("Versions", []):
        s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    for marker in s3.list_object_versions(Bucket=BUCKET).get("DeleteMarkers", []):
        s3.delete_object(Bucket=BUCKET, Key=marker["Key"], VersionId=marker["VersionId"])
    for name in (QUEUE, DEAD, "ends"):
        taken(name)
    return tmp_path


def taken(name: str) -> list[str]:
    """All that waits in a queue, which is empty then."""
    sqs, found = boto3.client("sqs"), []
    while some := sqs.receive_message(QueueUrl=url(name), MaxNumberOfMessages=10).get("Messages"):
        for message in some:
            found.append(message["Body"])
            sqs.delete_message(QueueUrl=url(name), ReceiptHandle=message["ReceiptHandle"])
    return found


def url(name: str) -> str:
    found: str = boto3.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    return found


def one(service: Service) -> Batch:
    """One message goes through the function, as with the stack's BatchSize of 1."""
    return poll(boto3.client("sqs"), url(QUEUE), lambda event: service.invoke("aisle-dev-batch", event), most=1)


def run(service: Service) -> None:
    """Until nothing waits."""
    while (batch := one(service)).deleted:
        assert batch.failed == []


def aisle(*argv: str | Path) -> list[dict[str, Any]]:
    """What the command prints into a pipe."""
    with redirect_stdout(StringIO()) as out:
        assert main([*map(str, argv)]) == 0
    return [json.loads(line) for line in out.getvalue().splitlines()]


def submit(path: Path, *options: str) -> None:
    (printed,) = aisle("batch", "run", path, "--stage", "dev", *options)
    assert printed == {"address": f"s3://{BUCKET}/batch/in/{path.name}"}


def the_job() -> dict[str, Any]:
    (found,) = aisle("batch", "status", "--stage", "dev")
    return found


def ends() -> list[str]:
    """Keys that the topic told of."""
    told = [json.loads(json.loads(body)["Message"]) for body in taken("ends")]
    found = [record["s3"]["object"]["key"] for event in told for record in event.get("Records", [])]
    return [key.replace("%2F", "/") for key in found]


def fetched(job: str, folder: Path) -> Path:
    """The job's folder, from the bucket."""
    s3, prefix = boto3.client("s3"), f"batch/jobs/{job}/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for row in page["Contents"]:
            target = folder / row["Key"].removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(s3.get_object(Bucket=BUCKET, Key=row["Key"])["Body"].read())
    return folder


def on_a_laptop(bundle: Path, file: Path, folder: Path, *options: str) -> Path:
    """The folder of `aisle batch run`, in an environment that tells the libraries no more than a function's does."""
    command = [sys.executable, "-m", "aisle", "batch", "run", str(bundle), str(file), "--out", str(folder), *options]
    subprocess.run(command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, check=True, capture_output=True)
    return folder


def scored(folder: Path, order: str) -> list[tuple[Any, ...]]:
    """All rows of the parts, as DuckDB reads them."""
    found: list[tuple[Any, ...]] = duckdb.execute(
        f"SELECT * FROM read_parquet('{folder}/parts/*.parquet') ORDER BY {order}"
    ).fetchall()
    return found


def alike(one: Path, other: Path, *kinds: str) -> None:
    """Both folders have the same files of these kinds, byte by byte."""
    for kind in kinds:
        contents = [{p.name: p.read_bytes() for p in (folder / kind).glob("*")} for folder in (one, other)]
        assert contents[0] == contents[1] != {}


def queries(path: Path, count: int) -> Path:
    words = ["shoes", "red hat", "蓝色 帽子", "warm jacket", "bag under 50"]
    path.write_text("query_id,query\n" + "".join(f"{n},{words[n % 5]} {n % 97}\n" for n in range(count)))
    return path


def test_a_file_lands_and_its_scores_are_those_of_a_laptop(service: Service, folder: Path, tiny_bundle: Path) -> None:
    titles = [product.title for product in service.products]
    rows = [f'{n},"{titles[n % 60]}","{titles[n * 7 % 60]}"' for n in range(400)]
    rows[7], rows[11] = "7,too few", '11,"","no query"'
    (folder / "pairs 你好.csv").write_text("pair_id,query,title\n" + "\n".join(rows) + "\n")
    submit(folder / "pairs 你好.csv")
    run(service)
    found = the_job()
    assert (found["kind"], found["state"], found["rows"], found["rejected"]) == ("score", "finished", 400, 2)
    assert ends() == [f"batch/jobs/{found['job']}/manifest.json"]
    here = fetched(found["job"], folder / "s3")
    alike(here, on_a_laptop(tiny_bundle, folder / "pairs 你好.csv", folder / "local"), "parts", "rejects")
    assert [int(pair_id) for pair_id, _ in scored(here, "pair_id::int")] == [n for n in range(400) if n not in (7, 11)]
    manifest = json.loads((here / "manifest.json").read_bytes())
    assert (manifest["rows"], manifest["scored"], manifest["rejected"]) == (400, 398, 2)
    assert manifest["rows_per_second"] > 0
    assert 0 < manifest["cost_usd"] < 0.01
    incoming = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="batch/in/")["Contents"]
    assert [row["Key"] for row in incoming] == ["batch/in/pairs 你好.csv"]


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "tsv"])
def test_every_kind_of_file_is_told_of(service: Service, folder: Path, ending: str) -> None:
    path = folder / f"products.{ending}"
    write = {
        "parquet": f"COPY (SELECT 'a' || i AS product_id, 'Red hat ' || i AS title FROM range(20) t(i)) TO '{path}'",
        "tsv": f"COPY (SELECT i AS product_id, 'hat ' || i AS title FROM range(20) t(i)) TO '{path}' (DELIMITER '\t')",
        "jsonl": f"COPY (SELECT i::text AS product_id, 'hat' AS title FROM range(20) t(i)) TO '{path}' (FORMAT json)",
    }
    duckdb.sql(write[ending])
    submit(path)
    run(service)
    found = the_job()
    assert (found["kind"], found["state"], found["done"], found["rejected"]) == ("embed", "finished", 20, 0)
    here = scored(fetched(found["job"], folder / "s3"), "product_id")
    assert [len(vector) for _, vector in here] == [len(here[0][1])] * 20


def test_a_bad_file_fails_alone_and_the_topic_tells(service: Service, folder: Path) -> None:
    (folder / "bad.csv").write_text("what,ever\n1,2\n")
    submit(folder / "bad.csv")
    submit(queries(folder / "good.csv", 3))
    run(service)
    states = {found["state"]: found for found in aisle("batch", "status", "--stage", "dev")}
    assert states.keys() == {"failed", "finished"}
    assert states["failed"]["reason"].startswith("the columns what, ever tell no kind of job")
    endings = {key.rpartition("/")[2] for key in ends()}
    assert endings == {"failed.json", "manifest.json"}


def test_events_and_chunks_that_come_twice_and_in_any_order_count_once(
    service: Service, folder: Path, tiny_bundle: Path
) -> None:
    submit(queries(folder / "q.csv", 2100), "--k", "5")
    sqs = boto3.client("sqs")
    (landed,) = sqs.receive_message(QueueUrl=url(QUEUE), MaxNumberOfMessages=10)["Messages"]
    for _ in range(2):
        sqs.send_message(QueueUrl=url(QUEUE), MessageBody=landed["Body"])
    for _ in range(2):
        one(service)
    chunks = taken(QUEUE)[::-1]
    assert len(chunks) == 6
    for body in chunks + chunks[:3]:
        sqs.send_message(QueueUrl=url(QUEUE), MessageBody=body)
    run(service)
    assert (the_job()["state"], the_job()["done"]) == ("finished", 2100)
    assert len(ends()) == 1
    local = on_a_laptop(tiny_bundle, folder / "q.csv", folder / "local", "--k", "5")
    alike(fetched(the_job()["job"], folder / "s3"), local, "parts")


def test_a_job_is_cancelled_looked_at_and_resumed_from_the_command_line(service: Service, folder: Path) -> None:
    submit(queries(folder / "q.csv", 2100), "--k", "5")
    one(service)
    one(service)
    job = the_job()["job"]
    (found,) = aisle("batch", "cancel", job, "--stage", "dev")
    assert (found["state"], found["done"]) == ("cancelled", CHUNK)
    run(service)
    assert the_job() == found
    aisle("batch", "resume", job, "--stage", "dev")
    run(service)
    assert (the_job()["state"], the_job()["done"], len(ends())) == ("finished", 2100, 1)


@pytest.mark.parametrize("broken", ["S3", "AmazonSQS"])
def test_while_a_service_is_throttled_messages_wait_and_nothing_is_lost(
    service: Service, folder: Path, broken: str
) -> None:
    submit(queries(folder / "q.csv", 1100), "--k", "5")
    sqs = boto3.client("sqs")
    with service.faults.having(broken, "throttled"):
        waiting = one(service)
        assert (waiting.deleted, len(waiting.failed)) == ([], 1)
    sqs.change_message_visibility(QueueUrl=url(QUEUE), ReceiptHandle=waiting.handles[0], VisibilityTimeout=0)
    one(service)
    with service.faults.having("S3", "throttled"):
        waiting = one(service)
        assert len(waiting.failed) == 1
    for handle in waiting.handles:
        sqs.change_message_visibility(QueueUrl=url(QUEUE), ReceiptHandle=handle, VisibilityTimeout=0)
    run(service)
    assert (the_job()["state"], the_job()["done"]) == ("finished", 1100)
    assert taken(DEAD) == []


def worker(service: Service, bundle: Path, number: int) -> Worker:
    """One more instance of the stack's function, with a life of its own."""
    declared = service.api.functions["aisle-dev-batch"]
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environment |= declared.environment | {"AISLE_BUNDLE": str(bundle), "AWS_ENDPOINT_URL": service.faults.url}
    environment |= {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(declared.memory_mb)}
    log = service.log.with_name(f"worker-{number}.log")
    handler = "functions.batch.handler.handler"
    return Worker(handler, environment, boto3.client("sqs"), url(QUEUE), log, declared.timeout_s)


def test_workers_that_are_killed_ten_times_at_random_lose_no_row_and_double_none(
    service: Service, folder: Path, tiny_bundle: Path
) -> None:
    rows, rolls = 8 * CHUNK + 123, random.Random(20261123)
    submit(queries(folder / "q.csv", rows), "--k", "5")
    workers = [worker(service, tiny_bundle, number) for number in range(WORKERS)]
    for instance in workers:
        instance.start()
    try:
        kills, until = 0, time.monotonic() + 400
        while kills < KILLS:
            time.sleep(rolls.uniform(0.2, 2.5))
            kills += rolls.choice(workers).kill()
            assert time.monotonic() < until
        while (found := the_job())["state"] != "finished":
            assert time.monotonic() < until, found
            if taken(DEAD):  # chunks whose workers died five times, which SQS gives out no more
                aisle("batch", "resume", found["job"], "--stage", "dev")
            time.sleep(0.5)
    finally:
        for instance in workers:
            instance.over.set()
        for instance in workers:
            instance.join(60)
    assert (found["done"], sum(instance.killed for instance in workers)) == (rows, KILLS)
    assert len(ends()) == 1
    here = fetched(found["job"], folder / "s3")
    alike(here, on_a_laptop(tiny_bundle, folder / "q.csv", folder / "local", "--k", "5"), "parts")
    answered = scored(here, "query_id::int, rank")
    assert answered == scored(folder / "local", "query_id::int, rank")
    assert len({row[:2] for row in answered}) == len(answered)
    numbers = [number for path in (here / "receipts").glob("*") for number in [json.loads(path.read_bytes())["rows"]]]
    assert sorted(numbers) == [123, *[CHUNK] * 8]
