"""A shop of colours by shapes, small enough to know every answer: five reds, two blues, one green, no two shapes alike
in number.

The encoder knows what each word means, synonyms and Chinese included; the reranker counts what query and product
share. Both are honest stand-ins at the seams that the models use.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.catalogue import body_text, product_text, title_text
from aisle.dense import Dense
from aisle.filters import Columns
from aisle.lexical import Lexical
from aisle.merchandising import Rules
from aisle.products import Products
from aisle.ranker import FINAL, FIRST
from aisle.reranker import sigmoid
from aisle.retrieval import Parts
from aisle.search import Search
from aisle.text import words
from aisle.types import Product
from aisle.understanding import Understanding

MEANINGS = ("red", "blue", "green", "circle", "square", "star")
SYNONYMS = {"crimson": "red", "disc": "circle", "红": "red", "蓝": "blue", "圆": "circle"}

PRODUCTS = [
    Product(
        "c1", "Red circle", category="round", color="red", price=10, currency="USD", rating=4, group_id="g1", size="S"
    ),
    Product(
        "c2", "Red circle", category="round", color="red", price=12, currency="USD", rating=4, group_id="g1", size="L"
    ),
    Product(
        "c3",
        "Red circle deluxe",
        category="round",
        color="red",
        price=90,
        currency="USD",
        rating=5,
        created_at="2026-01-02",
    ),
    Product("c4", "Blue circle", category="round", color="blue", price=11, currency="USD", rating=3, stock=0),
    Product("s1", "Red square", category="angular", color="red", price=20, currency="USD", created_at="2026-03-01"),
    Product("s2", "Blue square", category="angular", color="blue", price=21, currency="USD", titles={"zh": "蓝方块"}),
    Product(
        "t1", "Green star", category="angular", color="green", price=30, currency="USD", description="shines at night"
    ),
    Product("t2", "Red star", category="angular", color="red", currency="USD"),
]


class MeaningEncoder:
    """A unit vector with one dimension a meaning."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), len(MEANINGS)), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in [*words(text), *text]:
                meaning = SYNONYMS.get(word, word)
                if meaning in MEANINGS:
                    row[MEANINGS.index(meaning)] = 1
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
        return unit


class SharedMeanings:
    """A reranker: twice the cosine of the meanings, less a little for each word, so that short titles win ties."""

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        encode = MeaningEncoder().encode
        lengths = np.array([len(words(text)) for text in texts])
        scores: NDArray[np.float32] = (2 * encode(texts) @ encode([query])[0] - lengths / 100).astype(np.float32)
        return scores


class PlainRanker:
    """Before reranking by cosine and coverage, after it by the cross-encoder alone."""

    def first(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        columns = [FIRST.index("cosine"), FIRST.index("coverage")]
        scores: NDArray[np.float32] = features[:, columns].mean(1, dtype=np.float32)
        return scores

    def final(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return sigmoid(features[:, FINAL.index("cross")])


class Clock:
    """Seconds that pass only when somebody looks: `tick` a look."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now, self.tick = 0.0, tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


def search_world(
    folder: Path,
    rules: Rules | None = None,
    clock: Clock | None = None,
    products: Sequence[Product] = PRODUCTS,
    most_whole: int = 1000,
) -> Search:
    """Search over the world, its product lines written to `folder`; more than `most_whole` lie in lists."""
    Products.save(products, folder)
    encoder = MeaningEncoder()
    parts = Parts(
        products=Products.load(folder),
        columns=Columns.build(products),
        title=Lexical.build([title_text(p) for p in products]),
        body=Lexical.build([body_text(p) for p in products]),
        dense=Dense.build(encoder.encode([product_text(p) for p in products]), most_whole),
        encoder=encoder,
        reranker=SharedMeanings(),
        ranker=PlainRanker(),
        understanding=Understanding.build(products, lambda word: word in SYNONYMS),
        rules=rules or Rules(),
        floor=0.6,
        currency="USD",
    )
    return Search(parts, "world", clock or Clock())
