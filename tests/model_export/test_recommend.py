"""A shop where everyone likes one colour: what is learned from its log must find what each shopper still lacks."""

import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.dense import Dense
from aisle.histories import Histories
from aisle.history import DAY_MS
from aisle.recommender import Recommender
from aisle.shopping import Act
from aisle.types import Product
from model_export.foretelling import judge_recommender
from model_export.interactions import Act as Logged
from model_export.interactions import Interactions
from model_export.item_knowledge import Goods
from model_export.recipe import Recommending
from model_export.recommend import fit_recommender

COUNTS = {"red": 9, "blue": 7, "green": 5}  # products: lopsided, as are their shoppers
PRODUCTS = [
    Product(f"{color}-{nth}", f"{color} thing {nth}", price=5 + nth, currency="USD")
    for color, count in COUNTS.items()
    for nth in range(count)
]
LATEST = Product("green-new", "green thing new", price=6, currency="USD")  # nobody has seen it
PLAN = Recommending(horizon_days=20, stride_days=10, cuts=6, histories=True)
DAYS = 160


def log(seed: int = 5) -> Interactions:
    """Each of 90 shoppers buys something of their own colour every few days, now and then a second time."""
    dice, acts = random.Random(seed), []
    for shopper in range(90):
        color = dice.choices([*COUNTS], [4, 3, 2])[0]
        day, had = dice.uniform(0, 60), list[str]()
        while day < DAYS:
            fresh = [p.product_id for p in PRODUCTS if p.product_id.startswith(color) and p.product_id not in had]
            bought = dice.choice(had) if had and (not fresh or dice.random() < 0.3) else dice.choice(fresh)
            acts.append(Logged(f"{color}-lover-{shopper}", bought, "purchase", int(day * DAY_MS), f"{shopper} {day}"))
            had.append(bought)
            day += dice.uniform(4, 25)
    return Interactions.of(acts)


def vectors() -> Dense:
    """A dimension a colour, and a little of each product's own."""
    products = [*PRODUCTS, LATEST]
    rows = np.zeros((len(products), len(COUNTS) + len(products)), np.float32)
    for row, product in enumerate(products):
        rows[row, [*COUNTS].index(product.product_id.split("-")[0])] = 1
        rows[row, len(COUNTS) + row] = 0.5
    return Dense.build(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("draft") / "recommender"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LightGBM's converter warns about its own internals
        fit_recommender([*PRODUCTS, LATEST], log(), vectors(), made, PLAN, 7)
    return made


def bought(*product_ids: str) -> list[Act]:
    """One purchase a week, the last yesterday."""
    last = len(product_ids) - 1
    days = [DAYS - 1 - 7 * (last - nth) for nth in range(len(product_ids))]
    return [Act(day * DAY_MS, f"e{day}", "purchase", product) for day, product in zip(days, product_ids, strict=True)]


def ids(rows: NDArray[np.int64]) -> list[str]:
    return [[*PRODUCTS, LATEST][row].product_id for row in rows.tolist()]


@pytest.mark.parametrize("color", COUNTS)
def test_what_a_shopper_of_one_colour_still_lacks_comes_first(folder: Path, color: str) -> None:
    recommender = Recommender.load(folder)
    had = [f"{color}-{nth}" for nth in range(COUNTS[color])]
    lacking = had.pop(2)
    sold = np.arange(len(PRODUCTS) + 1) < len(PRODUCTS)
    found = recommender.recommend(bought(*had), DAYS * DAY_MS, 3, new=True, allowed=sold)
    assert ids(found.rows)[0] == lacking
    assert found.evidence[0].route == "behaviour"
    assert {*ids(np.array(found.evidence[0].rows))} <= {*had}
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert 0 <= found.scores.min() <= found.scores.max() <= 1


def test_what_was_bought_is_offered_again_unless_only_new_things_are_wanted(folder: Path) -> None:
    recommender, past = Recommender.load(folder), bought("blue-1", "blue-3", "blue-1")
    anything = recommender.recommend(past, DAYS * DAY_MS, 22, new=False)
    again = ids(anything.rows).index("blue-1")
    assert anything.evidence[again].route == "behaviour"
    assert ids(np.array(anything.evidence[again].rows)) == ["blue-1"]
    assert {"blue-1", "blue-3"}.isdisjoint(ids(recommender.recommend(past, DAYS * DAY_MS, 22, new=True).rows))


def test_a_stranger_gets_what_is_popular_and_an_unknown_product_says_nothing(folder: Path) -> None:
    recommender = Recommender.load(folder)
    stranger = recommender.recommend([], DAYS * DAY_MS, 5, new=False)
    assert {e.route for e in stranger.evidence} == {"popular"}
    unknown = recommender.recommend(bought("sold elsewhere"), DAYS * DAY_MS, 5, new=False)
    assert unknown.rows.tolist() == stranger.rows.tolist()


def test_one_act_is_enough_to_see_the_colour(folder: Path) -> None:
    found = Recommender.load(folder).recommend(bought("green-0"), DAYS * DAY_MS, 3, new=True)
    assert all(product.startswith("green") for product in ids(found.rows))


def test_a_product_that_nobody_has_seen_is_found_by_its_text(folder: Path) -> None:
    recommender = Recommender.load(folder)
    found = recommender.recommend(bought("green-0", "green-1"), DAYS * DAY_MS, 22, new=True)
    at = ids(found.rows).index("green-new")
    assert found.evidence[at].route == "content"
    assert {*ids(np.array(found.evidence[at].rows))} == {"green-0", "green-1"}
    assert at < 5
    assert "green-new" in ids(recommender.similar(PRODUCTS.index(PRODUCTS[-1]), 10)[0])


def test_only_what_is_allowed_and_not_excluded_is_shown(folder: Path) -> None:
    recommender = Recommender.load(folder)
    allowed = np.zeros(len(PRODUCTS) + 3, bool)  # three products were added behind the catalogue's last
    allowed[[0, 1, 2, 10]] = True
    found = recommender.recommend(bought("red-5"), DAYS * DAY_MS, 10, new=False, allowed=allowed, exclude={1, 999})
    assert sorted(found.rows.tolist()) == [0, 2, 10]


def test_similar_and_together_name_others(folder: Path) -> None:
    recommender = Recommender.load(folder)
    rows, scores = recommender.similar(0, 4)
    assert all(product.startswith("red") and product != "red-0" for product in ids(rows))
    assert (np.diff(scores) <= 0).all()
    assert len(recommender.together(0, 4)[0]) == 0  # every basket held one thing
    assert len(recommender.similar(999, 4)[0]) == 0


def test_histories_are_those_of_the_log(folder: Path) -> None:
    acts, histories = log(), Histories.load(folder / "shoppers")
    name = acts.shoppers[3]
    own = acts.where(acts.shopper == 3)
    told = histories.find(name)
    assert told is not None
    assert (told.item.tolist(), told.at_ms.tolist()) == (own.product.tolist(), own.at_ms.tolist())


def test_it_foretells_the_last_weeks_better_than_popularity() -> None:
    acts = log()
    goods = Goods.of([*PRODUCTS, LATEST], acts, vectors())
    figures = judge_recommender(acts, goods, PLAN, 7)
    ndcg = {name: figures["systems"][name]["new"]["nDCG@20"][0] for name in ("aisle", "popularity")}
    assert ndcg["aisle"] > 1.5 * ndcg["popularity"]


def test_of_a_log_that_is_too_short_nothing_is_sealed(tmp_path: Path) -> None:
    short = Interactions.of([Logged("ann", "red-1", "purchase", day * DAY_MS, str(day)) for day in range(3)])
    figures = fit_recommender([*PRODUCTS, LATEST], short, vectors(), tmp_path / "recommender", PLAN, 7)
    assert figures == {"acts": 3, "shoppers": 1, "position_eta": 0.0, "lessons": 0, "sealed": False}
    assert not (tmp_path / "recommender").exists()
