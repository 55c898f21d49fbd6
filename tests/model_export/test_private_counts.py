"""Counts with differential privacy, over a log whose counts are known: what is common is told, what is rare is not."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from aisle.errors import BadInput
from model_export.interactions import Act, Interactions
from model_export.private_counts import PAIRS_A_SHOPPER, PRODUCTS_A_SHOPPER, bought, bought_together, release

pytest.importorskip("opendp", reason="adds noise: needs the export extra")

N = 4000  # shoppers; each buys tea and milk in one basket, every fourth a cup in another, one a diamond
ACTS = Interactions.of(
    [Act(f"s{n}", product, "purchase", n, "b1") for n in range(N) for product in ("tea", "milk")]
    + [Act(f"s{n}", "cup", "purchase", n + 1, "b2") for n in range(0, N, 4)]
    + [Act("s7", "diamond", "purchase", 9, "b3"), Act("s9", "tea", "click", 10, "b3")]
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def test_what_many_bought_is_told_about_right_and_what_one_bought_is_not(tmp_path: Path) -> None:
    manifest = release(ACTS, 2.0, tmp_path / "out", np.random.default_rng(1))
    popular = rows(tmp_path / "out" / "popularity.csv")
    assert {row["product_id"] for row in popular[:2]} == {"tea", "milk"}
    assert [row["product_id"] for row in popular[2:] if int(row["shoppers"]) > 200] == ["cup"]
    told = {row["product_id"]: int(row["shoppers"]) for row in popular}
    assert max(abs(told["tea"] - N), abs(told["milk"] - N), abs(told["cup"] - N // 4)) < 100  # 20 scales of the noise
    pair, *noise = rows(tmp_path / "out" / "together.csv")
    assert (pair["product_id"], pair["other_id"]) == ("tea", "milk")
    assert abs(int(pair["shoppers"]) - N) < 200
    assert all(int(row["shoppers"]) < 200 for row in noise)  # a pair of nobody may stand out by chance, a little
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    assert manifest["epsilon"] == 2.0
    assert {name: table["rows"] for name, table in manifest["tables"].items()} == {
        "popularity.csv": len(popular),
        "together.csv": 1 + len(noise),
    }
    assert manifest["tables"]["popularity.csv"]["noise_scale"] == PRODUCTS_A_SHOPPER / 1.0
    assert manifest["tables"]["together.csv"]["noise_scale"] == PAIRS_A_SHOPPER / 1.0


def test_a_shopper_counts_for_few_products_however_many_they_bought(tmp_path: Path) -> None:
    """A thousand purchases of one shopper move the tables by no more than what one may count for."""
    greedy = [Act("greedy", f"p{n}", "purchase", n, "b") for n in range(1000)]
    release(Interactions.of(greedy), 20.0, tmp_path / "out", np.random.default_rng(1))
    assert all(int(row["shoppers"]) < 20 for row in rows(tmp_path / "out" / "popularity.csv"))


def test_baskets_make_pairs_of_each_shopper_once() -> None:
    acts = Interactions.of(
        [Act("ann", p, "purchase", t, b) for t, (b, p) in enumerate([("1", "a"), ("1", "b"), ("1", "a"), ("2", "b")])]
        + [Act("bo", p, "purchase", 10, "1") for p in "cab"]
        + [Act("cy", "a", "view", 11, "1"), Act("cy", "b", "purchase", 12, "1")]
    )
    a, b, c = map(acts.products.index, "abc")
    assert [sorted(x.reshape(-1).tolist()) for x in bought(acts)] == [sorted([a, b]), sorted([a, b, c]), [b]]
    pairs = [{tuple(row) for row in x.tolist()} for x in bought_together(acts, np.array([a, b]))]
    assert pairs == [{(min(a, b), max(a, b))}] * 2


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 21.0, float("nan"), float("inf")])
def test_an_epsilon_that_promises_nothing_is_refused(epsilon: float, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="choose one above 0"):
        release(ACTS, epsilon, tmp_path / "out", np.random.default_rng(1))
    assert not (tmp_path / "out").exists()


def test_a_log_without_purchases_and_a_folder_that_is_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no purchases"):
        release(Interactions.of([Act("a", "x", "view", 1, "b")]), 1.0, tmp_path / "out", np.random.default_rng(1))
    with pytest.raises(BadInput, match="is there already"):
        release(ACTS, 1.0, tmp_path, np.random.default_rng(1))
