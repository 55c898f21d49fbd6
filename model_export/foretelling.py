"""Does the recommender foretell what shoppers buy better than what a shop would try first?

The log's newest share is held back; everything is learned from the rest, settings included only in that they are given.
Two tasks are asked of the one recommender: anything that a shopper will buy, and what they will buy that is new to
them. The differences are paired by shopper.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.evaluation import interval, paired_bootstrap
from aisle.recommender import Recommender
from aisle.reranker import sigmoid
from model_export import baselines
from model_export.assess import GateFailed
from model_export.interactions import IMPRESSION, Interactions, Wanted, moment, wanted
from model_export.item_knowledge import Goods, learned, propensities
from model_export.judging import coverage, ndcg, novelty, recall
from model_export.recipe import Recommending
from model_export.recommend import LEAST_LESSONS, Lesson, Pasts, boost, known_items, lessons

K = 20
LEAST_JUDGED = 20  # shoppers: of fewer nothing can be said
TASKS = ("anything", "new")
OWN = "aisle"
MEASURES = {"recall@20": recall, "nDCG@20": ndcg}
Lists = list[NDArray[np.int64]]


@dataclass(frozen=True)
class Split:
    """`known`: all before a moment. `wanted`: of each task, what was bought after it."""

    known: Interactions
    wanted: dict[str, Wanted]
    start_ms: int

    @classmethod
    def of(cls, acts: Interactions, start_ms: int, end_ms: int) -> Split:
        known, later = acts.before(start_ms), acts.between(start_ms, end_ms)
        return cls(known, {task: wanted(known, later, new=task == "new") for task in TASKS}, start_ms)

    @classmethod
    def last(cls, acts: Interactions, share: float) -> Split:
        """The last `share` of the acts held back."""
        return cls.of(acts, moment(acts, share), int(acts.at_ms[-1]) + 1)


@dataclass
class Contest:
    """Every system's lists of products (numbers of the log) for both tasks of one split."""

    split: Split
    lists: dict[str, dict[str, Lists]] = field(default_factory=dict)  # system -> task -> a list a shopper

    def values(self, system: str, task: str, measure: str) -> NDArray[np.float64]:
        """(shoppers,)"""
        return MEASURES[measure](self.lists[system][task], self.split.wanted[task], K)

    def table(self, n_products: int, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
        """system -> task -> measures with 95 % intervals, coverage and novelty."""
        known = self.split.known
        done = known.where(known.kind != IMPRESSION)
        counts = np.bincount(done.product, minlength=n_products)
        return {
            system: {
                task: {
                    **{m: [round(v, 4) for v in interval(self.values(system, task, m), seed)] for m in MEASURES},
                    "coverage": round(coverage(found, n_products, K), 4),
                    "novelty": round(novelty(found, counts, K), 2),
                }
                for task, found in by_task.items()
            }
            for system, by_task in self.lists.items()
        }

    def gains(self, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
        """task -> measure -> the best peer, the gain over it as a share of its figure, the difference's interval."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for task in TASKS:
            for measure in MEASURES:
                own = self.values(OWN, task, measure)
                peers = {name: self.values(name, task, measure) for name in self.lists if name != OWN}
                best = max(peers, key=lambda name: float(peers[name].mean()))
                found.setdefault(task, {})[measure] = {
                    "best_peer": best,
                    "gain": round(float(own.mean() / max(peers[best].mean(), 1e-9)) - 1, 4),
                    "difference": [round(v, 4) for v in paired_bootstrap(own, peers[best], seed)],
                }
        return found


def recommender_of(
    known: Interactions, now_ms: int, goods: Goods, plan: Recommending, seed: int, taught: list[Lesson]
) -> Recommender:
    """As a bundle has it, of `known` alone, its order from the lessons `taught`."""
    booster = boost(taught, seed)
    knowledge = learned(known, now_ms, goods, propensities(known), plan.horizon_days)
    rows = int(goods.ids.row.max()) + 1

    def order(signals: NDArray[np.float32]) -> NDArray[np.float32]:
        return sigmoid(np.asarray(booster.predict(signals, num_threads=1), np.float32))

    return Recommender(goods.ids, knowledge, order, rows, now_ms)


def own_lists(recommender: Recommender, split: Split, *, new: bool) -> Lists:
    """Of each shopper in the split's task, the first K items."""
    ids, pasts = recommender.ids, Pasts(split.known)
    sold = known_items(split.known, len(ids))
    items = ids.items(int(ids.row.max()) + 1)
    allowed = sold[items]
    found = []
    for shopper in split.wanted["new" if new else "anything"].shoppers.tolist():
        told = recommender.for_acts(pasts.of(shopper), split.start_ms, K, new=new, allowed=allowed)
        found.append(items[told.rows].astype(np.int64))
    return found


def contest(split: Split, recommender: Recommender) -> Contest:
    """The recommender beside the plain baselines."""
    peers = {
        "popularity": baselines.popular,
        "recent popularity": baselines.popular_now,
        "own history, then popularity": baselines.own_then_popular,
        "BM25 item-item": baselines.bm25_items,
    }
    held = Contest(split)
    held.lists[OWN] = {task: own_lists(recommender, split, new=task == "new") for task in TASKS}
    for name, fitted in peers.items():
        scores = fitted(split.known)
        held.lists[name] = {
            task: baselines.lists(scores, split.wanted[task], split.known, K, new=task == "new") for task in TASKS
        }
    return held


def judge_recommender(acts: Interactions, goods: Goods, plan: Recommending, seed: int) -> dict[str, Any]:
    """Figures for the manifest. Raises GateFailed where it does not beat the best baseline by what is demanded."""
    split = Split.last(acts, plan.judged_share)
    judged = {task: len(split.wanted[task].shoppers) for task in TASKS}
    taught = lessons(split.known, split.start_ms, goods, propensities(split.known), plan, seed)
    if min(judged.values()) < LEAST_JUDGED or len(taught) < LEAST_LESSONS:
        return {"judged_shoppers": judged, "lessons": len(taught)}
    held = contest(split, recommender_of(split.known, split.start_ms, goods, plan, seed, taught))
    gains = held.gains(seed)
    for task in TASKS:
        found = gains[task]["recall@20"]
        gain, peer, most = found["gain"], found["best_peer"], found["difference"][2]
        if most < 0 if plan.above_peers is None else gain < plan.above_peers:
            raise GateFailed(
                f"gate failed, recommendations of {task}: recall@20 is {gain:+.1%} of {peer}'s, "
                f"at least {plan.above_peers or 0:+.1%}",
                "bring a longer log, or lower above_peers in the recipe",
            )
    table = held.table(len(goods.ids), seed)
    return {"judged_shoppers": judged, "systems": table, "gains": gains}
