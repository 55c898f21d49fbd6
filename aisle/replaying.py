"""The past told again: events in the form of UBI 1.3, one a line, as records under the keys of where they go.

Events of the past count as received when they happened. So replaying twice makes the same records, and a shopper who
was forgotten since stays forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from aisle.errors import BadInput
from aisle.events import Record
from aisle.ubi import Reading

MAX_LINE_BYTES = 1_000_000


def replayed(lines: Iterable[bytes], source: str, reading: Reading, refused: Callable[[str], None]) -> Iterator[Record]:
    """The records of the lines in order; a line with `user_query` and no `action_name` is a query, any other an event.

    `refused` gets a sentence for each that breaks a rule and is left out. Raises BadInput for a line that is no JSON
    object.
    """
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        where = f"{source}, line {number}"
        said = _object(line, where)
        is_query = "user_query" in said and "action_name" not in said
        try:
            yield reading.query(said) if is_query else reading.event(said)
        except BadInput as exc:
            refused(f"{where}: {exc}")


def _object(line: bytes, where: str) -> dict[str, object]:
    if len(line) > MAX_LINE_BYTES:
        raise BadInput(f"{where} has {len(line)} bytes, more than {MAX_LINE_BYTES}", "write one event a line")
    try:
        return msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise BadInput(f"{where} is no JSON object ({exc})", "write one event a line, encoded as UTF-8") from exc


def chunks(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """In order, `size` at a time."""
    rest = iter(records)
    while chunk := list(islice(rest, size)):
        yield chunk
