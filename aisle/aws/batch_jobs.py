"""Batch jobs of a stage: where their files lie in its bucket, and how work on them is given out.

    s3://aisle-<stage>-batch-<account>/batch/in/<name>       a file to score, and <name>.job.json, put before it
    s3://aisle-<stage>-batch-<account>/batch/jobs/<job>/     all that is known of a job (`aisle.batch_job`)

Nothing here and nothing that works on a job writes under batch/in/ but `submit`: what lands there starts a job.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from aisle.aws.bucket_files import BucketFiles
from aisle.aws.clients import client, told
from aisle.aws.event_queue import EventQueue, queue_url
from aisle.batch_job import Status, status
from aisle.batch_kinds import JOB_FILE, Options, read_options
from aisle.errors import BadInput, NotFound
from aisle.tables import ENDINGS

INCOMING, JOBS = "batch/in/", "batch/jobs/"
REMEDY = "check the credentials (`aws sts get-caller-identity`), the region and the stage"
_UPLOAD_S = 60.0  # of one part on its way
_READERS = 8


def bucket_of(stage: str) -> str:
    """The batch bucket of a stage in the account whose credentials are in use. Raises Unavailable, MissingExtra."""
    with told("the account's number could not be asked for", REMEDY):
        return f"aisle-{stage}-batch-{client('sts').get_caller_identity()['Account']}"


def queue_of(stage: str) -> str:
    """The URL of a stage's queue of chunks. Raises Unavailable."""
    return queue_url(stage, "batch")


def files_of(bucket: str, job: str) -> BucketFiles:
    return BucketFiles(bucket, f"{JOBS}{job}/")


def submit(bucket: str, path: Path, options: Options) -> str:
    """Puts the file, and before it what is asked of it, where they start a job: the address of the file.

    Raises NotFound where there is no such file, BadInput where it starts none or cannot be read, Unavailable.
    """
    if not path.is_file():
        raise NotFound(f"{path} does not exist", "check the path")
    name = path.stem + path.suffix.lower()  # S3 tells of endings by their letters
    if path.suffix.lower() not in ENDINGS:
        detail = f"{path} ends in {path.suffix or 'nothing'}, which starts no job"
        raise BadInput(detail, f"name it for its format: {', '.join(ENDINGS)}")
    try:
        content = path.open("rb")
    except OSError as exc:
        raise BadInput(f"{path} cannot be read ({exc.strerror})", "check who may read it") from exc
    key = f"{INCOMING}{name}"
    job_file, asked = f"{name}{JOB_FILE}", msgspec.json.encode(options)
    incoming = BucketFiles(bucket, INCOMING)
    with content:
        if options != Options():
            incoming.write(job_file, asked)
        else:
            incoming.remove([job_file])  # of a file of that name before
        with told(f"s3://{bucket}/{key} cannot be written", REMEDY):
            client("s3", _UPLOAD_S).upload_fileobj(content, bucket, key)
    return f"s3://{bucket}/{key}"


def list_jobs(bucket: str) -> list[Status]:
    """What is known of each job, by name. Raises Unavailable."""
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(lambda job: _known(bucket, job), sorted(BucketFiles(bucket, JOBS).folders()))
        return [job for job in found if job]


def _known(bucket: str, job: str) -> Status | None:
    try:
        return status(files_of(bucket, job))
    except NotFound:  # its plan is being written, or its files are going
        return None
    except BadInput as exc:  # of another version, or broken: the others are told of all the same
        return Status(job, "", "failed", 0, 0, 0, 0.0, exc.detail)


def enqueue(queue: str, job: str, chunks: Sequence[int]) -> None:
    """A message for each chunk into the queue of that URL; where none is left, one that ends the job.

    Messages that are sent again do no harm. Raises Unavailable.
    """
    asked: list[dict[str, object]] = [{"job": job, "chunk": chunk} for chunk in chunks]
    bodies = [msgspec.json.encode(wanted).decode() for wanted in asked or [{"job": job, "finish": True}]]
    EventQueue(queue).send(bodies)


def asked_of(bucket: str, name: str) -> Options:
    """What the job file of a file that has landed says; the plain options where there is none.

    Raises BadInput, Unavailable.
    """
    try:
        told = BucketFiles(bucket, INCOMING).read(f"{name}{JOB_FILE}")
    except NotFound:
        return Options()
    return read_options(told, f"{name}{JOB_FILE}")
