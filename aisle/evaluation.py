"""How good a ranking is: the measures of ir_measures per query, intervals by the bootstrap, and runs as TREC has them.

A run maps query_id -> product_id -> score, gains map query_id -> product_id -> integer. Gains come ready for use
(2^rating - 1, or 100, 10, 1, 0 for ESCI's E, S, C, I), so that nDCG with its linear gain equals the exponential form
over ratings. How a run came to be is not known here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aisle.errors import BadInput, MissingExtra

Run = Mapping[str, Mapping[str, float]]
Gains = Mapping[str, Mapping[str, int]]
Floats = npt.NDArray[np.floating[Any]]

MEASURES = ["nDCG@10", "RR@10", "R@100", "P@10", "Judged@10"]
_CHUNK = 4_000_000  # resampled values held at a time: 32 MB, whatever the number of queries


@dataclass(frozen=True)
class Evaluation:
    """Measures by the names they were asked for with, each in 0..1."""

    by_query: dict[str, dict[str, float]]  # query_id -> measure -> value, in the order of the gains
    mean: dict[str, float]  # measure -> mean over the queries

    def values(self, measure: str) -> npt.NDArray[np.float64]:
        """(queries,) of one measure, for the bootstrap."""
        return np.array([row[measure] for row in self.by_query.values()])


def evaluate(run: Run, gains: Gains, measures: Sequence[str] = MEASURES) -> Evaluation:
    """Every measure for every query that has gains; a query without a run counts 0, one without gains is not looked at.

    BadInput: a measure that ir_measures does not know, or no query. MissingExtra: ir_measures is not installed.
    """
    if not gains:
        raise BadInput("there is no judged query", "give qrels with at least one line")
    try:
        import ir_measures
    except ImportError as exc:
        raise MissingExtra("ir_measures", "offline") from exc
    # Plain numbers, and no query without hits: Judged divides by their number.
    answered = [query for query in gains if run.get(query)]
    scores = {query: {product: float(score) for product, score in run[query].items()} for query in answered}
    qrels = {query: {product: int(gain) for product, gain in gains[query].items()} for query in answered}
    by_query = {query: dict.fromkeys(measures, 0.0) for query in gains}
    for name in measures:
        for metric in _metrics(ir_measures, name, qrels, scores):
            by_query[metric.query_id][name] = float(metric.value)
    mean = {name: float(np.mean([row[name] for row in by_query.values()])) for name in measures}
    return Evaluation(by_query, mean)


def _metrics(ir_measures: Any, name: str, qrels: Gains, scores: Run) -> list[Any]:
    """One measure for each query of `scores`. BadInput where ir_measures cannot compute what `name` says."""
    try:
        measure = ir_measures.parse_measure(name)
        if not all(isinstance(value, int) and value >= 1 for value in _counts(measure)):
            raise ValueError("cutoff and rel are integers from 1")  # pytrec_eval would end the whole program
        return list(ir_measures.iter_calc([measure], qrels, scores))
    except (ValueError, NameError, LookupError, TypeError, AssertionError) as exc:
        raise BadInput(f"{name!r} is no measure of ir_measures", f"name one such as {', '.join(MEASURES)}") from exc


def _counts(measure: Any) -> list[object]:
    return [measure.params[name] for name in ("cutoff", "rel") if name in measure.params]


def interval(values: Floats, seed: int, resamples: int = 10_000) -> tuple[float, float, float]:
    """(mean, low, high): the mean of `values` (n,) with its 95 % bootstrap percentile interval. BadInput: no value."""
    if len(values) == 0:
        raise BadInput("there is no value to take an interval of", "evaluate at least one query")
    random = np.random.default_rng(seed)
    size = max(1, _CHUNK // len(values))
    means = []
    for start in range(0, resamples, size):
        rows = random.integers(len(values), size=(min(size, resamples - start), len(values)))  # (chunk, n)
        means.append(values[rows].mean(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def paired_bootstrap(a: Floats, b: Floats, seed: int, resamples: int = 10_000) -> tuple[float, float, float]:
    """(difference, low, high): mean of a - b with its 95 % interval. Both (n,), the same queries in the same order.

    An interval that leaves out 0 tells the two systems apart. A query that is drawn brings its values of both systems.
    """
    if len(a) != len(b):
        raise BadInput(f"{len(a)} and {len(b)} values cannot be paired", "evaluate both systems on the same queries")
    return interval(a - b, seed, resamples)


def trec_run_lines(run: Run, tag: str) -> Iterator[str]:
    """`query_id Q0 product_id rank score tag`, best first, equal scores in the order given. Ids are printed as read.

    Scores are printed in full, because tools that read runs sort by them. BadInput: an id or the tag is empty or has
    whitespace.
    """
    for query, scores in run.items():
        ranked = sorted(scores.items(), key=lambda item: -item[1])
        for rank, (product, score) in enumerate(ranked, start=1):
            yield f"{_word(query)} Q0 {_word(product)} {rank} {float(score)!r} {_word(tag)}"


def _word(name: str) -> str:
    if len(name.split()) != 1 or name != name.strip():
        raise BadInput(
            f"{name!r} cannot stand in a TREC run, which is split at whitespace", "rename it without whitespace"
        )
    return name
