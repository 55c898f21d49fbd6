"""One batch: a plan of chunks, a part and a receipt of each, a manifest when there are all.

    plan.json                      what is asked, of which file, in which chunks; written when the file was read once
    parts/chunk-00000.parquet      the answers to one chunk's rows, in their order
    rejects/chunk-00000.jsonl      {"row", "reason", "remedy"} of each bad row of the chunk; only where there are any
    receipts/chunk-00000.json      written last: a chunk is done where it has one
    cancelled.json                 somebody wants no more of it; `resume` removes it
    failed.json                    why the file cannot be read
    manifest.json                  every chunk is done

All state is these files, and each is created once and never written over: what it holds follows from plan and chunk. So
work may be given out twice and in any order, and whoever does it may die anywhere.
"""

from __future__ import annotations

import hashlib
import re
import resource
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from aisle.batch_kinds import Options, Reject, Scorer, answered, read_columns, schema, told_kind
from aisle.batch_part import PartFile
from aisle.batch_source import Chunk, Source, chunks, columns, rows
from aisle.errors import AisleError, BadInput, NotFound, Unavailable
from aisle.files import Files

T = TypeVar("T")
State = Literal["planned", "running", "finished", "failed", "cancelled"]

PLAN, MANIFEST, CANCELLED, FAILED = "plan.json", "manifest.json", "cancelled.json", "failed.json"
CHUNK_ROWS = {"score": 5000, "search": 1000, "recommend": 2000, "embed": 5000}  # well under a minute's work
CHUNK_BYTES = 8 << 20
READERS = 16  # receipts read at once


class SourceFacts(Struct, frozen=True):
    name: str
    bytes: int
    version: str


class Plan(Struct, frozen=True):
    """`planned_at`: seconds since 1970. `columns`: of the file."""

    job: str
    kind: str
    options: Options
    bundle_id: str
    source: SourceFacts
    columns: list[str]
    planned_at: float
    chunks: list[Chunk]

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)


class Receipt(Struct, frozen=True):
    """Of one chunk: `rows` = `scored` + `rejected`; `lines`, `bytes`: of the part; `ended_at`: seconds since 1970."""

    chunk: int
    rows: int
    scored: int
    rejected: int
    lines: int
    bytes: int
    seconds: float
    memory_mb: float  # the most that the worker's process ever held
    ended_at: float


class Part(Struct, frozen=True):
    name: str
    rows: int
    bytes: int


class Manifest(Struct, frozen=True):
    """`seconds`: of work, all chunks together. `elapsed_s`: from the plan to the last chunk, pauses included."""

    job: str
    kind: str
    options: Options
    bundle_id: str
    source: SourceFacts
    rows: int
    scored: int
    rejected: int
    seconds: float
    elapsed_s: float
    rows_per_second: float  # by `elapsed_s`
    memory_mb: float  # of the worker that held most
    cost_usd: float  # of the seconds of work and its chunks; 0 on a machine of one's own
    parts: list[Part]
    rejects: list[str]  # names of files


class Status(Struct, frozen=True):
    job: str
    kind: str
    state: State
    rows: int
    done: int
    rejected: int
    seconds: float
    reason: str = ""


class Note(Struct, frozen=True):
    """cancelled.json and failed.json."""

    job: str
    reason: str
    remedy: str = ""


def job_id(source: Source, options: Options, bundle_id: str) -> str:
    """The same for the same file, asked the same of the same bundle; known before the file is read."""
    stem = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(source.name).stem.lower()).strip("-")[:40].strip("-")
    asked = msgspec.json.encode([source.name, source.version, bundle_id, options])
    return f"{stem or 'job'}-{hashlib.sha256(asked).hexdigest()[:10]}"


def plan(
    files: Files,
    source: Source,
    options: Options,
    bundle_id: str,
    clock: Callable[[], float],
    in_time: Callable[[], bool] = lambda: True,
) -> Plan:
    """The plan of this job, made where there is none yet, while there is time.

    Raises BadInput, of which failed.json then tells; or that tells of another time, or another job is planned here.
    """
    job = job_id(source, options, bundle_id)
    if found(files, PLAN, Plan):
        return _ours(files, job)
    if failed := found(files, FAILED, Note):
        raise BadInput(failed.reason, failed.remedy)
    try:
        header = columns(source)
        kind = told_kind(header, options)
        cut = []
        for chunk in chunks(source, CHUNK_ROWS[kind], CHUNK_BYTES):
            cut.append(chunk)
            if not in_time():
                raise BadInput(f"{source.name} takes too long to cut after row {chunk.first_row}", "split the file")
    except BadInput as exc:
        fail(files, job, exc)
        raise
    facts = SourceFacts(source.name, source.size, source.version)
    made = Plan(job, kind, options, bundle_id, facts, header, clock(), cut)
    return made if files.create(PLAN, msgspec.json.encode(made)) else _ours(files, job)


def _ours(files: Files, job: str) -> Plan:
    known = read_plan(files)
    if known.job != job:
        raise BadInput(f"the job here is {known.job}, not {job}", "name another place for this one")
    return known


@dataclass(frozen=True)
class Job:
    """One worker at a job. `clock`: seconds since 1970. `in_time`: whether there is time for another row."""

    files: Files
    source: Source
    scorer: Scorer
    threads: int
    clock: Callable[[], float]
    in_time: Callable[[], bool] = lambda: True
    usd_per_second: float = 0.0
    usd_per_chunk: float = 0.0

    def run_chunk(self, plan: Plan, number: int) -> Receipt | None:
        """The receipt; None where there is nothing to do: the chunk is done, the job cancelled or failed.

        Raises BadInput where the file cannot be read (failed.json tells of it), Unavailable where time ran out.
        """
        name = _receipt_name(number)
        if any(_is_there(self.files, over) for over in (name, CANCELLED, FAILED)):
            return None
        began, chunk = self.clock(), plan.chunks[number]
        try:
            part, rejects = self._answers(plan, chunk)
        except BadInput as exc:
            fail(self.files, plan.job, exc)
            raise
        content = part.content()
        if not self.files.create(part_name(number), content):
            content = self.files.read(part_name(number))  # of a worker that died before its receipt
        if rejects:
            self.files.create(rejects_name(number), msgspec.json.Encoder().encode_lines(rejects))
        ended = self.clock()
        bad = len(rejects)
        receipt = Receipt(
            number, part.rows + bad, part.rows, bad, part.lines, len(content), ended - began, _memory_mb(), ended
        )
        self.files.create(name, msgspec.json.encode(receipt))
        return receipt

    def finish(self, plan: Plan) -> Manifest | None:
        """The manifest, written where it was not; None while receipts are missing."""
        if known := found(self.files, MANIFEST, Manifest):
            return known
        if missing(self.files, plan):
            return None
        receipts = _receipts(self.files, range(len(plan.chunks)))
        seconds = sum(receipt.seconds for receipt in receipts)
        elapsed_s = max((receipt.ended_at for receipt in receipts), default=plan.planned_at) - plan.planned_at
        rows = sum(receipt.rows for receipt in receipts)
        made = Manifest(
            plan.job,
            plan.kind,
            plan.options,
            plan.bundle_id,
            plan.source,
            rows,
            sum(receipt.scored for receipt in receipts),
            sum(receipt.rejected for receipt in receipts),
            seconds,
            elapsed_s,
            rows / elapsed_s if elapsed_s > 0 else 0.0,
            max((receipt.memory_mb for receipt in receipts), default=0.0),
            round(seconds * self.usd_per_second + len(receipts) * self.usd_per_chunk, 6),
            [Part(part_name(receipt.chunk), receipt.lines, receipt.bytes) for receipt in receipts],
            [rejects_name(receipt.chunk) for receipt in receipts if receipt.rejected],
        )
        self.files.create(MANIFEST, msgspec.json.encode(made))
        return made

    def _answers(self, plan: Plan, chunk: Chunk) -> tuple[PartFile, list[dict[str, Any]]]:
        part = PartFile(schema(plan.kind, self.scorer.dim))
        rejects = []
        asked = rows(self.source, plan.columns, chunk, read_columns(plan.kind, plan.columns))
        with closing(answered(plan.kind, plan.options, self.scorer, asked, self.threads)) as answers:
            for answer in answers:
                if isinstance(answer, Reject):
                    rejects.append(answer._asdict())
                else:
                    part.add(answer)
                if not self.in_time():
                    raise Unavailable(f"chunk {chunk.number} of {plan.job} takes too long", "give it more time")
        return part, rejects


def missing(files: Files, plan: Plan) -> list[int]:
    """The numbers of the chunks that are not done."""
    done = {*files.names("receipts/")}
    return [chunk.number for chunk in plan.chunks if _receipt_name(chunk.number) not in done]


def read_plan(files: Files) -> Plan:
    """Raises NotFound where there is no plan."""
    if known := found(files, PLAN, Plan):
        return known
    raise NotFound(f"there is no {PLAN}", "name the folder of a batch job")


def status(files: Files) -> Status:
    """How far the job is. Raises NotFound where there is none."""
    failed = found(files, FAILED, Note)
    if failed and not _is_there(files, PLAN):
        return Status(failed.job, "", "failed", 0, 0, 0, 0.0, failed.reason)
    plan = read_plan(files)
    if made := found(files, MANIFEST, Manifest):
        return Status(plan.job, plan.kind, "finished", plan.rows, made.rows, made.rejected, made.seconds)
    open_chunks = {*missing(files, plan)}
    receipts = _receipts(files, [chunk.number for chunk in plan.chunks if chunk.number not in open_chunks])
    note = failed or found(files, CANCELLED, Note)
    state: State = "failed" if failed else "cancelled" if note else "running" if receipts else "planned"
    done, rejected = sum(receipt.rows for receipt in receipts), sum(receipt.rejected for receipt in receipts)
    seconds = sum(receipt.seconds for receipt in receipts)
    return Status(plan.job, plan.kind, state, plan.rows, done, rejected, seconds, note.reason if note else "")


def cancel(files: Files, reason: str) -> None:
    """No chunk is begun any more. Raises NotFound; BadInput where the job has finished."""
    plan = read_plan(files)
    if _is_there(files, MANIFEST):
        raise BadInput(f"{plan.job} has finished", "remove its files if nobody wants them")
    files.write(CANCELLED, msgspec.json.encode(Note(plan.job, reason, "resume the job to go on")))


def resume(files: Files) -> list[int]:
    """Takes back that it was cancelled or failed. The chunks that are left to do; where there are none, `finish` it.

    Raises NotFound where there is no plan.
    """
    plan = read_plan(files)
    files.remove([CANCELLED, FAILED])
    return missing(files, plan)


def part_name(number: int) -> str:
    return f"parts/chunk-{number:05}.parquet"


def rejects_name(number: int) -> str:
    return f"rejects/chunk-{number:05}.jsonl"


def _receipt_name(number: int) -> str:
    return f"receipts/chunk-{number:05}.json"


def _receipts(files: Files, numbers: Iterable[int]) -> list[Receipt]:
    def read(number: int) -> Receipt:
        if receipt := found(files, _receipt_name(number), Receipt):
            return receipt
        raise NotFound(f"{_receipt_name(number)} has gone", "the job's files are being removed")

    with ThreadPoolExecutor(READERS) as readers:
        return [*readers.map(read, numbers)]


def fail(files: Files, job: str, exc: AisleError) -> None:
    """The job is over, and failed.json says why."""
    files.create(FAILED, msgspec.json.encode(Note(job, exc.detail, exc.remedy)))


def _is_there(files: Files, name: str) -> bool:
    try:
        return bool(files.read(name))
    except NotFound:
        return False


def found(files: Files, name: str, of_type: type[T]) -> T | None:
    """What lies there; None where nothing does. Raises BadInput where it is something else."""
    try:
        return msgspec.json.decode(files.read(name), type=of_type)
    except NotFound:
        return None
    except msgspec.MsgspecError as exc:
        raise BadInput(f"{name} is not what this version of aisle writes ({exc})", "start the job anew") from exc


def _memory_mb() -> float:
    """The most memory that this process ever held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)
