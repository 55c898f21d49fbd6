"""Choosing for every shopper ahead of a visit: what each profile suggests, put beside the acts it was chosen by.

It goes page by page through one segment of the profiles and may stop after any of them; who goes on begins where it
stopped. A profile that was chosen for a moment ago is passed over, so the same segment twice costs little and changes
nothing. It knows no clock and no table: they are handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec
from msgspec import Struct

from aisle.errors import BadInput
from aisle.profile import ProfileStore, Seen
from aisle.shopping import Act, Suggested

WRITERS = 8  # suggestions written at once: a table takes its time for each
FRESH_MS = 12 * 3_600_000  # younger ones of the same bundle stay


class Segment(NamedTuple):
    """The `number`th of so many parts of all shoppers, from behind `after` on."""

    number: int
    of: int
    after: str | None = None


class Task(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a night: a segment of the shoppers, or where there is none the frequent queries."""

    segment: Segment | None = None

    @property
    def message(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, message: str) -> Task:
        """Raises BadInput."""
        try:
            return msgspec.json.decode(message, type=cls)
        except msgspec.MsgspecError as exc:
            raise BadInput(f"a message is no part of a night ({exc})", "send what the schedule sends") from exc


def night(segments: int) -> list[Task]:
    """All that a night has to do."""
    return [Task(), *(Task(Segment(number, segments)) for number in range(segments))]


class Done(NamedTuple):
    """`chosen`: shoppers whose suggestions were written. `fresh`: those who had young ones. `changed`: those who did
    something meanwhile, and are served by what they did. `rest`: what there was no time for; None: nothing."""

    chosen: int
    fresh: int
    changed: int
    rest: Segment | None


def suggest_all(
    segment: Segment,
    profiles: ProfileStore,
    choose: Callable[[Sequence[Act], int], Suggested],
    bundle_id: str,
    now_ms: Callable[[], int],
    in_time: Callable[[], bool],
) -> Done:
    """Chooses for each shopper of the segment; it is asked before each page whether it is `in_time`.

    Raises Unavailable; what was written until then stays, and the same segment may be told again.
    """
    counts: Counter[str] = Counter()

    def suggested(seen: Seen) -> str:
        known, now = seen.profile.suggested, now_ms()
        if known and known.bundle_id == bundle_id and now - known.made_at_ms < FRESH_MS:
            return "fresh"
        return "chosen" if profiles.suggest(seen, choose(seen.profile.acts, now)) else "changed"

    rest: Segment | None = segment
    with ThreadPoolExecutor(WRITERS) as writers:
        while rest and in_time():
            page = profiles.page(rest.number, rest.of, rest.after)
            counts.update(writers.map(suggested, page.seen))
            rest = rest._replace(after=page.after) if page.after else None
    return Done(counts["chosen"], counts["fresh"], counts["changed"], rest)
