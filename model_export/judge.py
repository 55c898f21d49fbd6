"""Every system of a build over the same queries: the figures for the manifest, and the report that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aisle.catalogue import product_text
from aisle.dense import Dense
from aisle.encoder import TextEncoder
from aisle.report import Report
from aisle.runtime import open_search
from model_export import assess
from model_export.datasets import Corpus
from model_export.learn import Networks
from model_export.recipe import Recipe
from model_export.steps import Log


def judge(
    recipe: Recipe, shop: Corpus, networks: Networks, folder: Path, threads: int, log: Log
) -> tuple[assess.Systems, dict[str, Any]]:
    """Every system over the judged queries, and the figures for the manifest."""
    split, seed, gates = recipe.data.judged_on, recipe.seed, recipe.gates
    systems = assess.Systems(assess.judged(shop.labelled, [split], recipe.data.judged_queries))
    pairwise = assess.Systems(systems.judged.spread(recipe.data.judged_lists))
    search = open_search(folder, "draft", threads)
    with log.step(f"assess on {len(systems.judged.queries)} {split} queries") as figures:
        systems.runs["bundle"] = assess.bundle_run(search, systems.judged)
        systems.latency_ms = assess.latency(search, pairwise.judged)
        systems.runs["BM25"] = assess.bm25_run(search, shop.products, systems.judged)
        texts = [product_text(product) for product in shop.products]
        encoders: dict[str, tuple[TextEncoder, Dense]] = {
            "teacher": (networks.teacher_encoder, Dense.build(networks.teacher_encoder.encode(texts))),
            "fp32": (networks.student_encoder, Dense.build(networks.student_encoder.encode(texts))),
            "int8": (search.parts.encoder, search.parts.dense),
        }
        for name, (encoder, dense) in encoders.items():
            systems.runs[f"encoder {name}"] = assess.dense_run(dense, encoder, shop.products, systems.judged)
        rerankers = {
            "teacher": networks.teacher_reranker,
            "fp32": networks.student_reranker,
            "int8": search.parts.reranker,
        }
        for name, reranker in rerankers.items():
            run = assess.cross_run(reranker.score, shop.products, systems.runs["bundle"], pairwise.judged)
            pairwise.runs[f"reranker {name}"] = run
        means = {name: each.evaluation(name).mean for each in (systems, pairwise) for name in each.runs}
        figures |= {name: round(mean[gates.measure], 4) for name, mean in means.items()}
    return systems, {
        "split": split,
        "queries": len(systems.judged.queries),
        "systems": {name: {m: round(v, 4) for m, v in mean.items()} for name, mean in means.items()},
        "above_bm25": {m: [round(v, 4) for v in assess.gain_over_bm25(systems, m, seed)] for m in assess.MEASURES},
        "by_kind": assess.by_kind(systems, gates.measure),
        "gates": assess.gate_figures({name: mean[gates.measure] for name, mean in means.items()}),
    }


def report_of(recipe: Recipe, shop: Corpus, systems: assess.Systems, figures: dict[str, Any], log: Log) -> Report:
    """The build as pictures: curves, measures with intervals, kinds, scores, latency, the worst queries."""
    return Report(
        title=f"aisle build {recipe.name}",
        manifest={step.name: f"{step.seconds:.0f} s" for step in log.steps},
        curves=log.curves,
        measures=assess.measure_rows(systems, recipe.seed),
        by_kind=figures["by_kind"],
        kind_measure=recipe.gates.measure,
        scores=assess.score_samples(systems),
        latency_ms=systems.latency_ms,
        worst=assess.worst(systems, shop.products, recipe.gates.measure),
        notes=[f"gate {name}: {value}" for name, value in figures["gates"].items()],
    )
