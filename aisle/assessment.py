"""How good a bundle is by someone's judgements: its run, the measures with intervals, and where it goes wrong.

Rankings are deep and reranked however long that takes, as `aisle run` prints them; latency is that of the request that
a shop would send. Judgements that cannot be met (of products or queries that are not there) are refused, because the
measures would fall for a reason that has nothing to do with the models.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aisle.errors import BadInput, NotFound
from aisle.evaluation import Evaluation, Gains, Run, evaluate, interval
from aisle.products import Products
from aisle.report import MeasureRow, Report, WorstQuery
from aisle.types import SearchRequest, SearchResponse

SEED = 20  # of the bootstrap; any will do, as long as two runs print the same
WORST = 20  # queries that a report lists, with ...
TITLES = 3  # ... the first titles of what was wanted and of what came


class Searches(Protocol):
    """What is measured: `aisle.runtime.Services`, for one."""

    def ranking(self, query: str, k: int) -> list[tuple[str, float]]: ...

    def search(self, request: SearchRequest, query_id: str) -> SearchResponse: ...


@dataclass(frozen=True)
class Assessment:
    """`latency_ms`: stage -> one value for each query with that stage; `degraded`: searches that skipped a stage."""

    run: Run
    evaluation: Evaluation
    latency_ms: Mapping[str, Sequence[float]]
    degraded: int

    def intervals(self) -> list[MeasureRow]:
        """Mean and 95 % bootstrap interval of each measure."""
        evaluation = self.evaluation
        return [MeasureRow("bundle", name, *interval(evaluation.values(name), SEED)) for name in evaluation.mean]


def check_measures(measures: Sequence[str]) -> None:
    """Raises BadInput and MissingExtra now instead of after an hour of searching."""
    evaluate({"query": {"product": 1.0}}, {"query": {"product": 1}}, measures)


def judged_queries(queries: Sequence[tuple[str, str]], gains: Gains, products: Products) -> list[tuple[str, str]]:
    """The queries that have judgements, in order. BadInput: judgements of unknown queries or unknown products."""
    known = {query_id for query_id, _ in queries}
    _refuse([query_id for query_id in gains if query_id not in known], "queries", "add them to --queries")
    wanted = dict.fromkeys(product_id for judged in gains.values() for product_id in judged)
    strange = [product_id for product_id in wanted if not _has(products, product_id)]
    _refuse(strange, "products", "evaluate on the catalogue that was judged, or leave them out of --qrels")
    return [(query_id, query) for query_id, query in queries if query_id in gains]


def assess(
    searches: Searches, queries: Iterable[tuple[str, str]], gains: Gains, measures: Sequence[str], k: int
) -> Assessment:
    """The run of `queries`, k hits each, and what it is worth; each is also asked as a shop would, for the time."""
    run: dict[str, dict[str, float]] = {}
    latency_ms: dict[str, list[float]] = defaultdict(list)
    degraded = 0
    for query_id, query in queries:
        run[query_id] = untied(searches.ranking(query, k))
        response = searches.search(SearchRequest(query), query_id)
        degraded += bool(response.degraded)
        for stage, took_ms in response.timings_ms.items():
            latency_ms[stage].append(took_ms)
    return Assessment(run, evaluate(run, gains, measures), dict(latency_ms), degraded)


def untied(ranking: Sequence[tuple[str, float]]) -> dict[str, float]:
    """product_id -> score in float32, strictly falling: each is the score itself or the next number under the last."""
    # trec_eval holds scores as float32, sorts by them whatever the ranks say, and orders equal ones by id.
    scores: dict[str, float] = {}
    lowest = np.float32(np.inf)
    for product_id, score in ranking:
        lowest = min(np.float32(score), np.nextafter(lowest, np.float32(-np.inf)))
        scores[product_id] = float(lowest)
    return scores


def report_on(
    assessment: Assessment, queries: Mapping[str, str], gains: Gains, products: Products, facts: Mapping[str, object]
) -> Report:
    """The page for people: measures, worst queries, scores of relevant and other hits, time by stage."""
    hits = [(gains[q].get(p, 0) > 0, score) for q, scores in assessment.run.items() for p, score in scores.items()]
    without = sum(not any(gains[query_id].values()) for query_id in queries)
    notes = [f"{len(queries)} judged queries."]
    notes += [f"{without} of them have no relevant product and count 0 in most measures."] * bool(without)
    notes += [f"{assessment.degraded} searches skipped a stage to stay within their budget."] * bool(
        assessment.degraded
    )
    return Report(
        title=f"Bundle {facts['bundle_id']}",
        manifest=facts,
        measures=assessment.intervals(),
        scores={
            "relevant": [score for relevant, score in hits if relevant],
            "irrelevant or not judged": [score for relevant, score in hits if not relevant],
        },
        latency_ms=assessment.latency_ms,
        worst=_worst(assessment, queries, gains, products),
        notes=notes,
    )


def _worst(assessment: Assessment, queries: Mapping[str, str], gains: Gains, products: Products) -> list[WorstQuery]:
    """By the first measure, among queries that something is relevant for."""
    values = {query_id: next(iter(row.values())) for query_id, row in assessment.evaluation.by_query.items()}
    answerable = [query_id for query_id in values if any(gains[query_id].values())]

    def titles(product_ids: Iterable[str]) -> list[str]:
        return [products[products.row(product_id)].title for product_id in list(product_ids)[:TITLES]]

    def wanted(judged: Mapping[str, int]) -> list[str]:
        return sorted((product_id for product_id in judged if judged[product_id]), key=lambda p: -judged[p])

    return [
        WorstQuery(
            queries[query_id], values[query_id], titles(wanted(gains[query_id])), titles(assessment.run[query_id])
        )
        for query_id in sorted(answerable, key=lambda query_id: values[query_id])[:WORST]
    ]


def _has(products: Products, product_id: str) -> bool:
    try:
        products.row(product_id)
    except NotFound:
        return False
    return True


def _refuse(strange: Sequence[str], what: str, remedy: str) -> None:
    if strange:
        raise BadInput(f"the judgements name {len(strange)} unknown {what}, the first is {strange[0]!r}", remedy)
