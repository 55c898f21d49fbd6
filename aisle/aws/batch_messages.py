"""What the queue of batches holds: files that have landed, as S3 itself tells, and chunks that are to be scored."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

import msgspec
from msgspec import Struct

from aisle.errors import BadInput

CREATED = "ObjectCreated:"


class Landed(Struct, frozen=True):
    """An object was put; `key` is decoded."""

    bucket: str
    key: str


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """Score this chunk; without one, see whether the job is finished."""

    job: str
    chunk: int | None = None
    finish: bool = False


class _Named(Struct, frozen=True):
    name: str


class _Keyed(Struct, frozen=True):
    key: str


class _Put(Struct, frozen=True):
    bucket: _Named
    object: _Keyed


class _Record(Struct, frozen=True):
    eventName: str
    s3: _Put


class _Notification(Struct, frozen=True):
    Records: list[_Record]


def read_message(body: str) -> list[Landed] | Wanted:
    """Nothing has landed where S3 only tries whether it may tell us. Raises BadInput for what nobody here sends."""
    try:
        return understood(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise BadInput(str(exc), "send S3's notifications and chunks alone") from exc


def understood(message: Any) -> list[Landed] | Wanted:
    """As `read_message`, of what is decoded already."""
    try:
        if isinstance(message, dict) and message.get("Event") == "s3:TestEvent":
            return []
        if isinstance(message, dict) and "Records" in message:
            told = msgspec.convert(message, _Notification)
            puts = [record.s3 for record in told.Records if record.eventName.startswith(CREATED)]
            return [Landed(put.bucket.name, unquote_plus(put.object.key)) for put in puts]
        wanted = msgspec.convert(message, Wanted)
    except msgspec.ValidationError as exc:
        raise BadInput(str(exc), "send S3's notifications and chunks alone") from exc
    if (wanted.chunk is None) != wanted.finish:
        raise BadInput("a message names either a chunk or the end", "send one of both")
    return wanted
