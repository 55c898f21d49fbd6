"""Acts as arrays, splits by time, and what is to be foretold, in a log of eight acts."""

from dataclasses import dataclass

import numpy as np
import pytest

from aisle.errors import BadInput
from aisle.shopping import KINDS
from model_export.interactions import Act, Interactions, from_records, moment, stamp_ms, wanted

LOG = [
    Act("ann", "tea", "purchase", 10, "i1"),
    Act("bob", "pot", "purchase", 30, "i3"),
    Act("ann", "cup", "purchase", 20, "i2", 4),
    Act("ann", "tea", "purchase", 20, "i2"),
    Act("bob", "jug", "click", 50, "i4"),
    Act("ann", "tea", "purchase", 60, "i5"),
    Act("ann", "jug", "purchase", 60, "i5"),
    Act("cy", "tea", "purchase", 70, "i6"),
]


def test_a_log_is_sorted_by_time_and_numbered() -> None:
    acts = Interactions.of(LOG)
    assert acts.at_ms.tolist() == [10, 20, 20, 30, 50, 60, 60, 70]
    assert [acts.products[i] for i in acts.product] == ["tea", "cup", "tea", "pot", "jug", "tea", "jug", "tea"]
    assert [acts.shoppers[i] for i in acts.shopper] == ["ann", "ann", "ann", "bob", "bob", "ann", "ann", "cy"]
    assert acts.position.tolist() == [0, 4, 0, 0, 0, 0, 0, 0]
    assert len(np.unique(acts.basket)) == 6


def test_what_is_wanted_is_bought_later_by_shoppers_who_were_seen_before() -> None:
    acts = Interactions.of(LOG)
    known, later = acts.before(50), acts.between(50, 100)
    anything, new = (wanted(known, later, new=only) for only in (False, True))
    assert [acts.shoppers[s] for s in anything.shoppers] == ["ann"]
    assert [sorted(acts.products[p] for p in products) for products in anything.products] == [["jug", "tea"]]
    assert [sorted(acts.products[p] for p in products) for products in new.products] == [["jug"]]


def test_nothing_is_wanted_of_nobody() -> None:
    acts = Interactions.of(LOG)
    assert wanted(acts.before(10), acts, new=False).products == []


def test_the_last_share_begins_at_a_moment() -> None:
    acts = Interactions.of(LOG)
    assert moment(acts, 0.25) == 60
    with pytest.raises(BadInput, match="1 acts cannot be split"):
        moment(Interactions.of(LOG[:1]), 0.1)


def test_the_forgotten_leave_without_a_trace() -> None:
    acts = Interactions.of(LOG).but_of(["ann", "nobody"])
    assert {acts.shoppers[s] for s in acts.shopper} == {"bob", "cy"}


def test_an_unknown_kind_is_told() -> None:
    with pytest.raises(BadInput, match="'sneeze' is no kind of act: name one of impression, view"):
        Interactions.of([Act("ann", "tea", "sneeze", 1, "i")])


@dataclass
class Line:
    """A record as the event log has it."""

    shopper: str
    session: str
    query_id: str
    kind: str
    product_id: str
    position: int | None
    timestamp: str
    hits: tuple[str, ...] = ()
    query_hash: str = ""


def lines() -> list[Line]:
    return [
        Line("k1", "s1", "q1", "query", "", None, "2026-01-01T00:00:00.000Z", ("p9", "p1"), "tea"),
        Line("k1", "s1", "q1", "click", "p1", 2, "2026-01-01T00:00:01.500Z"),
        Line("", "s2", "q2", "query", "", None, "2026-01-01T00:01:00.000Z", ("p1",), "tea"),
        Line("", "s2", "q2", "impression", "p1", 1, "2026-01-01T00:01:00.100Z"),
        Line("", "", "", "view", "p1", None, "2026-01-01T00:02:00.000Z"),
    ]


def test_the_answer_of_a_search_stands_for_impressions_unless_they_are_told() -> None:
    acts = from_records(lines())
    told = [
        (acts.shoppers[s], acts.products[p], KINDS[k], position)
        for s, p, k, position in zip(acts.shopper, acts.product, acts.kind, acts.position, strict=True)
    ]
    assert told == [
        ("k1", "p9", "impression", 1),
        ("k1", "p1", "impression", 2),
        ("k1", "p1", "click", 2),
        ("s2", "p1", "impression", 1),
    ]
    assert len(np.unique(acts.query)) == 1
    assert acts.at_ms[2] == stamp_ms("2026-01-01T00:00:01.500Z") == 1767225601500
