"""What a shop would try first, over the same acts: what is popular, what is popular now, what the shopper had before,
and items of the same shoppers by BM25 weights. They say what a recommender has to beat to be worth its while.

Each gives a shopper's scores of all items; what they bought before is taken out where only new things are wanted.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from aisle.history import DAY_MS, WEIGHT
from model_export.interactions import IMPRESSION, PURCHASE, Interactions, Wanted

RECENT_DAYS = 14.0
K1, B = 1.2, 0.5  # of BM25; the best of a few on the months before the judged ones
NEAREST = 20  # items
Scores = Callable[[int], NDArray[np.float64]]  # of a shopper's number: (products,)


def taken(acts: Interactions) -> sparse.csr_matrix:
    """(shoppers, products) float64: how often each was acted on, a purchase counting 1."""
    kept = acts.where(acts.kind != IMPRESSION)
    shape = (len(acts.shoppers), len(acts.products))
    return sparse.csr_matrix((WEIGHT[kept.kind].astype(float), (kept.shopper, kept.product)), shape=shape)


def bm25(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """BM25 weights of (shoppers, products): shoppers are the terms, items the documents."""
    found = weights.T.tocoo()  # (products, shoppers)
    idf = np.log(found.shape[0]) - np.log1p(np.bincount(found.col, minlength=found.shape[1]))
    length = np.asarray(weights.sum(0)).ravel()
    norm = 1 - B + B * length / max(length.mean(), 1e-9)
    values = found.data * (K1 + 1) / (K1 * norm[found.row] + found.data) * idf[found.col]
    return sparse.csr_matrix((values, (found.col, found.row)), shape=weights.shape)


def popular(acts: Interactions) -> Scores:
    counts = _counts(acts)
    return lambda _: counts


def popular_now(acts: Interactions) -> Scores:
    counts = _counts(acts.where(acts.at_ms > acts.at_ms[-1] - int(RECENT_DAYS * DAY_MS)))
    return lambda _: counts


def own_then_popular(acts: Interactions) -> Scores:
    """What the shopper had most often first, equal ones and the rest by popularity."""
    counts, had = _counts(acts), taken(acts)
    share = counts / (counts.max() + 1)
    return lambda shopper: had[shopper].toarray().ravel() + share


def bm25_items(acts: Interactions) -> Scores:
    """Each item's twenty nearest by BM25 weights, as `implicit`'s BM25Recommender has them."""
    had = taken(acts)
    weighed = bm25(had)
    near = (weighed.T @ weighed).tocsr()
    for row in range(near.shape[0]):
        own = slice(near.indptr[row], near.indptr[row + 1])
        values = near.data[own]
        if len(values) > NEAREST:
            values[values < np.partition(values, len(values) - NEAREST)[len(values) - NEAREST]] = 0
    near.eliminate_zeros()
    return lambda shopper: (had[shopper] @ near).toarray().ravel()


def ease(acts: Interactions, ridge: float) -> Scores:
    """The linear model EASE (Steck, WWW 2019) over whether a shopper had an item at all; items by items in memory."""
    had = (taken(acts) > 0).astype(float)
    gram = (had.T @ had).toarray()
    gram[np.diag_indices_from(gram)] += ridge
    inverse = cho_solve(cho_factor(gram, lower=True), np.eye(len(gram)), overwrite_b=True)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)

    def scores(shopper: int) -> NDArray[np.float64]:
        found: NDArray[np.float64] = weights[had[shopper].indices].sum(0)
        return found

    return scores


def lists(scores: Scores, wanted: Wanted, known: Interactions, k: int, *, new: bool) -> list[NDArray[np.int64]]:
    """The first k products of each shopper in `wanted`."""
    had = taken(known.where(known.kind == PURCHASE))
    found = []
    for shopper in wanted.shoppers.tolist():
        values = scores(shopper)
        if new:
            values = values.copy()
            values[had[shopper].indices] = -np.inf
        found.append(np.argsort(-values, kind="stable")[:k])
    return found


def _counts(acts: Interactions) -> NDArray[np.float64]:
    kept = acts.where(acts.kind != IMPRESSION)
    return np.bincount(kept.product, WEIGHT[kept.kind].astype(float), len(acts.products)).astype(float)
