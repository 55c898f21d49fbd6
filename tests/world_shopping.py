"""What five shoppers bought in the world of `world.py`, and a recommender that counts it: small enough to do by hand.

The red square (s1) is bought by four, the small red circle (c1) and the red star (t2) by two, the others by one; the
red circle goes with the red square twice and with the red star once.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from world import PRODUCTS, Clock, search_world

from aisle.recommend import Recommend, Recommender
from aisle.retrieval import Mask, Parts, Rows
from aisle.shopping import Act, Kind

BASKETS = (("c1", "s1"), ("c1", "s1", "t2"), ("c3", "s2"), ("s1", "t2"), ("s1",))
NOW_MS = 1_790_000_000_000  # 2026-09-21
ROWS = {product.product_id: row for row, product in enumerate(PRODUCTS)}


class Spoke(NamedTuple):
    route: str
    rows: tuple[int, ...]


class Proposed(NamedTuple):
    rows: Rows
    scores: NDArray[np.float32]
    evidence: list[Spoke]


class CountingRecommender:
    """Products in baskets with those of the history, each basket a vote, tenths of them; then what most bought."""

    def recommend(self, history: Sequence[Act], now_ms: int, k: int, *, new: bool, allowed: Mask | None) -> Proposed:
        known = [row for act in history for row in [ROWS.get(act.product_id)] if row is not None]
        votes: dict[int, Counter[int]] = {}
        for row in dict.fromkeys(known):
            for other, count in counted(row).items():
                votes.setdefault(other, Counter())[row] += count
        bought = {ROWS.get(act.product_id) for act in history if act.kind == "purchase"}
        found = {
            row: (votes[row].total() / 10, Spoke("behaviour", tuple(r for r, _ in votes[row].most_common())))
            if row in votes
            else (total / 100, Spoke("popular", ()))
            for row, total in popularity().items()
            if (allowed is None or allowed[row]) and not (new and row in bought)
        }
        best = sorted(found, key=lambda row: (-found[row][0], row))[:k]
        scores = np.array([found[row][0] for row in best], np.float32)
        return Proposed(np.array(best, np.int64), scores, [found[row][1] for row in best])

    def similar(self, row: int, k: int, allowed: Mask | None) -> tuple[Rows, NDArray[np.float32]]:
        """Of the same colour; nothing for a product that is newer than the log."""
        same = [
            r
            for r, product in enumerate(PRODUCTS)
            if row < len(PRODUCTS) and r != row and product.color == PRODUCTS[row].color
        ]
        return self._among(dict.fromkeys(same, 5), k, allowed)

    def together(self, row: int, k: int, allowed: Mask | None) -> tuple[Rows, NDArray[np.float32]]:
        return self._among(counted(row), k, allowed)

    def _among(self, counts: dict[int, int], k: int, allowed: Mask | None) -> tuple[Rows, NDArray[np.float32]]:
        rows = [row for row in sorted(counts, key=lambda r: (-counts[r], r)) if allowed is None or allowed[row]][:k]
        return np.array(rows, np.int64), np.array([counts[row] / 10 for row in rows], np.float32)


def counted(row: int) -> dict[int, int]:
    """other row -> baskets that hold both."""
    baskets = [[ROWS[product_id] for product_id in basket] for basket in BASKETS]
    return Counter(other for basket in baskets if row in basket for other in basket if other != row)


def popularity() -> dict[int, int]:
    """row -> baskets that hold it."""
    counts = Counter(ROWS[product_id] for basket in BASKETS for product_id in basket)
    return {row: counts[row] for row in ROWS.values()}


def act(product_id: str, kind: Kind = "purchase", days_ago: float = 1) -> Act:
    return Act(NOW_MS - int(days_ago * 86_400_000), f"{kind}-{product_id}", kind, product_id)


def recommend_world(folder: Path, recommender: Recommender | None, parts: Parts | None = None) -> Recommend:
    """Recommendations over the world, or over `parts` of it that changed."""
    return Recommend(parts or search_world(folder).parts, recommender, "world", Clock())
