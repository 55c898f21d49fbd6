"""What personal search is worth on the demo store, where the truth is known, and what it costs.

    python benchmarks/personal.py BUNDLE --out FILE.json

BUNDLE carries the demo store's catalogue. For shoppers with a history, queries of the test split (no shopper asked one)
in a category that they were active in, nDCG@10 with a product's rating times the shopper's liking as its gain: in the
order of a stranger, in the personal one, and with the liking itself known, which nobody can. Where the bundle was built
without personal/, the weights are fitted here first, from the same events.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from measuring import arguments, milliseconds, percentiles, write
from numpy.typing import NDArray

from aisle.bundle import Bundle
from aisle.evaluation import interval
from aisle.personal import Personal
from aisle.retrieval import Parts, Ranked, Retrieval
from aisle.runtime import open_search
from aisle.search import Search
from aisle.shopping import KINDS, Act
from aisle.types import Filters
from model_export.clicks import Clicks, from_store
from model_export.demo_store import Store, generate
from model_export.personal import fit_personal

QUERIES, SHOPPERS = 600, 1500
DEPTH = 10
SEED = 5
SLOPES = (0.25, 0.5, 1.0)  # of log liking in the ranker's logits, for who knows it; the best counts

Floats = NDArray[np.float64]


class Asked(NamedTuple):
    """One shopper's query: the stranger's ranking, the acts, and the gain of each ranked and of each rated product."""

    ranked: Ranked
    acts: list[Act]
    gains: Floats
    best: Floats  # falling
    liking: Floats


def main() -> None:
    given = arguments(__doc__).parse_args()
    bundle = Bundle.open(given.bundle)
    store = generate(bundle.manifest.n_products, bundle.manifest.n_products)
    search = open_search(bundle.path, bundle.manifest.bundle_id, threads=1)
    clicks = from_store(store.events, store.queries)
    parts, fitted = _personal(search, clicks)
    retrieval = Retrieval(parts, clock=lambda: 0.0)
    now_ms = int(clicks.act_at_ms.max()) + 3_600_000
    asked = _asked(store, clicks, retrieval)
    plain = np.array([_ndcg(one.gains, one.best) for one in asked])
    personal, known, taken = [], defaultdict(list), []
    for one in asked:
        took: list[Ranked] = []
        taken.append(milliseconds(lambda one=one, took=took: took.append(_own(retrieval, one, now_ms))))  # type: ignore[misc]
        row_of = {row: at for at, row in enumerate(one.ranked.rows.tolist())}
        personal.append(_ndcg(one.gains[[row_of[row] for row in took[0].rows.tolist()]], one.best))
        scores = one.ranked.scores.astype(np.float64).clip(1e-6, 1 - 1e-6)
        for slope in SLOPES:
            order = np.argsort(-(slope * np.log(scores / (1 - scores)) + np.log(one.liking)), kind="stable")
            known[slope].append(_ndcg(one.gains[order], one.best))
        assert retrieval.personalise(one.ranked, [], now_ms) is one.ranked  # a stranger's order is the very same
    ideal = max(known.values(), key=np.mean)
    figures = {
        "searches": len(asked),
        "acts_median": float(np.median([len(one.acts) for one in asked])),
        "ndcg": round(float(plain.mean()), 4),
        "ndcg_personal": round(float(np.mean(personal)), 4),
        "gain": [round(value, 4) for value in interval(np.array(personal) - plain, SEED)],
        "gain_with_liking_known": [round(value, 4) for value in interval(np.array(ideal) - plain, SEED)],
        "strangers_changed": 0,
        "stage_ms": percentiles(taken),
        "fitted": fitted,
    }
    for name, value in figures.items():
        print(f"{name}: {value}")
    write(given.out or bundle.path.with_name(f"{bundle.path.name}.personal.json"), figures, bundle)


def _personal(search: Search, clicks: Clicks) -> tuple[Parts, dict[str, Any]]:
    """The parts with weights: the bundle's, or those fitted now, with their figures."""
    if search.parts.personal:
        return search.parts, {}
    with TemporaryDirectory() as folder:
        figures = fit_personal(search, clicks, Path(folder, "personal"), SEED)
        if not figures["sealed"]:
            raise SystemExit(f"nothing personal was learned: {figures}")
        return dataclasses.replace(
            search.parts, personal=Personal.load(Path(folder, "personal"), search.parts.columns)
        ), figures


def _own(retrieval: Retrieval, one: Asked, now_ms: int) -> Ranked:
    return retrieval.personalise(one.ranked, one.acts, now_ms)


def _asked(store: Store, clicks: Clicks, retrieval: Retrieval) -> list[Asked]:
    """Two queries of each of SHOPPERS shoppers, drawn from QUERIES of the test split."""
    random = np.random.default_rng(SEED)
    assert store.tastes
    products = retrieval.parts.products
    row_in_store = {str(product["product_id"]): at for at, product in enumerate(store.products)}
    at_store = np.array([row_in_store[products[row].product_id] for row in range(len(products))])
    ratings: dict[str, dict[str, int]] = defaultdict(dict)
    for line in store.qrels:
        ratings[str(line["query_id"])][str(line["product_id"])] = int(str(line["rating"]))
    test = [str(q["query_id"]) for q in store.queries if q["split"] == "test"][:: 1200 // QUERIES or 1]
    texts = {str(q["query_id"]): str(q["query"]) for q in store.queries}
    ranked = {query: _ranked(retrieval, texts[query]) for query in test}
    of_category = defaultdict(list)
    for query in test:
        best = max(ratings[query], key=ratings[query].__getitem__)
        of_category[str(store.products[row_in_store[best]]["category"])].append(query)
    numbers = list(dict.fromkeys(int(str(event["shopper_id"])[1:]) for event in store.events))  # as Clicks has them
    asked = []
    for shopper in random.permutation(np.unique(clicks.act_shopper))[:SHOPPERS].tolist():
        acts = _acts(clicks, shopper)
        for act in random.choice(len(acts), 2):
            queries = of_category[str(store.products[row_in_store[acts[act].product_id]]["category"])]
            if not queries:
                continue
            query = queries[int(random.integers(len(queries)))]
            of_all = np.zeros(len(products))
            for product_id, rating in ratings[query].items():
                of_all[row_in_store[product_id]] = rating
            liking = store.tastes.liking(np.array([numbers[shopper]]), np.arange(len(products))[None])[0]
            gains, rows = of_all * liking, at_store[ranked[query].rows]
            asked.append(Asked(ranked[query], acts, gains[rows], -np.sort(-gains)[:DEPTH], liking[rows]))
    return asked


def _ranked(retrieval: Retrieval, text: str) -> Ranked:
    """As a stranger's search has it before variants fall together, reranked however long it takes."""
    reading = retrieval.read(text)
    price = reading.understood.price
    allowed = retrieval.allowed(Filters() if price is None else Filters(price=price))
    evidence = retrieval.retrieve(reading, allowed)
    assert evidence is not None
    ranked = retrieval.rank(reading, evidence, np.flatnonzero(retrieval.wanted(evidence, allowed)))
    cross = retrieval.read_pairs(reading.text, retrieval.to_read(ranked), np.inf)
    return ranked if cross is None else retrieval.rerank(ranked, cross)


def _acts(clicks: Clicks, shopper: int) -> list[Act]:
    rows = np.flatnonzero(clicks.act_shopper == shopper)
    return [
        Act(int(clicks.act_at_ms[at]), str(at), KINDS[int(clicks.act_kind[at])], str(clicks.act_product[at]))
        for at in rows
    ]


def _ndcg(gains: Floats, best: Sequence[float] | Floats) -> float:
    discount = 1 / np.log2(np.arange(2, DEPTH + 2))
    first = gains[:DEPTH]
    return float(first @ discount[: len(first)] / max(float(np.asarray(best) @ discount[: len(best)]), 1e-12))


if __name__ == "__main__":
    main()
