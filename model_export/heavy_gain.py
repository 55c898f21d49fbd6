"""What the heavy reranker gains in the whole search, beside the int8 student that always answers.

Each judged query is searched with the student and with the teacher in its place. All else is equal, the candidates
included.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from aisle.evaluation import paired_bootstrap
from aisle.reranker import Reranker
from aisle.search import Search
from model_export.assess import MEASURES, Judged, Systems, bundle_run
from model_export.heavy import calibrated
from model_export.networks import CrossEncoder
from model_export.recipe import Recipe
from model_export.steps import Log

STUDENT, TEACHER = "student", "heavy"


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
        figures["gain"] = found["gain_over_student"][measure]
    return heavy, found


def heavy_runs(search: Search, heavy: Reranker, judged: Judged) -> Systems:
    """The runs of STUDENT and TEACHER over the judged queries, their first DEPTH."""
    again = Search(replace(search.parts, reranker=heavy), search.bundle_id, time.perf_counter)
    return Systems(judged, {STUDENT: bundle_run(search, judged), TEACHER: bundle_run(again, judged)})


def gains(systems: Systems, split: str, seed: int) -> dict[str, Any]:
    """For the manifest: each system's means, and the gain over the student with its 95 % interval, by measure."""
    evaluations = {name: systems.evaluation(name) for name in systems.runs}
    heavy, student = evaluations[TEACHER], evaluations[STUDENT]
    return {
        "split": split,
        "queries": len(systems.judged.queries),
        "systems": {name: {m: round(v, 4) for m, v in each.mean.items()} for name, each in evaluations.items()},
        "gain_over_student": {
            m: [round(v, 4) for v in paired_bootstrap(heavy.values(m), student.values(m), seed)] for m in MEASURES
        },
    }
