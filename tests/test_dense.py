"""Nearest neighbours over int8 rows, whole and by lists."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.dense import UNSEEN, Dense, top_rows


def test_cosines_survive_int8_to_a_hundredth(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    vectors = random.normal(size=(5000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    Dense.build(vectors).save(tmp_path / "dense")
    loaded = Dense.load(tmp_path / "dense")
    assert loaded.rows.dtype == np.int8
    assert np.abs(loaded.scores(vectors[7]) - vectors @ vectors[7]).max() < 0.01


def test_rows_and_dimensions_are_not_mixed_up() -> None:
    rows = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    assert Dense.build(rows).scores(np.array([0, 1, 0], np.float32)).tolist() == pytest.approx([0, 1])


@pytest.fixture(scope="module")
def clustered() -> NDArray[np.float32]:
    """9,000 unit vectors around 300 centres."""
    random = np.random.default_rng(3)
    vectors = np.repeat(random.normal(size=(300, 16)), 30, axis=0) + random.normal(size=(9000, 16)) * 0.3
    vectors = vectors[random.permutation(9000)]
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_a_large_catalogue_is_visited_in_part_and_its_nearest_rows_are_found(
    clustered: NDArray[np.float32], tmp_path: Path
) -> None:
    Dense.build(clustered, most_whole=1000).save(tmp_path / "dense")
    whole, lists = Dense.build(clustered), Dense.load(tmp_path / "dense")
    assert (whole.whole, lists.whole) == (True, False)
    found = 0
    for query in clustered[:100]:
        exact, scores = whole.scores(query), lists.scores(query)
        seen = scores != UNSEEN
        assert 2845 < np.count_nonzero(seen) < 4200  # thirty times the root of 9,000, and up to one list more
        assert scores[seen].tolist() == pytest.approx(exact[seen].tolist(), abs=1e-6)
        found += int(np.count_nonzero(exact[top_rows(scores, 10)] >= exact[top_rows(exact, 10)[-1]]))
    assert found >= 980


def test_a_narrow_filter_is_scored_whole(clustered: NDArray[np.float32]) -> None:
    whole, lists = Dense.build(clustered), Dense.build(clustered, most_whole=1000)
    allowed = np.zeros(9000, bool)
    allowed[::5] = True
    scores = lists.scores(clustered[0], allowed)
    assert scores[allowed].tolist() == pytest.approx(whole.scores(clustered[0])[allowed].tolist(), abs=1e-6)
    assert set(scores[~allowed].tolist()) == {UNSEEN}


@pytest.mark.parametrize("most_whole", [1000, 9000])
def test_the_cosines_of_some_rows_are_theirs(clustered: NDArray[np.float32], most_whole: int) -> None:
    rows = np.array([7, 3, 8999])
    cosines = Dense.build(clustered, most_whole).some(rows, clustered[0])
    assert cosines.tolist() == pytest.approx((clustered[rows] @ clustered[0]).tolist(), abs=0.02)


@pytest.mark.parametrize(("k", "wanted"), [(0, []), (1, [1]), (3, [1, 3, 0]), (9, [1, 3, 0, 2, 4])])
def test_top_rows_breaks_ties_by_row(k: int, wanted: list[int]) -> None:
    assert top_rows(np.array([0.5, 0.9, 0.1, 0.9, 0.1], np.float32), k).tolist() == wanted


def test_vectors_of_some_rows_come_in_the_order_asked_also_from_lists_and_added_ones(
    clustered: NDArray[np.float32],
) -> None:
    added = np.eye(16, dtype=np.float32)[:2]
    rows = np.array([9001, 5, 8999, 9000])
    wanted = np.stack([added[1], clustered[5], clustered[8999], added[0]])
    for most_whole in (1000, 10_000):
        dense = Dense.build(clustered, most_whole).beside(added)
        assert np.abs(dense.vectors(rows) - wanted).max() < 0.005
        assert dense.some(rows, wanted[1]) == pytest.approx(wanted @ wanted[1], abs=0.02)


@pytest.mark.parametrize("most_whole", [1000, 100])
def test_the_nearest_of_every_row_are_those_that_a_query_finds(most_whole: int) -> None:
    vectors = np.random.default_rng(4).normal(size=(300, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    dense = Dense.build(vectors, most_whole)
    assert dense.whole == (most_whole == 1000)
    found = {}
    for rows, near, cosines in dense.nearest(5):
        assert near.shape == cosines.shape == (len(rows), 5)
        for row, others, values in zip(rows.tolist(), near, cosines, strict=True):
            found[row] = {*others.tolist()}
            assert values == pytest.approx(vectors[others] @ vectors[row], abs=0.03)
    truth = {row: {*np.argsort(-(vectors @ vectors[row]))[1:6].tolist()} for row in range(300)}
    assert sorted(found) == [*range(300)]
    same = np.mean([len(found[row] & truth[row]) for row in truth])
    assert same > (4.8 if dense.whole else 4)  # int8 swaps what is about as near


def test_two_rows_are_each_others_nearest_and_one_has_none() -> None:
    vectors = np.eye(2, dtype=np.float32)
    assert [(r.tolist(), n.tolist()) for r, n, _ in Dense.build(vectors).nearest(5)] == [([0, 1], [[1], [0]])]
    assert [n.shape for _, n, _ in Dense.build(vectors[:1]).nearest(5)] == [(1, 0)]
