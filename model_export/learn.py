"""From examples to four networks: teachers learn from labels, students from their teachers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from model_export.datasets import Corpus
from model_export.distil import distil_bi_encoder, distil_cross_encoder
from model_export.examples import Examples
from model_export.networks import BiEncoder, CrossEncoder, Student, base_encoder
from model_export.recipe import Loop, Recipe, Training, base_model_path
from model_export.steps import Log
from model_export.train import best_by_words, mine, train_bi_encoder, train_cross_encoder
from model_export.vocabulary import Vocabulary

MINED = 20  # texts a retriever gives as hard negatives of a query


@dataclass
class Networks:
    """Teachers and students of one recipe."""

    teacher_encoder: BiEncoder
    student_encoder: BiEncoder
    teacher_reranker: CrossEncoder
    student_reranker: CrossEncoder


def pretrained(recipe: Recipe, vocabulary: Vocabulary) -> Networks:
    """The base model as it is in every part: for a recipe without training."""
    encoder = base_encoder(base_model_path(recipe.models.base_model), vocabulary, recipe.seed)
    bi_encoder, cross_encoder = BiEncoder(encoder, vocabulary.tokenizer), CrossEncoder(encoder, vocabulary.tokenizer)
    return Networks(bi_encoder, bi_encoder, cross_encoder, cross_encoder)


def learn(
    recipe: Recipe, plan: Training, examples: Examples, corpora: list[Corpus], vocabulary: Vocabulary, log: Log
) -> Networks:
    """Teachers on labels, then students on teachers."""
    seed, tokenizer = plan.seed, vocabulary.tokenizer
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
        student = BiEncoder(Student(teacher.encoder.bert, recipe.models.encoder_layers), tokenizer)
        texts = distillation_texts(examples, corpora)
        log.curves["bi-encoder student"] = distil_bi_encoder(
            student, texts, teacher.encode(texts), **_loop(plan.student_encoder), seed=seed
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
