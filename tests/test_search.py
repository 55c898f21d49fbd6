"""The whole search flow in a world whose answers are known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from world import MEANINGS, Clock, search_world
from world_lance import gathered_world

from aisle.dense import UNSEEN
from aisle.errors import NotFound
from aisle.gathering import GatheredSearch
from aisle.merchandising import Rules
from aisle.search import Search
from aisle.types import FacetCount, Filters, Product, Range, SearchRequest, SearchResponse

AnySearch = Search | GatheredSearch
World = Callable[..., AnySearch]


@pytest.fixture(params=["in the bundle", "in a table"])
def world(request: pytest.FixtureRequest) -> World:
    """The world, its products where a bundle may have them."""
    if request.param == "in the bundle":
        return search_world
    pytest.importorskip("lancedb", reason="needs lancedb: pip install 'aisle[lance]'")
    return gathered_world


@pytest.fixture
def search(tmp_path: Path, world: World) -> AnySearch:
    return world(tmp_path)


def ids(answer: SearchResponse) -> list[str]:
    return [hit.product_id for hit in answer.hits]


def ask(search: AnySearch, query: str = "", **fields: Any) -> SearchResponse:
    return search.search(SearchRequest(query, **fields), "q1")


def test_exact_words_come_first_and_variants_become_one_hit(search: AnySearch) -> None:
    answer = ask(search, "red circle")
    assert ids(answer)[:2] == ["c1", "c3"]
    assert answer.hits[0].variants == 2
    assert "c2" not in ids(answer)
    assert (answer.query_id, answer.bundle_id, answer.relaxed, answer.degraded) == ("q1", "world", [], [])


def test_a_word_that_no_product_has_is_found_by_its_meaning(search: AnySearch) -> None:
    assert ids(ask(search, "crimson disc"))[:2] == ["c1", "c3"]


def test_a_chinese_query_finds_english_titles(search: AnySearch) -> None:
    assert ids(ask(search, "红圆"))[:2] == ["c1", "c3"]


def test_a_price_in_the_query_filters_and_is_told(search: AnySearch) -> None:
    answer = ask(search, "red circle under 50")
    assert ids(answer)[0] == "c1"
    assert "c3" not in ids(answer)
    assert answer.understood.price == Range(lte=50)
    assert (answer.understood.category, answer.understood.color) == (None, "red")


def test_the_callers_price_filter_beats_the_one_in_the_query(search: AnySearch) -> None:
    answer = ask(search, "red circle under 50", filters=Filters(price=Range(gte=60)))
    assert ids(answer) == ["c3"]


def test_a_price_that_leaves_nothing_is_given_up_and_named(search: AnySearch) -> None:
    answer = ask(search, "red circle under 1")
    assert answer.relaxed == ["understood.price"]
    assert ids(answer)[0] == "c1"


def test_filters_are_given_up_in_the_stated_order(search: AnySearch) -> None:
    answer = ask(search, "star", filters=Filters(size=["XXL"], color=["blue"], category=["angular"]))
    assert answer.relaxed == ["size", "color"]
    assert set(ids(answer)) == {"t1", "t2"}


def test_in_stock_is_never_given_up(search: AnySearch) -> None:
    answer = ask(search, filters=Filters(color=["blue"], category=["round"], in_stock=True))
    assert answer.relaxed == ["color"]
    assert "c4" not in ids(answer)


def test_sorting_by_price_puts_unknown_prices_last(search: AnySearch) -> None:
    assert ids(ask(search, filters=Filters(color=["red"]), sort="price_asc")) == ["c1", "s1", "c3", "t2"]
    assert ids(ask(search, filters=Filters(color=["red"]), sort="price_desc")) == ["c3", "s1", "c2", "t2"]


def test_sorting_by_date_and_rating(search: AnySearch) -> None:
    assert ids(ask(search, sort="newest"))[:2] == ["s1", "c3"]
    assert ids(ask(search, sort="rating"))[:2] == ["c3", "c1"]


def test_sorting_a_query_sorts_only_what_is_relevant(search: AnySearch) -> None:
    found = ids(ask(search, "red circle", sort="price_desc"))
    assert found[:2] == ["c3", "c2"]
    assert "t1" not in found


def test_facets_count_articles_not_variants(search: AnySearch) -> None:
    answer = ask(search, facets=["color", "category"])
    assert answer.facets["color"] == [FacetCount("red", 4), FacetCount("blue", 2), FacetCount("green", 1)]
    assert answer.facets["category"] == [FacetCount("angular", 4), FacetCount("round", 3)]
    assert answer.total == 7


def test_pages_follow_one_another_without_gap_or_repeat(search: AnySearch) -> None:
    pages = [ids(ask(search, k=3, page=page)) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert len({product for page in pages for product in page}) == 7


def test_nothing_like_it_gives_an_empty_answer(search: AnySearch) -> None:
    answer = ask(search, "qzxv")
    assert (answer.total, answer.hits, answer.relaxed) == (0, [], [])


@pytest.mark.parametrize("query", ["", "   ", "\x00\x1f", "🙂🙂", "‮abc", "a" * 1000, "%00'; DROP TABLE", "مرحبا"])
def test_hostile_queries_have_an_answer(search: AnySearch, query: str) -> None:
    assert ask(search, query).query_id == "q1"


def test_the_language_picks_the_title_shown(search: AnySearch) -> None:
    zh, en = (
        next(h for h in ask(search, "blue square", lang=lang).hits if h.product_id == "s2") for lang in ("zh", "en")
    )
    assert (zh.title, en.title) == ("蓝方块", "Blue square")


def test_explain_tells_what_each_stage_saw(search: AnySearch) -> None:
    first = ask(search, "red circle", explain=True).hits[0]
    assert first.explain is not None
    assert first.explain["coverage"] == 1.0
    assert first.explain["color"] == 1.0
    assert first.explain["cosine"] == pytest.approx(1.0, abs=0.01)
    assert first.explain["cross"] == pytest.approx(1.96, abs=0.05)


def test_a_budget_that_is_spent_gives_the_first_order_and_says_so(tmp_path: Path, world: World) -> None:
    slow = world(tmp_path, clock=Clock(tick=0.2))
    answer = ask(slow, "red circle", budget_ms=300)
    assert answer.degraded == ["rerank"]
    assert ids(answer)[0] == "c1"


def test_reranking_can_be_switched_off_without_being_degraded(search: AnySearch) -> None:
    answer = ask(search, "red circle", rerank="none")
    assert answer.degraded == []
    assert "rerank" not in answer.timings_ms


def test_timings_name_every_stage(search: AnySearch) -> None:
    stages = list(ask(search, "red circle").timings_ms)
    assert stages[stages[0] == "gather" :] == ["understand", "lexical", "dense", "rank", "rerank", "total"]


def test_the_shops_rules_pin_bury_and_redirect(tmp_path: Path, world: World) -> None:
    rules = Rules(pin={"red circle": ["t1"]}, bury={"red circle": ["c1"]}, redirects={"red circle": "/sale"})
    answer = ask(world(tmp_path, rules), "Red  Circle")
    assert (ids(answer), answer.redirect) == (["t1", "c2", "c3", "c4"], "/sale")  # c2 is the same article as c1


def test_a_pinned_product_still_obeys_the_filters(tmp_path: Path, world: World) -> None:
    rules = Rules(pin={"red circle": ["t1"]})
    answer = ask(world(tmp_path, rules), "red circle", filters=Filters(color=["red"]))
    assert "t1" not in ids(answer)


def test_a_shops_synonym_finds_by_words(tmp_path: Path, world: World) -> None:
    rules = Rules(synonyms=[["glowing", "shines"]])
    found = world(tmp_path, rules)
    assert ids(ask(found, "glowing green"))[0] == "t1"


def test_the_evaluation_ranking_keeps_every_variant(search: AnySearch) -> None:
    ranking = search.ranking("red circle", 10)
    assert [product for product, _ in ranking][:3] == ["c1", "c2", "c3"]
    scores = [score for _, score in ranking]
    assert scores == sorted(scores, reverse=True)


def test_the_evaluation_ranking_is_reranked_however_slow_the_clock(
    tmp_path: Path, world: World, search: AnySearch
) -> None:
    slow = world(tmp_path, clock=Clock(tick=0.2))
    [(product, score)] = slow.ranking("red circle", 1)
    reranked = ask(search, "red circle").hits[0]
    assert (product, round(score, 6)) == (reranked.product_id, reranked.score)


def test_a_product_comes_with_its_variants(search: AnySearch) -> None:
    found = search.product("c1", "zh")
    assert (found.product.title, found.variants) == ("Red circle", ["c2"])
    with pytest.raises(NotFound, match="no product 'nope'"):
        search.product("nope", None)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, Search]:
    """4,000 products whose vectors are compared in full, and the same in lists, of which a query visits some."""
    products = [
        Product(f"p{n}", f"{color} {shape}{' limited' * (n % 360 == 8)}", price=n, color=color, brand=f"brand {n % 7}")
        for n in range(4000)
        for color, shape in [(MEANINGS[n % 3], MEANINGS[3 + n // 3 % 3])]
    ]
    folder = tmp_path_factory.mktemp("large")
    whole, lists = (search_world(folder, products=products, most_whole=most) for most in (4000, 1000))
    assert (whole.parts.dense.whole, lists.parts.dense.whole) == (True, False)
    return whole, lists


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("red circle", {}),
        ("crimson disc", {"k": 100, "page": 3}),
        ("red circle", {"k": 100, "page": 5}),
        ("crimson", {"filters": Filters(price=Range(gte=100, lte=130))}),
        ("crimson under 40", {}),
        ("crimson star", {"filters": Filters(color=["blue"], price=Range(lte=500))}),
        ("disc", {"filters": Filters(brand=["nobody"], price=Range(gte=3900))}),
        ("crimson", {"sort": "price_asc"}),
        ("", {"filters": Filters(price=Range(lte=9))}),
    ],
)
def test_a_catalogue_in_lists_answers_as_one_compared_in_full(
    large: tuple[Search, Search], query: str, asked: dict[str, Any]
) -> None:
    whole, lists = (search.search(SearchRequest(query, **asked), "q") for search in large)
    assert whole.total > 0
    assert (ids(lists), lists.total, lists.relaxed) == (ids(whole), whole.total, whole.relaxed)


def test_what_words_find_beyond_the_visited_lists_has_its_cosine(large: tuple[Search, Search]) -> None:
    """A red circle's vector does not visit the few limited green stars, which words alone find."""
    parts = large[1].parts
    unseen = parts.dense.scores(parts.encoder.encode(["red circle"])[0]) == UNSEEN
    assert unseen[8::360].all()
    whole, lists = (
        {
            hit.product_id: hit.explain
            for page in (1, 2, 3, 4)
            for hit in ask(search, "red circle limited", rerank="none", explain=True, k=100, page=page).hits
        }
        for search in large
    )
    limited = [f"p{n}" for n in range(8, 4000, 360)]
    assert [lists[p] for p in limited] == [whole[p] for p in limited]
    assert all(lists[p] for p in limited)
