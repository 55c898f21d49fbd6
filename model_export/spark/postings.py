"""The posting lists of a part of a catalogue, weighed by the statistics of all of it, and the parts as one index.

BM25 asks three things of the whole: how many texts there are, how long they are on average, and how many have a term.
With those a part's weights are bit for bit those of the whole index (`Lexical.build`), so scores of different parts
can be compared and parts can be put together without computing anything again.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from aisle.files import Files
from aisle.lexical import K1, B, Lexical, idf_of
from aisle.text import has_digit, terms


@dataclass(frozen=True)
class Statistics:
    """Of one field. vocabulary: term -> number, in order of first appearance.   frequency: (terms,) int64, texts that
    have each.   n: texts.   average: terms of a text."""

    vocabulary: Mapping[str, int]
    frequency: NDArray[np.int64]
    n: int
    average: float

    def save(self, files: Files, folder: str) -> None:
        told = {"vocabulary": self.vocabulary, "n": self.n, "average": self.average}
        content = BytesIO()
        np.save(content, self.frequency)
        files.write(f"{folder}/frequency.npy", content.getvalue())
        files.write(f"{folder}/statistics.json", json.dumps(told, ensure_ascii=False).encode())

    @classmethod
    def load(cls, files: Files, folder: str) -> Statistics:
        """Raises NotFound."""
        told = json.loads(files.read(f"{folder}/statistics.json"))
        return cls(frequency=np.load(BytesIO(files.read(f"{folder}/frequency.npy"))), **told)


def part(texts: Sequence[str], whole: Statistics) -> Lexical:
    """An index whose row r is texts[r], weighed as in the index of all; every term is to be known to `whole`."""
    found = [terms(text) for text in texts]
    lengths = np.array([len(words) for words in found], np.int64)
    counts = [Counter(words) for words in found]
    row = np.repeat(np.arange(len(texts), dtype=np.int32), [len(count) for count in counts])
    number = np.array([whole.vocabulary[term] for count in counts for term in count], np.int64)
    tf = np.array([times for count in counts for times in count.values()], np.float32)
    order = np.lexsort((row, number))
    row, number, tf = row[order], number[order], tf[order]
    numbers, frequency = np.unique(number, return_counts=True)
    words = [*whole.vocabulary] if len(numbers) else []
    vocabulary = {words[n]: at for at, n in enumerate(numbers.tolist())}
    weights, documents = np.zeros(0, np.float32), np.zeros((3, len(texts)), np.float32)
    documents[0] = lengths
    if len(number):
        # The types are bm25s's own, or the last bit would differ: idf in float32, the rest in float64.
        have = whole.frequency[numbers]
        said = [math.log(1 + (whole.n - count + 0.5) / (count + 0.5)) for count in have.tolist()]
        idf = np.repeat(np.array(said, np.float32), frequency)
        weights = (idf * (tf / (K1 * ((1 - B) + B * lengths[row] / whole.average) + tf))).astype(np.float32)
        mass = np.repeat(idf_of(have, whole.n), frequency)
        digit = np.repeat(np.array([has_digit(term) for term in vocabulary], bool), frequency)
        documents[1] = np.bincount(row, mass, len(texts))
        documents[2] = np.bincount(row, mass * digit, len(texts))
    start = np.concatenate([[0], np.cumsum(frequency)]).astype(np.int64)
    return Lexical(vocabulary, start, row, weights, documents)


def joined(parts: Sequence[tuple[NDArray[np.int64], Lexical]], whole: Statistics) -> Lexical:
    """The index of all, of its parts and the row that each of their rows has in it: every row in one part."""
    documents = np.zeros((3, whole.n), np.float32)
    numbers, rows, weights = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for places, index in parts:
        documents[:, places] = index.documents
        known = np.array([whole.vocabulary[term] for term in index.vocabulary], np.int64)
        numbers.append(np.repeat(known, np.diff(index.start)))
        rows.append(places.astype(np.int32)[index.rows])
        weights.append(index.weights)
    number, row = np.concatenate(numbers), np.concatenate(rows)
    order = np.lexsort((row, number))
    start = np.concatenate([[0], np.cumsum(whole.frequency)]).astype(np.int64)
    return Lexical(dict(whole.vocabulary), start, row[order], np.concatenate(weights)[order], documents)
