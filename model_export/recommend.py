"""From a log of acts to `recommender/` in a draft: learn what items say of one another, then how much to believe it.

The order is learned as it will be used. The log is cut at several moments; at each, everything is learned anew from
what lay before, and what shoppers did in the days after is what the trees should put on top. Some pasts are cut short
on purpose, to nothing at times, and some items are made out to be new, so that strangers and new products are served by
what was learned and not by accident. The bundle's own knowledge is then learned from the whole log.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from aisle.dense import Dense
from aisle.histories import Histories
from aisle.history import DAY_MS, NEVER_DAYS, Acts, history
from aisle.knowledge import BEHAVIOUR, ITEM, SIGNALS, Knowledge
from aisle.recommender import FACTS
from aisle.types import Product
from model_export.interactions import IMPRESSION, Interactions
from model_export.item_knowledge import Goods, learned, propensities
from model_export.propensities import Propensities
from model_export.ranking import export_trees
from model_export.recipe import Recommending

LEAST_KNOWN = 0.2  # of the log that must lie before a cut
SHORTENED = 0.15  # of pasts
SHORT = (0, 1, 1, 2, 3, 5, 8)  # acts that are left of one
UNSEEN = 0.03  # of the items in a lesson: made out to be new
MOST_SHOPPERS = 2000  # of a cut, drawn
NEGATIVES = 80  # of a lesson, drawn
GAINS = np.array([0, 1, 1, 2, 3])  # of KINDS: what the order should care for
PARAMETERS: dict[str, Any] = {
    "objective": "lambdarank",
    "num_leaves": 31,
    "learning_rate": 0.05,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "lambdarank_truncation_level": 40,
    "max_bin": 63,
    "force_row_wise": True,
    "verbosity": -1,
    "deterministic": True,
}
ROUNDS = 250
WORTH_THREADS = 100_000  # candidates: with fewer, threads wait for one another more than they work
MOST_LEAF = 50  # candidates that a leaf holds at least; fewer where there are few lessons
LEAST_LESSONS = 8
_OF_ITEM = np.array([at for at, name in enumerate(ITEM) if name != "price"])
_ITEM = np.array([SIGNALS.index(ITEM[at]) for at in _OF_ITEM.tolist()])
_SPOKEN = np.array([at for at, name in enumerate(SIGNALS) if name.rpartition("_")[0] in BEHAVIOUR])
_LAST = SIGNALS.index("last_days")


class Lesson(NamedTuple):
    """Candidates of one shopper at one moment. signals: (c, len(SIGNALS)) float32.   gains: (c,) int64."""

    signals: NDArray[np.float32]
    gains: NDArray[np.int64]


class Pasts:
    """The acts of each shopper, impressions left out."""

    def __init__(self, acts: Interactions) -> None:
        kept = acts.where(acts.kind != IMPRESSION)
        order = np.argsort(kept.shopper, kind="stable")
        self._acts = Acts(kept.product[order], kept.kind[order], kept.at_ms[order])
        self.shoppers, start = np.unique(kept.shopper[order], return_index=True)
        ends = [*start[1:].tolist(), len(order)]
        self._where = {s: slice(a, b) for s, a, b in zip(self.shoppers.tolist(), start.tolist(), ends, strict=True)}

    def of(self, shopper: int) -> Acts:
        """The shopper's acts, oldest first; none where nothing is known."""
        return self._acts.part(self._where.get(shopper, slice(0, 0)))


def known_items(acts: Interactions, n: int) -> NDArray[np.bool_]:
    """(n,) what the log names at all: at an earlier moment the rest was not yet sold."""
    known = np.zeros(n, bool)
    known[acts.product] = True
    return known


def lessons_at(
    knowledge: Knowledge, known: Interactions, later: Interactions, now_ms: int, random: np.random.Generator
) -> Iterator[Lesson]:
    """For shoppers who did anything `later`, a lesson of all items and one of those that they had not bought."""
    before, after = Pasts(known), Pasts(later)
    sold = known_items(known, len(knowledge.items))
    unseen = random.random(len(sold)) < UNSEEN
    for shopper in np.sort(random.permutation(after.shoppers)[:MOST_SHOPPERS]).tolist():
        acts, done = before.of(shopper), after.of(shopper)
        if random.random() < SHORTENED:
            acts = acts.part(slice(max(0, len(acts.item) - int(random.choice(SHORT))), None))
        past = history(acts, now_ms)
        gain_of = np.zeros(len(sold), np.int64)
        np.maximum.at(gain_of, done.item, GAINS[done.kind])
        for may in (sold, sold & ~np.isin(np.arange(len(sold)), past.item[past.bought > 0])):
            items, signals = knowledge.pool(past, may)
            gains = gain_of[items]
            if not gains.any():
                continue
            hidden = np.flatnonzero(unseen[items] & (signals[:, _LAST] == NEVER_DAYS))
            signals[np.ix_(hidden, _ITEM)] = knowledge.untouched[_OF_ITEM]
            signals[np.ix_(hidden, _SPOKEN)] = 0
            kept = _drawn(gains, random)
            yield Lesson(signals[kept], gains[kept])


def _drawn(gains: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """What was done, and NEGATIVES of the rest."""
    good, rest = np.flatnonzero(gains > 0), np.flatnonzero(gains == 0)
    return np.concatenate([good, random.permutation(rest)[:NEGATIVES]])


def lessons(
    acts: Interactions, now_ms: int, goods: Goods, examined: Propensities, plan: Recommending, seed: int
) -> list[Lesson]:
    """Of the plan's moments before `now_ms`, the latest first."""
    random, span = np.random.default_rng(seed), int(plan.horizon_days * DAY_MS)
    found: list[Lesson] = []
    for nth in tqdm(range(plan.cuts), "cuts of the log", leave=False, disable=None, mininterval=2):
        at = now_ms - span - int(nth * plan.stride_days * DAY_MS)
        known = acts.before(at)
        if len(known) < LEAST_KNOWN * len(acts):
            break
        knowledge = learned(known, at, goods, examined, plan.horizon_days)
        found += lessons_at(knowledge, known, acts.between(at, at + span), at, random)
    return found


def boost(taught: Sequence[Lesson], seed: int) -> lgb.Booster:
    """The order that LEAST_LESSONS or more teach."""
    signals, gains = (np.concatenate(columns) for columns in zip(*taught, strict=True))
    leaf = int(np.clip(len(gains) / 2000, 2, MOST_LEAF))
    threads = 2 if len(gains) > WORTH_THREADS else 1
    parameters = {**PARAMETERS, "min_data_in_leaf": leaf, "num_threads": threads, "seed": seed}
    group = [len(lesson.gains) for lesson in taught]
    data = lgb.Dataset(signals, gains, group=group, feature_name=list(SIGNALS), params=parameters)
    return lgb.train(parameters, data, ROUNDS)


def fit_recommender(
    products: Sequence[Product], acts: Interactions, dense: Dense, folder: Path, plan: Recommending, seed: int
) -> dict[str, Any]:
    """Write recommender/ at `folder` and return what was learned from how much. `dense`: the vectors of `products`.

    Nothing is written, and the figures say so, where the log is too short to learn an order from.
    """
    now_ms = int(acts.at_ms[-1]) + 1
    examined, goods = propensities(acts), Goods.of(products, acts, dense)
    taught = lessons(acts, now_ms, goods, examined, plan, seed)
    figures = {
        "acts": len(acts),
        "shoppers": len(np.unique(acts.shopper)),
        "position_eta": round(examined.eta, 3),
        "lessons": len(taught),
        "sealed": len(taught) >= LEAST_LESSONS,
    }
    if not figures["sealed"]:
        return figures
    booster = boost(taught, seed)
    folder.mkdir(parents=True)
    goods.ids.save(folder / "ids")
    learned(acts, now_ms, goods, examined, plan.horizon_days).save(folder / "knowledge")
    export_trees(booster, len(SIGNALS), folder / "order.onnx")
    if plan.histories:
        told = acts.where(acts.kind != IMPRESSION)
        own = Acts(told.product, told.kind, told.at_ms)
        Histories.of(acts.shoppers, told.shopper, own).save(folder / "shoppers")
    (folder / FACTS).write_text(json.dumps({"rows": len(products), "fitted_at": now_ms}))
    gains = dict(zip(SIGNALS, booster.feature_importance("gain"), strict=True))
    most = sorted(gains, key=lambda name: -gains[name])[:10]
    return figures | {f"gain_{name}": round(float(gains[name] / sum(gains.values())), 3) for name in most}
