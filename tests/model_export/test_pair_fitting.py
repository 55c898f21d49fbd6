"""The scorer of pairs, fitted on judgements whose reason is known, and carried by a bundle."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.bundle import Bundle
from aisle.errors import BadInput
from aisle.indexing import reindex
from aisle.pair_scorer import PairScorer
from aisle.pairs import Pair
from aisle.runtime import Services
from aisle.sealing import sealing
from model_export.datasets import JudgedPair
from model_export.pair_fitting import auc_interval, fit_pair_scorer

THINGS = ["kettle", "lamp", "shoe", "sofa", "tent", "mug", "fork", "rug", "drum", "ladder", "tablet", "bicycle"]


class Silent:
    """Models that say nothing of any text."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(np.array([1, 0], np.float32), (len(texts), 1))

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.zeros(len(texts), np.float32)


def judged(right: bool) -> list[JudgedPair]:
    """Each thing is exactly what a query for it asks for, and another thing is not; or by a coin, where not `right`."""
    random = np.random.default_rng(3)
    pairs = []
    for n, (color, thing) in enumerate((c, t) for c in ("red", "blue", "green", "grey") for t in THINGS):
        for offered in (thing, THINGS[(n + 1) % len(THINGS)]):
            gain = float(offered == thing) if right else float(random.integers(2))
            pair = Pair(f"{n}-{offered}", f"{color} {thing}", f"A fine {color} {offered}", "Acme")
            pairs.append(JudgedPair(pair, f"q{n}", pair.pair_id, gain))
    return pairs


@pytest.mark.slow
def test_what_words_decide_is_learned_and_a_coin_is_not(tmp_path: Path) -> None:
    learned = fit_pair_scorer(judged(True), Silent(), Silent(), tmp_path / "right", seed=7)
    assert learned == {"pairs": 96, "auc": 1.0, "auc_low": 1.0, "auc_high": 1.0}
    guessed = fit_pair_scorer(judged(False), Silent(), Silent(), tmp_path / "coin", seed=7)
    assert guessed["auc_low"] < 0.5 < guessed["auc_high"]
    scorer = PairScorer.load(tmp_path / "right", Silent(), Silent())
    assert scorer.score(Pair("p", "pink lamp", "pink lamp")) > 0.9 > 0.1 > scorer.score(Pair("p", "pink lamp", "mug"))


def test_pairs_that_are_all_alike_are_refused(tmp_path: Path) -> None:
    alike = [pair for pair in judged(True) if pair.gain == 1]
    for pairs in (alike, judged(True)[:8]):
        with pytest.raises(BadInput, match="label more pairs"):
            fit_pair_scorer(pairs, Silent(), Silent(), tmp_path / "pairs", seed=7)


def test_an_interval_is_drawn_over_queries() -> None:
    """One query's twenty wrong pairs come or stay away together, so the interval is wider than one over pairs."""
    exact = np.array([True, False] * 20 + [False] * 20)
    scores = np.array([0.5, 0.1] * 20 + [0.9] * 20)
    together = auc_interval(exact, scores, np.concatenate([np.arange(40), np.full(20, 40)]), seed=7)
    apart = auc_interval(exact, scores, np.arange(60), seed=7)
    assert together[0] == apart[0] == 0.5
    assert together[1] < apart[1] - 0.1
    assert together[2] == 1.0 > apart[2] + 0.2


@pytest.mark.slow
def test_a_bundle_scores_pairs_by_its_scorer_and_keeps_it_when_reindexed(tiny_bundle: Path, tmp_path: Path) -> None:
    plain = Bundle.open(tiny_bundle)
    parts = Services(plain, threads=1)._sealed.parts
    with sealing(tmp_path / "general") as draft:
        shutil.copytree(tiny_bundle, draft.folder, dirs_exist_ok=True)
        fit_pair_scorer(judged(True), parts.encoder, parts.reranker, draft.folder / "pairs", seed=7)
        scored = draft.seal(plain.manifest)
    (tmp_path / "shop.csv").write_text("product_id,title\n1,Red lamp\n2,Blue sofa\n")
    carried = reindex(scored, tmp_path / "shop.csv", tmp_path / "shop", None, "2026-01-02", 1, lambda _: None)
    same, other = Pair("1", "blue tent", "blue tent"), Pair("2", "blue tent", "red drum")
    for bundle in (scored, carried):
        services = Services(bundle, threads=1)
        assert services.score(same) > 0.9 > 0.1 > services.score(other)
    services = Services(plain, threads=1)
    assert services.score(same) == services.rerank("blue tent", ["blue tent"])[0]
