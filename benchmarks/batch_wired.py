"""A million pairs through the batch function in an emulated account, its workers killed ten times: what it takes, and
whether every row is there once.

    PYTHONPATH=. .venv/bin/python benchmarks/batch_wired.py .aisle/bench-35000 --rows 1000000

S3 and SQS are emulated over HTTP; two instances of the function run under the real Lambda runtime, one thread each, and
are killed without warning at random moments while they score. Receipts are counted, and DuckDB reads the parts.
"""

import json
import os
import random
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import measuring
from batch_rows import write_pairs

from aisle.aws.batch_jobs import files_of, list_jobs, submit
from aisle.batch_job import MANIFEST, read_plan
from aisle.batch_kinds import Options
from aisle.bundle import Bundle
from infra.emulated import emulated_aws
from infra.worker import Worker

BUCKET, WORKERS, KILLS = "aisle-batch-bench", 2, 10
HANDLER, TIMEOUT_S, MEMORY_MB = "functions.batch.handler.handler", 300, 1769  # one thread an instance
PATIENCE_S = 3600


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    bundle = Bundle.open(given.bundle)
    with emulated_aws() as account, TemporaryDirectory() as folder:
        os.environ.update(account)
        figures = measured(bundle, given.rows, account, Path(folder))
    json.dump(figures, sys.stdout, indent=2)
    print()
    measuring.write(given.out or given.bundle.with_name(f"{given.bundle.name}.batch_wired.json"), figures, bundle)
    if figures["missing"] or figures["doubled"] or figures["rejected"]:
        sys.exit("not every row is there once")


def measured(bundle: Bundle, rows: int, account: dict[str, str], folder: Path) -> dict[str, Any]:
    import boto3

    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    queue, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("batch", "batch-dead"))
    s3.create_bucket(Bucket=BUCKET)
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    told = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    told["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "batch/in/"}]}}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [told]})
    environment = {
        **account,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
        "AISLE_BUNDLE": str(bundle.path.resolve()),
        "AISLE_BATCH_BUCKET": BUCKET,
        "AISLE_BATCH_QUEUE": queue,
        "AISLE_DEAD_LETTERS": dead,
    }
    environment["AISLE_BATCH_FANOUT"] = str(rows)  # all chunks through the queue
    write_pairs(bundle, folder / "pairs.parquet", rows)
    workers = [
        Worker(HANDLER, environment, sqs, queue, folder / f"worker-{number}.log", TIMEOUT_S)
        for number in range(WORKERS)
    ]
    began, rolls, kills = time.monotonic(), random.Random(7), 0
    submit(BUCKET, folder / "pairs.parquet", Options())
    for worker in workers:
        worker.start()
    pause_s = max(rows / 1_000_000 * 20, 0.5)  # so that the kills lie in the first half
    while not (jobs := list_jobs(BUCKET)) or jobs[0].state != "finished":
        time.sleep(rolls.uniform(0, pause_s) if kills < KILLS else 1)
        kills += kills < KILLS and rolls.choice(workers).kill()
        if time.monotonic() - began > PATIENCE_S:
            raise SystemExit(f"not finished in {PATIENCE_S} s: {jobs}")
    seconds = time.monotonic() - began
    for worker in workers:
        worker.over.set()
    for worker in workers:
        worker.join(60)
    return {**counted(jobs[0].job, folder, rows), "killed": kills, "seconds": round(seconds, 1)} | {
        "rows_a_second": round(rows / seconds)
    }


def counted(job: str, folder: Path, rows: int) -> dict[str, Any]:
    """What the output holds, by DuckDB and by the manifest."""
    files = files_of(BUCKET, job)
    manifest = json.loads(files.read(MANIFEST))
    for part in manifest["parts"]:
        target = folder / Path(part["name"]).name
        target.write_bytes(files.read(part["name"]))
    lines, ids = duckdb.execute(
        f"SELECT count(*), count(DISTINCT pair_id) FROM read_parquet('{folder}/chunk-*.parquet')"
    ).fetchall()[0]
    return {
        "rows": rows,
        "chunks": len(read_plan(files).chunks),
        "missing": rows - ids,
        "doubled": lines - ids,
        "rejected": manifest["rejected"],
        "memory_mb": round(manifest["memory_mb"]),
        "work_seconds": round(manifest["seconds"], 1),
        "cost_usd": manifest["cost_usd"],
        "cost_usd_a_million": round(manifest["cost_usd"] / rows * 1e6, 4),
    }


if __name__ == "__main__":
    main()
