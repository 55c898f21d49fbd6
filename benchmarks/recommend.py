"""Recommendations beside what a shop would pick instead: all fitted on the same log, its newest tenth held back.

    .venv-bench/bin/python benchmarks/recommend.py .aisle/online-retail --data DIR

Settings were found on the weeks before the held-back part (`--tune` judges there): aisle's by hand, the peers' by the
grid below, for each task the best. The bundle lends its vectors of the catalogue and its recipe's settings; its own
recommender, which has seen the held-back part, is not asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product as combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from measuring import percentiles, write
from scipy import sparse
from threadpoolctl import threadpool_limits

from aisle.bundle import Bundle
from aisle.cli import Parser
from aisle.dense import Dense
from aisle.history import DAY_MS
from aisle.recommender import Recommender
from model_export import baselines
from model_export.datasets import load
from model_export.foretelling import MEASURES, OWN, TASKS, Contest, K, Lists, Split, own_lists, recommender_of
from model_export.interactions import Wanted, moment
from model_export.item_knowledge import Goods, propensities
from model_export.recipe import read_recipe
from model_export.recommend import Pasts, lessons

SEED = 7
THREADS = 2
JUDGED = 0.1  # of the log
TUNED_DAYS = 17.0  # before it, that the peers' settings are chosen by


class Peer(NamedTuple):
    """A fitted peer: lists of a task, and how long the fit took."""

    lists: Callable[[Wanted, bool], Lists]
    fit_s: float


class Choice(NamedTuple):
    """A peer to be fitted, and the setting it has."""

    name: str
    setting: dict[str, Any]
    fitted: Callable[[Split], Peer]


def counts(split: Split) -> sparse.csr_matrix:
    """(shoppers, products) float32: how often each was bought."""
    return baselines.taken(split.known).astype(np.float32)


def of_implicit(model: Any, weights: Callable[[sparse.csr_matrix], sparse.csr_matrix]) -> Callable[[Split], Peer]:
    """A model of the package `implicit`, over what shoppers bought under `weights`."""

    def fitted(split: Split) -> Peer:
        had, started = weights(counts(split)), time.perf_counter()
        with threadpool_limits(1, "blas"):
            model.fit(had, show_progress=False)

        def lists(wanted: Wanted, new: bool) -> Lists:
            shoppers = wanted.shoppers
            found, _ = model.recommend(shoppers, had[shoppers], N=K, filter_already_liked_items=new)
            return [row.astype(np.int64) for row in found]

        return Peer(lists, time.perf_counter() - started)

    return fitted


def of_baseline(scores: Callable[..., baselines.Scores]) -> Callable[[Split], Peer]:
    def fitted(split: Split) -> Peer:
        started = time.perf_counter()
        of_shopper = scores(split.known)

        def lists(wanted: Wanted, new: bool) -> Lists:
            return baselines.lists(of_shopper, wanted, split.known, K, new=new)

        return Peer(lists, time.perf_counter() - started)

    return fitted


def as_counted(had: sparse.csr_matrix) -> sparse.csr_matrix:
    return had


def by_bm25(had: sparse.csr_matrix) -> sparse.csr_matrix:
    from implicit.nearest_neighbours import bm25_weight

    return bm25_weight(had, K1=100, B=0.8).tocsr()


def choices() -> list[Choice]:
    """Every peer in every setting that it may have. Only the benchmarks' own environment has `implicit`."""
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import BM25Recommender

    found = [
        Choice(name, {}, of_baseline(scores))
        for name, scores in (
            ("popularity", baselines.popular),
            ("recent popularity", baselines.popular_now),
            ("own history, then popularity", baselines.own_then_popular),
        )
    ]
    for ridge in (100.0, 300.0, 1000.0):
        found.append(Choice("EASE", {"ridge": ridge}, of_baseline(partial(baselines.ease, ridge=ridge))))
    for near, k1, b in combinations((20, 100, 400), (1.2, 100.0), (0.2, 0.5, 0.75)):
        model = BM25Recommender(K=near, K1=k1, B=b, num_threads=THREADS)
        found.append(Choice("BM25 item-item (implicit)", {"K": near, "K1": k1, "B": b}, of_implicit(model, as_counted)))
    for factors, alpha, weighed in combinations((64, 128, 256), (1.0, 2.0, 10.0), (False, True)):
        setting = {"factors": factors, "alpha": alpha, "regularization": 0.05, "iterations": 15}
        model = AlternatingLeastSquares(**setting, random_state=SEED, num_threads=THREADS)
        weights = by_bm25 if weighed else as_counted
        found.append(Choice("ALS (implicit)", setting | {"bm25_weights": weighed}, of_implicit(model, weights)))
    return found


def chosen(split: Split, task: str, offered: Sequence[Choice]) -> Choice:
    """The choice whose recall is highest on the earlier split."""
    wanted = split.wanted[task]
    best = [MEASURES["recall@20"](c.fitted(split).lists(wanted, task == "new"), wanted, K).mean() for c in offered]
    return offered[int(np.argmax(best))]


def main() -> None:
    parser = Parser("recommend.py", description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--tune", action="store_true", help="judge on the weeks before, where settings are looked for")
    parser.add_argument("--out", type=Path, help="JSON file to write (default: BUNDLE.recommend.json)")
    given = parser.parse_args()
    bundle = Bundle.open(given.bundle)
    recipe = read_recipe(bundle.manifest.recipe)
    corpus = load(recipe.data.catalogue, given.data)
    assert corpus.acts is not None, "a data set without acts"
    start = moment(corpus.acts, JUDGED)
    earlier = Split.of(corpus.acts, start - int(TUNED_DAYS * DAY_MS), start)
    held = Contest(earlier if given.tune else Split.last(corpus.acts, JUDGED))
    goods = Goods.of(corpus.products, corpus.acts, Dense.load(bundle.path / "dense"))
    costs = {OWN: own(held, goods, recipe.recommender) | {"list_ms": timed(bundle, held.split)}}
    offered: dict[str, list[Choice]] = {}
    for choice in choices():
        offered.setdefault(choice.name, []).append(choice)
    for name, ways in offered.items():
        held.lists[name] = {}
        for task in TASKS:
            best = chosen(earlier, task, ways) if len(ways) > 1 else ways[0]
            peer = best.fitted(held.split)
            held.lists[name][task] = peer.lists(held.split.wanted[task], task == "new")
            costs.setdefault(name, {"fit_s": round(peer.fit_s, 2)})[f"setting, {task}"] = best.setting
    table, gains = held.table(len(goods.ids), SEED), held.gains(SEED)
    shown(table, gains)
    judged = {task: len(held.split.wanted[task].shoppers) for task in TASKS}
    figures = {"judged_shoppers": judged, "split_ms": held.split.start_ms, "systems": table, "costs": costs}
    write(
        given.out or given.bundle.with_name(f"{given.bundle.name}.recommend.json"), figures | {"gains": gains}, bundle
    )


def own(held: Contest, goods: Goods, plan: Any) -> dict[str, Any]:
    """Fits aisle's recommender on what is known, adds its lists, and returns what that took."""
    split, started = held.split, time.perf_counter()
    taught = lessons(split.known, split.start_ms, goods, propensities(split.known), plan, SEED)
    recommender = recommender_of(split.known, split.start_ms, goods, plan, SEED, taught)
    fit_s = time.perf_counter() - started
    held.lists[OWN] = {task: own_lists(recommender, split, new=task == "new") for task in TASKS}
    return {"fit_s": round(fit_s, 1)}


def timed(bundle: Bundle, split: Split) -> dict[str, float]:
    """Milliseconds of a list as the bundle makes it, for the histories of the split."""
    recommender, pasts, taken = Recommender.load(bundle.path / "recommender"), Pasts(split.known), []
    for shopper in split.wanted["anything"].shoppers.tolist():
        acts, started = pasts.of(shopper), time.perf_counter()
        recommender.for_acts(acts, split.start_ms, K, new=False)
        taken.append((time.perf_counter() - started) * 1000)
    return percentiles(taken)


def shown(table: dict[str, Any], gains: dict[str, Any]) -> None:
    for system, tasks in table.items():
        cells = [f"{task[:8]} {v['recall@20'][0]:.3f} {v['nDCG@20'][0]:.3f}" for task, v in tasks.items()]
        reach = "  ".join(f"coverage {v['coverage']:.2f} novelty {v['novelty']:.1f}" for v in tasks.values())
        print(f"{system:32} {'   '.join(cells)}   {reach}")
    for task, measures in gains.items():
        for measure, gain in measures.items():
            print(f"{task} {measure}: {gain['gain']:+.1%} over {gain['best_peer']}, {gain['difference']}")


if __name__ == "__main__":
    main()
