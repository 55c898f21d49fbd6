"""The plain recommenders over a log whose counts can be told by hand."""

import numpy as np

from aisle.history import DAY_MS
from model_export import baselines
from model_export.interactions import Act, Interactions, wanted

LOG = [
    *(Act("ann", "tea", "purchase", day * DAY_MS, f"a{day}") for day in (1, 2, 3)),
    Act("bob", "tea", "purchase", 4 * DAY_MS, "b4"),
    Act("bob", "pot", "purchase", 4 * DAY_MS, "b4"),
    Act("cy", "pot", "purchase", 5 * DAY_MS, "c5"),
    Act("ann", "jug", "purchase", 40 * DAY_MS, "a40"),
]


def ranked(scores: np.ndarray[tuple[int], np.dtype[np.float64]], acts: Interactions) -> list[str]:
    return [acts.products[row] for row in np.argsort(-scores, kind="stable").tolist()]


def test_each_ranks_as_its_name_says() -> None:
    acts = Interactions.of(LOG)
    ann, cy = acts.shoppers.index("ann"), acts.shoppers.index("cy")
    assert ranked(baselines.popular(acts)(ann), acts) == ["tea", "pot", "jug"]
    assert ranked(baselines.popular_now(acts)(ann), acts)[0] == "jug"
    assert ranked(baselines.own_then_popular(acts)(cy), acts) == ["pot", "tea", "jug"]
    assert ranked(baselines.bm25_items(acts)(cy), acts)[:2] == ["pot", "tea"]
    assert ranked(baselines.ease(acts, ridge=1.0)(cy), acts)[0] == "tea"  # whoever had the pot had tea


def test_lists_leave_out_what_was_bought_where_only_new_things_are_wanted() -> None:
    acts = Interactions.of(LOG)
    known, later = acts.before(6 * DAY_MS), acts.between(6 * DAY_MS, 99 * DAY_MS)
    for new, first in ((False, "tea"), (True, "pot")):
        task = wanted(known, later, new=new)
        (found,) = baselines.lists(baselines.popular(known), task, known, 2, new=new)
        assert acts.products[found[0]] == first
