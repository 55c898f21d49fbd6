"""Routing on a shop with a known gap: of five queries one is beyond the student, which the heavy reranker knows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from world import MeaningEncoder, PlainRanker

from aisle.catalogue import body_text, product_text, title_text
from aisle.dense import Dense
from aisle.evaluation import evaluate
from aisle.filters import Columns
from aisle.heavy import HeavyRoute, Opinion
from aisle.lexical import Lexical
from aisle.merchandising import Rules
from aisle.products import Products
from aisle.retrieval import Parts
from aisle.search import Search
from aisle.types import Product, Rerank, SearchRequest
from aisle.understanding import Understanding
from model_export.routing import SHARE, fit_margin

QUERIES, OFFERS = 300, 12
GAINS = [7, 1, 1, *[0] * (OFFERS - 3)]  # of a query's offers
BEYOND = range(0, QUERIES, 5)  # queries that the student cannot read


def name(query: int) -> str:
    return f"model{query}"


class Shop:
    """What each offer is worth, and what the student makes of it: logits near the truth, or noise."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        self.gains = np.array([random.permutation(GAINS) for _ in range(QUERIES)])
        self.student = np.log2(self.gains + 1) * 1.5 - 2 + random.normal(0, 0.6, self.gains.shape)
        self.student[BEYOND] = random.normal(-1, 0.1, (len(BEYOND), OFFERS))

    @staticmethod
    def offer(text: str) -> tuple[int, int]:
        query, offer = text.split()[:2]
        return int(query.removeprefix("model")), int(offer.removeprefix("offer"))

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self.student[self.offer(text)] for text in texts], np.float32)

    def begin(self, query: str, texts: Sequence[str], within_s: float) -> Opinion:
        """The truth, as log-odds."""
        self.asked += 1
        return lambda: np.array([3 * np.log2(self.gains[self.offer(text)] + 1) - 4 for text in texts], np.float32)

    asked = 0


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def parts(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    products = [
        Product(f"{query}-{offer}", f"{name(query)} offer{offer}")
        for query in range(QUERIES)
        for offer in range(OFFERS)
    ]
    folder: Path = tmp_path_factory.mktemp("gap")
    Products.save(products, folder)
    encoder = MeaningEncoder()
    return Parts(
        products=Products.load(folder),
        columns=Columns.build(products),
        title=Lexical.build([title_text(p) for p in products]),
        body=Lexical.build([body_text(p) for p in products]),
        dense=Dense.build(encoder.encode([product_text(p) for p in products])),
        encoder=encoder,
        reranker=shop,
        ranker=PlainRanker(),
        understanding=Understanding.build(products, lambda _: True),
        rules=Rules(),
        floor=0.6,
        currency="",
    )


def ndcg(search: Search, shop: Shop, queries: Sequence[int], rerank: Rerank) -> float:
    run = {}
    for query in queries:
        answer = search.search(SearchRequest(name(query), rerank=rerank), "q")
        run[name(query)] = {hit.product_id: -float(place) for place, hit in enumerate(answer.hits)}
    gains = {name(q): {f"{q}-{offer}": int(gain) for offer, gain in enumerate(shop.gains[q])} for q in queries}
    return float(evaluate(run, gains, ["nDCG@10"]).mean["nDCG@10"])


def test_auto_keeps_the_gain_and_sends_the_few_that_need_it(shop: Shop, parts: Parts) -> None:
    half = QUERIES // 2
    below = fit_margin(Search(parts, "gap", lambda: 0.0), [name(query) for query in range(half)])
    search = Search(parts, "gap", lambda: 0.0, HeavyRoute(shop, below))
    judged = range(half, QUERIES)
    student, heavy = (ndcg(search, shop, judged, rerank) for rerank in ("student", "heavy"))
    shop.asked = 0
    auto = ndcg(search, shop, judged, "auto")
    sent, kept = shop.asked / len(judged), (auto - student) / (heavy - student)
    print(f"student {student:.4f}, heavy {heavy:.4f}, auto {auto:.4f}: {kept:.1%} of the gain, {sent:.1%} sent")
    assert heavy == 1.0
    assert student == pytest.approx(0.88, abs=0.02)
    assert kept >= 0.9
    assert sent <= 0.3


def test_the_margin_is_the_quantile_of_the_queries_looked_at(parts: Parts) -> None:
    search = Search(parts, "gap", lambda: 0.0)
    queries = [name(query) for query in range(40)]
    below = fit_margin(search, queries)
    assert np.mean([search.margin(query) < below for query in queries]) == SHARE
    assert fit_margin(search, []) == 0.0
