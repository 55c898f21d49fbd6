"""What is personal is learned in a world whose shoppers like a colour, and nothing is where they like none."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from world import PRODUCTS, search_world

from aisle.personal import FEATURES, Personal
from aisle.search import Search
from aisle.shopping import KINDS
from model_export.clicks import Clicks, from_store
from model_export.demo_store import generate
from model_export.personal import Lists, fit_personal, fit_weights, ndcgs, surprises

ETA = 0.9
QUERIES = ["star", "square", "circle", "red", "blue"]
SHOPPERS, SEARCHES = 150, 16  # each


def clicks_of(search: Search, liking: float, seed: int = 3) -> Clicks:
    """Every product that answers, in an order by chance; at position p looked at with p ** -ETA, and clicked then
    `liking` times as often where it has the shopper's colour. Three in five like red, the others blue."""
    random = np.random.default_rng(seed)
    answers = [[product_id for product_id, _ in search.ranking(query, 8)] for query in QUERIES]
    color = {product.product_id: product.color for product in PRODUCTS}
    query = random.integers(len(QUERIES), size=SHOPPERS * SEARCHES)
    shopper = np.tile(np.arange(SHOPPERS), SEARCHES)
    at_ms = 1_790_000_000_000 + np.arange(len(query)) * 3_600_000
    searched, product, position, clicked = [], [], [], []
    for number, (asked, who) in enumerate(zip(query, shopper, strict=True)):
        for place, at in enumerate(random.permutation(len(answers[asked])), 1):
            shown = answers[asked][at]
            likes = color[shown] == ("red" if who % 5 < 3 else "blue")
            searched.append(number)
            product.append(shown)
            position.append(place)
            clicked.append(random.random() < 0.25 * place**-ETA * (liking if likes else 1))
    search_of, happened = np.array(searched), np.array(clicked)
    return Clicks(
        QUERIES,
        query,
        shopper,
        at_ms,
        search_of,
        np.array(product),
        np.array(position),
        happened,
        shopper[search_of[happened]],
        np.array(product)[happened],
        np.full(happened.sum(), KINDS.index("click")),
        at_ms[search_of[happened]] + 60_000,
    )


def test_a_liked_colour_is_found_and_helps_later_searches(tmp_path: Path) -> None:
    search = search_world(tmp_path)
    figures = fit_personal(search, clicks_of(search, 3.0), tmp_path / "personal", seed=1)
    assert figures["eta"] == pytest.approx(ETA, abs=0.1)
    assert figures["sealed"]
    assert figures["surprise_less"][1] > 0
    assert figures["ndcg_more"][1] > 0
    weights = Personal.load(tmp_path / "personal", search.parts.columns).weights
    assert (weights >= 0).all()
    assert figures["color"] == pytest.approx(weights[FEATURES.index("color")], abs=1e-3)
    assert weights[FEATURES.index("color")] > 0.1  # part of it is told by the vectors, which know colours too


def test_where_shoppers_have_no_taste_nothing_is_sealed(tmp_path: Path) -> None:
    search = search_world(tmp_path)
    figures = fit_personal(search, clicks_of(search, 1.0), tmp_path / "personal", seed=1)
    assert not figures["sealed"]
    assert not (tmp_path / "personal").exists()


def test_a_log_of_few_clicks_teaches_nothing(tmp_path: Path) -> None:
    store = generate(60, 5)
    clicks = from_store(store.events, store.queries)
    figures = fit_personal(search_world(tmp_path), clicks, tmp_path / "personal", seed=1)
    assert figures == {"eta": 0.0, "sealed": False}


def test_clicks_on_what_the_catalogue_no_longer_has_teach_nothing(tmp_path: Path) -> None:
    store = generate(60, 400)
    clicks = from_store(store.events, store.queries)
    figures = fit_personal(search_world(tmp_path), clicks, tmp_path / "personal", seed=1)
    assert (figures["sealed"], figures["lists"], figures["judged"]) == (False, 0, 0)


def test_events_become_searches_with_what_was_shown_and_clicked() -> None:
    store = generate(300, 100)
    clicks = from_store(store.events, store.queries)
    texts = {row["query_id"]: row["query"] for row in store.queries}
    shown: dict[str, list[tuple[object, ...]]] = {"impression": [], "click": []}
    for row in store.events:
        if row["action"] in shown:
            shown[str(row["action"])].append((texts[row["query_id"]], row["product_id"], row["position"]))
    told = [
        (clicks.queries[clicks.query[search]], product, position)
        for search, product, position in zip(
            clicks.search.tolist(), clicks.product.tolist(), clicks.position.tolist(), strict=True
        )
    ]
    assert told == shown["impression"]
    assert Counter(told[at] for at in np.flatnonzero(clicks.clicked)) == Counter(shown["click"])
    assert (np.diff(clicks.at_ms) >= 0).all()
    assert len(clicks.act_at_ms) == sum(row["action"] != "impression" for row in store.events)
    assert set(clicks.act_kind.tolist()) == {KINDS.index(kind) for kind in ("click", "cart", "purchase")}


def test_measures_of_lists_by_hand() -> None:
    features = np.zeros((5, len(FEATURES)))
    lists = Lists(features, np.zeros(5), np.array([0, 2.0, 0, 1.0, 0]), np.array([0, 3]), np.array([4, 9]))
    scores = np.array([3.0, 2.0, 1.0, 0.0, 0.0])
    assert surprises(lists, scores) == pytest.approx([1 + np.log(1 + np.exp(-1) + np.exp(-2)), np.log(2)])
    assert ndcgs(lists, scores) == pytest.approx([1 / np.log2(3), 1.0])
    second = lists.some(np.array([False, True]))
    assert (second.start.tolist(), second.clicks.tolist(), second.search.tolist()) == ([0], [1, 0], [9])


def test_what_speaks_against_a_click_gets_no_weight() -> None:
    random = np.random.default_rng(2)
    features = np.zeros((400, len(FEATURES)))
    features[:, 0], features[:, 1] = random.normal(size=(2, 400))
    start = np.arange(0, 400, 4)
    wanted = features[:, 0] - features[:, 1]
    clicks = np.zeros(400)
    clicks[[at + int(wanted[at : at + 4].argmax()) for at in start]] = 1
    _, weights = fit_weights(Lists(features, random.normal(size=400), clicks, start, start), range(len(FEATURES)))
    assert weights[0] > 0.5
    assert weights[1:].tolist() == [0] * (len(FEATURES) - 1)
