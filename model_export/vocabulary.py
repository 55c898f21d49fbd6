"""The shop's own vocabulary: the base model's WordPiece tokens that matter here, plus the shop's own.

Fewer base tokens make the model small; whole-word tokens for what the shop writes often ("64gb", a brand) make inputs
short; and Han characters that an English base model lacks are what makes Chinese work. A new word starts as the mean
of the pieces that stood for it; a new character as the mean of the base tokens that go with it in titles of two
languages, or, where there are none, at random in the base model's spread.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from aisle.errors import BadInput
from aisle.text import fold, is_cjk

MIN_COUNT = 20  # of a word that gets a token of its own
MEANINGS = 2  # base tokens that a new character starts between
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PLAIN = re.compile(r"(##)?[a-z0-9]+|(##)?[!-/:-@\[-`{-~]")


@dataclass(frozen=True)
class Vocabulary:
    """`tokenizer` numbers the tokens; `pieces[i]` lists the base ids whose mean starts token i (none: random)."""

    tokenizer: Tokenizer
    pieces: list[list[int]]
    base_size: int
    added: int

    def embeddings(self, base: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
        """(tokens, dim) float32 starting vectors from the base model's (base_size, dim)."""
        random = np.random.default_rng(seed).normal(0, base.std(0), (len(self.pieces), base.shape[1]))
        alike = Counter(tuple(ids) for ids in self.pieces)
        rows = []
        for ids, noise in zip(self.pieces, random, strict=True):
            if not ids:
                rows.append(base.mean(0) + noise)
            else:  # characters that start from the same tokens must be able to part
                rows.append(base[ids].mean(0) + (0.2 * noise if alike[tuple(ids)] > 1 else 0))
        return np.array(rows, np.float32)


def fit(
    base_model: Path,
    texts: Iterable[str],
    keep: int,
    add: int,
    translations: Iterable[tuple[str, str]] = (),
) -> Vocabulary:
    """The vocabulary for a shop whose texts are `texts`.

    Kept: special tokens, every token the texts use, single letters and digits, and the first `keep` plain tokens of the
    base (WordPiece vocabularies are sorted by frequency), so that a shopper's everyday word still means something.
    Added: every CJK character of the texts, and at most `add` words that occur MIN_COUNT times or more and were
    split, those that save the most tokens first. `translations`: titles in the base model's language and another.
    Raises BadInput where the base model's tokenizer is not WordPiece.
    """
    base = Tokenizer.from_file(str(base_model / "tokenizer.json"))
    base.no_truncation()
    base.no_padding()
    if not isinstance(base.model, models.WordPiece):
        kind = type(base.model).__name__
        raise BadInput(f"the tokenizer of {base_model} is {kind}, not WordPiece", "choose a BERT-like base_model")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in _splitter().pre_tokenize_str(fold(text)))
    by_id = sorted(base.get_vocab().items(), key=lambda item: item[1])
    ids = dict(by_id)
    split = {word: base.encode(word, add_special_tokens=False).tokens for word in counts}
    used = {token for tokens in split.values() for token in tokens}
    plain = [token for token, _ in by_id if _PLAIN.fullmatch(token)]
    short = {token for token in plain if len(token.removeprefix("##")) == 1}
    kept = set(SPECIAL) | used | short | set(plain[:keep])
    saved = {
        word: n * (len(split[word]) - 1)
        for word, n in counts.items()
        if n >= MIN_COUNT and len(split[word]) > 1 and "[UNK]" not in split[word]
    }
    new_words = sorted(saved, key=lambda word: (-saved[word], word))[:add]
    characters = sorted({c for word in counts for c in word if is_cjk(c)} - set(ids))
    tokens = [*SPECIAL, *(t for t, _ in by_id if t in kept and t not in SPECIAL), *characters, *new_words]
    meanings = character_meanings((base.encode(a, add_special_tokens=False).tokens, fold(b)) for a, b in translations)
    stands_for = {**split, **meanings}
    pieces = [[ids[t]] if t in ids else [ids[p] for p in stands_for.get(t, []) if p != "[UNK]"] for t in tokens]
    return Vocabulary(tokenizer_over(tokens), pieces, len(ids), len(characters) + len(new_words))


def character_meanings(titles: Iterable[tuple[list[str], str]]) -> dict[str, list[str]]:
    """The MEANINGS tokens that go with each CJK character most characteristically, from (tokens, other title) pairs.

    Ranked by how often both occur times the pointwise mutual information of the two (Church and Hanks, 1990).
    """
    n = 0
    together: Counter[tuple[str, str]] = Counter()
    by_token: Counter[str] = Counter()
    by_character: Counter[str] = Counter()
    for tokens, other in titles:
        n += 1
        kept, characters = {t for t in tokens if t.isalpha()}, {c for c in other if is_cjk(c)}
        by_token.update(kept)
        by_character.update(characters)
        together.update((c, t) for c in characters for t in kept)
    scored: dict[str, list[tuple[float, str]]] = {}
    for (character, token), count in together.items():
        information = math.log(count * n / (by_character[character] * by_token[token]))
        scored.setdefault(character, []).append((-count * information, token))
    return {character: _first(sorted(found)) for character, found in scored.items()}


def _first(found: list[tuple[float, str]]) -> list[str]:
    """At most MEANINGS tokens, the best and those that go with the character at least half as well; lower is better."""
    return [token for score, token in found[:MEANINGS] if score < 0 and score <= found[0][0] / 2]


def tokenizer_over(tokens: list[str]) -> Tokenizer:
    """A WordPiece tokenizer whose ids are the positions in `tokens`; Han characters stand alone."""
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = _splitter()
    tokenizer.decoder = decoders.WordPiece()
    cls, sep = ("[CLS]", tokens.index("[CLS]")), ("[SEP]", tokens.index("[SEP]"))
    tokenizer.post_processor = processors.BertProcessing(sep, cls)
    return tokenizer


def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([_han_apart(), pre_tokenizers.BertPreTokenizer()])


def _han_apart() -> pre_tokenizers.PreTokenizer:
    """Each Han, Kana or Hangul character is a word of its own, also inside "t恤"."""
    from tokenizers import Regex

    return pre_tokenizers.Split(Regex(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]"), "isolated")
