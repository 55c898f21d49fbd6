"""Fit the final order: LambdaMART over the features that serving computes, on queries that no network was trained on.

Two ensembles, `first` over all candidates and `final` over the reranked ones, monotone in the features that can only
speak for a product, and exported to ONNX. `final` learns from what `first` says of queries that it has not seen
(out-of-fold), as it will when serving. Also the least cosine that counts as a match, read off the same queries.
A recipe of several catalogues with labels gives a lesson of each, so that the order fits more than one shop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import lightgbm as lgb
import numpy as np
import onnxmltools
from numpy.typing import NDArray
from onnxmltools.convert.common.data_types import FloatTensorType
from tqdm import tqdm

from aisle.errors import BadInput
from aisle.ranker import FINAL, FIRST, RISING, final_features
from aisle.reranker import sigmoid
from aisle.retrieval import RERANKED, Parts, Retrieval
from aisle.text import words
from aisle.types import Filters

PARAMETERS = {
    "objective": "lambdarank",
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "learning_rate": 0.08,
    "feature_fraction": 0.8,
    "verbosity": -1,
    "deterministic": True,
    "num_threads": 2,
}
ROUNDS = 150
FIRST_DEPTH, FINAL_DEPTH = 100, 15  # ranks that the two ensembles are to get right: what is retrieved, what is seen
FOLDS = 5
FLOOR_PERCENTILE = 2  # of the relevant products' cosines: two in a hundred must be found by words instead


class Lesson(NamedTuple):
    """Queries with product_id -> rating, over one catalogue. `parts.ranker` is None: retrieval alone finds."""

    parts: Parts
    queries: list[tuple[str, dict[str, int]]]


@dataclass(frozen=True)
class Judged:
    """Features and ratings of one query's candidates in the catalogue of `retrieval`."""

    features: NDArray[np.float32]  # (c, len(FIRST))
    ratings: NDArray[np.int64]  # (c,)
    rows: NDArray[np.int64]  # (c,)
    text: str
    retrieval: Retrieval


def fit_ranker(lessons: Sequence[Lesson], folder: Path, seed: int) -> dict[str, float]:
    """Write ranker/ and return what was learned from how much.

    Raises BadInput where retrieval finds relevant products for fewer than two queries.
    """
    folder.mkdir(parents=True)
    asked = [
        (retrieval, query, ratings)
        for parts, queries in lessons
        for retrieval in [Retrieval(parts, clock=lambda: 0.0)]
        for query, ratings in queries
    ]
    bar = tqdm(asked, "ranker features", leave=False, disable=None, mininterval=2)
    judged = [j for retrieval, query, ratings in bar if (j := _judge(retrieval, query, ratings)).ratings.any()]
    if len(judged) < 2:
        raise BadInput(
            f"of {len(asked)} queries kept for the ranker, retrieval finds a relevant product for {len(judged)}",
            "label more queries, or train longer: it takes two",
        )
    first = _boost([j.features for j in judged], [j.ratings for j in judged], FIRST, FIRST_DEPTH, seed)
    export_trees(first, len(FIRST), folder / "first.onnx")
    features, ratings = [], []
    unseen = _out_of_fold(judged, seed)
    for j, scores in zip(tqdm(judged, "ranker logits", leave=False, disable=None, mininterval=2), unseen, strict=True):
        top = np.argsort(-scores, kind="stable")[:RERANKED]
        cross = j.retrieval.read_pairs(j.text, j.rows[top], deadline=np.inf)
        assert cross is not None  # no deadline, no refusal
        features.append(final_features(j.features[top], scores[top], cross))
        ratings.append(j.ratings[top])
    final = _boost(features, ratings, FINAL, FINAL_DEPTH, seed)
    export_trees(final, len(FINAL), folder / "final.onnx")
    gains = dict(zip(FINAL, final.feature_importance("gain"), strict=True))
    return {
        "queries": len(judged),
        **{f"gain_{name}": round(float(g / sum(gains.values())), 3) for name, g in gains.items()},
    }


def fit_floor(lessons: Sequence[Lesson]) -> float:
    """The cosine that all but FLOOR_PERCENTILE of a hundred relevant products reach."""
    cosines: list[float] = []
    for parts, queries in lessons:
        retrieval = Retrieval(parts, clock=lambda: 0.0)
        for query, ratings in queries:
            text, best = retrieval.read(query).text, max(ratings.values())
            rows = np.array([parts.products.row(p) for p, r in ratings.items() if r == best][:20])
            if words(text):
                cosines += parts.dense.some(rows, parts.encoder.encode([text])[0]).tolist()
    return float(np.percentile(cosines, FLOOR_PERCENTILE))


def _judge(retrieval: Retrieval, query: str, ratings: dict[str, int]) -> Judged:
    reading = retrieval.read(query)
    price = reading.understood.price
    allowed = retrieval.allowed(Filters() if price is None else Filters(price=price))
    evidence = retrieval.retrieve(reading, allowed)
    matches = np.flatnonzero(retrieval.wanted(evidence, allowed))
    if evidence is None or not len(matches):
        return Judged(np.zeros((0, len(FIRST)), np.float32), np.zeros(0, np.int64), matches, query, retrieval)
    rows = retrieval.candidates(evidence, matches)
    features = retrieval.features(reading, evidence, rows)
    rated = {retrieval.parts.products.row(p): r for p, r in ratings.items()}
    return Judged(features, np.array([rated.get(row, 0) for row in rows.tolist()]), rows, reading.text, retrieval)


def _out_of_fold(judged: Sequence[Judged], seed: int) -> list[NDArray[np.float32]]:
    """(c,) float32 scores in 0..1 of each query's candidates, by a first stage fitted without that query."""
    scores: dict[int, NDArray[np.float32]] = {}
    folds = min(FOLDS, len(judged))
    for fold in range(folds):
        rest = [j for at, j in enumerate(judged) if at % folds != fold]
        booster = _boost([j.features for j in rest], [j.ratings for j in rest], FIRST, FIRST_DEPTH, seed)
        for at in range(fold, len(judged), folds):
            scores[at] = sigmoid(np.asarray(booster.predict(judged[at].features), np.float32))
    return [scores[at] for at in range(len(judged))]


def _boost(
    features: list[NDArray[np.float32]], ratings: list[NDArray[np.int64]], names: tuple[str, ...], depth: int, seed: int
) -> lgb.Booster:
    data = lgb.Dataset(
        np.concatenate(features), np.concatenate(ratings), group=[len(f) for f in features], feature_name=list(names)
    )
    rising = [int(name in RISING) for name in names]
    parameters = {**PARAMETERS, "monotone_constraints": rising, "lambdarank_truncation_level": depth, "seed": seed}
    return lgb.train(parameters, data, ROUNDS)


def export_trees(booster: lgb.Booster, width: int, path: Path) -> None:
    """The ensemble over (n, width) `features` as ONNX at `path`."""
    model = onnxmltools.convert_lightgbm(
        booster, initial_types=[("features", FloatTensorType([None, width]))], target_opset=15
    )
    path.write_bytes(model.SerializeToString())
