"""Measures of lists whose values can be counted, and nDCG beside ir_measures."""

import numpy as np
import pytest

from aisle.evaluation import evaluate
from model_export.interactions import Wanted
from model_export.judging import coverage, ndcg, novelty, recall

LISTS = [np.array([1, 2, 3, 4]), np.array([9, 8, 7, 6])]
WANTED = Wanted(np.array([0, 1], np.int32), [np.array([2, 5], np.int32), np.array([9, 8, 7, 1, 2, 3], np.int32)])


def test_recall_divides_by_what_the_list_could_hold() -> None:
    assert recall(LISTS, WANTED, 4).tolist() == [0.5, 0.75]
    assert recall(LISTS, WANTED, 2).tolist() == [0.5, 1.0]


def test_ndcg_is_that_of_ir_measures() -> None:
    run = {str(u): {str(p): 1 / (rank + 1) for rank, p in enumerate(found)} for u, found in enumerate(LISTS)}
    gains = {str(u): {str(p): 1 for p in bought} for u, bought in enumerate(WANTED.products)}
    assert ndcg(LISTS, WANTED, 4) == pytest.approx(evaluate(run, gains, ["nDCG@4"]).values("nDCG@4"))


def test_coverage_and_novelty_look_at_what_is_shown() -> None:
    assert coverage(LISTS, 16, 2) == 0.25
    counts = np.array([0, 4, 2, 0, 0, 0, 0, 0, 0, 2])
    assert novelty([np.array([1]), np.array([2, 9])], counts, 2) == pytest.approx((1 + 2 + 2) / 3)
