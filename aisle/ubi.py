"""Events and queries in the form of UBI 1.3 (https://github.com/o19s/ubi), turned into what is kept of them.

The form is open: fields that nobody named are allowed there and dropped here, and so are texts in which people write
anything (message, the words of a query). A product id is the one text that is kept as it came (`aisle.object_ids`).
Reasons never repeat what was sent, because reasons are logged.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from itertools import accumulate
from typing import Annotated, Any, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from aisle.errors import BadInput
from aisle.events import MAX_HITS, MAX_HITS_BYTES, MAX_ID_CHARS, MAX_POSITION, Record, RecordKind, moment, ms_of
from aisle.object_ids import checked_product_id
from aisle.profile import DAY_MS, KEPT_DAYS
from aisle.pseudonyms import Pseudonyms, Purpose, short_base64
from aisle.types import MAX_QUERY_CHARS

ACTIONS: dict[str, RecordKind] = {
    "impression": "impression",
    "view": "view",
    "watch": "view",
    "click": "click",
    "click_through": "click",
    "add_to_cart": "cart",
    "purchase": "purchase",
}
OTHER_OBJECTS = {"user", "post", "comment", "video"}  # UBI's words for what is no product
AHEAD_MS = 300_000  # how fast a sender's clock may be

Name = Annotated[str, Meta(max_length=100)]
Id = Annotated[str, Meta(max_length=MAX_ID_CHARS)] | int
T = TypeVar("T")


class _Object(Struct):
    object_id: Id
    object_id_type: Name | None = None
    object_id_field: Name | None = None
    internal_id: Id | None = None


class _Point(Struct):
    x: float
    y: float


class _Position(Struct):
    ordinal: Annotated[int, Meta(ge=1, le=MAX_POSITION)] | None = None
    xy: _Point | None = None


class _Attributes(Struct):
    object: _Object | None = None
    position: _Position | None = None


class _Told(Struct):
    """What events and queries share. UBI lets a user be null or empty; here every name may be."""

    application: Name | None = None
    query_id: Name | None = None
    session_id: Name | None = None
    client_id: Name | None = None
    user_id: Name | None = None


class _Event(_Told, kw_only=True):
    action_name: Name
    timestamp: Name
    message_type: Name | None = None
    message: Annotated[str, Meta(max_length=1024)] | None = None
    event_attributes: _Attributes | None = None


class _Query(_Told, kw_only=True):
    user_query: str
    timestamp: Name | None = None
    object_id_field: Name | None = None
    query_response_id: str | None = None
    query_response_hit_ids: list[Id] | None = None
    query_attributes: dict[str, Any] | None = None


class Sender(Protocol):
    """Who tells, as `aisle.identity.Caller` has it."""

    @property
    def shoppers(self) -> tuple[str, ...]: ...  # pseudonyms of the shopper whose token came along
    @property
    def raw_shopper(self) -> str | None: ...
    @property
    def trusted(self) -> bool: ...  # the shop's own server


class Reading:
    """Reads what one sender told at `received_ms` (since 1970).

    `history`: the past is told on purpose, so an event counts as received when it happened, however long ago.
    """

    def __init__(self, sender: Sender, received_ms: int, pseudonyms: Pseudonyms, history: bool = False) -> None:
        self._sender, self._pseudonyms = sender, pseudonyms
        self._received_ms, self._history = received_ms, history

    def event(self, said: Mapping[str, object]) -> Record:
        """Raises BadInput with the reason, which holds none of the values."""
        event = _converted(said, _Event)
        kind = ACTIONS.get(event.action_name)
        if kind is None:
            raise BadInput("action_name is none of those known", f"send one of {', '.join(ACTIONS)}")
        told = event.event_attributes or _Attributes()
        if told.object and told.object.object_id_type in OTHER_OBJECTS:
            raise BadInput("object_id_type is not that of a product", "send events of products alone")
        product_id = self._product_id(told.object.object_id, event, "object_id") if told.object else ""
        if not product_id and kind in ("cart", "purchase"):
            raise BadInput(f"a {kind} without event_attributes.object.object_id", "send the product's id there")
        position = told.position.ordinal if told.position else None
        return self._record(event, event.timestamp, kind, product_id, position)

    def query(self, said: Mapping[str, object]) -> Record:
        """Raises BadInput with the reason, which holds none of the values."""
        query = _converted(said, _Query)
        shown = (query.query_response_hit_ids or [])[:MAX_HITS]
        hits = [self._product_id(hit, query, f"query_response_hit_ids[{i}]") for i, hit in enumerate(shown)]
        ends = accumulate(len(hit.encode()) + 3 for hit in hits)  # with quotes and a comma
        kept = tuple(hit for hit, end in zip(hits, ends, strict=True) if end <= MAX_HITS_BYTES)
        said_first = query.user_query[:MAX_QUERY_CHARS]  # normalising takes time by the square of accents in a row
        words = " ".join(unicodedata.normalize("NFKC", said_first).casefold().split())
        return self._record(query, query.timestamp or None, "query", "", None, kept, self._hashed(words, "query"))

    def _record(
        self,
        told: _Told,
        sent_at: str | None,
        kind: RecordKind,
        product_id: str,
        position: int | None,
        hits: tuple[str, ...] = (),
        query_hash: str = "",
    ) -> Record:
        shopper, anonymous = self._who(told)
        session, query_id = self._hashed(told.session_id, "session"), self._hashed(told.query_id, "query")
        happened, received = self._moments(sent_at)
        # A query that names neither its time nor itself would be the same one for ever.
        told_at = sent_at or ("" if query_id else received)
        unique = (shopper, session, query_id, kind, product_id, told_at, str(position), query_hash)
        event_id = short_base64(hashlib.sha256("\0".join(unique).encode(errors="surrogatepass")).digest())
        return Record(
            event_id,
            shopper,
            anonymous,
            session,
            query_id,
            kind,
            product_id,
            position,
            happened,
            received,
            hits,
            query_hash,
        )

    def _who(self, told: _Told) -> tuple[str, bool]:
        """The pseudonym, and whether it is that of a browser alone."""
        if self._sender.shoppers:
            return self._sender.shoppers[0], False
        named = (told.user_id or told.client_id) if self._sender.trusted else None
        if named:
            return self._pseudonyms.of(named), False
        return self._hashed(told.client_id or told.session_id, "anonymous"), True

    def _hashed(self, raw: str | None, purpose: Purpose) -> str:
        return self._pseudonyms.of(raw, purpose) if raw else ""

    def _moments(self, sent_at: str | None) -> tuple[str, str]:
        """When it happened and when it counts as received: now, where the sender's clock cannot be right."""
        now = moment(self._received_ms)
        if sent_at is None:
            return now, now
        try:
            at_ms = ms_of(sent_at)
            past = at_ms <= self._received_ms
            if self._history:
                return (moment(at_ms), moment(at_ms)) if past else (now, now)
            old = at_ms < self._received_ms - KEPT_DAYS * DAY_MS
            return now if old or at_ms > self._received_ms + AHEAD_MS else moment(at_ms), now
        except ValueError as exc:
            raise BadInput("timestamp is no ISO 8601 date and time", "send one such as 2026-11-23T16:20:00Z") from exc

    def _product_id(self, object_id: str | int, told: _Told, field: str) -> str:
        raw_ids = (self._sender.raw_shopper, told.user_id, told.client_id, told.session_id)
        return checked_product_id(object_id, raw_ids, field)


def _converted(said: Mapping[str, object], form: type[T]) -> T:
    try:
        return msgspec.convert(said, form)
    except msgspec.ValidationError as exc:
        rule, _, path = str(exc).partition(" - at `")
        place = path.removesuffix("`").removeprefix("$").removeprefix(".")
        raise BadInput(f"{place or 'it'} breaks the form of UBI 1.3 ({rule})", "send it in that form") from exc
    except UnicodeEncodeError as exc:  # of a lone surrogate where no text belongs
        raise BadInput("it breaks the form of UBI 1.3 (not Unicode)", "send it in that form") from exc
