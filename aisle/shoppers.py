"""The wiring of shoppers: events in, profiles kept, read in time, shown and forgotten.

In an account events go into a queue and another function does the rest; on a laptop both halves run here, one after
the other. It loads no model and no numpy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from aisle.collecting import Ingest, collect
from aisle.compaction import compact
from aisle.errors import Unavailable
from aisle.event_log import EventLog
from aisle.events import Record, moment
from aisle.files import LocalFiles
from aisle.identity import Caller, Identify, Identity
from aisle.local_state import LocalState, open_state
from aisle.profile import MemoryProfiles, Profile, ProfileStore
from aisle.pseudonyms import Pseudonyms
from aisle.settings import Settings
from aisle.shopping import Act, EventsRequest, EventsResponse, ForgetResponse, History, KnownAct, ProfileResponse

USED_FOR = ["recommendations", "the order of search results", "learning what goes together, under a pseudonym"]
KEYS_S = 60.0  # seconds; how long the keys that tokens are verified by are used before they are read again
READERS = 4  # profiles read at once; who waits longer goes without


class Shoppers:
    """What the doors of events and of the profile call (`aisle.shopper_operations.ShopperServices`)."""

    def __init__(
        self,
        profiles: ProfileStore,
        pseudonyms: Callable[[], Pseudonyms],
        send: Callable[[Sequence[str]], None],
        forget_log: Callable[[Sequence[str], int], None],
        budget_ms: int,
    ) -> None:
        self.profiles, self._pseudonyms = profiles, pseudonyms
        self._send, self._forget_log = send, forget_log
        self._budget_ms = budget_ms
        self._readers = ThreadPoolExecutor(READERS, "profile")

    def events(self, request: EventsRequest, caller: Caller) -> EventsResponse:
        """Hands on what can be taken. Raises BadInput where nothing can, Unavailable."""
        collected = collect(request, caller, now_ms(), self._pseudonyms())
        self._send(collected.messages)
        return collected.response

    def profile(self, caller: Caller) -> ProfileResponse:
        """What the profile has. Raises Unavailable."""
        kept = self.profiles.read(caller.shoppers)
        return ProfileResponse(
            acts=[KnownAct(act.product_id, act.kind, moment(act.at_ms)) for act in reversed(kept.acts)],
            kept_until=None if kept.kept_until_ms is None else moment(kept.kept_until_ms),
            used_for=USED_FOR if kept.acts else [],
        )

    def forget(self, caller: Caller) -> ForgetResponse:
        """Empties the profile, and has the log forget. Raises Unavailable."""
        now = now_ms()
        self._forget_log(caller.shoppers, now)  # first: what stands in the log longest must not be missed
        self.profiles.forget(caller.shoppers, now)
        return ForgetResponse(moment(now))

    def known(self, caller: Caller) -> Callable[[], Profile | None]:
        """Begins to read the caller's profile; the answer is waited for no longer than the budget, None then."""
        if caller.unread:
            return lambda: None
        if not caller.shoppers:
            return Profile
        until = time.monotonic() + self._budget_ms / 1000
        reading = self._readers.submit(self.profiles.read, caller.shoppers)

        def profile() -> Profile | None:
            try:
                return reading.result(max(until - time.monotonic(), 0))
            except (TimeoutError, Unavailable):
                return None

        return profile


def history_of(known: Callable[[], Profile | None]) -> History:
    """The acts of a profile that is being read."""

    def acts() -> Sequence[Act] | None:
        profile = known()
        return None if profile is None else profile.acts

    return acts


def open_shoppers(settings: Settings, state: LocalState | None = None) -> Shoppers:
    """Over the settings' queue, table and bucket; where they name none, over this process and its `state`."""
    budget_ms = settings.profile_budget_ms
    if not (settings.events_queue or settings.profiles_table or settings.events_bucket):
        return local_shoppers(state or open_state(None), budget_ms)
    from aisle.aws.event_bucket import EventBucket
    from aisle.aws.event_queue import EventQueue
    from aisle.aws.profile_table import ProfileTable
    from aisle.aws.pseudonym_secret import PseudonymSecret

    queue, log = EventQueue(settings.events_queue), EventLog(EventBucket(settings.events_bucket))
    secret = PseudonymSecret(settings.pseudonym_secret)
    return Shoppers(
        ProfileTable(settings.profiles_table),
        lambda: secret.at(time.monotonic()),
        queue.send,
        log.forget,
        budget_ms,
    )


def local_shoppers(state: LocalState, budget_ms: int) -> Shoppers:
    """On one machine: what comes in is handled at once, and kept in the state's log, which is compacted first.

    However old its days are, they stay: `aisle replay` tells of the past on purpose.
    """
    profiles = MemoryProfiles()
    log = EventLog(LocalFiles(state.events)) if state.events else None
    if log:
        compact(log, now_ms())
    told: dict[str, list[Record]] = {}
    for record in log.records() if log else ():
        told.setdefault(record.shopper, []).append(record)
    for shopper, records in told.items():
        profiles.add(shopper, records)
    ingest = Ingest(profiles, log)

    def send(messages: Sequence[str]) -> None:
        failed = ingest(messages).failed
        if failed:
            raise Unavailable(f"events cannot be kept: {next(iter(failed.values()))}", "send the same again")

    def forget_log(shoppers: Sequence[str], at_ms: int) -> None:
        if log:
            log.forget(shoppers, at_ms)

    return Shoppers(profiles, lambda: state.pseudonyms, send, forget_log, budget_ms)


def open_identity(settings: Settings, state: LocalState | None = None, newest: bool = False) -> Identify:
    """By the keys and the secret that the settings name; where they name none, by those of `state`.

    `newest`: reads the secret for each shopper. By keys that were rotated a minute ago, what others have written under
    the new one since would not be forgotten.
    """
    if not settings.keys_parameter:
        local = state or open_state(None)
        return Identity(lambda: local.keys, lambda: local.pseudonyms, time.time)
    from aisle.aws.key_parameter import KeyParameter
    from aisle.aws.pseudonym_secret import CACHE_S, PseudonymSecret

    keys = KeyParameter(settings.keys_parameter, KEYS_S)
    secret = PseudonymSecret(settings.pseudonym_secret, 0 if newest else CACHE_S)
    return Identity(lambda: keys.at(time.monotonic()), lambda: secret.at(time.monotonic()), time.time)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
