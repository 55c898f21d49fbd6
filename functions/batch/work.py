"""What a message of the batch queue asks for: a file is planned and given out, a chunk is scored, a job is ended.

Each verb may be done twice, by many at once and in any order, and broken off anywhere: what is done lies in the job's
folder (`aisle.batch_job`). A plan of another bundle is not followed: its file is planned anew for the bundle here, and
the old job is cancelled with that reason.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from aisle.aws.batch_jobs import INCOMING, asked_of, enqueue, files_of
from aisle.aws.batch_messages import Landed, Wanted
from aisle.aws.bucket_files import BucketFiles, S3Source
from aisle.aws.executions import start
from aisle.aws.lambda_price import USD_PER_REQUEST
from aisle.batch_job import (
    CANCELLED,
    FAILED,
    MANIFEST,
    Job,
    Note,
    Plan,
    cancel,
    fail,
    found,
    job_id,
    missing,
    plan,
    read_plan,
    status,
)
from aisle.batch_kinds import Options
from aisle.errors import BadInput, BundleError, NotFound
from aisle.runtime import Services
from aisle.tables import ENDINGS

CHUNKS = "chunks.json"  # their numbers, as a state machine reads them
MOVED = "scored anew under bundle"
InTime = Callable[[], bool]
log = logging.getLogger(__name__)
log.setLevel(logging.INFO)


@dataclass(frozen=True)
class Work:
    """What one function does. A job of more than `fanout` chunks goes to `machine`, where there is one."""

    bucket: str
    queue: str
    machine: str
    fanout: int
    services: Services
    threads: int
    usd_per_second: float

    def landed(self, file: Landed, in_time: InTime) -> None:
        """Plans the file and gives its chunks out. A file that cannot be read fails alone. Raises Unavailable."""
        name = file.key.removeprefix(INCOMING)
        ending = PurePosixPath(name).suffix
        if file.bucket != self.bucket or name == file.key or ending not in ENDINGS:
            log.error("refused: s3://%s/%s is no file to score", file.bucket, file.key)
            return
        try:
            source = S3Source(self.bucket, INCOMING, name)
        except NotFound:
            log.info("%s has gone before it was read", name)
            return
        try:
            options = asked_of(self.bucket, name)
        except BadInput as exc:
            job = job_id(source, Options(), self.services.bundle_id)
            fail(files_of(self.bucket, job), job, exc)
            log.error("%s failed: %s", job, exc)
            return
        self._planned(source, options, in_time, again=True)

    def wanted(self, asked: Wanted, in_time: InTime) -> str:
        """The job's state. Raises BadInput where there is no such job or chunk, Unavailable."""
        files = files_of(self.bucket, asked.job)
        try:
            known = read_plan(files)
        except NotFound as exc:
            raise BadInput(f"there is no job {asked.job}", "put its file again") from exc
        if known.bundle_id != self.services.bundle_id:
            self._moved(known, files, in_time)
            return status(files).state
        job = self._job(known, files, in_time)
        if asked.chunk is not None:
            if not 0 <= asked.chunk < len(known.chunks):
                raise BadInput(f"{asked.job} has no chunk {asked.chunk}", f"it has {len(known.chunks)}")
            self._scored(job, known, asked.chunk)
        if job.finish(known):
            return "finished"
        return status(files).state if asked.finish else "running"  # a status reads every receipt

    def _scored(self, job: Job, known: Plan, number: int) -> None:
        try:
            receipt = job.run_chunk(known, number)
        except (BadInput, BundleError) as exc:  # the file cannot be read, or the bundle cannot do this
            fail(job.files, known.job, exc)
            log.error("%s failed: %s", known.job, exc)
            return
        if receipt:
            told = (known.job, number, receipt.rows, receipt.rejected, receipt.seconds)
            log.info("%s, chunk %d: %d rows, %d rejected, %.1f s", *told)

    def _planned(self, source: S3Source, options: Options, in_time: InTime, again: bool) -> None:
        """`again`: the file was put, so what failed for it is tried once more."""
        job = job_id(source, options, self.services.bundle_id)
        files = files_of(self.bucket, job)
        taken_back = []
        if again and files.names(FAILED):
            taken_back.append(FAILED)
        cancelled: Note | None = found(files, CANCELLED, Note)
        if cancelled and cancelled.reason.startswith(MOVED):  # to a bundle that has gone again
            taken_back.append(CANCELLED)
        elif cancelled:
            return
        if taken_back:
            files.remove(taken_back)
        try:
            made = plan(files, source, options, self.services.bundle_id, time.time, in_time)
        except BadInput as exc:
            fail(files, job, exc)  # where it is not told yet
            log.error("%s failed: %s", job, exc)
            return
        self._given_out(made, files, bool(taken_back))

    def _given_out(self, made: Plan, files: BucketFiles, anew: bool) -> None:
        """`anew`: an execution that is under way may have passed over chunks while the job was over."""
        left = missing(files, made)
        if not left:
            self._job(made, files).finish(made)
            return
        if self.machine and len(left) > self.fanout:
            numbers = ",".join(str(chunk.number) for chunk in made.chunks)
            first = files.create(CHUNKS, f"[{numbers}]".encode())
            if (first or not anew) and start(self.machine, made.job, {"job": made.job, "chunks": files.key(CHUNKS)}):
                log.info("%s: %d rows, %d chunks to the state machine", made.job, made.rows, len(left))
                return
        enqueue(self.queue, made.job, left)
        log.info("%s: %d rows, %d chunks into the queue", made.job, made.rows, len(left))

    def _moved(self, old: Plan, files: BucketFiles, in_time: InTime) -> None:
        """The old plan's file under the bundle here; nothing where the old job is over."""
        if any(files.names(name) for name in (CANCELLED, FAILED, MANIFEST)):
            return
        self._planned(self._source(old), old.options, in_time, again=False)
        with suppress(BadInput):  # it has finished meanwhile
            cancel(files, f"{MOVED} {self.services.bundle_id}")
        log.info("%s was planned for bundle %s", old.job, old.bundle_id)

    def _source(self, known: Plan) -> S3Source:
        facts = known.source
        return S3Source(self.bucket, INCOMING, facts.name, facts.version, facts.bytes)

    def _job(self, known: Plan, files: BucketFiles, in_time: InTime = lambda: True) -> Job:
        source, cost = self._source(known), self.usd_per_second
        return Job(files, source, self.services, self.threads, time.time, in_time, cost, USD_PER_REQUEST)
