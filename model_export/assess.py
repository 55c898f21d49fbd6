"""Is the bundle good enough to ship? Its figures beside BM25 and its own teachers, and the gates they must pass.

Retrieval and reranking are compared stage by stage, each with everything else equal: the encoders by searching with
vectors alone, the cross-encoders by ordering the same candidates alone. BM25 gets the same analyser and the same
spelling correction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from aisle.catalogue import body_text, product_text, title_text
from aisle.dense import Dense, top_rows
from aisle.encoder import TextEncoder
from aisle.errors import AisleError, BadInput
from aisle.evaluation import Evaluation, evaluate, interval, paired_bootstrap
from aisle.lexical import Lexical
from aisle.report import MeasureRow, WorstQuery
from aisle.retrieval import RERANKED, Retrieval
from aisle.search import Search
from aisle.types import Filters, Product, SearchRequest
from model_export.datasets import LabelledQueries
from model_export.recipe import Gates, Measure

MEASURES = get_args(Measure)
DEPTH = 100
WORST = 30  # queries shown in the report
Run = dict[str, dict[str, float]]
Score = Callable[[str, list[str]], NDArray[np.float32]]


class GateFailed(AisleError):
    """A figure is under what the recipe demands; nothing was sealed."""


@dataclass
class Judged:
    """The queries that judge a bundle: text, rating by product_id, and optionally the kind of query."""

    queries: dict[str, str]
    ratings: dict[str, dict[str, int]]
    kinds: dict[str, str] = field(default_factory=dict)

    def spread(self, most: int) -> Judged:
        """At most `most` of these queries, spread over their order."""
        ids = list(self.queries)[:: -(-len(self.queries) // most)]
        return Judged({q: self.queries[q] for q in ids}, {q: self.ratings[q] for q in ids}, self.kinds)

    @property
    def gains(self) -> dict[str, dict[str, int]]:
        return {q: {p: 2**r - 1 for p, r in rated.items()} for q, rated in self.ratings.items()}


def judged(labelled: LabelledQueries, splits: Collection[str], most: int) -> Judged:
    """At most `most` judged queries of the splits, spread over their order. Raises BadInput where there is none."""
    ids = [q for q, rated in labelled.qrels.items() if labelled.splits[q] in splits and any(rated.values())]
    if not ids:
        raise BadInput(
            f"no {' or '.join(splits)} query has a relevant product", "label some, or judge on another split"
        )
    kinds = {q: kind for q, kind in labelled.kinds.items() if labelled.splits[q] in splits}
    return Judged({q: labelled.queries[q] for q in ids}, {q: labelled.qrels[q] for q in ids}, kinds).spread(most)


@dataclass
class Systems:
    """Runs by system name, all over the same queries."""

    judged: Judged
    runs: dict[str, Run] = field(default_factory=dict)
    latency_ms: dict[str, list[float]] = field(default_factory=dict)

    def evaluation(self, name: str) -> Evaluation:
        return evaluate(self.runs[name], self.judged.gains, list(MEASURES))


def bundle_run(search: Search, judged: Judged) -> Run:
    """What the sealed int8 models answer through the serving code."""
    bar = tqdm(judged.queries.items(), "bundle", leave=False, disable=None, mininterval=2)
    return {query_id: dict(search.ranking(query, DEPTH)) for query_id, query in bar}


def latency(search: Search, judged: Judged) -> dict[str, list[float]]:
    """stage -> milliseconds of each query's first page, as a request answers it that has time for every stage."""
    stages: dict[str, list[float]] = defaultdict(list)
    for query_id, query in judged.queries.items():
        for stage, took_ms in search.search(SearchRequest(query, budget_ms=10_000), query_id).timings_ms.items():
            stages[stage].append(took_ms)
    return stages


def bm25_run(search: Search, products: Sequence[Product], judged: Judged) -> Run:
    """BM25 over all texts of a product, with the bundle's spelling correction and price filter."""
    lexical = Lexical.build([f"{title_text(p)} {body_text(p)}" for p in products])
    retrieval = Retrieval(search.parts, clock=lambda: 0.0)
    run: Run = {}
    for query_id, query in judged.queries.items():
        reading = retrieval.read(query)
        scores = lexical.match(reading.text, reading.extra).score.copy()
        if reading.understood.price is not None:
            scores[~search.parts.columns.mask(Filters(price=reading.understood.price))] = 0
        run[query_id] = {products[r].product_id: float(scores[r]) for r in top_rows(scores, DEPTH) if scores[r] > 0}
    return run


def dense_run(dense: Dense, encoder: TextEncoder, products: Sequence[Product], judged: Judged) -> Run:
    """Nearest neighbours of `encoder`'s queries in `dense`, nothing else."""
    run: Run = {}
    for query_id, vector in zip(judged.queries, encoder.encode(list(judged.queries.values())), strict=True):
        scores = dense.scores(vector)
        run[query_id] = {products[r].product_id: float(scores[r]) for r in top_rows(scores, DEPTH)}
    return run


def cross_run(score: Score, products: Sequence[Product], candidates: Run, judged: Judged) -> Run:
    """The first RERANKED of `candidates` in one cross-encoder's order, nothing else."""
    texts = {p.product_id: product_text(p) for p in products}
    run: Run = {}
    for query_id, query in tqdm(judged.queries.items(), "cross-encoder", leave=False, disable=None, mininterval=2):
        found = candidates[query_id]
        ids = sorted(found, key=found.__getitem__, reverse=True)[:RERANKED]
        scores = score(query, [texts[p] for p in ids]) if ids else np.zeros(0)
        run[query_id] = dict(zip(ids, scores.tolist(), strict=True))
    return run


def gate_figures(means: dict[str, float]) -> dict[str, float]:
    """What the gates look at, from one measure's mean by system: int8 as a share of its models, the gain over BM25."""
    shares = {
        f"{network}, int8 of {other}": means[f"{network} int8"] / max(means[f"{network} {other}"], 1e-9)
        for network in ("encoder", "reranker")
        for other in ("teacher", "fp32")
    }
    return {name: round(v, 4) for name, v in {**shares, "bundle above BM25": means["bundle"] - means["BM25"]}.items()}


def check(figures: dict[str, float], gates: Gates) -> None:
    """Raises GateFailed for the first of the gates' figures that is too low."""
    for name, least in {**shares_wanted(gates), "bundle above BM25": gates.above_bm25}.items():
        if figures[name] < least:
            detail = f"gate failed, {name}: {figures[name]:.3f} of {gates.measure}, at least {least}"
            raise GateFailed(detail, "train longer, keep more layers, or lower the gate in the recipe")


def shares_wanted(gates: Gates) -> dict[str, float]:
    """The least share for each figure of `gate_figures` that is one."""
    return {
        f"{network}, {share}": least
        for network in ("encoder", "reranker")
        for share, least in (("int8 of teacher", gates.student_of_teacher), ("int8 of fp32", gates.int8_of_fp32))
    }


def measure_rows(systems: Systems, seed: int) -> list[MeasureRow]:
    """Every system's measures with 95 % bootstrap intervals."""
    rows = []
    for name in systems.runs:
        evaluation = systems.evaluation(name)
        rows += [MeasureRow(name, m, *interval(evaluation.values(m), seed)) for m in MEASURES]
    return rows


def by_kind(systems: Systems, measure: str) -> dict[str, dict[str, float]]:
    """Means of `measure` by kind of query, for the bundle and BM25."""
    kinds = systems.judged.kinds
    table: dict[str, dict[str, float]] = {}
    for name in ("bundle", "BM25"):
        values = systems.evaluation(name).by_query
        for kind in sorted(set(kinds.values())):
            of_kind = [values[q][measure] for q in values if kinds.get(q) == kind]
            if of_kind:
                table.setdefault(kind, {})[name] = round(float(np.mean(of_kind)), 4)
    return table


def gain_over_bm25(systems: Systems, measure: str, seed: int) -> tuple[float, float, float]:
    """(difference, low, high) of the bundle's `measure` minus BM25's, paired by query, 95 % bootstrap."""
    return paired_bootstrap(
        systems.evaluation("bundle").values(measure), systems.evaluation("BM25").values(measure), seed
    )


def worst(systems: Systems, products: Sequence[Product], measure: str) -> list[WorstQuery]:
    """The queries that the bundle answers worst, with what was wanted and what was returned."""
    titles = {p.product_id: p.title for p in products}
    values = systems.evaluation("bundle").by_query
    judged, rows = systems.judged, []
    for query_id in sorted(values, key=lambda q: (values[q][measure], q))[:WORST]:
        wanted = sorted(judged.ratings[query_id], key=lambda p: -judged.ratings[query_id][p])[:3]
        returned = sorted(systems.runs["bundle"][query_id].items(), key=lambda item: -item[1])[:3]
        rows.append(
            WorstQuery(
                judged.queries[query_id],
                values[query_id][measure],
                [titles[p] for p in wanted],
                [titles[p] for p, _ in returned],
            )
        )
    return rows


def score_samples(systems: Systems) -> dict[str, list[float]]:
    """The bundle's scores of products that are relevant and that are not."""
    samples: dict[str, list[float]] = {"relevant": [], "irrelevant": []}
    for query_id, found in systems.runs["bundle"].items():
        rated = systems.judged.ratings[query_id]
        for product_id, score in found.items():
            samples["relevant" if rated.get(product_id, 0) else "irrelevant"].append(score)
    return samples
