"""Maximal marginal relevance, computed by hand."""

import numpy as np
import pytest

from aisle.diversity import diversified

SCORES = np.array([1.0, 0.9, 0.8, 0.1], np.float32)
VECTORS = np.array([[1, 0], [1, 0], [0, 1], [-1, 0]], np.float32)
CATEGORIES = np.array([3, 3, 3, -1], np.int32)


@pytest.mark.parametrize(
    ("diversity", "order"),
    [
        (0.0, [0, 1, 2, 3]),
        (0.1, [0, 1, 2, 3]),  # 0.9 * 0.9 - 0.1 * 1 = 0.71 against 0.9 * 0.8 - 0.1 / 2 = 0.67
        (0.3, [0, 2, 1, 3]),  # 0.7 * 0.9 - 0.3 * 1 = 0.33 against 0.7 * 0.8 - 0.3 / 2 = 0.41
        (0.6, [0, 3, 2, 1]),  # 0.4 * 0.1 - 0 = 0.04 against 0.4 * 0.8 - 0.6 / 2 = 0.02
        (1.0, [0, 3, 2, 1]),
    ],
)
def test_likeness_to_what_stands_above_costs_a_place(diversity: float, order: list[int]) -> None:
    assert diversified(SCORES, VECTORS, CATEGORIES, 4, diversity) == order
    assert diversified(SCORES, VECTORS, CATEGORIES, 2, diversity) == order[:2]
    assert diversified(SCORES, VECTORS, CATEGORIES, 9, diversity) == order


def test_nothing_and_zero_scores_are_no_trouble() -> None:
    assert diversified(SCORES[:0], VECTORS[:0], CATEGORIES[:0], 5, 0.5) == []
    assert diversified(SCORES * 0, VECTORS, CATEGORIES, 2, 0.5) == [0, 3]
