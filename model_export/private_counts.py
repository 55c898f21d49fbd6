"""Counts that may leave the shop: how many shoppers bought a product, and two products together, with differential
privacy.

Whoever sees the tables learns next to nothing of whether one shopper is in the log (epsilon; delta is 0). Each shopper
counts for a limited number of products and of pairs, chosen by chance, and once for each, and Laplace noise (OpenDP's,
in whole numbers) is added to every count there could be: of each product of the catalogue, which is public, and of each
pair of the products that turned out popular. What does not stand out from the noise is left out afterwards, which
costs no privacy. Epsilon is split evenly over the two tables.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import BadInput
from model_export.interactions import PURCHASE, Interactions

PRODUCTS_A_SHOPPER, PAIRS_A_SHOPPER = 5, 10
PAIRED = 100  # popular products whose pairs are counted
POPULARITY, TOGETHER, MANIFEST = "popularity.csv", "together.csv", "manifest.json"


@dataclass(frozen=True)
class Table:
    """Rows of product numbers with how many shoppers have them (noised), and how that was done."""

    counts: dict[tuple[int, ...], int]  # of every row there could be
    a_shopper: int  # the most rows that one shopper counts for
    scale: float  # of the Laplace noise
    least: int  # count that stands out from the noise

    @property
    def rows(self) -> list[tuple[int, ...]]:
        """Those that stand out, the most frequent first."""
        return [row for row in self.ordered if self.counts[row] >= self.least]

    @property
    def ordered(self) -> list[tuple[int, ...]]:
        return sorted(self.counts, key=lambda row: (-self.counts[row], row))


def bought(acts: Interactions) -> list[NDArray[np.int64]]:
    """For each shopper who bought anything, the distinct products, as (n, 1) numbers."""
    chosen = acts.kind == PURCHASE
    rows = np.unique(np.column_stack([acts.shopper[chosen], acts.product[chosen]]).astype(np.int64), axis=0)
    return _by_first(rows)


def bought_together(acts: Interactions, among: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """For each shopper, the distinct pairs of products `among` these that were in one basket: (n, 2), lower first."""
    chosen = (acts.kind == PURCHASE) & np.isin(acts.product, among)
    columns = np.column_stack([acts.shopper[chosen], acts.basket[chosen], acts.product[chosen]]).astype(np.int64)
    pairs = []
    for basket in _by_first(np.unique(columns[:, [1, 0, 2]], axis=0)):
        first, second = np.triu_indices(len(basket), 1)
        pairs.append(np.column_stack([basket[first, 0], basket[first, 1], basket[second, 1]]))
    rows = np.unique(np.concatenate(pairs), axis=0) if pairs else np.zeros((0, 3), np.int64)
    return _by_first(rows)


def noised(
    shoppers: Iterable[NDArray[np.int64]],
    possible: NDArray[np.int64],
    a_shopper: int,
    epsilon: float,
    random: np.random.Generator,
) -> Table:
    """Counts of the `possible` rows with epsilon-differential privacy; `random` only chooses what is counted."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    known = {tuple(row): place for place, row in enumerate(possible.tolist())}
    counts = [0] * len(known)
    for rows in shoppers:
        places = [known[row] for row in map(tuple, rows.tolist()) if row in known]
        for place in random.permutation(places)[:a_shopper].tolist():
            counts[place] += 1
    space = dp.vector_domain(dp.atom_domain(T="i32")), dp.l1_distance(T="i32")
    scale = a_shopper / epsilon
    measured = dp.m.make_laplace(*space, scale=scale)
    least = max(1, math.ceil(scale * math.log(max(len(known), 1))))  # half a row of all stands out by noise alone
    return Table(dict(zip(known, measured(counts), strict=True)), a_shopper, scale, least)


def popularity(acts: Interactions, epsilon: float, random: np.random.Generator) -> Table:
    """Rows are products, as (number,)."""
    possible = np.arange(len(acts.products))[:, None]
    return noised(bought(acts), possible, PRODUCTS_A_SHOPPER, epsilon, random)


def together(acts: Interactions, popular: Table, epsilon: float, random: np.random.Generator) -> Table:
    """Rows are pairs among the most popular products, as (lower number, higher number)."""
    numbers = np.sort(np.array(popular.ordered[:PAIRED], np.int64).reshape(-1))
    first, second = np.triu_indices(len(numbers), 1)
    possible = np.column_stack([numbers[first], numbers[second]])
    return noised(bought_together(acts, numbers), possible, PAIRS_A_SHOPPER, epsilon, random)


def release(acts: Interactions, epsilon: float, out: Path, random: np.random.Generator) -> dict[str, Any]:
    """Writes popularity.csv, together.csv and manifest.json into a new folder `out`; returns the manifest.

    Raises BadInput for an epsilon out of range, a log without purchases, a folder that is there already.
    """
    if not 0 < epsilon <= 20:
        raise BadInput(f"epsilon is {epsilon:g}", "choose one above 0 and up to 20; 1 is usual")
    if not (acts.kind == PURCHASE).any():
        raise BadInput("the log holds no purchases", "release counts once there are some")
    if out.exists():
        raise BadInput(f"{out} is there already", "name a new folder: each release costs its own epsilon")
    popular = popularity(acts, epsilon / 2, random)
    tables = {POPULARITY: popular, TOGETHER: together(acts, popular, epsilon / 2, random)}
    out.mkdir(parents=True)
    heads = {POPULARITY: ["product_id", "shoppers"], TOGETHER: ["product_id", "other_id", "shoppers"]}
    for name, table in tables.items():
        with (out / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(heads[name])
            for row in table.rows:
                writer.writerow([*(acts.products[number] for number in row), table.counts[row]])
    manifest = {
        "epsilon": epsilon,
        "protects": "all that one shopper did",
        "library": f"opendp {version('opendp')}",
        "tables": {
            name: {"rows": len(t.rows), "rows_a_shopper": t.a_shopper, "noise_scale": t.scale, "least_count": t.least}
            for name, t in tables.items()
        },
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _by_first(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows that begin with the same number, together and without it; `rows` is sorted by it."""
    if not len(rows):
        return []
    starts = np.flatnonzero(np.diff(rows[:, 0])) + 1
    return np.split(rows[:, 1:], starts)
