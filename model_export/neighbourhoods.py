"""Lists of neighbours learned from acts: items of the same shoppers, of the same basket, and what best foretells them.

Each shopper or basket is a row of a sparse matrix, a long one counting less an item, so that a wholesaler who buys
everything does not make everything alike. `chosen` is the linear model EASE (Steck, WWW 2019), which weighs neighbours
against one another, so that two that say the same are not counted twice; `later` is the same towards what came next.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from aisle.history import DAY_MS, WEIGHT
from aisle.neighbours import Neighbours
from model_export.interactions import IMPRESSION, Interactions

KEPT = 100  # neighbours an item
SMOOTHING = 5.0  # shoppers or baskets that two items must share before their cosine counts half
RIDGE = 150.0  # of EASE, in shoppers
MOST_CHOSEN = 6000  # items that EASE is solved for, the most acted on: it inverts a matrix of their square
HALF_LIFE_DAYS = 60.0  # of an act
LATER_CUTS = 8  # moments that `later` looks at, the horizon apart
LATER_HALVES = 4.0  # cuts back at which a moment counts half
LATER_RIDGE = 5.0  # by the mean of the diagonal
_BLOCK = 512


def of_shoppers(acts: Interactions, now_ms: int, n: int) -> Neighbours:
    """Items that the same shoppers had, the later acts counting more."""
    return _cosines(_matrix(acts, acts.shopper, now_ms, n), n)


def of_baskets(acts: Interactions, now_ms: int, n: int) -> Neighbours:
    """Items that lay in the same basket."""
    return _cosines(_matrix(acts, acts.basket, now_ms, n), n)


def chosen(acts: Interactions, now_ms: int, n: int) -> Neighbours:
    """What EASE makes of the same shoppers; the links that speak for an item alone."""
    taken = _matrix(acts, acts.shopper, now_ms, n)
    items = _often(taken)
    if not len(items):
        return Neighbours.none(n)
    part = taken[:, items]
    gram = (part.T @ part).toarray().astype(np.float64)
    shoppers = np.diff(part.tocsc().indptr).mean()  # of an item
    gram[np.diag_indices_from(gram)] += RIDGE * np.diag(gram).mean() / shoppers
    inverse = cho_solve(cho_factor(gram, lower=True), np.eye(len(items)), overwrite_b=True)
    weights = (-inverse / np.diag(inverse)).astype(np.float32)  # (i, j): how much having i speaks for j
    np.fill_diagonal(weights, 0.0)
    return _listed(weights, items, n)


def later(acts: Interactions, now_ms: int, n: int, horizon_days: float) -> Neighbours:
    """What shoppers went on to do within `horizon_days` of having had an item, itself included.

    A ridge regression of what was done after LATER_CUTS moments on what was had before, the latest counting most.
    """
    items = _often(_matrix(acts, acts.shopper, now_ms, n))
    span = int(horizon_days * DAY_MS)
    gram = np.zeros((len(items), len(items)))
    cross = np.zeros_like(gram)
    for cut in range(1, LATER_CUTS + 1):
        at = now_ms - cut * span
        before, after = acts.before(at), acts.between(at, at + span)
        both = np.intersect1d(before.shopper[before.kind != IMPRESSION], after.shopper[after.kind != IMPRESSION])
        if len(both):
            had, did = (
                _matrix(part.where(np.isin(part.shopper, both)), None, at, n)[:, items] for part in (before, after)
            )
            did.data[:] = 1
            had = sparse.diags(np.asarray(had.multiply(had).sum(1)).ravel().clip(1e-9) ** -0.25) @ had
            fade = 2.0 ** ((1 - cut) / LATER_HALVES)
            gram += fade * (had.T @ had).toarray()
            cross += fade * (had.T @ did).toarray()
    if not gram.any():
        return Neighbours.none(n)
    gram[np.diag_indices_from(gram)] += LATER_RIDGE * np.diag(gram).mean()
    return _listed(cho_solve(cho_factor(gram, lower=True), cross, overwrite_b=True).astype(np.float32), items, n)


def _matrix(acts: Interactions, row: NDArray[np.int32] | None, now_ms: int, n: int) -> sparse.csr_matrix:
    """(rows, n) float32: the weightiest act of each pair, faded with its age. `row`: of each act; its shopper if None.

    Rows are those that have an act, in order.
    """
    kept = acts.kind != IMPRESSION
    rows, number = np.unique((acts.shopper if row is None else row)[kept], return_inverse=True)
    age = np.maximum(now_ms - acts.at_ms[kept], 0) / DAY_MS
    weight = (WEIGHT[acts.kind[kept]] * np.exp2(-age / HALF_LIFE_DAYS)).astype(np.float32)
    pairs, inverse = np.unique(number.astype(np.int64) * n + acts.product[kept], return_inverse=True)
    most = np.zeros(len(pairs), np.float32)
    np.maximum.at(most, inverse, weight)
    return sparse.csr_matrix((most, np.divmod(pairs, n)), shape=(len(rows), n))


def _often(taken: sparse.csr_matrix) -> NDArray[np.int64]:
    """The items of most rows, MOST_CHOSEN at most, in order."""
    rows = np.bincount(taken.indices, minlength=taken.shape[1])
    most = np.sort(np.argsort(-rows, kind="stable")[:MOST_CHOSEN])
    return most[rows[most] > 0]


def _listed(weights: NDArray[np.float32], items: NDArray[np.int64], n: int) -> Neighbours:
    """Of (i, j) weights between some items."""
    source, member, weight = _strongest(weights)
    return Neighbours.of(items[source], items[member], weight, n)


def _cosines(taken: sparse.csr_matrix, n: int) -> Neighbours:
    """Cosine of items over rows that are weighed by the root of their length, shrunk where few rows join them."""
    length = np.sqrt(np.maximum(np.asarray((taken > 0).sum(1)).ravel(), 1))
    weighed = sparse.diags(1 / np.sqrt(length)) @ taken
    norm = np.sqrt(np.asarray(weighed.multiply(weighed).sum(0)).ravel()).clip(1e-9)
    unit = (weighed @ sparse.diags(1 / norm)).tocsc()
    present = (taken > 0).astype(np.float32).tocsc()
    sources, members, weights = [], [], []
    for at in range(0, n, _BLOCK):
        near = np.asarray((unit[:, at : at + _BLOCK].T @ unit).todense())
        joint = np.asarray((present[:, at : at + _BLOCK].T @ present).todense())
        near *= joint / (joint + SMOOTHING)
        near[np.arange(len(near)), np.arange(at, at + len(near))] = 0.0
        source, member, weight = _strongest(near)
        sources.append(source + at)
        members.append(member)
        weights.append(weight)
    return Neighbours.of(np.concatenate(sources), np.concatenate(members), np.concatenate(weights), n)


def _strongest(weights: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Row, column and weight of the KEPT largest of each row, those above 0."""
    count = min(KEPT, weights.shape[1])
    columns = np.argpartition(-weights, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(weights, columns, axis=1)
    row, place = np.nonzero(found > 1e-4)
    return row, columns[row, place], found[row, place]
