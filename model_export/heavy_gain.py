"""What the heavy reranker gains in the whole search, beside the int8 student that always answers.

Each judged query is searched with the student, whose logits are kept; then with the teacher's logits in their place,
once as they are and once moved to the student's mean and spread in that list, which is what serving does with any
heavy reranker (`aisle.heavy.on_scale`). All else is equal, the candidates included.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from aisle.evaluation import paired_bootstrap
from aisle.heavy import on_scale
from aisle.reranker import Reranker
from aisle.search import Search
from model_export.assess import DEPTH, MEASURES, Judged, Systems
from model_export.heavy import calibrated
from model_export.networks import CrossEncoder
from model_export.recipe import Recipe
from model_export.steps import Log

STUDENT, TEACHER, SCALED = "student", "heavy", "heavy on the student's scale"


@dataclass
class Heard:
    """A reranker that keeps what it said of each text."""

    reranker: Reranker
    logits: dict[str, float] = field(default_factory=dict)

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        scores = self.reranker.score(query, texts)
        self.logits |= zip(texts, scores.tolist(), strict=True)
        self.query = query
        return scores


@dataclass
class Known:
    """A reranker that says what is known of each text."""

    logits: Mapping[str, float]

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self.logits[text] for text in texts], np.float32)


def assess_heavy(
    recipe: Recipe,
    systems: Systems,
    teacher: CrossEncoder,
    pairs: tuple[list[tuple[str, str]], list[bool]],
    search: Search,
    log: Log,
) -> tuple[CrossEncoder, dict[str, Any]]:
    """The teacher with logits calibrated on judged `pairs`, and its gain over the student of `search`.

    `systems` has the judged queries, of which `judged_lists` are searched.
    """
    with log.step("assess the heavy reranker") as figures:
        heavy = calibrated(teacher, *pairs)
        judged = systems.judged.spread(recipe.data.judged_lists)
        runs = heavy_runs(search, heavy, judged)
        found = gains(runs, recipe.data.judged_on, recipe.seed)
        measure = recipe.gates.measure
        figures |= {name: mean[measure] for name, mean in found["systems"].items()}
        figures |= {f"gain of {name}": gain[measure] for name, gain in found["gain_over_student"].items()}
    return heavy, found


def heavy_runs(search: Search, heavy: Reranker, judged: Judged) -> Systems:
    """The runs of STUDENT, TEACHER and SCALED over the judged queries, their first DEPTH."""
    systems = Systems(judged, {name: {} for name in (STUDENT, TEACHER, SCALED)})
    for query_id, query in tqdm(judged.queries.items(), "heavy", leave=False, disable=None, mininterval=2):
        heard = Heard(search.parts.reranker)
        systems.runs[STUDENT][query_id] = _ranking(search, heard, query)
        texts = list(heard.logits)
        student = np.array(list(heard.logits.values()), np.float32)
        logits = heavy.score(heard.query, texts) if texts else student
        for name, said in ((TEACHER, logits), (SCALED, on_scale(logits, student) if texts else student)):
            known = Known(dict(zip(texts, said.tolist(), strict=True)))
            systems.runs[name][query_id] = _ranking(search, known, query)
    return systems


def _ranking(search: Search, reranker: Reranker, query: str) -> dict[str, float]:
    parts = replace(search.parts, reranker=reranker)
    return dict(Search(parts, search.bundle_id, time.perf_counter).ranking(query, DEPTH))


def gains(systems: Systems, split: str, seed: int) -> dict[str, Any]:
    """For the manifest: each system's means, and the gains over the student with their 95 % intervals."""
    evaluations = {name: systems.evaluation(name) for name in systems.runs}
    student = evaluations[STUDENT]
    return {
        "split": split,
        "queries": len(systems.judged.queries),
        "systems": {name: {m: round(v, 4) for m, v in each.mean.items()} for name, each in evaluations.items()},
        "gain_over_student": {
            name: {
                m: [round(v, 4) for v in paired_bootstrap(evaluations[name].values(m), student.values(m), seed)]
                for m in MEASURES
            }
            for name in (TEACHER, SCALED)
        },
    }
