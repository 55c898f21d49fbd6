"""What `aisle events` and `aisle replay` do: orders become events, and events of the past become part of a shop."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from aisle.collecting import messages
from aisle.errors import AisleError, BadInput, NotFound
from aisle.event_log import EventLog, read_log
from aisle.events import Record
from aisle.files import LocalFiles
from aisle.identity import Caller
from aisle.local_state import open_state
from aisle.orders import purchases
from aisle.pseudonyms import Pseudonyms
from aisle.replaying import chunks, replayed
from aisle.tables import read_table
from aisle.terminal import progress
from aisle.ubi import Reading

AT_ONCE = 20_000  # records that become files of a folder, or messages, at once
MESSAGE_RECORDS = 100  # so that a handful of messages is no more work than a function has time for


def events(asked: Namespace) -> int:
    """Prints UBI events as JSON lines, or writes them to --out; what was left out is told on stderr."""
    left_out: dict[str, int] = {}
    count = 0
    told = purchases(read_table(asked.orders), str(asked.orders), left_out)
    with _written(asked.out) as out:
        for event in progress(told) if asked.out else told:
            out.write(msgspec.json.encode(event) + b"\n")
            count += 1
    without = ", ".join(f"{rows} {what}" for what, rows in left_out.items())
    _tell(f"{count} events" + (f"; left out: {without}" if without else ""))
    if not count:
        raise BadInput(f"{asked.orders} has no orders that were kept", "give a table of orders")
    return 0


def replay(asked: Namespace) -> int:
    """Sends the events to a stage, or adds them to a folder of state; prints how many there were."""
    pseudonyms, send = _stage(asked.stage) if asked.stage else _state(asked.state)
    refused: list[str] = []
    count = 0
    try:
        for chunk in chunks(progress(_past(asked.log, pseudonyms, refused.append)), AT_ONCE):
            send(chunk)
            count += len(chunk)
    except AisleError:
        _tell(f"{count} events went in before this; replaying them again counts nothing twice")
        raise
    if refused:
        _tell(f"left out: {len(refused)} of {len(refused) + count}; {refused[0]}")
    if not count:
        raise BadInput(f"{asked.log} has no event that could be taken", "give events as `aisle events` prints them")
    told = f"{count} events went in" if sys.stdout.isatty() else _json({"events": count, "left_out": len(refused)})
    print(told)
    return 0


def _past(log: str, pseudonyms: Pseudonyms, refused: Callable[[str], None]) -> Iterator[Record]:
    """Of an event log (a folder), or of UBI events, one a line."""
    if log != "-" and Path(log).is_dir():
        if not any((Path(log) / folder).is_dir() for folder in ("raw", "compacted")):
            raise BadInput(f"{log} is no event log: it has neither raw nor compacted", "name the folder that has them")
        return read_log(Path(log))
    shop = Reading(Caller("replay", trusted=True), time.time_ns() // 1_000_000, pseudonyms, history=True)
    return replayed(_lines(log), "stdin" if log == "-" else log, shop, refused)


def _lines(log: str) -> Iterator[bytes]:
    if log == "-":
        yield from sys.stdin.buffer
        return
    try:
        with open(log, "rb") as file:
            yield from file
    except FileNotFoundError as exc:
        raise NotFound(f"{log} does not exist", "check the path") from exc
    except OSError as exc:
        raise BadInput(f"{log} cannot be read ({exc.strerror})", "give a file that this user may read") from exc


Send = Callable[[Sequence[Record]], None]


def _state(folder: Path) -> tuple[Pseudonyms, Send]:
    """Adds to the log that `aisle serve --state` keeps."""
    state = open_state(folder)
    assert state.events
    return state.pseudonyms, EventLog(LocalFiles(state.events)).extend


def _stage(stage: str) -> tuple[Pseudonyms, Send]:
    """Fills the queue of a stage in the account of the credentials in use."""
    from aisle.aws.event_queue import EventQueue, queue_url
    from aisle.aws.pseudonym_secret import read_pseudonyms, secret_name

    pseudonyms, queue = read_pseudonyms(secret_name(stage)), EventQueue(queue_url(stage))

    def send(records: Sequence[Record]) -> None:
        queue.send([body for chunk in chunks(records, MESSAGE_RECORDS) for body in messages(chunk)])

    return pseudonyms, send


@contextmanager
def _written(out: Path | None) -> Iterator[IO[bytes]]:
    """stdout, or a file that stands there when all of it was written."""
    if out is None:
        yield sys.stdout.buffer
        return
    draft = out.with_name(f".{out.name}.draft")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(out)
    except OSError as exc:
        raise BadInput(f"{out} cannot be written ({exc.strerror})", "name another file with --out") from exc
    finally:
        draft.unlink(missing_ok=True)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)
