"""Producer and consumer over an emulated queue, the consumer killed in the middle: is anything lost, or counted twice?

    PYTHONPATH=. .venv/bin/python benchmarks/load.py --out benchmarks/results/load.json

For a minute the producer sends what functions/events would, some requests twice and some late; the consumer is
functions/ingest, called by what stands for Lambda's event source (infra/poller.py); table, bucket and queue are
those of an emulated account in a third process. The consumer is killed without warning while it works, and started
again. At the end the log and the profiles are held against what was sent. The emulator's own rate, of messages that
nobody looks into, is measured before.
"""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measuring
import msgspec
from ingest import PSEUDONYMS, REQUEST, event

from aisle.aws.event_bucket import EventBucket
from aisle.aws.event_queue import EventQueue
from aisle.aws.profile_table import ProfileTable
from aisle.collecting import collect
from aisle.errors import Unavailable
from aisle.event_log import EventLog
from aisle.events import Record
from aisle.identity import Caller
from aisle.profile import Profile, with_records
from aisle.shopping import EventsRequest
from infra.emulated import emulated_aws
from infra.poller import poll

QUEUE, DEAD, BUCKET, TABLE = "events", "events-dead", "aisle-load-events", "profiles"
SHOPPERS, BATCH = 300, 50  # shoppers in all, messages of a batch
TWICE, LATE, LATE_MS = 0.05, 0.05, 3_600_000  # shares of requests; an hour
VISIBILITY_S = 8  # more than a batch takes, far less than in an account, so that what was killed comes again
RATE_S = 10  # of the emulator's own rate
EMPTY_S = 300  # the most that emptying the queue may take


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long the producer sends")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with emulated_aws() as account, TemporaryDirectory() as folder:
        os.environ.update(account)
        figures = measured(account, Path(folder, "sent.jsonl"), given.seconds)
    json.dump(figures, sys.stdout, indent=2)
    print()
    measuring.write(given.out, figures)
    failed = [name for name in ("lost", "not_sent", "twice", "wrong_profiles", "dead_letters") if figures[name]]
    if failed:
        sys.exit(f"not as it was sent: {', '.join(failed)}")


def measured(account: dict[str, str], sent_file: Path, seconds: float) -> dict[str, Any]:
    import boto3

    sqs = boto3.client("sqs")
    emulator = bare_rate(sqs)
    url = sqs.create_queue(QueueName=QUEUE, Attributes={"VisibilityTimeout": str(VISIBILITY_S)})["QueueUrl"]
    dead = sqs.create_queue(QueueName=DEAD)["QueueUrl"]
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "shopper_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "shopper_id", "KeyType": "HASH"}],
    )
    settings = {"AISLE_PROFILES_TABLE": TABLE, "AISLE_EVENTS_BUCKET": BUCKET, "AISLE_DEAD_LETTERS": dead}
    own = [sys.executable, __file__]
    environment = {**os.environ, **settings, "PYTHONPATH": "."}
    begun = time.monotonic()
    producer = subprocess.Popen([*own, "produce", url, str(sent_file), str(seconds)], env=environment)
    consumer = subprocess.Popen([*own, "consume", url], env=environment)
    time.sleep(seconds / 2)
    consumer.send_signal(signal.SIGKILL)
    killed_at = time.monotonic() - begun
    invisible = waiting(sqs, url)["ApproximateNumberOfMessagesNotVisible"]
    consumer.wait()
    consumer = subprocess.Popen([*own, "consume", url], env=environment)
    if producer.wait() != 0:
        raise RuntimeError("the producer failed")
    produced_s = time.monotonic() - begun
    while any(waiting(sqs, url).values()):
        if consumer.poll() is not None or time.monotonic() - begun > produced_s + EMPTY_S:
            raise RuntimeError("the consumer does not empty the queue")
        time.sleep(0.5)
    consumed_s = time.monotonic() - begun
    consumer.terminate()
    consumer.wait()
    told = [msgspec.json.decode(line, type=list[Record]) for line in sent_file.read_bytes().splitlines()]
    return {
        "seconds": seconds,
        "emulator_messages_a_second": emulator,
        "requests": len(told),
        "events": sum(map(len, told)),
        "produced_s": round(produced_s, 1),
        "consumed_s": round(consumed_s, 1),
        "messages_a_second": round(len(told) / consumed_s, 1),
        "events_a_second": round(sum(map(len, told)) / consumed_s),
        "killed_after_s": round(killed_at, 1),
        "messages_in_hand_when_killed": invisible,
        "dead_letters": waiting(sqs, dead)["ApproximateNumberOfMessages"],
        **compared([record for records in told for record in records]),
    }


def compared(told: list[Record]) -> dict[str, int]:
    """How log and profiles differ from what was told; `lines_in_files` has what readers leave out, as it is double."""
    bucket = EventBucket(BUCKET)
    log = EventLog(bucket)
    ids, kept = {record.event_id for record in told}, [record.event_id for record in log.records()]
    lines = sum(len(gzip.decompress(bucket.read(name)).splitlines()) for name in bucket.names("raw/"))
    by_shopper: dict[str, list[Record]] = {}
    for record in told:
        by_shopper.setdefault(record.shopper, []).append(record)
    profiles = ProfileTable(TABLE)
    wrong = sum(profiles.read([who]) != with_records(Profile(), records) for who, records in by_shopper.items())
    return {
        "events_once": len(ids),
        "lines_in_files": lines,
        "lost": len(ids - {*kept}),
        "not_sent": len({*kept} - ids),
        "twice": len(kept) - len({*kept}),
        "profiles": len(by_shopper),
        "wrong_profiles": wrong,
    }


def waiting(sqs: Any, url: str) -> dict[str, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return {name: int(found[name]) for name in names}


def bare_rate(sqs: Any) -> float:
    """Messages a second that one process sends, receives and deletes, ten at once, without looking into them."""
    url = sqs.create_queue(QueueName="bare")["QueueUrl"]
    entries = [{"Id": str(n), "MessageBody": "[]"} for n in range(10)]
    begun, count = time.monotonic(), 0
    while time.monotonic() - begun < RATE_S:
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        handles = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)]
        sqs.delete_message_batch(QueueUrl=url, Entries=handles)
        count += len(found)
    return round(count / (time.monotonic() - begun), 1)


def requests(seconds: float) -> Iterator[list[str]]:
    """The messages of one request after the other."""
    chance, until = random.Random(5), time.monotonic() + seconds
    caller, late = Caller("load", trusted=True), list[list[str]]()
    while time.monotonic() < until:
        now_ms = time.time_ns() // 1_000_000
        shopper = f"shopper-{chance.randrange(SHOPPERS)}"
        sent_ms = now_ms - LATE_MS * (chance.random() < LATE)
        told = [event(chance, shopper, sent_ms - n) for n in range(REQUEST)]
        messages = collect(EventsRequest(told), caller, now_ms, PSEUDONYMS).messages
        if chance.random() < TWICE:
            late.append(messages)
        yield messages
        if len(late) > 20:
            yield late.pop(chance.randrange(len(late)))


def produce(url: str, sent_file: Path, seconds: float) -> None:
    """Sends requests as fast as the queue takes them, and writes down what it took, a message a line."""
    queue = EventQueue(url)
    with sent_file.open("w", encoding="utf-8") as sent:
        for messages in requests(seconds):
            while True:
                try:
                    queue.send(messages)
                    break
                except Unavailable as exc:
                    print(f"sent again: {exc}", file=sys.stderr)
            sent.writelines(f"{message}\n" for message in messages)


def consume(url: str) -> None:
    """Empties the queue until it is stopped."""
    import boto3

    from functions.ingest.handler import handler

    sqs = boto3.client("sqs")
    while True:
        if not poll(sqs, url, lambda event: handler(event, None), BATCH).deleted:
            time.sleep(0.05)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["produce", address, file, duration]:
            produce(address, Path(file), float(duration))
        case ["consume", address]:
            consume(address)
        case _:
            main()
