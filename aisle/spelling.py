"""The shop's own spelling: an unknown word becomes the nearest word of the catalogue, if one is near enough.

Near is the optimal string alignment distance (edits and swapped neighbours), found by first comparing the
sets of letters of all words at once: an edit changes such a set by at most two letters, so the filter loses
nothing and leaves a few hundred words to measure. Whether a word is plain language that no catalogue happens
to use ("sneakers" in a shop that says trainers) is told by the `is_word` it is given, which in serving asks
the encoder's vocabulary.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.mapped import load_array
from aisle.text import has_digit, is_cjk, terms, words

SHORTEST = 4  # letters; shorter words have too many neighbours
_LONGEST = 40
_TWO_EDITS_FROM = 7  # letters


class _Table(msgspec.Struct, frozen=True):
    """words.json: the vocabulary, most frequent first, and the stems of its words."""

    words: list[str]
    stems: list[str]


class Speller:
    """Corrects folded words. Beside `vocabulary`: `counts` (n,) int32 and `letters` (n,) uint64, sets of letters."""

    def __init__(
        self,
        vocabulary: list[str],
        stems: list[str],
        counts: NDArray[np.int32],
        letters: NDArray[np.uint64],
        is_word: Callable[[str], bool],
    ) -> None:
        self._vocabulary = vocabulary
        self._stems = stems
        self._known = frozenset(vocabulary) | frozenset(stems)
        self._counts = counts
        self._letters = letters
        self._is_word = is_word

    @classmethod
    def build(cls, texts: Iterable[str], is_word: Callable[[str], bool]) -> "Speller":
        """The vocabulary of all the shop's texts, in every language that has an alphabet."""
        counts = Counter(word for text in texts for word in words(text) if _has_spelling(word))
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        stems = sorted({_stem(word) for word in ordered})
        sizes = np.array([counts[word] for word in ordered], np.int32)
        return cls(ordered, stems, sizes, np.array([_letter_set(word) for word in ordered], np.uint64), is_word)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "words.json").write_bytes(msgspec.json.encode(_Table(self._vocabulary, self._stems)))
        np.save(folder / "word_counts.npy", self._counts, allow_pickle=False)
        np.save(folder / "word_letters.npy", self._letters, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, is_word: Callable[[str], bool]) -> "Speller":
        table = msgspec.json.decode((folder / "words.json").read_bytes(), type=_Table)
        counts, letters = (load_array(folder / name) for name in ("word_counts.npy", "word_letters.npy"))
        return cls(table.words, table.stems, counts, letters, is_word)

    def correct(self, word: str) -> str:
        """The catalogue's word for a folded one: the nearest, then with its first letter, then the most frequent."""
        if len(word) < SHORTEST or not _has_spelling(word) or word in self._known:
            return word
        if _stem(word) in self._known or self._is_word(word):
            return word
        allowed = 2 if len(word) >= _TWO_EDITS_FROM else 1
        near = [
            (distance, self._vocabulary[row][0] != word[0], -int(self._counts[row]), self._vocabulary[row])
            for row, distance in self._near(word, allowed)
        ]
        return min(near)[-1] if near else word

    def _near(self, word: str, allowed: int) -> list[tuple[int, int]]:
        """(row, distance) of the words within `allowed` edits."""
        from rapidfuzz.distance import OSA  # here, so that a query without a misspelling never pays for the import

        differing = np.bitwise_count(self._letters ^ np.uint64(_letter_set(word)))  # (n,)
        rows = np.flatnonzero(differing <= 2 * allowed).tolist()
        measured = ((row, OSA.distance(word, self._vocabulary[row], score_cutoff=allowed)) for row in rows)
        return [(row, distance) for row, distance in measured if distance <= allowed]


def _has_spelling(word: str) -> bool:
    return 2 < len(word) <= _LONGEST and not has_digit(word) and not is_cjk(word)


def _stem(word: str) -> str:
    return terms(word)[0] if word else word


def _letter_set(word: str) -> int:
    """64 bits; two letters may share one, which only lets a few more words through."""
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) % 64)
    return bits
