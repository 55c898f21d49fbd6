"""What a heavy reranker gains is measured in the whole search, on answers that can be told by eye."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from world import SharedMeanings, search_world
from world_heavy import teacher

from aisle.bundle import Bundle, verify_hashes
from model_export.assess import Judged, Systems
from model_export.heavy_gain import STUDENT, TEACHER, assess_heavy, gains, heavy_runs
from model_export.recipe import read_recipe
from model_export.steps import Log

TINY = Path(__file__).parent.parent / "tiny.toml"

JUDGED = Judged(
    {"q1": "red circle", "q2": "green star", "q3": "???"}, {"q1": {"c3": 3}, "q2": {"t1": 3}, "q3": {"t2": 3}}
)


class Deluxe:
    """Likes what is deluxe; all else as the student."""

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        liked = np.array(["deluxe" in text for text in texts])
        scores: NDArray[np.float32] = SharedMeanings().score(query, texts) + liked.astype(np.float32)
        return scores


def test_the_same_opinion_is_the_same_search(tmp_path: Path) -> None:
    runs = heavy_runs(search_world(tmp_path), SharedMeanings(), JUDGED).runs
    assert runs[STUDENT] == runs[TEACHER]
    assert (list(runs[STUDENT]["q1"])[:3], runs[STUDENT]["q3"]) == (["c1", "c2", "c3"], {})  # q3 asked nothing


def test_a_better_opinion_is_a_gain(tmp_path: Path) -> None:
    found = gains(heavy_runs(search_world(tmp_path), Deluxe(), JUDGED), "dev", seed=7)
    assert (found["split"], found["queries"]) == ("dev", 3)
    of_student, of_heavy = found["systems"][STUDENT], found["systems"][TEACHER]
    assert (of_student["RR@10"], of_heavy["RR@10"]) == (
        pytest.approx((1 / 3 + 1) / 3, abs=1e-4),
        pytest.approx(2 / 3, abs=1e-4),
    )
    difference, low, high = found["gain_over_student"]["RR@10"]
    assert (difference, low, high) == (pytest.approx(2 / 9, abs=1e-4), 0.0, pytest.approx(2 / 3, abs=1e-4))


def test_the_step_tells_means_and_gains_and_gives_the_calibrated_teacher(tmp_path: Path) -> None:
    recipe, log, network = read_recipe(str(TINY)), Log(), teacher()
    pairs = [("red shoe", text) for text in ("red shoe", "blue hat", "green coat", "wool hat", "red coat", "64gb")]
    relevant = network.score_pairs(pairs).argsort().argsort() > 2  # the better half
    heavy, found = assess_heavy(
        recipe, Systems(JUDGED), network, (pairs, relevant.tolist()), search_world(tmp_path), log
    )
    assert heavy.score("red circle", ["red circle", "blue star"]).shape == (2,)
    assert (
        np.abs(heavy.score_pairs(pairs)).mean() > np.abs(network.score_pairs(pairs)).mean()
    )  # log-odds of what is plain
    (step,) = log.steps
    assert (step.name, step.figures) == ("assess the heavy reranker", told(found))


def told(evaluation: dict[str, Any]) -> dict[str, object]:
    """What the step says of it: the gates' measure."""
    means, gained = evaluation["systems"], evaluation["gain_over_student"]
    return {name: mean["nDCG@10"] for name, mean in means.items()} | {"gain": gained["nDCG@10"]}


def test_a_build_seals_its_teacher_with_what_it_gains(tiny_bundle: Path) -> None:
    heavy, bundle = Bundle.open(tiny_bundle.with_name("heavy")), Bundle.open(tiny_bundle).manifest
    verify_hashes(heavy)
    facts = heavy.manifest
    assert (facts.recipe, facts.dim, facts.n_products, facts.currency) == ("tiny", 384, 0, "")
    assert (facts.created_at, facts.data, facts.steps) == (bundle.created_at, bundle.data, bundle.steps)
    model, student = facts.models["reranker"], bundle.models["reranker"]
    assert model == student | {"name": "tiny teacher", "scheme": "float32", "layers": 6}
    assert list(facts.evaluation["systems"]) == [STUDENT, TEACHER]
    assert facts.evaluation["queries"] == 4
    (step,) = (step for step in bundle.steps if step.name == "assess the heavy reranker")
    assert step.figures == told(facts.evaluation)
    assert json.loads(heavy.file("reranker.json").read_bytes())["head"] == "sides"
