"""The whole flow of recommendations in a world whose five shoppers are counted by hand (`world_shopping.py`)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from world import PRODUCTS, MeaningEncoder, search_world
from world_shopping import NOW_MS, CountingRecommender, Spoke, act, recommend_world

from aisle.errors import NotFound
from aisle.recommend import Recommend
from aisle.retrieval import Parts
from aisle.shopping import (
    Act,
    Because,
    NeighbourRequest,
    RecommendationRequest,
    RecommendationResponse,
    SessionEvent,
)
from aisle.types import Filters, Hit, Product, Range

HOSTILE = ["", "<script>alert(1)</script>", "c1' OR 1=1", "\x00", "‮", "🙂" * 80, "{}", "%s", "../../etc/passwd"]


@pytest.fixture
def shop(tmp_path: Path) -> Recommend:
    return recommend_world(tmp_path, CountingRecommender())


def home(shop: Recommend, history: Sequence[Act] | None = (), **fields: Any) -> RecommendationResponse:
    """As they are scored, unless told otherwise."""
    request = RecommendationRequest(**{"diversity": 0.0, **fields})
    return shop.recommend(request, lambda: history, NOW_MS, "q1")


def ids(answer: RecommendationResponse) -> list[str]:
    return [one.hit.product_id for one in answer.hits]


def why(answer: RecommendationResponse) -> dict[str, Because | None]:
    return {one.hit.product_id: one.because for one in answer.hits}


def test_who_bought_a_circle_is_shown_what_went_with_it_and_why(shop: Recommend) -> None:
    answer = home(shop, [act("c1")], k=2, explain=True)
    because = Because("bought", "Because you bought Red circle", ["c1"])
    assert [(one.hit.product_id, one.hit.score, one.because) for one in answer.hits] == [
        ("s1", 0.2, because),
        ("t2", 0.1, because),
    ]
    assert (answer.query_id, answer.bundle_id, answer.route, answer.degraded) == ("q1", "world", "behaviour", [])
    assert list(answer.timings_ms) == ["profile", "recommend", "diversify", "total"]


def test_a_hit_is_shown_as_search_shows_it(shop: Recommend) -> None:
    assert home(shop, k=2).hits[1].hit == Hit(
        "c1", 0.02, "Red circle", True, 10, "USD", "", "round", "red", 4, "", "g1", variants=2
    )


def test_the_reason_is_said_in_the_language_asked_for_with_the_title_in_it(shop: Recommend) -> None:
    bought = [act("s2")]
    assert why(home(shop, bought, k=1, lang="zh", explain=True)) == {
        "c3": Because("bought", "因为你买过蓝方块", ["s2"])
    }
    assert why(home(shop, bought, k=1, lang="fr", explain=True)) == {
        "c3": Because("bought", "Because you bought Blue square", ["s2"])
    }


@pytest.mark.parametrize(
    ("kind", "because"),
    [
        ("view", Because("seen", "Because you looked at Red square", ["s1"])),
        ("click", Because("seen", "Because you looked at Red square", ["s1"])),
        ("cart", Because("in_cart", "Because you added Red square to your cart", ["s1"])),
    ],
)
def test_a_look_is_not_called_a_purchase(shop: Recommend, kind: Any, because: Because) -> None:
    assert home(shop, [act("s1", kind)], k=1, explain=True).hits[0].because == because


def test_without_explain_no_reason_is_made(shop: Recommend) -> None:
    assert why(home(shop, [act("c1")], k=2)) == {"s1": None, "t2": None}


def test_a_stranger_is_shown_what_most_bought(shop: Recommend) -> None:
    answer = home(shop, k=3, explain=True)
    popular = Because("popular", "Popular with other shoppers")
    assert why(answer) == {"s1": popular, "c1": popular, "t2": popular}
    assert answer.route == "popular"


def test_events_of_the_session_count_for_a_shopper_never_seen_and_beside_a_profile(shop: Recommend) -> None:
    events = [SessionEvent("s2", "click")]
    stranger = home(shop, k=1, events=events, explain=True)
    assert why(stranger) == {"c3": Because("seen", "Because you looked at Blue square", ["s2"])}
    assert ids(home(shop, [act("c1")], k=3, events=events)) == ["s1", "c3", "t2"]


def test_a_profile_that_could_not_be_read_is_told_and_the_session_still_counts(shop: Recommend) -> None:
    answer = home(shop, None, k=1, events=[SessionEvent("s2")])
    assert (ids(answer), answer.degraded, answer.route) == (["c3"], ["profile"], "behaviour")
    assert home(shop, None, k=1).degraded == ["profile"]


def test_who_wants_nothing_personal_is_answered_as_a_stranger_and_the_profile_is_not_read(shop: Recommend) -> None:
    def read() -> Sequence[Act]:
        raise AssertionError("the profile was read")

    answer = shop.recommend(RecommendationRequest(k=1, personal=False, diversity=0), read, NOW_MS, "q1")
    assert (ids(answer), answer.route) == (["s1"], "popular")


def test_anything_may_be_what_was_bought_before_new_may_not_nor_its_variants(shop: Recommend) -> None:
    bought = [act("c2"), act("s1")]
    assert ids(home(shop, bought, k=8)) == ["c1", "t2", "s1", "c3", "s2", "t1"]
    assert ids(home(shop, bought, k=8, new=True)) == ["t2", "c3", "s2", "t1"]


def test_what_is_bought_again_says_so(shop: Recommend, tmp_path: Path) -> None:
    class Again(CountingRecommender):
        """Proposes the history itself, with every product as its own evidence."""

        def recommend(self, history: Sequence[Act], *args: Any, **fields: Any) -> Any:
            found = super().recommend(history, *args, **fields)
            return found._replace(evidence=[Spoke("behaviour", (1, row)) for row in found.rows.tolist()])

    answer = home(recommend_world(tmp_path, Again()), [act("s1"), act("t2", "cart"), act("c3", "view")], explain=True)
    assert why(answer) == {
        "s1": Because("bought_again", "You bought this before", ["s1"]),
        "t2": Because("in_cart", "You added this to your cart", ["t2"]),
        "c3": Because("seen", "You looked at this", ["c3"]),
        "c1": None,  # the others would rest on c2, which is not in the history
        "s2": None,
        "t1": None,
    }


def test_what_is_sold_out_is_never_recommended(shop: Recommend) -> None:
    assert "c4" not in ids(home(shop, k=200))
    assert ids(home(shop, filters=Filters(in_stock=False))) == []


def test_filters_are_those_of_search(shop: Recommend) -> None:
    assert ids(home(shop, filters=Filters(category=["ROUND"]))) == ["c1", "c3"]
    assert ids(home(shop, filters=Filters(price=Range(gte=20, lte=30)))) == ["s1", "s2", "t1"]
    assert ids(home(shop, filters=Filters(brand=["nobody"]))) == []


def test_what_is_excluded_is_not_shown_in_another_variant_either(shop: Recommend) -> None:
    assert ids(home(shop, exclude=["c2", "s1", "never heard of"])) == ["t2", "c3", "s2", "t1"]


def test_one_variant_an_article_however_few_are_asked_for_and_all_of_a_small_shop(shop: Recommend) -> None:
    assert ids(home(shop, k=200)) == ["s1", "c1", "t2", "c3", "s2", "t1"]
    assert ids(home(shop, k=1)) == ["s1"]


def test_many_variants_do_not_crowd_out_other_articles(tmp_path: Path) -> None:
    products = [Product(f"v{n}", "Red circle", rating=5, group_id="g") for n in range(60)]
    products += [Product("s1", "Blue square", rating=2), Product("t1", "Green star", rating=1)]
    parts = search_world(tmp_path, products=products).parts
    assert ids(home(recommend_world(tmp_path, None, parts), k=3)) == ["v0", "s1", "t1"]


def hidden(parts: Parts, *product_ids: str, added: Sequence[Product] = ()) -> Parts:
    """The parts as the overlay shows them: some products hidden, others added."""
    rows = {parts.products.row(product_id) for product_id in product_ids}
    visible = np.ones(len(PRODUCTS) + len(added), bool)
    visible[[*rows]] = False
    return dataclasses.replace(
        parts,
        products=parts.products.overlaid({}, rows, added),
        columns=parts.columns.beside(added) if added else parts.columns,
        dense=parts.dense.beside(MeaningEncoder().encode([p.title for p in added])) if added else parts.dense,
        visible=visible,
    )


def test_what_is_hidden_is_neither_shown_nor_named(tmp_path: Path) -> None:
    parts = hidden(search_world(tmp_path).parts, "c1", "c2")
    answer = home(recommend_world(tmp_path, CountingRecommender(), parts), [act("c1")], explain=True)
    assert "c1" not in ids(answer)
    assert answer.hits[0].hit.product_id == "s1"
    assert answer.hits[0].because is None


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_and_unknown_ids_are_passed_over(shop: Recommend, text: str) -> None:
    answer = home(shop, [act(text)], events=[SessionEvent(text)], exclude=[text], explain=True)
    assert why(answer) == why(home(shop, explain=True))
    with pytest.raises(NotFound):
        shop.similar(NeighbourRequest(text), "q1")


def test_titles_are_shown_as_they_are_written(tmp_path: Path) -> None:
    products = [Product("x", "<b>{}</b> %s {title}"), Product("y", "Red circle")]
    parts = search_world(tmp_path, products=products).parts
    answer = home(recommend_world(tmp_path, None, parts), [act("x")], k=2, new=True, explain=True)
    assert why(answer) == {"y": Because("like_bought", "Like <b>{}</b> %s {title}, which you bought", ["x"])}


def test_diversity_moves_what_is_unlike_the_first_up(shop: Recommend) -> None:
    order = {diversity: ids(home(shop, k=3, diversity=diversity)) for diversity in (0.0, 0.7, 1.0)}
    assert order == {0.0: ["s1", "c1", "t2"], 0.7: ["s1", "c1", "t1"], 1.0: ["s1", "c1", "t1"]}


def test_similar_products_are_never_variants_of_the_product(shop: Recommend) -> None:
    answer = shop.similar(NeighbourRequest("c1", explain=True), "q1")
    like = Because("similar", "Like Red circle", ["c1"])
    assert why(answer) == {"c3": like, "s1": like, "t2": like}
    assert (answer.route, answer.degraded, list(answer.timings_ms)) == ("content", [], ["similar", "total"])
    assert ids(
        shop.similar(NeighbourRequest("c1", exclude=["c3"], filters=Filters(category=["angular"]), k=1), "q1")
    ) == ["s1"]


def test_what_is_bought_together_comes_by_count_and_says_so(shop: Recommend) -> None:
    answer = shop.together(NeighbourRequest("c1", lang="zh", explain=True), "q1")
    together = Because("with", "有人与Red circle一起购买", ["c1"])
    assert [(one.hit.product_id, one.hit.score, one.because) for one in answer.hits] == [
        ("s1", 0.2, together),
        ("t2", 0.1, together),
    ]
    assert answer.route == "behaviour"
    assert ids(shop.together(NeighbourRequest("t1"), "q1")) == []


def test_a_product_added_since_the_log_is_compared_by_its_content(tmp_path: Path) -> None:
    parts = hidden(search_world(tmp_path).parts, "c3", added=[Product("n1", "Crimson disc", stock=1)])
    answer = recommend_world(tmp_path, CountingRecommender(), parts).similar(NeighbourRequest("n1", k=2), "q1")
    assert ids(answer) == ["c1", "s1"]


def test_without_a_recommender_the_catalogue_answers(tmp_path: Path) -> None:
    shop = recommend_world(tmp_path, None)
    stranger = home(shop, k=3, explain=True)
    assert why(stranger) == {
        "c3": Because("rated", "Rated 5.0 of 5"),
        "c1": Because("rated", "Rated 4.0 of 5"),
        "s1": None,
    }
    assert stranger.route == "popular"
    answer = home(shop, [act("s2"), act("t1", "impression")], k=1, new=True, explain=True)
    assert why(answer) == {"s1": Because("like_bought", "Like Blue square, which you bought", ["s2"])}
    assert answer.route == "content"
    assert ids(shop.similar(NeighbourRequest("c1", k=2), "q1")) == ["c3", "s1"]
    assert ids(shop.together(NeighbourRequest("c1"), "q1")) == []


def test_by_content_newer_and_stronger_acts_count_more(tmp_path: Path) -> None:
    shop = recommend_world(tmp_path, None)
    old_look, new_buy = act("c1", "view", days_ago=60), act("t1", "purchase", days_ago=1)
    assert ids(home(shop, [old_look, new_buy], k=2)) == ["t1", "t2"]
    assert ids(home(shop, [act("c1", "purchase", days_ago=1), act("t1", "view", days_ago=60)], k=2)) == ["c1", "c3"]


def test_a_product_of_this_month_is_new_in_the_shop(tmp_path: Path) -> None:
    products = [Product("a", "Red circle", created_at="2026-09-01"), Product("b", "Red star", created_at="2026-07-01")]
    parts = search_world(tmp_path, products=products).parts
    assert why(home(recommend_world(tmp_path, None, parts), explain=True, lang="zh")) == {
        "a": Because("new", "新品"),
        "b": None,
    }
