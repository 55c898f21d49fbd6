"""A profile is what was told, whatever the queue did: any order, any repetition, any delay, any split into batches."""

from collections.abc import Sequence
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_events import ANNA, BEN, NOON, record

from aisle.events import Record, moment
from aisle.profile import KEPT_DAYS, MAX_OTHERS, MAX_PURCHASES, MemoryProfiles, Profile, merged, with_records
from aisle.shopping import Act

KINDS = ("view", "click", "cart", "purchase", "impression")
# Few ids and times, so that one id comes with several times and kinds.
ACTS = st.builds(Act, st.integers(1, 30), st.integers(0, 40).map(str), st.sampled_from(KINDS), st.sampled_from("ab"))


def act(name: str, at_ms: int, kind: Any = "purchase", product_id: str = "hat") -> Act:
    return Act(at_ms, name.rjust(22, "0"), kind, product_id)


def test_a_profile_is_sorted_by_time_and_knows_each_event_once_at_its_latest_time() -> None:
    told = [act("c", 30), act("a", 10, "click"), act("b", 20), act("a", 12, "click"), act("x", 5, "impression")]
    assert merged(Profile(), told) == Profile((act("a", 12, "click"), act("b", 20), act("c", 30)))


def test_the_newest_purchases_and_the_newest_other_acts_are_kept_each_by_themselves() -> None:
    bought = [act(f"p{i}", i) for i in range(MAX_PURCHASES + 3)]
    clicked = [act(f"c{i}", 10_000 + i, "click") for i in range(MAX_OTHERS + 2)]
    assert merged(Profile(), clicked + bought) == Profile((*bought[3:], *clicked[2:]))
    assert merged(Profile(), bought) == Profile(tuple(bought[3:]))


@settings(max_examples=300)
@given(st.data(), st.lists(ACTS, max_size=60))
def test_order_repetition_and_batches_change_nothing(data: st.DataObject, told: list[Act]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aisle.profile.MAX_PURCHASES", 3)
        patch.setattr("aisle.profile.MAX_OTHERS", 4)
        whole = merged(Profile(), told)

        again = data.draw(st.permutations(told + data.draw(st.lists(st.sampled_from(told)) if told else st.just([]))))
        step = data.draw(st.integers(1, 7))
        parts = [merged(Profile(), again[at : at + step]) for at in range(0, len(again), step)]
        one_by_one = Profile()
        for at in range(0, len(again), step):
            one_by_one = merged(one_by_one, again[at : at + step])
        as_a_tree = Profile()
        for part in data.draw(st.permutations(parts)):
            as_a_tree = merged(part, as_a_tree.acts)

        assert one_by_one == whole
        assert as_a_tree == whole
        assert merged(whole, whole.acts) == whole


@given(st.lists(ACTS, max_size=60))
def test_a_window_is_the_end_of_the_sorted_acts(told: list[Act]) -> None:
    latest: dict[str, Act] = {}
    for each in sorted(a for a in told if a.kind == "purchase"):
        latest[each.event_id] = each
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aisle.profile.MAX_PURCHASES", 5)
        kept = merged(Profile(), told).acts
    assert [a for a in kept if a.kind == "purchase"] == sorted(latest.values())[-5:]


def test_a_profile_ends_some_time_after_its_last_act() -> None:
    assert Profile().kept_until_ms is None
    assert Profile((act("a", 5), act("b", 7))).kept_until_ms == 7 + KEPT_DAYS * 86_400_000


@pytest.mark.parametrize(
    "nothing",
    [
        record("a", kind="query", product_id=""),
        record("a", kind="impression"),
        record("a", kind="click", product_id=""),
        record("a", anonymous=True),
        record("a", shopper="", anonymous=True),
        record("a", received_ms=NOON - 1),
        record("a", received_ms=NOON),
        record("a", NOON, received_ms=NOON + 5),
    ],
)
def test_what_a_profile_does_not_keep(nothing: Record) -> None:
    assert with_records(Profile(), [nothing], forgotten_ms=NOON) == Profile()


def test_what_a_profile_keeps_of_records() -> None:
    told = [record("a", NOON, NOON + 5), record("b", NOON - 9, NOON + 5, kind="cart", product_id="shoe")]
    assert with_records(Profile(), told, forgotten_ms=NOON - 10) == Profile(
        (act("b", NOON - 9, "cart", "shoe"), act("a", NOON))
    )


def test_a_shopper_is_read_under_both_pseudonyms() -> None:
    profiles = MemoryProfiles()
    profiles.add(ANNA, [record("b", NOON + 1), record("a", NOON)])
    profiles.add(BEN, [record("c", NOON - 1, shopper=BEN), record("a", NOON)])
    assert profiles.read([ANNA]) == Profile((act("a", NOON), act("b", NOON + 1)))
    assert profiles.read([ANNA, BEN]) == Profile((act("c", NOON - 1), act("a", NOON), act("b", NOON + 1)))
    assert profiles.read([]) == Profile()
    assert profiles.read(["k" + "0" * 22]) == Profile()


def test_the_forgotten_stay_forgotten_however_late_something_arrives() -> None:
    profiles = MemoryProfiles()
    profiles.add(ANNA, [record("a")])
    profiles.add(BEN, [record("b", shopper=BEN)])
    profiles.forget([ANNA], NOON + 10)
    profiles.forget([ANNA], NOON + 5)
    profiles.add(ANNA, [record("late", NOON, NOON + 10), record("new", NOON + 11, NOON + 11)])
    profiles.add(ANNA, [record("a", NOON, NOON + 12)])  # the same request, sent again
    assert profiles.read([ANNA]) == Profile((act("new", NOON + 11),))
    assert profiles.read([BEN]) == Profile((act("b", NOON),))


def test_threads_lose_nothing() -> None:
    profiles = MemoryProfiles()
    told = [record(f"e{i}", NOON + i) for i in range(120)]

    def add(some: Sequence[Record]) -> None:
        for each in some:
            profiles.add(ANNA, [each])

    threads = [Thread(target=add, args=(told[at::4],)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert profiles.read([ANNA]) == Profile(tuple(act(f"e{i}", NOON + i) for i in range(120)))


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_moments_are_read_as_they_were_written(ms: int) -> None:
    from aisle.events import ms_of

    assert ms_of(moment(ms)) == ms
    assert len(moment(ms)) == 24
