"""BM25 over one field of the products: exact words, which no embedding replaces for model numbers and names.

bm25s computes every (term, row) weight once, when the index is built; a query then only adds up the posting lists of
its terms. Serving reads those arrays itself, because importing bm25s costs as much as onnxruntime and scoring takes
five lines. It knows neither products nor filters: texts in, scores by row out.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aisle.errors import MissingExtra
from aisle.mapped import load_array
from aisle.text import has_digit, terms
from aisle.word_statistics import WordStatistics

_ARRAYS = ("start", "rows", "weights", "documents")
_DIGITS = 4  # of a difference of idf masses: a tree must not tell 0 from what rounding left of it
K1, B = 1.2, 0.75  # Lucene's defaults; Kamphuis et al., ECIR 2020, found no variant reliably better


class Match(NamedTuple):
    """How one query meets every row: what decides which rows are found. Arrays are (n,) float32."""

    score: NDArray[np.float32]  # BM25
    coverage: NDArray[np.float32]  # 0..1: share of the query's idf mass that the row has
    asked: dict[str, float]  # the query's distinct terms and their idf


class Detail(NamedTuple):
    """What the order of found rows asks for besides. All (rows,) float32."""

    identifiers: NDArray[np.float32]  # 0..1: coverage over terms with a digit; 0 where the query has none
    matched: NDArray[np.float32]  # distinct query terms that the row has
    unasked: NDArray[np.float32]  # idf mass of the row's terms that the query did not ask for
    unasked_identifiers: NDArray[np.float32]  # the same over terms with a digit: another model's number, for one


class Lexical:
    """One inverted index: the postings of term t are rows[start[t]:start[t+1]], rising, with their weights beside them.

    `documents`: (3, n) float32 of each row its terms, the idf mass of its distinct terms, and of those with a digit.
    `statistics`: of all texts, where these rows are only some of them.
    """

    def __init__(
        self,
        vocabulary: dict[str, int],
        start: NDArray[np.int64],
        rows: NDArray[np.int32],
        weights: NDArray[np.float32],
        documents: NDArray[np.float32],
        statistics: WordStatistics | None = None,
    ) -> None:
        self.vocabulary, self.start, self.rows, self.weights = vocabulary, start, rows, weights
        self.documents, self._statistics = documents, statistics
        self._added: dict[str, tuple[NDArray[np.int32], NDArray[np.float32]]] = {}

    @classmethod
    def build(cls, texts: Sequence[str]) -> Lexical:
        """An index whose row r is texts[r]. Raises MissingExtra without bm25s."""
        try:
            import bm25s
        except ImportError as exc:
            raise MissingExtra("bm25s", "offline") from exc
        vocabulary: dict[str, int] = {}  # in order of first appearance, so that one catalogue makes one index
        tokens = [[vocabulary.setdefault(term, len(vocabulary)) for term in terms(text)] for text in texts]
        documents = np.zeros((3, len(tokens)), np.float32)
        documents[0] = [len(t) for t in tokens]
        if not documents.any():
            return cls({}, np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), documents)
        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells every build at DEBUG, on by default
        index = bm25s.BM25(k1=K1, b=B, method="lucene")
        index.index((tokens, vocabulary), create_empty_token=False, show_progress=False)
        start = np.asarray(index.scores["indptr"], np.int64)
        rows, weights = np.asarray(index.scores["indices"], np.int32), np.asarray(index.scores["data"], np.float32)
        frequency = np.diff(start)
        idf = np.repeat(idf_of(frequency, len(tokens)), frequency)
        digit = np.zeros(len(frequency), bool)
        digit[[t for term, t in vocabulary.items() if has_digit(term)]] = True
        documents[1] = np.bincount(rows, idf, len(tokens))
        documents[2] = np.bincount(rows, idf * np.repeat(digit, frequency), len(tokens))
        return cls(vocabulary, start, rows, weights, documents)

    @classmethod
    def among(
        cls, statistics: WordStatistics, texts: Sequence[str], documents: NDArray[np.float32], asked: Iterable[str]
    ) -> Lexical:
        """Some rows of a larger index, for a query of the terms `asked` alone.

        `texts`: of each row its terms, joined by blanks; `documents`: (3, len(texts)), their columns there.
        """
        none = np.zeros(0, np.int32), np.zeros(0, np.float32)
        index = cls({}, np.zeros(1, np.int64), *none, documents, statistics)
        saturation = index._saturation(documents[0])
        split = [text.split(" ") for text in texts]
        for term in dict.fromkeys(asked):
            counts = np.array([words.count(term) for words in split], np.float64)
            rows = np.flatnonzero(counts)
            weights = index._idf(term) * counts[rows] / (counts[rows] + saturation[rows])
            index._added[term] = rows.astype(np.int32), weights.astype(np.float32)
        return index

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        (folder / "vocabulary.json").write_text(json.dumps(self.vocabulary, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Lexical:
        start, rows, weights, documents = (load_array(folder / f"{name}.npy") for name in _ARRAYS)
        vocabulary = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        return cls(vocabulary, start, rows, weights, documents)

    def beside(self, texts: Sequence[str]) -> Lexical:
        """This index with `texts` as further rows behind its own, weighed by the statistics that it was built with."""
        n, postings = self.documents.shape[1], defaultdict[str, list[tuple[int, float]]](list)
        documents = np.zeros((3, len(texts)), np.float32)
        for row, text in enumerate(texts):
            counts = Counter(terms(text))
            documents[0, row] = counts.total()
            saturation = float(self._saturation(documents[0, row]))
            for term, count in counts.items():
                idf = self._idf(term)
                postings[term].append((n + row, idf * count / (count + saturation)))
                documents[1, row] += idf
                documents[2, row] += idf * has_digit(term)
        joined = Lexical(
            self.vocabulary,
            self.start,
            self.rows,
            self.weights,
            np.concatenate([self.documents, documents], axis=1),
            self._statistics,
        )
        joined._added |= self._added
        for term, found in postings.items():
            rows, weights = zip(*found, strict=True)
            old_rows, old_weights = self._postings(term)
            joined._added[term] = (
                np.concatenate([old_rows, np.array(rows, np.int32)]),
                np.concatenate([old_weights, np.array(weights, np.float32)]),
            )
        return joined

    def match(self, query: str, extra: str = "") -> Match:
        """How `query` meets each row; a word of `extra` (the shop's synonyms) covers its share of them."""
        score, coverage = np.zeros((2, self.documents.shape[1]), np.float32)
        asked = {term: self._idf(term) for term in dict.fromkeys(terms(query))}
        for term, idf in asked.items():
            rows, weights = self._postings(term)
            np.add.at(score, rows, weights)  # half the time of score[rows] += weights
            np.add.at(coverage, rows, np.float32(idf))
        coverage /= sum(asked.values()) or 1.0
        added = [term for term in dict.fromkeys(terms(extra)) if term not in asked]
        for term in added:
            rows, weights = self._postings(term)
            np.add.at(score, rows, weights)
            coverage[rows] = np.maximum(coverage[rows], 1 / len(added))
        return Match(score, coverage, asked)

    def detail(self, match: Match, rows: NDArray[np.int64]) -> Detail:
        """What `match` leaves open, for some rows: a few hundred of them take a binary search a term."""
        met, met_identifiers, matched = np.zeros((3, len(rows)))
        for term, idf in match.asked.items():
            has = _contains(self._postings(term)[0], rows)
            met[has] += idf
            matched[has] += 1
            if has_digit(term):
                met_identifiers[has] += idf
        digit_mass = sum(idf for term, idf in match.asked.items() if has_digit(term)) or 1.0
        unasked = np.maximum(np.round(self.documents[1, rows] - met, _DIGITS), 0)
        unasked_identifiers = np.maximum(np.round(self.documents[2, rows] - met_identifiers, _DIGITS), 0)
        columns = (met_identifiers / digit_mass, matched, unasked, unasked_identifiers)
        return Detail(*(column.astype(np.float32) for column in columns))

    def _postings(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if term in self._added:
            return self._added[term]
        t = self.vocabulary.get(term)
        if t is None:
            return self.rows[:0], self.weights[:0]
        return self.rows[self.start[t] : self.start[t + 1]], self.weights[self.start[t] : self.start[t + 1]]

    def _idf(self, term: str) -> float:
        """A term that no row has counts as if one had it, so that asking for it costs coverage."""
        if self._statistics:
            return float(idf_of(self._statistics.frequency(term), self._statistics.n))
        return float(idf_of(max(len(self._postings(term)[0]), 1), self.documents.shape[1]))

    def _saturation(self, length: NDArray[np.float32]) -> NDArray[np.float64]:
        """What a term's count is held against in texts of so many terms."""
        if self._statistics:
            average = max(self._statistics.mean_terms, 1.0)
        else:
            average = max(float(self.documents[0].mean()), 1.0) if self.documents.shape[1] else 1.0
        return K1 * (1 - B + B * length.astype(np.float64) / average)


def _contains(rising: NDArray[np.int32], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(len(rows),): whether each row stands among the `rising` ones."""
    if not len(rising):
        return np.zeros(len(rows), bool)
    at = np.searchsorted(rising, rows.astype(rising.dtype))  # of one type, or numpy converts the whole list
    found: NDArray[np.bool_] = rising[np.minimum(at, len(rising) - 1)] == rows
    return found


def idf_of(frequency: int | NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Lucene's idf of terms that so many of `n` texts have."""
    idf: NDArray[np.float64] = np.log1p((n - frequency + 0.5) / (frequency + 0.5))
    return idf
