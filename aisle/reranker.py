"""The int8 cross-encoder: reads query and product together and says how well they fit.

Query and text go through one encoder as a pair, so each word sees the other side's words; the logit is a weighted
product of the two sides' vectors. With equal weights that is the bi-encoder's cosine, which is where its
training starts from. The seam is `score(query, texts) -> (len(texts),) float32 logits`: this class, a remote endpoint
and a test's fake are equals.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.onnx import Transformer, pair_sides
from aisle.text import fold

MAX_TOKENS = 96


class Reranker(Protocol):
    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]: ...


class CrossEncoder:
    """`folder` holds model.onnx, tokenizer.json and head.npy: (dim + 1,) float32, a weight a dimension and the bias."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._transformer = Transformer(folder, threads, MAX_TOKENS)
        head = np.load(folder / "head.npy")
        self._weights, self._bias = head[:-1], head[-1]

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts),) float32 logits; higher fits better. Texts scored together share a quantisation scale."""
        scores = np.empty(len(texts), np.float32)
        asked = fold(query)
        for positions, sides in self._transformer.run([(asked, fold(t)) for t in texts], pair_sides):
            scores[positions] = (sides[:, 0] * sides[:, 1]) @ self._weights + self._bias
        return scores


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Element-wise 1 / (1 + exp(-x)), as float32."""
    return (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
