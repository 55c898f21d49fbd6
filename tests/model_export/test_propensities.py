"""The estimator of position bias finds the truth of worlds that have one."""

import numpy as np
import pytest

from model_export.demo_store import generate
from model_export.propensities import fit_propensities

ETA = 0.9  # model_export/demo_store/shoppers.py


@pytest.mark.slow
def test_the_demo_stores_bias_is_found_although_its_ranker_puts_good_products_first() -> None:
    events = generate(300, 3000).events
    place = {"impression": 0, "click": 1}
    shown: dict[tuple[object, ...], list[int]] = {}
    for row in events:
        if row["action"] in place:
            key = (row["session_id"], row["query_id"], row["product_id"], row["position"])
            shown.setdefault(key, [0, 0])[place[str(row["action"])]] = 1
    pairs: dict[tuple[object, ...], int] = {}
    pair = np.array([pairs.setdefault(key[1:3], len(pairs)) for key in shown])
    position = np.array([int(str(key[3])) for key in shown])
    clicked = np.array([click == 1 for _, click in shown.values()])
    found = fit_propensities(pair, position, clicked)
    naive = np.bincount(position, clicked)[1:] / np.bincount(position)[1:]
    logs = np.log(np.arange(1, 11))
    assert found.eta == pytest.approx(ETA, abs=0.08)
    assert -(logs @ np.log(naive / naive[0])) / (logs @ logs) > ETA + 0.4  # what plain click rates would say
    assert found.examined[[0, 1, 4]] == pytest.approx([1, 2**-ETA, 5**-ETA], abs=0.05)


def test_without_clicks_every_position_is_looked_at() -> None:
    none = fit_propensities(np.array([0, 1]), np.array([1, 2]), np.array([False, False]))
    assert none.examined.tolist() == [1.0]
    assert none.of(np.array([0, 1, 7])).tolist() == [1, 1, 1]


def test_an_unknown_position_is_looked_at_and_a_deep_one_as_the_last() -> None:
    random = np.random.default_rng(1)
    position = random.integers(1, 4, 60_000)
    clicked = random.random(60_000) < 0.5 / position
    found = fit_propensities(np.zeros(60_000, int), position, clicked)
    assert found.of(np.array([0, 1, 2, 3, 9])) == pytest.approx([1, 1, 1 / 2, 1 / 3, 1 / 3], abs=0.03)
