"""Lists of neighbours: whose they are, in which order, and that they lie on disk as they were."""

from pathlib import Path

import numpy as np

from aisle.neighbours import Neighbours


def made() -> Neighbours:
    source, member = np.array([2, 0, 2, 2]), np.array([1, 3, 0, 3])
    return Neighbours.of(source, member, np.array([0.5, 0.25, 1.0, 0.5], np.float32), 4)


def test_the_lists_of_some_items_come_one_after_the_other_heaviest_first(tmp_path: Path) -> None:
    made().save(tmp_path / "lists")
    lists = Neighbours.load(tmp_path / "lists")
    links = lists.links(np.array([2, 1, 0]))
    assert links.source.tolist() == [0, 0, 0, 2]
    assert links.member.tolist() == [0, 1, 3, 3]
    assert links.weight.tolist() == [1.0, 0.5, 0.5, 0.25]
    assert len(lists) == 4


def test_no_items_have_no_links() -> None:
    assert len(made().links(np.zeros(0, np.int64)).member) == 0


def test_items_behind_the_last_have_empty_lists() -> None:
    assert made().over(6).links(np.array([5, 0])).member.tolist() == [3]
