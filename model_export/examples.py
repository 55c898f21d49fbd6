"""What the networks learn from: queries, texts, and which text answers which query how well.

A text is a product as the models read it. A product with several languages has several renderings, of which training
draws one, so that a Chinese query must find a product whose Chinese title is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.catalogue import product_text
from aisle.errors import BadInput
from aisle.types import Product
from model_export.datasets import Corpus
from model_export.datasets.corpus import MIN_TRAIN


@dataclass
class Examples:
    """Query i is answered by the texts of gains[i] (text number -> gain above 0, at most 1); others do not.

    `renderings[t]`: the ways text t may be written, the full one first. `hard[i]`: texts that look like answers and are
    not, filled by mining.
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
        others: list[int] = random.integers(len(self.renderings), size=count - len(drawn)).tolist()
        return drawn + others


def epochs(size: int, batch: int, steps: int, random: np.random.Generator) -> Sequence[NDArray[np.int64]]:
    """`steps` batches of positions below `size`, each epoch in a new order."""
    rounds = -(-steps * batch // size)
    order = np.concatenate([random.permutation(size) for _ in range(rounds)])
    return [order[i * batch : (i + 1) * batch] for i in range(steps)]


def assemble(corpora: Sequence[Corpus], hidden: Mapping[str, Collection[str]]) -> Examples:
    """All train examples of `corpora` in one, less the queries whose ids are `hidden` under their corpus's name.

    They are labelled queries, titles in other languages and, where a catalogue has no labels, how its descriptions
    begin. Judged pairs are not among them: they are for the scorer of pairs.
    """
    examples = Examples([], [], [])
    for corpus in corpora:
        first = len(examples.renderings)
        number = {p.product_id: first + i for i, p in enumerate(corpus.products)}
        examples.renderings += [renderings(p) for p in corpus.products]
        labelled = corpus.labelled
        for query_id, ratings in labelled.qrels.items():
            if labelled.splits[query_id] == "train" and query_id not in hidden.get(corpus.name, ()):
                _add(examples, labelled.queries[query_id], {number[p]: (2**r - 1) / 7 for p, r in ratings.items()})
        if not labelled.qrels:
            for p in corpus.products:
                _add(examples, " ".join(p.description.split()[:12]), {number[p.product_id]: 1.0})
        translated: dict[str, dict[int, float]] = {}
        for p in corpus.products:
            for title in p.titles.values():
                translated.setdefault(title, {})[number[p.product_id]] = 1.0
        for title, gains in translated.items():
            _add(examples, title, gains)
    return examples


def _add(examples: Examples, query: str, gains: dict[int, float]) -> None:
    kept = {text: gain for text, gain in gains.items() if gain > 0}
    if query.strip() and kept:
        examples.queries.append(query)
        examples.gains.append(kept)


def renderings(product: Product) -> list[str]:
    """The product's text, and the same without its titles in other languages."""
    ways = [product_text(product), product_text(msgspec.structs.replace(product, titles={}))]
    return [*dict.fromkeys(ways)]


def train_queries(corpus: Corpus) -> list[str]:
    """The ids of the train queries that have a relevant product."""
    labelled = corpus.labelled
    return [q for q, ratings in labelled.qrels.items() if labelled.splits[q] == "train" and any(ratings.values())]


def ranker_queries(corpus: Corpus, share: float) -> list[str]:
    """The ids of that share of the labelled train queries that is hidden from the networks, the same everywhere.

    Raises BadInput where there are too few queries to learn from and rank by.
    """
    train = train_queries(corpus)
    if len(train) < MIN_TRAIN:
        raise BadInput(
            f"{corpus.name} has {len(train)} train queries with a relevant product", f"label at least {MIN_TRAIN}"
        )
    by_hash = sorted(train, key=lambda q: (crc32(q.encode()), q))
    return by_hash[: max(2, round(share * len(train)))]


def unseen_queries(corpus: Corpus, hidden: Collection[str]) -> list[tuple[str, dict[str, int]]]:
    """(query, product_id -> rating) of all that no network learned from: the `hidden` queries and the judged pairs.

    A pair of gain 1 rates 3 and one of 0.1 rates 1, as their gains 2^rating - 1 come nearest; the others rate 0.
    """
    labelled = corpus.labelled
    asked = [(labelled.queries[q], labelled.qrels[q]) for q in hidden]
    paired: dict[str, tuple[str, dict[str, int]]] = {}
    for judged in corpus.pairs:
        _, ratings = paired.setdefault(judged.query_id, (judged.pair.query, {}))
        ratings[judged.product_id] = 3 if judged.gain >= 1 else int(judged.gain >= 0.1)
    return asked + [(query, ratings) for query, ratings in paired.values() if any(ratings.values())]
