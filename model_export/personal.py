"""Fit what is personal in search: weights for the features of a shopper's history, from clicks whose position bias is
taken out.

For each search with a click, the ranking of today is what the shopper chose from: its first hundred, each with the
logit of its score and with what the shopper had done until then. The weights are those under which the clicked products
stand out most, each click counting by the inverse of how likely its position is looked at (Joachims, Swaminathan and
Schnabel, WSDM 2017, with a softmax over the list as in Ai et al., SIGIR 2018). No weight is below zero: a liked brand
never counts against a product. Searches of later weeks judge the result; where it does not help them, none is sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from aisle.evaluation import interval
from aisle.personal import FEATURES, PERSONALISED, Fitted, Past, Personal, remembered
from aisle.search import Search
from model_export.clicks import Clicks
from model_export.propensities import Propensities, fit_propensities

MOST_QUERIES = 1500  # ranked, those searched for most often: a minute on one core
MOST_WEIGHT = 10.0  # of a click: one at a position that hardly anybody looks at must not decide
LATER = 0.25  # of the searches judge, the newest
HELD_OUT = 0.2  # of the shoppers are learned from in no search at all
LEAST_LISTS = 200  # clicked, to learn from, and a third as many to judge by
RIDGE = 1.0  # on weights of standardised features
LEAST_SLOPE = 0.02  # of the log of attraction over the ranker's logit
DEPTH = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lists:
    """Rankings that were clicked in, one after the other: l lists of n products.

    features: (n, len(FEATURES)).  logits: (n,) of the ranker.  clicks: (n,) summed weights.  start: (l,) where each
    list begins.  search: (l,) which search.
    """

    features: Floats
    logits: Floats
    clicks: Floats
    start: NDArray[np.int64]
    search: NDArray[np.int64]

    def some(self, chosen: NDArray[np.bool_]) -> Lists:
        """The lists that `chosen` (l,) holds."""
        length = np.diff(self.start, append=len(self.logits))
        inside = np.repeat(chosen, length)
        start = np.cumsum(length[chosen]) - length[chosen]
        return Lists(self.features[inside], self.logits[inside], self.clicks[inside], start, self.search[chosen])

    @property
    def of(self) -> NDArray[np.int64]:
        """(n,) the list of each product."""
        return np.repeat(np.arange(len(self.start)), np.diff(self.start, append=len(self.logits)))


def fit_personal(search: Search, clicks: Clicks, folder: Path, seed: int) -> dict[str, Any]:
    """Write personal/ where it helps later searches, and return the figures either way."""
    numbers = np.unique(clicks.product, return_inverse=True)[1]
    pair = clicks.query[clicks.search] * len(numbers) + numbers
    examined = fit_propensities(pair, clicks.position, clicks.clicked)
    if len(np.unique(clicks.search[clicks.clicked])) < LEAST_LISTS * 4 / 3:  # not worth ranking anything
        return {"eta": round(examined.eta, 3), "sealed": False}
    personal = Personal(Fitted(list(FEATURES), [0.0] * len(FEATURES)), search.parts.columns)
    lists = clicked_lists(search, clicks, examined, personal)
    later = clicks.at_ms[lists.search] >= np.quantile(clicks.at_ms, 1 - LATER)
    strange = np.random.default_rng(seed).random(int(clicks.shopper.max()) + 1) < HELD_OUT
    learned, judged = lists.some(~later & ~strange[clicks.shopper[lists.search]]), lists.some(later)
    figures = {"eta": round(examined.eta, 3), "lists": len(learned.start), "judged": len(judged.start), "sealed": False}
    if len(learned.start) < LEAST_LISTS or len(judged.start) < LEAST_LISTS // 3:
        return figures
    (plain, _), (slope, weights) = fit_weights(learned, ()), fit_weights(learned, range(len(FEATURES)))
    before, after = plain * judged.logits, slope * judged.logits + judged.features @ weights
    surprise = interval(surprises(judged, before) - surprises(judged, after), seed)
    ndcg = interval(ndcgs(judged, after) - ndcgs(judged, before), seed)
    sealed = surprise[1] > 0 and ndcg[0] >= 0
    if sealed:
        # In the ranker's logits: there the slope is 1.
        Personal.save(Fitted(list(FEATURES), [round(float(weight / slope), 4) for weight in weights]), folder)
    return figures | {
        "sealed": sealed,
        "surprise": round(float(surprises(judged, before).mean()), 4),
        "surprise_less": [round(value, 4) for value in surprise],
        "ndcg": round(float(ndcgs(judged, before).mean()), 4),
        "ndcg_more": [round(value, 4) for value in ndcg],
        **{name: round(float(weight / slope), 3) for name, weight in zip(FEATURES, weights, strict=True)},
    }


def clicked_lists(search: Search, clicks: Clicks, examined: Propensities, personal: Personal) -> Lists:
    """What shoppers with a history chose from, as search ranks it today, of the queries searched for most often."""
    parts = search.parts
    ranked = _rankings(search, clicks)
    histories = _Histories(search, clicks)
    rows = parts.products.find_all(clicks.product.tolist())
    weights = 1 / np.maximum(examined.of(clicks.position), 1 / MOST_WEIGHT)
    first = np.searchsorted(clicks.search, np.arange(len(clicks.query) + 1))
    features, logits, clicked, searches = [], [], [], []
    for number, query in enumerate(tqdm(clicks.query.tolist(), "histories", leave=False, disable=None, mininterval=2)):
        past = histories.of(int(clicks.shopper[number]), int(clicks.at_ms[number]))
        if query not in ranked or not len(past.rows):
            continue
        candidates, scores = ranked[query]
        shown = np.arange(first[number], first[number + 1])
        shown = shown[clicks.clicked[shown]]
        counted = (candidates[:, None] == rows[shown]) @ weights[shown]
        if counted.any():
            features.append(personal.features(past, candidates, parts.columns, parts.dense))
            logits.append(scores)
            clicked.append(counted)
            searches.append(number)
    length = np.array([len(scores) for scores in logits], np.int64)
    return Lists(
        np.concatenate([np.zeros((0, len(FEATURES))), *features]),
        np.concatenate([np.zeros(0), *logits]),
        np.concatenate([np.zeros(0), *clicked]),
        np.cumsum(length) - length,
        np.array(searches, np.int64),
    )


def _rankings(search: Search, clicks: Clicks) -> dict[int, tuple[NDArray[np.int64], Floats]]:
    """query -> rows, best first, and the logits of their scores."""
    often = np.argsort(-np.bincount(clicks.query), kind="stable")[:MOST_QUERIES]
    found = {}
    for query in tqdm(often.tolist(), "rankings", leave=False, disable=None, mininterval=2):
        ranking = search.ranking(clicks.queries[query], PERSONALISED)
        scores = np.array([score for _, score in ranking]).clip(1e-6, 1 - 1e-6)
        rows = search.parts.products.find_all([product_id for product_id, _ in ranking])
        found[query] = (rows, np.log(scores / (1 - scores)))
    return found


class _Histories:
    """What each shopper had done by a moment."""

    def __init__(self, search: Search, clicks: Clicks) -> None:
        order = np.lexsort((clicks.act_at_ms, clicks.act_shopper))
        self._rows = search.parts.products.find_all(clicks.act_product[order].tolist())
        self._kinds, self._at_ms = clicks.act_kind[order], clicks.act_at_ms[order]
        self._start = np.searchsorted(clicks.act_shopper[order], np.arange(clicks.shopper.max(initial=0) + 2))

    def of(self, shopper: int, now_ms: int) -> Past:
        start, end = self._start[shopper], self._start[shopper + 1]
        acts = slice(start, start + np.searchsorted(self._at_ms[start:end], now_ms))
        return remembered(self._rows[acts], self._kinds[acts], self._at_ms[acts], now_ms)


def fit_weights(lists: Lists, features: Any) -> tuple[float, Floats]:
    """(slope, weights): of the ranker's logit, and of all FEATURES, 0 for those that are not among `features`."""
    chosen = [*features]
    spread = lists.features[:, chosen].std(axis=0) + 1e-9
    known = np.column_stack([lists.logits, lists.features[:, chosen] / spread])

    def loss(values: Floats) -> tuple[float, Floats]:
        logs = _log_shares(lists, known @ values)
        asked = np.add.reduceat(lists.clicks, lists.start)[lists.of]
        gradient = known.T @ (asked * np.exp(logs) - lists.clicks)
        gradient[1:] += 2 * RIDGE * values[1:]
        return float(-(lists.clicks @ logs) + RIDGE * values[1:] @ values[1:]), gradient

    bounds = [(LEAST_SLOPE, None), *[(0.0, None)] * len(chosen)]
    values = minimize(loss, [0.3, *[0.0] * len(chosen)], jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = np.zeros(len(FEATURES))
    weights[chosen] = values[1:] / spread
    return float(values[0]), weights


def surprises(lists: Lists, scores: Floats) -> Floats:
    """(l,) negative log likelihood of each list's clicks, in nats a click."""
    lost: Floats = -np.add.reduceat(lists.clicks * _log_shares(lists, scores), lists.start)
    return lost / np.add.reduceat(lists.clicks, lists.start)


def ndcgs(lists: Lists, scores: Floats) -> Floats:
    """(l,) nDCG@10 of each list in the order of `scores`, a click's weight as its gain."""
    return _dcgs(lists, scores) / _dcgs(lists, lists.clicks)


def _dcgs(lists: Lists, scores: Floats) -> Floats:
    of = lists.of
    order = np.lexsort((np.arange(len(scores)), -scores, of))
    rank = np.empty(len(scores), np.int64)
    rank[order] = np.arange(len(scores))
    rank -= lists.start[of]
    gains: Floats = np.add.reduceat(np.where(rank < DEPTH, lists.clicks / np.log2(rank + 2), 0.0), lists.start)
    return gains


def _log_shares(lists: Lists, scores: Floats) -> Floats:
    """(n,) log of the softmax over each list."""
    of = lists.of
    centred = scores - np.maximum.reduceat(scores, lists.start)[of]
    logs: Floats = centred - np.log(np.add.reduceat(np.exp(centred), lists.start))[of]
    return logs
