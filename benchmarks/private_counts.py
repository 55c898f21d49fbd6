"""What differential privacy costs a shop's counts: how much of the exact tables the released ones still tell.

    python benchmarks/private_counts.py --data DIR --out FILE.json

Over uci-online-retail, five releases for each epsilon, medians. `found`: of the hundred most frequent products
(pairs) the share that the released counts put among their first hundred. `recall`: of what customers bought in the
last tenth of the log, the share among the twenty products that the released counts call the most popular, beside the
exact ones'.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from measuring import write

from model_export.datasets import load
from model_export.interactions import Interactions, moment, wanted
from model_export.judging import recall
from model_export.private_counts import PAIRED, Table, bought, bought_together, popularity, together

EPSILONS = (0.5, 1, 2, 4, 8)
RUNS, FIRST, K = 5, 100, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds uci-online-retail/")
    parser.add_argument("--out", type=Path, required=True, help="where the figures go")
    given = parser.parse_args()
    acts = load("online-retail", given.data).acts
    assert acts
    cut = moment(acts, 0.1)
    known, later = acts.before(cut), acts.between(cut, sys.maxsize)
    popular = _first(Counter(int(n) for rows in bought(known) for n in rows[:, 0]), FIRST)
    among = np.array(popular[:PAIRED])
    pairs = _first(Counter(tuple(row) for rows in bought_together(known, among) for row in rows.tolist()), FIRST)
    truth = wanted(known, later, new=False)

    def recalled(products: list[Any]) -> float:
        return float(recall([np.array(products[:K])] * len(truth.shoppers), truth, K).mean())

    rows = []
    for epsilon in EPSILONS:
        released = [_released(known, epsilon, np.random.default_rng(run)) for run in range(RUNS)]
        products = [[row[0] for row in counts.ordered[:FIRST]] for counts, _ in released]
        rows.append(
            {
                "epsilon": epsilon,
                "found_products": statistics.median(len({*popular} & {*found}) / FIRST for found in products),
                "found_pairs": statistics.median(
                    len({*pairs} & {*both.ordered[:FIRST]}) / FIRST for _, both in released
                ),
                "told_products": statistics.median(len(counts.rows) for counts, _ in released),
                "told_pairs": statistics.median(len(both.rows) for _, both in released),
                "recall": round(statistics.median(map(recalled, products)), 4),
            }
        )
        print(", ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    exact = round(recalled(popular), 4)
    shoppers = len(np.unique(known.shopper))
    print(f"exact recall {exact}, {shoppers} customers")
    write(given.out, {"shoppers": shoppers, "runs": RUNS, "exact_recall": exact, "releases": rows})


def _released(known: Interactions, epsilon: float, random: np.random.Generator) -> tuple[Table, Table]:
    popular = popularity(known, epsilon / 2, random)
    return popular, together(known, popular, epsilon / 2, random)


def _first(counts: Counter[Any], n: int) -> list[Any]:
    return [key for key, _ in counts.most_common(n)]


if __name__ == "__main__":
    main()
