"""What means alike is linked both ways, and what has left the catalogue or stands alone is not."""

import numpy as np
import pytest

from aisle.content import content_neighbours
from aisle.dense import Dense
from aisle.item_ids import ItemIds

CATALOGUE = ["red circle", "red square", "blue star", "green"]
VECTORS = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32)


def test_items_are_linked_to_what_means_alike() -> None:
    ids = ItemIds.of(["left long ago", "blue star"], CATALOGUE)
    links = content_neighbours(Dense.build(VECTORS), ids).links(ids.find([*CATALOGUE, "left long ago"]))
    near: dict[int, list[int]] = {source: [] for source in range(5)}
    for source, member in zip(links.source.tolist(), links.member.tolist(), strict=True):
        near[source].append(int(ids.row[member]))
    assert near == {0: [1, 2], 1: [2, 0], 2: [1, 0], 3: [], 4: []}
    assert links.weight[:2] == pytest.approx([0.8, 0.6], abs=0.01)


def test_what_nobody_finds_near_is_named_by_its_own_neighbours() -> None:
    random = np.random.default_rng(2)
    crowd = np.column_stack([np.ones(200), random.normal(0, 0.01, (200, 2))])
    vectors = np.vstack([crowd, [1, 1, 0]]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = ItemIds.of([], [str(row) for row in range(201)])
    links = content_neighbours(Dense.build(vectors), ids).links(np.arange(200))
    assert (links.member == 200).sum() == 10
