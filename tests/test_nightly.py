"""Suggestions made ahead of a visit: written beside the acts they were chosen by, and gone with the next act."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from test_profile_table import ANN, BOB, NOW, OLD, act, record
from world_aws import profiles_table
from world_shopping import NOW_MS, CountingRecommender, recommend_world
from world_shopping import act as bought

from aisle.aws.profile_table import ProfileTable
from aisle.errors import Unavailable
from aisle.nightly import Done, Segment, suggest_all
from aisle.profile import MemoryProfiles, Page, Profile, ProfileStore, Seen
from aisle.recommend import Recommend
from aisle.shopping import Act, Listed, RecommendationRequest, SessionEvent, Suggested
from aisle.types import Filters

WHOLE = Segment(0, 1)
HAT = (Listed("hat", 0.5, "popular"),)


@pytest.fixture(params=["memory", "table"])
def store(request: pytest.FixtureRequest) -> Iterator[ProfileStore]:
    if request.param == "memory":
        yield MemoryProfiles()
    else:
        request.getfixturevalue("aws")
        yield ProfileTable(profiles_table())


@pytest.fixture
def shop(tmp_path: Path) -> Recommend:
    return recommend_world(tmp_path, CountingRecommender())


def choose(acts: Sequence[Act], now_ms: int) -> Suggested:
    """The products of the acts, as if one could only like what one has."""
    return Suggested("b1", now_ms, tuple(Listed(act.product_id, 0.5, "behaviour") for act in acts))


def night(store: ProfileStore, bundle_id: str = "b1", segment: Segment = WHOLE, now_ms: int = NOW) -> Done:
    return suggest_all(segment, store, choose, bundle_id, lambda: now_ms, lambda: True)


def test_each_shopper_gets_what_the_profile_suggests_beside_the_profile(store: ProfileStore) -> None:
    hat, shoe = record("hat"), record("shoe", shopper=BOB)
    store.add(ANN, [hat])
    store.add(BOB, [shoe])
    assert night(store) == Done(2, 0, 0, None)
    assert store.read([ANN]) == Profile((act(hat),), Suggested("b1", NOW, (Listed("hat", 0.5, "behaviour"),)))
    assert store.read([BOB]) == Profile((act(shoe),), Suggested("b1", NOW, (Listed("shoe", 0.5, "behaviour"),)))


def test_the_same_night_again_chooses_nothing_and_another_bundle_chooses_anew(store: ProfileStore) -> None:
    store.add(ANN, [record("hat")])
    assert [night(store), night(store), night(store, now_ms=NOW + 12 * 3_600_000)] == [
        Done(1, 0, 0, None),
        Done(0, 1, 0, None),
        Done(1, 0, 0, None),
    ]
    assert night(store, "b2") == Done(1, 0, 0, None)


def test_another_act_ends_the_suggestion_and_the_same_act_again_does_not(store: ProfileStore) -> None:
    hat = record("hat")
    store.add(ANN, [hat])
    night(store)
    kept = store.read([ANN])
    store.add(ANN, [hat])
    assert store.read([ANN]) == kept
    store.add(ANN, [record("bag", NOW + 1)])
    assert store.read([ANN]).suggested is None


def test_forgetting_takes_the_suggestion_along(store: ProfileStore) -> None:
    store.add(ANN, [record("hat")])
    night(store)
    store.forget([ANN], NOW + 1)
    assert store.read([ANN]) == Profile()
    assert night(store) == Done(0, 0, 0, None)


def test_who_acts_or_is_forgotten_while_the_night_chooses_gets_no_list_of_before(store: ProfileStore) -> None:
    store.add(ANN, [record("hat")])
    store.add(BOB, [record("hat", shopper=BOB)])
    seen = store.page(0, 1, None).seen
    bag = record("bag", NOW + 1)
    store.add(ANN, [bag])
    store.forget([BOB], NOW + 1)
    assert [store.suggest(each, Suggested("b1", NOW, HAT)) for each in seen] == [False, False]
    assert store.read([ANN]).suggested is None
    assert store.read([BOB]) == Profile()


def test_a_shopper_with_two_pseudonyms_is_served_by_all_acts_and_no_half_list(store: ProfileStore) -> None:
    store.add(ANN, [record("hat")])
    store.add(OLD, [record("shoe", shopper=OLD)])
    night(store)
    assert store.read([ANN, OLD]).suggested is None
    assert store.read([ANN, BOB]).suggested == Suggested("b1", NOW, (Listed("hat", 0.5, "behaviour"),))


def test_segments_share_all_shoppers_out_between_them(store: ProfileStore) -> None:
    everybody = [f"k{number:022}" for number in range(7)]
    for shopper in everybody:
        store.add(shopper, [record("hat", shopper=shopper)])
    parts = [night(store, segment=Segment(number, 3)) for number in range(3)]
    assert sum(done.chosen for done in parts) == 7
    assert [shopper for shopper in everybody if store.read([shopper]).suggested is None] == []


def test_what_there_is_no_time_for_is_told_and_done_by_who_goes_on(
    aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aisle.aws.profile_table._PAGE", 2)
    table = ProfileTable(profiles_table())
    for number in range(5):
        table.add(f"k{number:022}", [record("hat", shopper=f"k{number:022}")])
    turns = iter([True, False])
    first = suggest_all(WHOLE, table, choose, "b1", lambda: NOW, lambda: next(turns))
    assert (first.chosen, first.rest and first.rest[:2]) == (2, (0, 1))
    assert first.rest is not None
    assert night(table, segment=first.rest) == Done(3, 0, 0, None)


def test_a_missing_table_is_named(aws: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match="the profile table none: ResourceNotFoundException"):
        night(ProfileTable("none"))
    with pytest.raises(Unavailable, match="the profile table none: ResourceNotFoundException"):
        ProfileTable("none").suggest(Seen(ANN, Profile(), 1), Suggested("b1", NOW, HAT))


def test_an_empty_table_has_one_empty_page(store: ProfileStore) -> None:
    assert store.page(0, 1, None) == Page([], None)


def served(shop: Recommend, suggested: Suggested | None, **fields: object) -> list[tuple[str, float]]:
    """What a shopper who bought c1 is shown, with what was chosen the night before."""
    request = RecommendationRequest(**{"diversity": 0.0, **fields})  # type: ignore[arg-type]
    answer = shop.recommend(request, lambda: [bought("c1")], NOW_MS, "q1", lambda: suggested)
    return [(one.hit.product_id, one.hit.score) for one in answer.hits]


def test_what_was_chosen_ahead_is_what_would_be_chosen_now(shop: Recommend) -> None:
    ahead = shop.choose([bought("c1")], NOW_MS - 1000)
    assert (ahead.bundle_id, ahead.made_at_ms, ahead.products[0]) == (
        "world",
        NOW_MS - 1000,
        Listed("s1", 0.20000000298023224, "behaviour"),
    )
    for fields in ({}, {"k": 2}, {"filters": Filters(color=["red"])}, {"exclude": ["s1"]}, {"diversity": 0.7}):
        assert served(shop, ahead, **fields) == served(shop, None, **fields), fields


def ahead(made_at_ms: int = NOW_MS, bundle_id: str = "world", *more: Listed) -> Suggested:
    """A list that no recommender would choose, so that it shows who chose."""
    return Suggested(bundle_id, made_at_ms, (Listed("t2", 0.9, "behaviour"), *more))


def test_the_list_is_served(shop: Recommend) -> None:
    assert served(shop, ahead()) == [("t2", 0.9)]


def test_a_short_list_stands_for_nothing_narrower_nor_for_what_has_left_the_shop(shop: Recommend) -> None:
    gone = ahead(NOW_MS, "world", Listed("gone", 0.8, "behaviour"))
    assert served(shop, gone) == served(shop, None)
    for fields in ({"exclude": ["c2"]}, {"filters": Filters(in_stock=True)}):
        assert served(shop, ahead(), **fields) == served(shop, None, **fields) != [("t2", 0.9)]


@pytest.mark.parametrize(
    ("suggested", "fields"),
    [
        (ahead(NOW_MS - 37 * 3_600_000), {}),
        (ahead(bundle_id="another"), {}),
        (ahead(), {"explain": True}),
        (ahead(), {"new": True}),
        (ahead(), {"events": [SessionEvent("c3")]}),
    ],
    ids=["old", "of another bundle", "reasons are asked", "new ones are asked", "a session is told"],
)
def test_what_a_list_cannot_say_is_computed(shop: Recommend, suggested: Suggested, fields: dict[str, object]) -> None:
    assert served(shop, suggested, **fields) == served(shop, None, **fields) != [("t2", 0.9)]


def test_a_stranger_gets_nobodys_list(shop: Recommend) -> None:
    answer = shop.recommend(RecommendationRequest(k=1), lambda: (), NOW_MS, "q1", ahead)
    assert [one.hit.product_id for one in answer.hits] == ["s1"]
