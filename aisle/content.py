"""Which items mean alike, by the vectors that search has of them: what serves a product that nobody has touched yet."""

from __future__ import annotations

import numpy as np

from aisle.dense import Dense
from aisle.item_ids import ItemIds
from aisle.neighbours import Neighbours

KEPT = 40  # neighbours an item
BACK = 10  # of them that also name the item as theirs: whom nobody finds near would never be shown
LEAST = 0.2  # cosine that says anything


def content_neighbours(dense: Dense, ids: ItemIds) -> Neighbours:
    """Links between items of the catalogue whose rows `dense` holds; an item that has left it has none."""
    n = len(ids)
    items = ids.items(len(dense.rows)).astype(np.int64)
    pairs, weights = [], []
    for rows, near, cosines in dense.nearest(KEPT):
        best = np.argsort(-cosines, axis=1, kind="stable")
        near, cosines = np.take_along_axis(near, best, axis=1), np.take_along_axis(cosines, best, axis=1)
        source, member = np.broadcast_to(items[rows][:, None], near.shape), items[near]
        pairs += [(source * n + member).ravel(), (member * n + source)[:, :BACK].ravel()]
        weights += [cosines.ravel(), cosines[:, :BACK].ravel()]
    key, at = np.unique(np.concatenate(pairs), return_index=True) if pairs else (np.zeros(0, np.int64),) * 2
    weight = np.concatenate(weights)[at] if pairs else np.zeros(0, np.float32)
    kept = weight >= LEAST
    return Neighbours.of(key[kept] // n, key[kept] % n, weight[kept], n)
