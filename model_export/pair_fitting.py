"""Fit the scorer of pairs on judged ones: a logistic regression, and what it is worth on queries it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from aisle.encoder import TextEncoder
from aisle.errors import BadInput
from aisle.pair_scorer import FEATURES, Fitted, PairScorer, Tables, model_features, word_features
from aisle.reranker import Reranker
from model_export.datasets import JudgedPair

FOLDS = 5
STRENGTH = 0.03  # inverse of the regularisation: sixteen features, some of them much alike
RESAMPLES = 1000


def fit_pair_scorer(
    pairs: Sequence[JudgedPair], encoder: TextEncoder, reranker: Reranker, folder: Path, seed: int
) -> dict[str, Any]:
    """Write pairs/scorer.json from all pairs and return the AUC over 5 folds, split by query.

    A fold's tables of words know nothing of its own pairs. Raises BadInput where the pairs cannot be split.
    """
    exact = np.array([judged.gain == 1 for judged in pairs])
    queries = np.array([judged.query_id for judged in pairs])
    if len(set(queries.tolist())) < FOLDS or exact.all() or not exact.any():
        raise BadInput(f"{len(pairs)} judged pairs are all alike or of too few queries", "label more pairs")
    bar = tqdm(pairs, "pairs", leave=False, disable=None, mininterval=2)
    said = np.array([model_features(judged.pair, encoder, reranker) for judged in bar])
    scores = np.empty(len(pairs))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(said, exact, queries):
        fitted, features = _fit([pairs[i] for i in train], said[train], exact[train]), said[test]
        words = [word_features(pairs[i].pair, fitted.tables) for i in test]
        # Without the bias: it follows the other folds' share of exact pairs, and so errs against this fold's.
        scores[test] = fitted.logits(np.column_stack([np.array(words, float), features])) - fitted.bias
    PairScorer.save(_fit(pairs, said, exact), folder)
    auc, low, high = auc_interval(exact, scores, queries, seed)
    return {"pairs": len(pairs), "auc": auc, "auc_low": low, "auc_high": high}


def _fit(pairs: Sequence[JudgedPair], said: NDArray[np.float64], exact: NDArray[np.bool_]) -> Fitted:
    tables = Tables.of([judged.pair for judged in pairs])
    words = [word_features(judged.pair, tables) for judged in pairs]
    features = np.column_stack([np.array(words, float), said])
    scaler = StandardScaler().fit(features)
    regression = LogisticRegression(C=STRENGTH, max_iter=1000).fit(scaler.transform(features), exact)
    return Fitted(
        list(FEATURES),
        tables,
        scaler.mean_.tolist(),
        scaler.scale_.tolist(),
        regression.coef_[0].tolist(),
        float(regression.intercept_[0]),
    )


def auc_interval(
    exact: NDArray[np.bool_], scores: NDArray[np.float64], queries: NDArray[Any], seed: int
) -> tuple[float, float, float]:
    """(AUC, low, high), 95 % by bootstrap over queries, rounded to four digits."""
    random = np.random.default_rng(seed)
    _, group = np.unique(queries, return_inverse=True)
    members = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    drawn = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([members[g] for g in random.integers(len(members), size=len(members))])
        if 0 < exact[rows].sum() < len(rows):
            drawn.append(roc_auc_score(exact[rows], scores[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return round(float(roc_auc_score(exact, scores)), 4), round(float(low), 4), round(float(high), 4)
