"""Networks of two layers learn a world of eight words in seconds: trained, distilled and exported is what was meant."""

import copy
import warnings
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from aisle.encoder import Encoder
from aisle.ranker import FIRST, RISING
from aisle.reranker import CrossEncoder as ServedCrossEncoder
from aisle.reranker import sigmoid
from model_export.distil import distil_bi_encoder, distil_cross_encoder
from model_export.examples import Examples
from model_export.export import seal_encoder, seal_reranker
from model_export.networks import BiEncoder, CrossEncoder, Student, Teacher
from model_export.ranking import _boost, export_trees
from model_export.rounding import rounding
from model_export.train import best_by_words, mine, train_bi_encoder, train_cross_encoder
from model_export.vocabulary import SPECIAL, tokenizer_over

TEXTS = ["red shoe", "blue shoe", "red hat", "blue hat"]
QUERIES = ["crimson sneaker", "azure sneaker", "crimson cap", "azure cap"]
TOKENS = [*SPECIAL, "red", "blue", "shoe", "hat", "crimson", "azure", "sneaker", "cap"]


def encoder() -> BiEncoder:
    torch.manual_seed(3)
    config = BertConfig(len(TOKENS), 32, 2, 4, 64, max_position_embeddings=128, hidden_dropout_prob=0.0)
    return BiEncoder(Teacher(BertModel(config)), tokenizer_over(TOKENS))


def examples() -> Examples:
    return Examples(list(QUERIES), [[t] for t in TEXTS], [{i: 1.0} for i in range(4)])


@pytest.fixture(scope="module")
def teacher() -> BiEncoder:
    network = encoder()
    train_bi_encoder(network, examples(), steps=60, batch=4, rate=3e-3, hard=1, seed=1)
    return network


@pytest.fixture(scope="module")
def cross_teacher(teacher: BiEncoder) -> CrossEncoder:
    network, mined = CrossEncoder(teacher.encoder, teacher.tokenizer), examples()
    mine(mined, best_by_words(mined, 4), teacher, 4)
    train_cross_encoder(network, mined, steps=40, batch=4, rate=1e-3, hard=3, seed=1)
    return network


def nearest(vectors: np.ndarray, queries: np.ndarray) -> list[int]:
    return [int(i) for i in (queries @ vectors.T).argmax(1)]


def test_the_bi_encoder_learns_words_that_no_text_has(teacher: BiEncoder) -> None:
    assert nearest(teacher.encode(TEXTS), teacher.encode(QUERIES)) == [0, 1, 2, 3]


def test_the_cross_encoder_puts_each_answer_first(cross_teacher: CrossEncoder) -> None:
    assert [int(cross_teacher.score(query, TEXTS).argmax()) for query in QUERIES] == [0, 1, 2, 3]


def test_the_order_of_inputs_survives_batching_by_length(teacher: BiEncoder) -> None:
    mixed = ["red", "red shoe blue hat red shoe", "hat"]
    alone = np.concatenate([teacher.encode([text]) for text in mixed])
    assert np.abs(teacher.encode(mixed) - alone).max() < 0.02


def test_mining_keeps_what_looks_right_and_is_not(teacher: BiEncoder) -> None:
    mined = examples()
    mine(mined, best_by_words(mined, 2), teacher, 2)
    assert all(i not in hard for i, hard in enumerate(mined.hard))
    assert all(len(hard) for hard in mined.hard)


@pytest.fixture(scope="module")
def student(teacher: BiEncoder) -> BiEncoder:
    network = BiEncoder(Student(teacher.encoder.bert, 2), teacher.tokenizer)
    texts = TEXTS + QUERIES
    distil_bi_encoder(network, texts, teacher.encode(texts), steps=80, batch=8, rate=3e-3, seed=1)
    return network


@pytest.fixture(scope="module")
def cross_student(cross_teacher: CrossEncoder) -> CrossEncoder:
    network = cross_teacher.shallow(2)
    lists = [(query, TEXTS) for query in QUERIES]
    distil_cross_encoder(network, cross_teacher, lists, steps=60, batch=4, rate=2e-3, seed=1)
    return network


def test_a_student_has_the_first_and_last_layers_of_its_teacher(teacher: BiEncoder) -> None:
    for layers in (1, 2):
        network = Student(teacher.encoder.bert, layers)
        first, last = teacher.encoder.bert.encoder.layer
        assert len(network.bert.encoder.layer) == layers - 1
        wanted = (last if layers == 2 else first).state_dict()
        assert all(torch.equal(value, wanted[name]) for name, value in network.last.state_dict().items())


def test_a_student_learns_its_teachers_vectors(teacher: BiEncoder, student: BiEncoder) -> None:
    texts = TEXTS + QUERIES
    vectors = teacher.encode(texts)
    untaught = BiEncoder(Student(teacher.encoder.bert, 2), teacher.tokenizer)
    before, after = (float((network.encode(texts) * vectors).sum(1).mean()) for network in (untaught, student))
    assert after > before
    assert after > 0.97


def test_a_reranking_student_keeps_its_teachers_order(cross_student: CrossEncoder) -> None:
    assert [int(cross_student.score(query, TEXTS).argmax()) for query in QUERIES] == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore")
def test_what_is_served_is_what_was_trained(student: BiEncoder, cross_student: CrossEncoder, tmp_path: Path) -> None:
    texts = TEXTS + QUERIES
    figures = seal_encoder(student, tmp_path / "encoder", texts)
    assert figures["cosine_min"] > 0.97
    served = Encoder(tmp_path / "encoder")
    assert nearest(served.encode(TEXTS), served.encode(QUERIES)) == [0, 1, 2, 3]
    pairs = [(query, text) for query in QUERIES for text in TEXTS]
    relevant = [QUERIES.index(query) == TEXTS.index(text) for query, text in pairs]
    figures = seal_reranker(copy.deepcopy(cross_student), tmp_path / "reranker", pairs, relevant)
    assert figures["correlation"] > 0.97
    reranker = ServedCrossEncoder(tmp_path / "reranker")
    chances = np.stack([sigmoid(reranker.score(query, TEXTS)) for query in QUERIES])
    assert (chances > 0.5).tolist() == np.eye(4, dtype=bool).tolist()


def test_a_rounded_layer_computes_on_the_grids_of_int8_and_keeps_its_weights() -> None:
    layer = nn.Linear(2, 2, bias=False)
    weights = torch.tensor([[64.0, 10.4], [0.64, -0.104]])
    layer.weight.data = weights.clone()
    inputs = torch.tensor([[254.6, 0.4], [-0.4, 3.0]])  # a range of 255 in 255 steps: whole numbers
    with rounding(layer):
        assert layer(inputs).detach().tolist() == [
            [pytest.approx(255 * 64), pytest.approx(255 * 0.64)],
            [pytest.approx(3 * 10), pytest.approx(3 * -0.1)],
        ]
        layer(inputs).sum().backward()
    assert torch.equal(layer.weight, weights)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer.weight.grad is not None


def test_the_exported_trees_are_the_fitted_ones_and_never_count_good_evidence_against_a_row(tmp_path: Path) -> None:
    from aisle.onnx import open_session

    random = np.random.default_rng(1)
    features = random.random((40 * 30, len(FIRST)), dtype=np.float32)
    wanted = FIRST.index("coverage")
    ratings = (features[:, wanted] > 0.7).astype(np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        booster = _boost(list(features.reshape(40, 30, -1)), list(ratings.reshape(40, 30)), FIRST, depth=15, seed=1)
        export_trees(booster, len(FIRST), tmp_path / "first.onnx")
    session = open_session(tmp_path / "first.onnx", threads=1)
    served = session.run(None, {"features": features})[0][:, 0]
    assert isinstance(booster, lgb.Booster)
    assert np.abs(served - booster.predict(features)).max() < 1e-4
    rows = np.repeat(features[:1], 50, axis=0)
    for name in RISING:
        if name in FIRST:
            swept = rows.copy()
            swept[:, FIRST.index(name)] = np.linspace(0, 1, 50)
            assert (np.diff(session.run(None, {"features": swept})[0][:, 0]) >= -1e-6).all()
