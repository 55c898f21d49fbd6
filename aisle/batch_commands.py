"""`aisle batch`: a file of any size is scored in a folder of this machine, or put where a stage in AWS scores it.

Both keep a job in the same files (`aisle.batch_job`), so they are looked at, stopped and gone on with alike.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import msgspec

from aisle.batch_job import FAILED, PLAN, Job, Plan, Status, cancel, plan, resume, status
from aisle.batch_kinds import JOB_FILE, Options, read_options
from aisle.batch_source import LocalSource
from aisle.bundle import Bundle
from aisle.errors import BadInput, NotFound
from aisle.files import Files, LocalFiles
from aisle.query_cache import MOST_QUERIES, file_of, packed
from aisle.runtime import open_services
from aisle.settings import Settings
from aisle.tables import read_queries
from aisle.terminal import counted, progress, table

REASON = "by `aisle batch cancel`"


def batch(asked: Namespace) -> int:
    """What the action says; prints how jobs stand."""
    if asked.action == "run":
        return _submit(asked) if asked.stage else _run(asked)
    if asked.action == "frequent":
        return _precompute(asked)
    if asked.action == "resume":
        return _resume(asked)
    if not asked.job and not asked.stage:
        raise BadInput("no job is named", "name the folder of a job, or a stage with --stage")
    if not asked.job:
        from aisle.aws.batch_jobs import bucket_of, list_jobs  # boto3 is behind it

        return _print(list_jobs(bucket_of(asked.stage)))
    files = _files(asked)
    if asked.action == "cancel":
        cancel(files, REASON)
    return _print([status(files)])


def _run(asked: Namespace) -> int:
    """Goes on where the folder's job stopped; prints how it stands."""
    if not asked.bundle or not asked.out:
        raise BadInput("BUNDLE and --out are not both given", "name them, or a stage with --stage")
    source, options, bundle = LocalSource(asked.file), _options(asked), Bundle.open(asked.bundle)
    files = LocalFiles(asked.out)
    _make_room(files, asked.out)
    try:
        made = plan(files, source, options, bundle.manifest.bundle_id, time.time)
    except BadInput as exc:
        raise BadInput(f"{asked.out}: {exc.detail}", exc.remedy) from exc
    if status(files).state != "finished":
        _work(asked, files, source, made, resume(files))
    found = status(files)
    if found.state != "finished":  # somebody else at the same folder
        raise BadInput(f"{made.job} was {found.state}: {found.reason}", "run the same command to go on")
    if found.rejected:
        print(f"{found.rejected} rows were rejected; why stands in {asked.out / 'rejects'}", file=sys.stderr)
    return _print([found])


def _work(asked: Namespace, files: Files, source: LocalSource, made: Plan, numbers: Sequence[int]) -> None:
    settings = dataclasses.replace(Settings.from_env(), bundle=asked.bundle)
    # A row a thread and a thread a row: a model that shares one row among threads waits for the slowest of them.
    services = open_services(dataclasses.replace(settings, threads=1))
    with counted(sum(made.chunks[number].rows for number in numbers)) as tick:

        def in_time() -> bool:
            tick()
            return True

        job = Job(files, source, services, settings.threads, time.time, in_time)
        for number in numbers:
            job.run_chunk(made, number)
    job.finish(made)


def _make_room(files: Files, folder: Path) -> None:
    """A failure without a plan leaves nothing to go on with. Raises BadInput where other things lie."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is no folder", "name a new folder with --out")
    there = {path.name for path in folder.glob("[!.]*")}
    if PLAN in there:
        return
    if other := sorted(there - {FAILED}):
        raise BadInput(f"{folder} has {other[0]} but no batch job", "name a new folder with --out")
    files.remove([FAILED])


def _options(asked: Namespace) -> Options:
    """What the file's job file says, less what the command line says instead."""
    path = asked.file.with_name(asked.file.name + JOB_FILE)
    try:
        told = read_options(path.read_bytes(), str(path)) if path.exists() else Options()
    except OSError as exc:
        raise BadInput(f"{path} cannot be read ({exc.strerror})", "it is the job file: write it anew") from exc
    return Options(asked.kind or told.kind, told.k if asked.k is None else asked.k, asked.new or told.new)


def _submit(asked: Namespace) -> int:
    """Prints the address at which the file starts a job."""
    from aisle.aws.batch_jobs import bucket_of, submit

    if asked.bundle or asked.out:
        raise BadInput("--stage stands beside BUNDLE or --out", "a stage has its own bundle and bucket: leave them out")
    address = submit(bucket_of(asked.stage), asked.file, _options(asked))
    print(address if sys.stdout.isatty() else msgspec.json.encode({"address": address}).decode())
    return 0


def _precompute(asked: Namespace) -> int:
    """Writes the query cache of the bundle; prints where, and how many queries it has."""
    queries = [query for _, query in read_queries(asked.file)][:MOST_QUERIES]
    services = open_services(dataclasses.replace(Settings.from_env(), bundle=asked.bundle))
    kept = services.precompute(progress(queries))
    name = file_of(services.bundle_id)
    LocalFiles(asked.out).write(name, packed(services.bundle_id, kept))
    print(msgspec.json.encode({"file": str(asked.out / name), "queries": len(kept)}).decode())
    return 0


def _resume(asked: Namespace) -> int:
    from aisle.aws.batch_jobs import enqueue, queue_of

    files = _files(asked)
    enqueue(queue_of(asked.stage), asked.job, resume(files))
    return _print([status(files)])


def _files(asked: Namespace) -> Files:
    """Raises NotFound where a folder is none."""
    if asked.stage:
        from aisle.aws.batch_jobs import bucket_of, files_of

        return files_of(bucket_of(asked.stage), asked.job)
    folder = Path(asked.job)
    if not folder.is_dir():
        raise NotFound(f"{folder} is no folder of a batch job", "name what `aisle batch run` was given with --out")
    return LocalFiles(folder)


def _print(jobs: Sequence[Status]) -> int:
    if sys.stdout.isatty():
        header = ("job", "kind", "state", "rows", "done", "rejected", "seconds", "reason")
        cells = ([j.job, j.kind, j.state, j.rows, j.done, j.rejected, f"{j.seconds:.1f}", j.reason] for j in jobs)
        print(table(header, cells))
    else:
        for job in jobs:
            print(msgspec.json.encode(job).decode())
    return 0
