"""What the networks learn from: queries, texts, and which text answers which query how well.

A text is a product as the models read it. A product with several languages has several renderings, of which training draws one,
so that a Chinese query must find a product whose Chinese title is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class Examples:
    """Query i is answered by the texts of gains[i] (text number -> gain in 0..1]); other texts answer it not at all.

    `renderings[t]`: the ways text t may be written, the full one first. `hard[i]`: texts that look like answers and are not
    (filled by mining).
    """

    queries: list[str]
    renderings: list[list[str]]
    gains: list[dict[int, float]]
    hard: list[NDArray[np.int64]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [r[0] for r in self.renderings]

    def rendering(self, text: int, random: np.random.Generator) -> str:
        ways = self.renderings[text]
        return ways[random.integers(len(ways))] if len(ways) > 1 else ways[0]

    def answer(self, query: int, random: np.random.Generator) -> int:
        """One of the query's texts, drawn in proportion to its gain."""
        texts = list(self.gains[query])
        gains = np.fromiter(self.gains[query].values(), float)
        return texts[random.choice(len(texts), p=gains / gains.sum())]

    def distractors(self, query: int, count: int, random: np.random.Generator) -> list[int]:
        """`count` hard texts, filled up with any texts where mining found fewer."""
        hard = self.hard[query] if self.hard else np.zeros(0, np.int64)
        drawn = random.choice(hard, min(count, len(hard)), replace=False).tolist() if len(hard) else []
        return drawn + random.integers(len(self.renderings), size=count - len(drawn)).tolist()


def epochs(size: int, batch: int, steps: int, random: np.random.Generator) -> Sequence[NDArray[np.int64]]:
    """`steps` batches of positions below `size`, each epoch in a new order."""
    rounds = -(-steps * batch // size)
    order = np.concatenate([random.permutation(size) for _ in range(rounds)])
    return [order[i * batch : (i + 1) * batch] for i in range(steps)]
