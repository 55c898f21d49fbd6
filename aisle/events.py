"""What is kept of an event: one flat record, the same in a message, in the event log and in training.

It names people only by pseudonyms and holds no text of anybody's: `aisle.ubi` makes records of what was told, and
whatever a record has no field for is not kept. Moments are ISO 8601 texts of one form, which sort as times do.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from aisle.pseudonyms import PATTERN
from aisle.shopping import Act

RecordKind = Literal["query", "impression", "view", "click", "cart", "purchase"]
MAX_ID_CHARS = 256  # of a product id, as in UBI
MAX_POSITION = 100_000
MAX_HITS, MAX_HITS_BYTES = 200, 150_000  # of a query: the first ones, as they fit into a message

_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)

Pseudonym = Annotated[str, Meta(pattern=rf"^({PATTERN})?\Z")]
Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")]
ProductId = Annotated[str, Meta(max_length=MAX_ID_CHARS)]


class Record(Struct, frozen=True):
    """One event or query. Texts are empty where nothing was told.

    `event_id`: the same for an event that is sent again. `shopper`: the pseudonym of a shopper, or of a browser where
    `anonymous`, who has no profile. `timestamp`: when it happened; `received_at`, where the sender's clock is wrong.
    """

    event_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}\Z")]
    shopper: Pseudonym
    anonymous: bool
    session: Pseudonym
    query_id: Pseudonym
    kind: RecordKind
    product_id: ProductId
    position: Annotated[int, Meta(ge=1, le=MAX_POSITION)] | None  # from 1, where it was shown
    timestamp: Moment
    received_at: Moment
    hits: Annotated[tuple[ProductId, ...], Meta(max_length=MAX_HITS)] = ()  # product ids that a query was answered with
    query_hash: Pseudonym = ""  # of the query's words: equal for equal queries

    def __post_init__(self) -> None:
        for text in (self.timestamp, self.received_at):
            ms_of(text)  # a month 13 fits the pattern


def act_of(record: Record) -> Act | None:
    """What a profile keeps of a record: nothing of strangers, queries and impressions, nor of what names no product."""
    if record.kind == "query" or record.kind == "impression":
        return None
    if record.anonymous or not record.shopper or not record.product_id:
        return None
    return Act(ms_of(record.timestamp), record.event_id, record.kind, record.product_id)


def first_known(record: Record) -> str:
    """When it happened, or when it was told where the sender's clock is ahead.

    Who was forgotten after that is forgotten in it too: a request that is kept and sent again brings nothing back.
    """
    return min(record.timestamp, record.received_at)


def moment(ms: int) -> str:
    """Milliseconds since 1970 as 2026-11-23T16:20:00.000Z. Raises ValueError outside of the years 1 to 9999."""
    try:
        return f"{(_EPOCH + ms * _MS).isoformat(timespec='milliseconds')[:23]}Z"
    except OverflowError as exc:
        raise ValueError(ms) from exc


def ms_of(text: str) -> int:
    """Whole milliseconds since 1970 of an ISO 8601 text; UTC where it names no zone. Raises ValueError."""
    read = datetime.fromisoformat(text)
    return ((read if read.tzinfo else read.replace(tzinfo=UTC)) - _EPOCH) // _MS
