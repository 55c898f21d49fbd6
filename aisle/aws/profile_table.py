"""Profiles in DynamoDB: an item a shopper, changed only by who has seen its last version, so no writer undoes another.

    shopper_id   the pseudonym                    version        counts the writes of the item
    acts         what is known, packed            forgotten_at   ms since 1970; what happened by then stays out
    suggested    what was chosen by these acts    expires        s since 1970, when DynamoDB lets the item go

What was chosen lies in the item that it was chosen by: who adds an act, or forgets, drops it in the same write.
Whoever writes a version that was not the last one reads again and adds again, which `aisle.profile` makes harmless.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from msgspec import Struct

from aisle.aws.clients import client, told
from aisle.errors import Unavailable
from aisle.events import Record
from aisle.profile import DAY_MS, KEPT_DAYS, Page, Profile, Seen, together, with_records
from aisle.shopping import Act, Suggested

_READ_TIMEOUT_S, _WRITE_TIMEOUT_S = 0.5, 3.0  # of a call
_PAGE = 200  # items of one scan
_TRIES, _PAUSE_S = 12, 0.01  # of a write that others were ahead of; the pause doubles up to 64 times
_DECODER = msgspec.msgpack.Decoder(tuple[Act, ...])
_SUGGESTED = msgspec.msgpack.Decoder(Suggested)


class Kept(Struct, frozen=True):
    """An item. `version` 0: there is none yet."""

    profile: Profile = Profile()
    forgotten_ms: int = 0
    version: int = 0


class ProfileTable:
    """An `aisle.profile.ProfileStore` over the table `name`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read(self, shoppers: Sequence[str]) -> Profile:
        """Raises Unavailable where the table is missing, refuses or does not answer in time."""
        if not shoppers:
            return Profile()
        keys = {"Keys": [_key(shopper) for shopper in shoppers], "ConsistentRead": True}
        with self._told("look at the table and its throttles"):
            # As the overlay's reader asks, so that both share one client and its connections.
            dynamodb = client("dynamodb", timeout_s=_READ_TIMEOUT_S, attempts=1)
            answer = dynamodb.batch_get_item(RequestItems={self._name: keys})
        if answer["UnprocessedKeys"]:
            raise Unavailable(f"the profile table {self._name}: throttled", "look at the table and its throttles")
        return together([_kept(item).profile for item in answer["Responses"][self._name]])

    def page(self, segment: int, segments: int, after: str | None) -> Page:
        """Raises Unavailable where the table is missing, refuses or does not answer."""
        start = {"ExclusiveStartKey": _key(after)} if after else {}
        with self._told("what is asked again begins where it stopped"):
            dynamodb = client("dynamodb", timeout_s=_WRITE_TIMEOUT_S)
            answer = dynamodb.scan(TableName=self._name, Segment=segment, TotalSegments=segments, Limit=_PAGE, **start)
        last = answer.get("LastEvaluatedKey")
        found = [(item["shopper_id"]["S"], _kept(item)) for item in answer["Items"]]
        seen = [Seen(shopper, kept.profile, kept.version) for shopper, kept in found if kept.profile.acts]
        return Page(seen, last["shopper_id"]["S"] if last else None)

    def suggest(self, seen: Seen, suggested: Suggested) -> bool:
        """Raises Unavailable where the table is missing, refuses or does not answer."""
        with self._told("what was chosen may be chosen again"):
            dynamodb = client("dynamodb", timeout_s=_WRITE_TIMEOUT_S)
            try:
                dynamodb.update_item(
                    TableName=self._name,
                    Key=_key(seen.shopper),
                    UpdateExpression="SET suggested = :suggested",
                    ConditionExpression="version = :seen",
                    ExpressionAttributeValues={
                        ":suggested": {"B": _packed(suggested)},
                        ":seen": {"N": str(seen.version)},
                    },
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def add(self, shopper: str, records: Sequence[Record]) -> None:
        """Raises Unavailable where the table is missing, refuses or does not answer, or others keep being faster."""

        def change(kept: Kept) -> Kept:
            profile = with_records(kept.profile, records, kept.forgotten_ms)
            return msgspec.structs.replace(kept, profile=profile)

        self._change(shopper, change)

    def forget(self, shoppers: Sequence[str], at_ms: int) -> None:
        """Raises Unavailable as `add` does."""
        for shopper in shoppers:
            self._change(shopper, lambda kept: Kept(Profile(), max(at_ms, kept.forgotten_ms), kept.version))

    def _change(self, shopper: str, change: Callable[[Kept], Kept]) -> None:
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE_S * 2 ** min(attempt, 6) * random.random())
            kept = self._get(shopper)
            changed = change(kept)
            if changed == kept or self._put(shopper, changed):
                return
        raise Unavailable(
            f"a profile of {self._name} is changed by too many at once", "what was sent may be sent again"
        )

    def _get(self, shopper: str) -> Kept:
        with self._told("what was sent may be sent again"):
            dynamodb = client("dynamodb", timeout_s=_WRITE_TIMEOUT_S)
            answer = dynamodb.get_item(TableName=self._name, Key=_key(shopper), ConsistentRead=True)
        return _kept(answer["Item"]) if "Item" in answer else Kept()

    def _put(self, shopper: str, kept: Kept) -> bool:
        """Whether the item was as `kept` was read: of that version, or not there."""
        rule: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(shopper_id)"}
        if kept.version:
            rule = {
                "ConditionExpression": "version = :seen",
                "ExpressionAttributeValues": {":seen": {"N": str(kept.version)}},
            }
        with self._told("what was sent may be sent again"):
            dynamodb = client("dynamodb", timeout_s=_WRITE_TIMEOUT_S)
            try:
                dynamodb.put_item(TableName=self._name, Item=_key(shopper) | _attributes(kept), **rule)
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def _told(self, remedy: str) -> AbstractContextManager[None]:
        return told(f"the profile table {self._name}", remedy)


def _key(shopper: str) -> dict[str, Any]:
    return {"shopper_id": {"S": shopper}}


def _attributes(kept: Kept) -> dict[str, Any]:
    """Of the version that follows. DynamoDB bills by the kilobyte, so acts are compressed: 30 bytes each."""
    ends_ms = max(kept.forgotten_ms + KEPT_DAYS * DAY_MS, kept.profile.kept_until_ms or 0)
    found: dict[str, Any] = {"version": {"N": str(kept.version + 1)}, "expires": {"N": str(-(-ends_ms // 1000))}}
    if kept.profile.acts:
        found["acts"] = {"B": _packed(kept.profile.acts)}
    if kept.profile.suggested:
        found["suggested"] = {"B": _packed(kept.profile.suggested)}
    if kept.forgotten_ms:
        found["forgotten_at"] = {"N": str(kept.forgotten_ms)}
    return found


def _packed(value: object) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(value))


def _kept(item: dict[str, Any]) -> Kept:
    """DynamoDB takes days to let go of what is over; nothing of it is read any more, but its version still counts.

    Nor is an act read that is over by itself; who writes the item next leaves it out.

    Raises Unavailable for an item that another aisle wrote in a form of its own.
    """
    try:
        version, now_s = int(item["version"]["N"]), time.time()
        if int(item["expires"]["N"]) <= now_s:
            return Kept(version=version)
        oldest_ms = now_s * 1000 - KEPT_DAYS * DAY_MS
        acts = _DECODER.decode(zlib.decompress(item["acts"]["B"])) if "acts" in item else ()
        profile = Profile(tuple(act for act in acts if act.at_ms > oldest_ms))
        if "suggested" in item and profile.acts == acts:
            suggested = _SUGGESTED.decode(zlib.decompress(item["suggested"]["B"]))
            profile = Profile(profile.acts, suggested)
        return Kept(profile, int(item.get("forgotten_at", {"N": "0"})["N"]), version)
    except (LookupError, ValueError, zlib.error, msgspec.MsgspecError) as exc:
        raise Unavailable(
            "a profile is no profile of this version of aisle", "deploy the newer one, or remove it"
        ) from exc
