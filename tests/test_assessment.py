import numpy as np

from aisle.assessment import untied


def test_untied_scores_keep_the_order_where_scores_are_equal() -> None:
    half = np.float32(0.5)
    below = np.nextafter(half, np.float32(0))

    assert untied([("c", 0.75), ("b", 0.5), ("a", 0.5)]) == {"c": 0.75, "b": 0.5, "a": float(below)}


def test_untied_scores_fall_in_float32_although_float64_told_them_apart() -> None:
    scores = list(untied([("b", 0.5 + 1e-12), ("a", 0.5)]).values())

    assert np.float32(scores[0]) > np.float32(scores[1])


def test_a_score_that_rises_again_stays_below_the_one_before() -> None:
    first, second = untied([("b", 0.25), ("a", 0.5)]).items()

    assert (first, second[0], second[1] < 0.25) == (("b", 0.25), "a", True)
