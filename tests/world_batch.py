"""A scorer of batches whose every answer is known: it counts letters, knows three products and one customer."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.pairs import Pair

PRODUCTS = ["hat", "cap", "shoe"]


class Letters:
    """As `batch_kinds.Scorer`."""

    dim = 3

    def score(self, pair: Pair) -> float:
        return len(pair.query) + len(pair.text) / 1000

    def ranking(self, query: str, k: int) -> list[tuple[str, float]]:
        """The products that share a letter with the query."""
        shared = [(product, float(len({*product} & {*query}))) for product in PRODUCTS]
        return sorted((found for found in shared if found[1]), key=lambda found: -found[1])[:k]

    def suited(self, customer_id: str, k: int, new: bool) -> list[tuple[str, float]]:
        known = PRODUCTS if customer_id == "anna" and not new else PRODUCTS[1:]
        return [(product, 0.5) for product in known[:k]]

    def embed(self, text: str) -> NDArray[np.float32]:
        return np.array([len(text), text.count("a"), 1], np.float32)


def pairs_file(folder: Path, count: int, name: str = "pairs.csv") -> Path:
    """A table of pairs of which every fifth lacks its id."""
    lines = [f"{'' if n % 5 == 0 else f'p{n}'},{'q' * (n % 7 + 1)},title {n}" for n in range(1, count + 1)]
    path = folder / name
    path.write_text("\n".join(["pair_id,query,title", *lines, ""]), encoding="utf-8")
    return path
