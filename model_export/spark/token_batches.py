"""Which texts the encoder would read together if it had the whole catalogue before it, told by their lengths alone.

Dynamic quantisation scales activations by the batch, so a vector depends on the texts beside it. `aisle index` sorts
all texts by length and cuts batches of equal tokens (`aisle.onnx.batches`); a task that gets whole batches of that
order makes the same batches of them, and so the same vectors. Tasks of so many batches are of equal work, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aisle.onnx import BATCH_TOKENS


class Place(NamedTuple):
    """Where the texts of one length begin: in batch `first`, which takes `room` of them; later ones take `most`."""

    first: int
    room: int
    most: int


def places(rows: Mapping[int, int], tokens: int = BATCH_TOKENS) -> dict[int, Place]:
    """Length -> its place, of `rows` texts of each length, as `aisle.onnx.batches` cuts them."""
    found: dict[int, Place] = {}
    batch, filled = -1, 0  # the one that is open, and texts in it; none yet
    for length in sorted(length for length, count in rows.items() if count):
        most = max(tokens // length, 1) if length else rows[length] + filled
        room = max(most - filled, 0) if batch >= 0 else 0
        found[length] = Place(batch, room, most)
        left = rows[length] - room
        if left <= 0:
            filled += rows[length]
        else:
            more = -(-left // most)
            batch, filled = batch + more, left - (more - 1) * most
    return found


def batch_of(place: Place, nth: int) -> int:
    """The batch of the nth text (from 0) of a length."""
    return place.first if nth < place.room else place.first + 1 + (nth - place.room) // place.most


def offsets(counts: Sequence[tuple[int, int, int]] | NDArray[np.int64]) -> NDArray[np.int64]:
    """[chunk, length]: how many texts of that length stand in the chunks before; of (chunk, length, texts).

    One row more than there are chunks: the last one counts all texts.
    """
    chunk, length, count = np.array(counts, np.int64).reshape(-1, 3).T
    found = np.zeros((chunk.max(initial=-1) + 2, length.max(initial=0) + 1), np.int64)
    found[chunk + 1, length] = count
    return found.cumsum(axis=0)
