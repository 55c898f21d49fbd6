import math
import sys
from typing import cast

import numpy as np
import pytest

from aisle.errors import BadInput, MissingExtra
from aisle.evaluation import Evaluation, evaluate, interval, paired_bootstrap, trec_run_lines

# q1: the best product comes second; q2 finds nothing; q3: its only product comes third, behind two that nobody judged.
GAINS = {"q1": {"a": 7, "b": 1, "c": 0}, "q2": {"d": 3}, "q3": {"e": 3}}
RUN = {"q1": {"b": 3.0, "a": 2.0, "x": 1.0}, "q3": {"x": 0.9, "y": 0.8, "e": 0.7}, "unjudged": {"a": 1.0}}


def test_measures_are_those_computed_by_hand() -> None:
    second, third = 1 / math.log2(3), 1 / math.log2(4)  # the discounts

    evaluation = evaluate(RUN, GAINS, ["nDCG@10", "RR@10", "R@100", "P@10", "Judged@10"])

    q1 = {"nDCG@10": (1 + 7 * second) / (7 + 1 * second), "RR@10": 1.0, "R@100": 1.0, "P@10": 0.2, "Judged@10": 2 / 3}
    q3 = {"nDCG@10": third, "RR@10": 1 / 3, "R@100": 1.0, "P@10": 0.1, "Judged@10": 1 / 3}
    assert list(evaluation.by_query) == ["q1", "q2", "q3"]
    assert evaluation.by_query["q1"] == pytest.approx(q1)
    assert evaluation.by_query["q2"] == dict.fromkeys(q1, 0.0)
    assert evaluation.by_query["q3"] == pytest.approx(q3)
    assert evaluation.mean == pytest.approx({name: (q1[name] + q3[name]) / 3 for name in q1})
    assert evaluation.values("P@10") == pytest.approx([0.2, 0.0, 0.1])


def test_integer_gains_of_esci_rank_as_their_fractions_would() -> None:
    gains = {"q": {"exact": 100, "substitute": 10, "complement": 1, "irrelevant": 0}}
    run = {"q": {"substitute": 4.0, "exact": 3.0, "irrelevant": 2.0, "complement": 1.0}}

    discount = [1 / math.log2(rank + 1) for rank in (1, 2, 3, 4)]
    found = 0.1 * discount[0] + 1 * discount[1] + 0.01 * discount[3]
    best = 1 * discount[0] + 0.1 * discount[1] + 0.01 * discount[2]
    assert evaluate(run, gains, ["nDCG@10"]).mean["nDCG@10"] == pytest.approx(found / best)


def test_a_query_may_be_called_mean_and_values_may_come_from_numpy() -> None:
    run, gains = {"mean": {"a": cast(float, np.float32(0.5))}}, {"mean": {"a": cast(int, np.int64(1))}}

    assert evaluate(run, gains, ["P@1"]) == Evaluation({"mean": {"P@1": 1.0}}, {"P@1": 1.0})


def test_two_names_of_one_measure_both_have_its_value() -> None:
    assert evaluate(RUN, GAINS, ["RR@10", "MRR@10"]).by_query["q1"] == {"RR@10": 1.0, "MRR@10": 1.0}


def test_a_run_that_finds_nothing_at_all_scores_nothing() -> None:
    assert evaluate({"q1": {}}, GAINS).mean == dict.fromkeys(["nDCG@10", "RR@10", "R@100", "P@10", "Judged@10"], 0.0)


@pytest.mark.parametrize(
    "name", ["foo", "nDCG@x", "nDCG(cutoff=", "nDCG(x=1)", "", "P@0", "RR@-1", "P@1.5", "P(rel=0)@5", "alpha_nDCG@10"]
)
def test_an_unknown_measure_is_named(name: str) -> None:
    with pytest.raises(BadInput, match="is no measure of ir_measures: name one such as nDCG@10"):
        evaluate(RUN, GAINS, [name])


def test_no_judged_query_is_no_evaluation() -> None:
    with pytest.raises(BadInput, match="there is no judged query"):
        evaluate(RUN, {})


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)

    with pytest.raises(MissingExtra, match=r"ir_measures is not installed: pip install 'aisle\[offline\]'"):
        evaluate(RUN, GAINS)


def test_the_interval_is_that_of_the_normal_approximation_where_that_holds() -> None:
    values = np.tile([0.0, 1.0], 200)  # 400 coins: the mean's standard error is 0.5 / 20

    mean, low, high = interval(values, seed=1)

    assert mean == 0.5
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.025, 0.5 + 1.96 * 0.025), abs=0.005)
    assert interval(values, seed=1) == (mean, low, high)


def test_pairing_sees_a_small_difference_between_noisy_systems() -> None:
    noise = np.random.default_rng(0).random(200)

    assert paired_bootstrap(noise + 0.01, noise, seed=1) == pytest.approx((0.01, 0.01, 0.01))
    assert interval(noise, seed=1)[2] - interval(noise, seed=1)[1] > 0.05


def test_the_difference_is_the_first_system_less_the_second() -> None:
    difference, low, high = paired_bootstrap(np.array([1.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0, 0.0]), seed=3)

    assert (difference, low, high) == (0.5, 0.0, 1.0)


def test_what_cannot_be_paired_or_averaged_is_refused() -> None:
    with pytest.raises(BadInput, match="2 and 3 values cannot be paired"):
        paired_bootstrap(np.zeros(2), np.zeros(3), seed=0)
    with pytest.raises(BadInput, match="no value to take an interval of"):
        interval(np.zeros(0), seed=0)


def test_many_queries_are_resampled_in_bounded_memory() -> None:
    assert interval(np.ones(3_000_000), seed=0, resamples=3) == (1.0, 1.0, 1.0)


def test_a_run_is_printed_best_first_with_ids_and_scores_as_they_are() -> None:
    run = {"007": {"1.50": 0.1, "红鞋": 0.1 + 0.2, "tie": 0.1}, "8": {"a": 1.0}}

    lines = list(trec_run_lines(run, "aisle"))

    assert lines == [
        "007 Q0 红鞋 1 0.30000000000000004 aisle",
        "007 Q0 1.50 2 0.1 aisle",
        "007 Q0 tie 3 0.1 aisle",
        "8 Q0 a 1 1.0 aisle",
    ]


@pytest.mark.parametrize("name", ["red shoe", "a\tb", "a\n", " a", "", "a\u00a0b"])
def test_an_id_with_whitespace_cannot_stand_in_a_run(name: str) -> None:
    with pytest.raises(BadInput, match="cannot stand in a TREC run"):
        list(trec_run_lines({"q": {name: 1.0}}, "aisle"))
    with pytest.raises(BadInput, match="cannot stand in a TREC run"):
        list(trec_run_lines({name: {"a": 1.0}}, "aisle"))
