"""What the networks learn from, in a world of three products and four queries."""

import numpy as np
import pytest

from aisle.pairs import Pair
from aisle.types import Product
from model_export.datasets import Corpus, JudgedPair, LabelledQueries
from model_export.examples import Examples, assemble, epochs, ranker_queries, unseen_queries

SHOP = Corpus(
    "shop",
    [
        Product("a", "Red shoes", titles={"zh": "红鞋"}),
        Product("b", "Blue shoes", titles={"zh": "红鞋"}),
        Product("c", "Kettle"),
    ],
    LabelledQueries(
        {"q1": "crimson", "q2": "pot", "q3": "held", "q4": "dev"},
        {"q1": "train", "q2": "train", "q3": "train", "q4": "dev"},
        {"q1": {"a": 3, "b": 1}, "q2": {"c": 2, "a": 0}, "q3": {"a": 3}, "q4": {"b": 3}},
    ),
)


@pytest.fixture
def examples() -> Examples:
    return assemble([SHOP], hidden={"shop": ["q3"]})


def test_train_queries_and_translated_titles_become_examples(examples: Examples) -> None:
    assert examples.queries == ["crimson", "pot", "红鞋"]
    assert examples.gains == [{0: 1.0, 1: 1 / 7}, {2: 3 / 7}, {0: 1.0, 1: 1.0}]


def test_a_product_is_written_with_and_without_its_other_languages(examples: Examples) -> None:
    assert examples.renderings == [["Red shoes 红鞋", "Red shoes"], ["Blue shoes 红鞋", "Blue shoes"], ["Kettle"]]


def test_judged_pairs_are_kept_for_the_scorer_of_pairs(examples: Examples) -> None:
    pairs = [JudgedPair(Pair("p1", "kettle", "Steel kettle"), "q", "k", 1.0)]
    assert assemble([SHOP, Corpus("pairs", pairs=pairs)], hidden={"shop": ["q3"]}) == examples


def test_one_corpus_hides_no_query_of_another(examples: Examples) -> None:
    assert assemble([SHOP], hidden={"shop": ["q3"], "other": ["q1", "q2"]}) == examples


def test_a_catalogue_without_labels_asks_with_its_descriptions() -> None:
    examples = assemble([Corpus("plain", [Product("a", "Kettle", description="boils water fast")])], hidden={})
    assert (examples.queries, examples.gains) == (["boils water fast"], [{0: 1.0}])


def test_answers_are_drawn_by_gain_and_distractors_from_what_was_mined(examples: Examples) -> None:
    random = np.random.default_rng(1)
    drawn = [examples.answer(0, random) for _ in range(700)]
    assert drawn.count(0) / 700 == pytest.approx(7 / 8, abs=0.05)
    examples.hard = [np.array([1]), np.array([0, 1]), np.zeros(0, np.int64)]
    assert examples.distractors(0, 1, random) == [1]
    assert sorted(examples.distractors(1, 2, random)) == [0, 1]
    assert len(examples.distractors(2, 3, random)) == 3


def test_epochs_show_every_example_before_any_comes_again() -> None:
    batches = epochs(5, 2, 5, np.random.default_rng(1))
    seen = np.concatenate(batches).tolist()
    assert [len(b) for b in batches] == [2] * 5
    assert (sorted(seen[:5]), sorted(seen[5:])) == (list(range(5)), list(range(5)))


def test_the_rankers_queries_are_the_same_share_everywhere() -> None:
    queries = {f"q{i}": "x" for i in range(2000)}
    labelled = LabelledQueries(queries, dict.fromkeys(queries, "train"), {q: {"a": 1} for q in queries})
    hidden = ranker_queries(Corpus("many", SHOP.products, labelled), 0.15)
    assert len(hidden) == pytest.approx(300, abs=60)
    assert hidden == ranker_queries(Corpus("many", SHOP.products, labelled), 0.15)


def test_what_no_network_saw_is_the_hidden_queries_and_the_judged_pairs() -> None:
    def judged(query: str, product_id: str, gain: float) -> JudgedPair:
        return JudgedPair(Pair(f"{query}-{product_id}", query, product_id), query, product_id, gain)

    pairs = [judged("pan", "c", 1.0), judged("pan", "a", 0.1), judged("pan", "b", 0.01), judged("lid", "b", 0.0)]
    corpus = Corpus("both", SHOP.products, SHOP.labelled, pairs)
    assert unseen_queries(corpus, ["q3"]) == [("held", {"a": 3}), ("pan", {"c": 3, "a": 1, "b": 0})]
