"""Exact nearest neighbours over int8 rows."""

from pathlib import Path

import numpy as np
import pytest

from aisle.dense import Dense, top_rows


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


@pytest.mark.parametrize(("k", "wanted"), [(0, []), (1, [1]), (3, [1, 3, 0]), (9, [1, 3, 0, 2, 4])])
def test_top_rows_breaks_ties_by_row(k: int, wanted: list[int]) -> None:
    assert top_rows(np.array([0.5, 0.9, 0.1, 0.9, 0.1], np.float32), k).tolist() == wanted
