"""How a history moves a ranking, in the world of colours and shapes, with weights set by hand."""

import dataclasses
from collections.abc import Sequence
from math import exp, log
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from world import Clock, search_world
from world_shopping import NOW_MS, act

from aisle.errors import BundleError
from aisle.personal import FEATURES, PRIOR, SPREAD, Fitted, Personal, past
from aisle.retrieval import Parts
from aisle.search import Search
from aisle.shopping import Act
from aisle.types import Product, SearchRequest, SearchResponse

ROWS = np.arange(8)


def personal(parts: Parts, **weights: float) -> Personal:
    return Personal(Fitted(list(FEATURES), [weights.get(name, 0.0) for name in FEATURES]), parts.columns)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return search_world(tmp_path).parts


def column(parts: Parts, name: str, *acts: Act) -> list[float]:
    """One feature of every product of the world."""
    told = past(acts, NOW_MS, parts.products)
    features = personal(parts).features(told, ROWS, parts.columns, parts.dense)
    told_of: list[float] = features[:, FEATURES.index(name)].round(4).tolist()
    return told_of


def test_without_a_known_act_every_feature_is_zero(parts: Parts) -> None:
    for acts in ((), (act("nobody"),), (act("c1", "impression"),)):
        told = past(acts, NOW_MS, parts.products)
        assert personal(parts).features(told, ROWS, parts.columns, parts.dense).tolist() == [[0] * len(FEATURES)] * 8


def test_weights_fade_by_half_in_thirty_days_and_rise_with_the_act(parts: Parts) -> None:
    told = past([act("c1", "view", 0), act("s1", "cart", 30), act("t1", "purchase", 60)], NOW_MS, parts.products)
    assert told.rows.tolist() == [0, 4, 6]
    assert told.weights.tolist() == [1, 1, 0.75]
    assert told.recent.tolist() == [True, False, False]
    assert told.bought.tolist() == [False, False, True]


def test_an_act_of_tomorrow_counts_as_one_of_now(parts: Parts) -> None:
    assert past([act("c1", "view", -5)], NOW_MS, parts.products).weights.tolist() == [1]


def test_a_category_is_liked_where_it_is_chosen_more_often_than_its_share(parts: Parts) -> None:
    round_, angular = log((2 + PRIOR) / (1 + PRIOR)), log(PRIOR / (1 + PRIOR))  # each holds half of the products
    found = column(parts, "category", act("c1", "view", 0), act("c4", "view", 0))
    assert found == pytest.approx([round_] * 4 + [angular] * 4, abs=1e-4)


def test_a_colour_is_liked_against_its_share_of_the_categories_chosen(parts: Parts) -> None:
    # One look at an angular product: of those two are red, one is blue, one is green.
    red, blue, green = log(PRIOR / (0.5 + PRIOR)), log(PRIOR / (0.25 + PRIOR)), log((1 + PRIOR) / (0.25 + PRIOR))
    found = column(parts, "color", act("t1", "view", 0))
    assert found == pytest.approx([red, red, red, blue, red, blue, green, red], abs=1e-4)


def test_a_product_without_a_brand_is_neither_liked_nor_disliked(parts: Parts) -> None:
    assert column(parts, "brand", act("c1", "view", 0)) == [0] * 8


def test_a_price_is_nearer_where_the_shopper_chooses_in_units_of_their_spread(parts: Parts) -> None:
    usual = log(11)  # the lower median of 10, 11, 12 and 90
    level, chosen = [log(p) - usual for p in (10, 12, 90, 11)], log(90) - usual
    mean = chosen / (1 + PRIOR)
    spread = (((chosen - mean) ** 2 + PRIOR * SPREAD**2) / (1 + PRIOR)) ** 0.5
    found = column(parts, "price", act("c3", "view", 0))
    assert found[:4] == pytest.approx([(abs(one) - abs(one - mean)) / spread for one in level], abs=1e-3)
    assert found[7] == 0  # t2 has no price


def test_content_and_what_was_done_to_the_very_product(parts: Parts) -> None:
    acts = [act("c1", "purchase", 0), act("t1", "view", 30)]
    assert column(parts, "seen", *acts) == pytest.approx([log(4), 0, 0, 0, 0, 0, log(1.5), 0], abs=1e-4)
    assert column(parts, "bought", *acts) == [1, 0, 0, 0, 0, 0, 0, 0]
    content = column(parts, "content", *acts)
    assert content[0] == pytest.approx(3 / (3.5 + PRIOR), abs=0.01)  # half of its words in common with none of t1's
    assert column(parts, "recent", *acts) == pytest.approx([1, 1, 1, 0.5, 0.5, 0, 0, 0.5], abs=0.01)


def test_products_and_categories_that_came_later_have_features_too(parts: Parts) -> None:
    added = [Product("n1", "Orange moon", category="heavenly", color="orange", price=5, brand="Luna")]
    live = dataclasses.replace(
        parts,
        products=parts.products.overlaid({}, set(), added),
        columns=parts.columns.beside(added),
        dense=parts.dense.beside(np.eye(6, dtype=np.float32)[:1]),
    )
    suits = personal(parts, category=1.0, brand=1.0, color=1.0, price=1.0)
    logits = suits.logits(past([act("n1")], NOW_MS, live.products), np.arange(9), live.columns, live.dense)
    assert np.isfinite(logits).all()
    assert int(logits.argmax()) == 8
    assert logits.mean() == pytest.approx(0, abs=1e-6)


def test_saved_weights_load_and_damaged_ones_are_refused(parts: Parts, tmp_path: Path) -> None:
    Personal.save(Fitted(list(FEATURES), [0.5] * len(FEATURES)), tmp_path / "personal")
    assert Personal.load(tmp_path / "personal", parts.columns).weights.tolist() == [0.5] * len(FEATURES)
    path = tmp_path / "personal" / "personal.json"
    path.write_bytes(msgspec.json.encode(Fitted(["shoe size"], [1.0])))
    with pytest.raises(BundleError, match="other features"):
        Personal.load(tmp_path / "personal", parts.columns)
    path.write_bytes(b"{")
    with pytest.raises(BundleError, match="cannot be read"):
        Personal.load(tmp_path / "personal", parts.columns)


def ask(
    parts: Parts, history: Sequence[Act] | None, query: str = "star", clock: Clock | None = None, **fields: Any
) -> SearchResponse:
    search = Search(parts, "world", clock or Clock())
    return search.search(SearchRequest(query, **fields), "q1", lambda: history, NOW_MS)


def ids(answer: SearchResponse) -> list[str]:
    return [hit.product_id for hit in answer.hits]


@pytest.fixture
def shop(parts: Parts) -> Parts:
    return dataclasses.replace(parts, personal=personal(parts, color=4.0))


def test_who_looked_at_something_red_is_shown_the_red_star_first(shop: Parts) -> None:
    stranger = ask(shop, [])
    assert ids(stranger) == ["t1", "t2"]
    red = ask(shop, [act("s1", "view", 0)], explain=True)
    assert ids(red) == ["t2", "t1"]
    apart = 4 * (log((1 + PRIOR) / (0.5 + PRIOR)) - log(PRIOR / (0.25 + PRIOR)))  # the same above and below none
    said = [hit.explain["personal"] if hit.explain else None for hit in red.hits]
    assert said == [pytest.approx(apart / 2, abs=1e-3), pytest.approx(-apart / 2, abs=1e-3)]
    score = stranger.hits[0].score
    logits = [log(score / (1 - score)) + moved for moved in (apart / 2, -apart / 2)]
    assert [hit.score for hit in red.hits] == pytest.approx([1 / (1 + exp(-logit)) for logit in logits], abs=1e-4)
    assert list(red.timings_ms) == ["understand", "lexical", "dense", "rank", "rerank", "personal", "total"]


def without_times(answer: SearchResponse) -> SearchResponse:
    return msgspec.structs.replace(answer, timings_ms={})


@pytest.mark.parametrize("query", ["star", "red circle", "crimson disc", "red", "blue circle under 50", ""])
def test_a_stranger_gets_the_very_answer_of_a_bundle_that_learned_from_no_clicks(
    shop: Parts, parts: Parts, query: str
) -> None:
    plain = without_times(Search(parts, "world", Clock()).search(SearchRequest(query, explain=True), "q1"))
    for history in ([], [act("nobody")], [act("c1", "impression")]):
        assert without_times(ask(shop, history, query, explain=True)) == plain
    assert without_times(ask(parts, [act("t1")], query, explain=True)) == plain
    assert without_times(ask(shop, [act("t1")], query, explain=True, personal=False)) == plain


def test_a_profile_that_could_not_be_read_is_told_and_the_order_is_a_strangers(shop: Parts) -> None:
    answer = ask(shop, None)
    assert (ids(answer), answer.degraded) == (["t1", "t2"], ["profile"])


@pytest.mark.parametrize("fields", [{"sort": "price_asc"}, {"personal": False}, {"query": ""}])
def test_a_profile_that_cannot_matter_is_not_read(shop: Parts, fields: dict[str, Any]) -> None:
    def read() -> Sequence[Act]:
        raise AssertionError("the profile was read")

    request = SearchRequest(**{"query": "star", **fields})
    assert Search(shop, "world", Clock()).search(request, "q1", read, NOW_MS).degraded == []


def test_without_the_time_to_rerank_the_first_order_is_made_personal(shop: Parts) -> None:
    answer = ask(shop, [act("s1", "view")], clock=Clock(tick=0.2), budget_ms=300)
    assert (ids(answer)[0], answer.degraded) == ("t2", ["rerank"])


def test_only_the_first_hundred_change_places_and_scores_keep_falling(tmp_path: Path) -> None:
    products = [Product(f"r{n:03}", "Red star" + " x" * n) for n in range(150)]
    parts = search_world(tmp_path, products=products).parts
    shop = dataclasses.replace(parts, personal=personal(parts, seen=20.0))
    plain, own = (ask(shop, history, "red star", k=150, rerank="none") for history in ([], [act("r099"), act("r120")]))
    assert ids(plain) == [product.product_id for product in products]
    assert ids(own) == ["r099", *(i for i in ids(plain) if i != "r099")]
    scores = [hit.score for hit in own.hits]
    assert scores == sorted(scores, reverse=True)
