"""Histories in a bundle: each customer gets their own acts in order of time, and no id is written."""

from pathlib import Path

import numpy as np

from aisle.histories import Histories
from aisle.history import Acts


def made() -> Histories:
    acts = Acts(
        np.array([9, 8, 7, 6], np.int32), np.array([4, 4, 2, 4], np.uint8), np.array([30, 10, 20, 40], np.int64)
    )
    return Histories.of(["ann@example.com", "bob", "cy"], np.array([0, 2, 0, 1], np.int32), acts)


def told(acts: Acts | None) -> list[tuple[int, int, int]] | None:
    return None if acts is None else [*zip(*(column.tolist() for column in acts), strict=True)]


def test_each_customer_has_their_own_acts_the_oldest_first(tmp_path: Path) -> None:
    made().save(tmp_path / "shoppers")
    histories = Histories.load(tmp_path / "shoppers")
    assert told(histories.find("ann@example.com")) == [(7, 2, 20), (9, 4, 30)]
    assert told(histories.find("bob")) == [(6, 4, 40)]
    assert told(histories.find("cy")) == [(8, 4, 10)]
    assert told(histories.find("dan")) is None
    assert not any(b"ann" in path.read_bytes() for path in (tmp_path / "shoppers").iterdir())


def test_two_ids_that_begin_alike_are_told_apart() -> None:
    histories = made()
    twins = Histories(
        np.array([[5, 1], [5, 2]], np.uint64), np.array([0, 1, 2]), histories.item, histories.kind, histories.at_ms
    )
    assert told(twins.at(np.uint64(5), np.uint64(2))) == [(int(twins.item[1]), int(twins.kind[1]), int(twins.at_ms[1]))]
    assert told(twins.at(np.uint64(5), np.uint64(3))) is None
