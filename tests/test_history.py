"""A shopper's past by item, of acts whose counts and days can be told by hand."""

import numpy as np

from aisle.history import DAY_MS, NEVER_DAYS, Acts, history
from aisle.shopping import KINDS

NOW = 100 * DAY_MS


def acts(*told: tuple[int, str, float]) -> Acts:
    """(item, kind, days ago) each."""
    items, kinds, days = zip(*told, strict=True) if told else ((), (), ())
    return Acts(
        np.array(items, np.int32),
        np.array([KINDS.index(kind) for kind in kinds], np.uint8),
        np.array([NOW - int(day * DAY_MS) for day in days], np.int64),
    )


def test_a_past_is_told_by_item_the_last_touched_first() -> None:
    past = history(
        acts((7, "purchase", 30), (7, "purchase", 10), (3, "purchase", 10), (5, "click", 2), (3, "view", 20)), NOW
    )
    assert past.item.tolist() == [5, 3, 7]
    assert past.bought.tolist() == [0, 1, 2]
    assert past.seen.tolist() == [1, 1, 0]
    assert past.weight.tolist() == np.array([0.4, 1, 1], np.float32).tolist()
    assert past.last_days.tolist() == [2, 10, 10]
    assert past.bought_days.tolist() == [NEVER_DAYS, 10, 10]
    assert past.first_days.tolist() == [NEVER_DAYS, 10, 30]
    assert past.goes_since.tolist() == [2, 0, 0]
    assert (past.goes, past.idle_days, past.known_days, past.pace_days) == (2.0, 2.0, 30.0, 20.0)


def test_what_was_bought_in_one_go_counts_once() -> None:
    past = history(acts((1, "purchase", 5), (1, "purchase", 5), (2, "purchase", 5)), NOW)
    assert past.bought.tolist() == [1, 1]
    assert past.goes == 1


def test_goes_since_counts_what_was_bought_without_the_item() -> None:
    past = history(acts((1, "purchase", 50), (2, "purchase", 40), (2, "purchase", 30), (3, "purchase", 20)), NOW)
    assert dict(zip(past.item.tolist(), past.goes_since.tolist(), strict=True)) == {1: 3, 2: 1, 3: 0}


def test_an_impression_is_no_act_and_the_future_is_now() -> None:
    past = history(acts((1, "impression", 1), (2, "click", -3)), NOW)
    assert past.item.tolist() == [2]
    assert past.last_days.tolist() == [0]


def test_a_stranger_has_no_past() -> None:
    past = history(acts(), NOW)
    assert len(past.item) == 0
    assert (past.goes, past.idle_days, past.known_days, past.pace_days) == (0, NEVER_DAYS, 0, NEVER_DAYS)
