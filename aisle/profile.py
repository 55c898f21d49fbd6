"""What is known of one shopper: the newest acts, in a form that no order, repetition or delay of events can change.

A profile is a bounded set. Merging two of them is commutative, associative and idempotent, so a queue that delivers at
least once and out of order does no harm. What follows from the acts (tastes, recency) is computed by who reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import NamedTuple, Protocol

from msgspec import Struct

from aisle.events import Record, act_of, first_known, ms_of
from aisle.shopping import Act, Suggested

MAX_PURCHASES, MAX_OTHERS = 150, 150  # acts of a profile; impressions are not kept
KEPT_DAYS = 400  # after the last act a profile ends, after its day an event, after it was asked for a tombstone
DAY_MS = 86_400_000


class Profile(Struct, frozen=True):
    """The newest 150 purchases and the newest 150 views, clicks and additions to the cart, the oldest first."""

    acts: tuple[Act, ...] = ()
    suggested: Suggested | None = None  # by these very acts; one more, and it is gone

    @property
    def kept_until_ms(self) -> int | None:
        """When it ends unless something is added, in ms since 1970; None where nothing is known."""
        return self.acts[-1].at_ms + KEPT_DAYS * DAY_MS if self.acts else None


def merged(profile: Profile, acts: Iterable[Act]) -> Profile:
    """The profile of these and those acts; the same one where they add nothing.

    An act that was told with two times counts at the later one. (Were it the earlier one, an act could lose its place
    to another after it had pushed out a third, and the order of events would show.)
    """
    purchases: dict[str, Act] = {}
    others: dict[str, Act] = {}
    for act in (*profile.acts, *acts):
        if act.kind != "impression":
            latest = purchases if act.kind == "purchase" else others
            known = latest.get(act.event_id)
            if known is None or known < act:
                latest[act.event_id] = act
    newest = sorted(purchases.values())[-MAX_PURCHASES:] + sorted(others.values())[-MAX_OTHERS:]
    every = tuple(sorted(newest))
    return profile if every == profile.acts else Profile(every)


def with_records(profile: Profile, records: Iterable[Record], forgotten_ms: int = 0) -> Profile:
    """The profile with what the records tell, but for what happened or was told by the time that it was forgotten."""
    told = (act_of(record) for record in records if ms_of(first_known(record)) > forgotten_ms)
    return merged(profile, (act for act in told if act))


def together(profiles: Sequence[Profile]) -> Profile:
    """One shopper's profile of those that stand under several pseudonyms."""
    known = [profile for profile in profiles if profile.acts]
    if len(known) == 1:
        return known[0]
    return merged(Profile(), (act for profile in known for act in profile.acts))


class Seen(NamedTuple):
    """A profile as it was read; `version` tells the store whether it still is."""

    shopper: str
    profile: Profile
    version: int = 0


class Page(NamedTuple):
    """Some of the shoppers of whom anything is known, and where the next page begins; None: there is none."""

    seen: list[Seen]
    after: str | None


class ProfileStore(Protocol):
    """Where profiles are kept, by pseudonym. Each call raises Unavailable where the store does not answer.

    Calls come from many processes at once, twice or late: what is kept in the end is the same.
    """

    def read(self, shoppers: Sequence[str]) -> Profile:
        """What is known of one shopper under all these pseudonyms, merged; empty for one who is not known."""

    def add(self, shopper: str, records: Sequence[Record]) -> None:
        """Keeps `with_records(what is kept, records, when this shopper was last forgotten)`, whole or not at all.

        All records are this shopper's. Nothing needs to be written where that changes nothing.
        """

    def forget(self, shoppers: Sequence[str], at_ms: int) -> None:
        """Drops every act of each of these, and remembers when, so that what happened by then stays out when it
        comes late. Of two times the later counts. KEPT_DAYS afterwards the time may be forgotten as well.

        What was received after `at_ms` and added before this call is dropped too: acts do not know when they came.
        """

    def page(self, segment: int, segments: int, after: str | None) -> Page:
        """A page of one of `segments` parts of all shoppers; `after`: the page before."""

    def suggest(self, seen: Seen, suggested: Suggested) -> bool:
        """Puts what was chosen by a profile beside its acts; False, and nothing is put, where it has changed since."""


class MemoryProfiles:
    """The profiles of one process, as `aisle serve` keeps them."""

    def __init__(self) -> None:
        self._profiles: dict[str, Profile] = {}
        self._forgotten_ms: dict[str, int] = {}
        self._lock = Lock()

    def read(self, shoppers: Sequence[str]) -> Profile:
        with self._lock:
            found = [self._profiles[shopper] for shopper in shoppers if shopper in self._profiles]
        return together(found)

    def add(self, shopper: str, records: Sequence[Record]) -> None:
        with self._lock:
            profile = self._profiles.get(shopper, Profile())
            self._profiles[shopper] = with_records(profile, records, self._forgotten_ms.get(shopper, 0))

    def forget(self, shoppers: Sequence[str], at_ms: int) -> None:
        with self._lock:
            for shopper in shoppers:
                self._profiles.pop(shopper, None)
                self._forgotten_ms[shopper] = max(at_ms, self._forgotten_ms.get(shopper, 0))

    def page(self, segment: int, segments: int, after: str | None) -> Page:
        with self._lock:
            known = [Seen(shopper, profile) for shopper, profile in sorted(self._profiles.items()) if profile.acts]
        return Page(known[segment::segments], None)

    def suggest(self, seen: Seen, suggested: Suggested) -> bool:
        with self._lock:
            known = self._profiles.get(seen.shopper)
            if known is None or known.acts != seen.profile.acts:
                return False
            self._profiles[seen.shopper] = Profile(known.acts, suggested)
        return True
