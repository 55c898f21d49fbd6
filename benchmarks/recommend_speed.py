"""A recommendation in process on one core, at 35,000 products and 100,000 shoppers made up from a seed.

    .venv/bin/python benchmarks/recommend_speed.py

Shoppers have two tastes out of 300 and buy what is popular within them, three acts a basket, a third of them purchases.
The recommender is fitted on that log as `aisle build` fits it, written, and opened as serving opens it. Timed is all
that a request pays for after its history was read: acts by product id in; rows, scores and evidence out.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measuring import one_core, percentiles, resident_mb, write
from numpy.typing import NDArray

from aisle.cli import Parser, whole
from aisle.dense import Dense
from aisle.history import DAY_MS
from aisle.recommender import Recommender
from aisle.shopping import KINDS, Act
from aisle.types import Product
from model_export.interactions import PURCHASE, Interactions
from model_export.recipe import Recommending
from model_export.recommend import fit_recommender

PRODUCTS, SHOPPERS, TASTES = 35_000, 100_000, 300
DAYS, DIM = 120, 64
CLICK = KINDS.index("click")
PLAN = Recommending(horizon_days=10, stride_days=10, cuts=3)


def made_up(shoppers: int, products: int, random: np.random.Generator) -> Interactions:
    """Ten to 300 acts a shopper, the median thirty; a third of them purchases."""
    taste = random.integers(TASTES, size=products)
    appeal = random.pareto(1.1, products) + 0.01
    of_taste = [np.flatnonzero(taste == one) for one in range(TASTES)]
    chance = [appeal[items] / appeal[items].sum() for items in of_taste]
    length = np.clip(random.lognormal(np.log(30), 0.9, shoppers), 10, 300).astype(int)
    shopper = np.repeat(np.arange(shoppers, dtype=np.int32), length)
    likes = random.integers(TASTES, size=(shoppers, 2))[shopper, random.integers(2, size=len(shopper))]
    product = np.empty(len(shopper), np.int32)
    for one, (items, weights) in enumerate(zip(of_taste, chance, strict=True)):
        asked = likes == one
        product[asked] = random.choice(items, int(asked.sum()), p=weights)
    basket = (np.arange(len(shopper)) // 3).astype(np.int32)
    when = random.integers(DAYS * DAY_MS, size=int(basket[-1]) + 1)[basket]
    kind = np.where(random.random(len(shopper)) < 1 / 3, PURCHASE, CLICK).astype(np.uint8)
    order = np.argsort(when, kind="stable")
    nothing = np.zeros(len(shopper), np.int16)
    return Interactions(
        tuple(f"S{n}" for n in range(shoppers)),
        tuple(f"P{n}" for n in range(products)),
        shopper[order],
        product[order],
        kind[order],
        when[order].astype(np.int64),
        basket[order],
        nothing,
        nothing.astype(np.int32),
    )


def history_of(acts: Interactions, shopper: int) -> list[Act]:
    own = np.flatnonzero(acts.shopper == shopper)
    return [
        Act(int(acts.at_ms[at]), f"e{at}", KINDS[acts.kind[at]], acts.products[acts.product[at]]) for at in own.tolist()
    ]


def catalogue(products: int, random: np.random.Generator) -> tuple[list[Product], Dense]:
    vectors = random.normal(size=(products, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = [Product(f"P{n}", f"product {n}", price=float(5 + n % 90), currency="USD") for n in range(products)]
    return made, Dense.build(vectors)


def timed(recommender: Recommender, histories: Sequence[Sequence[Act]], *, new: bool) -> list[float]:
    taken = []
    for history in [*histories[:20], *histories]:
        started = time.perf_counter()
        found = recommender.recommend(history, DAYS * DAY_MS, 20, new=new)
        taken.append((time.perf_counter() - started) * 1000)
        assert len(found.rows) == 20
    return taken[20:]


def main() -> None:
    parser = Parser("recommend_speed.py", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=whole(10, 100_000), default=1000, help="lists of each kind (default: 1000)")
    parser.add_argument("--products", type=whole(1000, 60_000), default=PRODUCTS)
    parser.add_argument("--shoppers", type=whole(1000, 1_000_000), default=SHOPPERS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/recommend_speed.json"))
    given = parser.parse_args()
    random = np.random.default_rng(7)
    acts = made_up(given.shoppers, given.products, random)
    products, dense = catalogue(given.products, random)
    with TemporaryDirectory() as place:
        folder, started = Path(place, "recommender"), time.perf_counter()
        fitted = fit_recommender(products, acts, dense, folder, PLAN, 7)
        fit_s = time.perf_counter() - started
        print(f"{len(acts)} acts, fitted in {fit_s:.0f} s: {json.dumps(fitted)}", file=sys.stderr)
        size_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        one_core()
        recommender = Recommender.load(folder)
        drawn: NDArray[np.int64] = random.permutation(given.shoppers)[: given.n]
        histories = [history_of(acts, shopper) for shopper in drawn.tolist()]
        longest = sorted(histories, key=len)[-given.n // 10 :]
        figures = {
            "anything": percentiles(timed(recommender, histories, new=False)),
            "new": percentiles(timed(recommender, histories, new=True)),
            "longest tenth of histories": percentiles(timed(recommender, longest, new=False)),
            "stranger": percentiles(timed(recommender, [[]] * given.n, new=False)),
        }
    acts_median = int(np.median([len(history) for history in histories]))
    for name, row in figures.items():
        print(f"{name:28} p50 {row['p50']:6.2f} ms   p95 {row['p95']:6.2f} ms   p99 {row['p99']:6.2f} ms")
    facts = {"products": given.products, "shoppers": given.shoppers, "acts": len(acts), "acts_a_history": acts_median}
    sizes = {"recommender_mb": round(size_mb, 1), "resident_mb": round(resident_mb()), "fit_s": round(fit_s)}
    write(given.out, {"data": facts, "milliseconds": figures, **sizes})


if __name__ == "__main__":
    main()
