"""The learned order of candidates: boosted trees (LambdaMART) over what retrieval, words and the cross-encoder say of
each.

No single score is right everywhere: BM25 knows model numbers, the encoder knows meaning, the cross-encoder knows both
but is too slow for more than a few dozen. The workshop fits two ensembles on queries that no network was trained on:
`first` orders all candidates, `final` orders the reranked ones with the cross-encoder's opinion added. Both are ONNX
tree ensembles, so serving needs no boosting library. This module knows features and scores, not products.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.lexical import Detail, Match
from aisle.onnx import open_session
from aisle.reranker import sigmoid

FIRST = (
    "lexical",  # BM25 over titles, with brand, category, color, material and size
    "lexical_share",  # the same as a share of the best row's
    "body",  # BM25 over descriptions and attributes
    "cosine",
    "cosine_gap",  # to the best row's cosine
    "coverage",  # idf share of the query that the title has
    "body_coverage",
    "identifiers",  # the same over terms with a digit
    "precision",  # share of the title's terms that the query asked for
    "title_terms",
    "unasked",  # idf mass of the title's terms that the query did not ask for
    "unasked_identifiers",  # the same over terms with a digit: another model's number, for one
    "query_terms",
    "lexical_rank",  # log2(1 + rank)
    "dense_rank",
    "category",  # 1 as understood from the query, -1 another, 0 nothing understood
    "brand",
    "color",
)
FINAL = (*FIRST, "cross", "cross_gap", "first")  # the cross-encoder's logit, its distance to the best, the first score
RISING = (
    "lexical",
    "cosine",
    "coverage",
    "identifiers",
    "category",
    "brand",
    "color",
    "cross",
    "first",
)  # never count against a row


class Evidence(NamedTuple):
    """What retrieval found out about the rows for one query."""

    title: Match
    body: Match
    vector: NDArray[np.float32]  # (dim,) the query's
    cosine: NDArray[np.float32]  # (n,), dense.UNSEEN where the vectors were not compared


def first_features(
    evidence: Evidence,
    rows: NDArray[np.int64],
    detail: Detail,
    title_terms: NDArray[np.float32],
    agreement: NDArray[np.float32],
    query_terms: int,
) -> NDArray[np.float32]:
    """(len(rows), len(FIRST)) float32 of rows that all have a cosine.

    Beside them: `detail` and `title_terms` of their titles, and `agreement`, (len(rows), 3) of category, brand and
    colour in -1, 0, 1.
    """
    title, body = evidence.title, evidence.body
    lexical, near = title.score[rows], evidence.cosine[rows]
    columns = (
        lexical,
        lexical / max(float(lexical.max(initial=0)), 1e-6),
        body.score[rows],
        near,
        near.max(initial=-1) - near,
        title.coverage[rows],
        body.coverage[rows],
        detail.identifiers,
        detail.matched / np.maximum(title_terms, 1),
        title_terms,
        detail.unasked,
        detail.unasked_identifiers,
        np.full(len(rows), query_terms),
        _log_rank(lexical),
        _log_rank(near),
    )
    return np.column_stack([*columns, agreement]).astype(np.float32)


def final_features(
    first: NDArray[np.float32], scores: NDArray[np.float32], cross: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n, len(FINAL)) float32 from the first stage's features and scores, and the cross-encoder's logits."""
    return np.column_stack([first, cross, cross.max(initial=-1e3) - cross, scores]).astype(np.float32)


def _log_rank(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    order = np.empty(len(scores))
    order[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    return np.log2(order + 2)


class Order(Protocol):
    """The seam: scores in 0..1 from features, before and after the cross-encoder has read."""

    def first(self, features: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def final(self, features: NDArray[np.float32]) -> NDArray[np.float32]: ...


class Ranker:
    """`folder` holds first.onnx and final.onnx."""

    def __init__(self, folder: Path) -> None:
        self._first = open_session(folder / "first.onnx", threads=1)
        self._final = open_session(folder / "final.onnx", threads=1)

    def first(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) float32 scores in 0..1 from (n, len(FIRST)) features."""
        return sigmoid(self._first.run(None, {"features": features})[0][:, 0])

    def final(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) float32 scores in 0..1 from (n, len(FINAL)) features."""
        return sigmoid(self._final.run(None, {"features": features})[0][:, 0])
