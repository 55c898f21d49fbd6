"""The int8 cross-encoder: reads query and product together and says how well they fit.

The seam is `score(query, texts) -> (len(texts),) float32 logits`: this class, a remote endpoint and a test's fake are equals.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.onnx import Transformer
from aisle.text import fold

MAX_TOKENS = 96


class Reranker(Protocol):
    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]: ...


class CrossEncoder:
    """`folder` holds model.onnx and tokenizer.json."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._transformer = Transformer(folder, threads, MAX_TOKENS)

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts),) float32 logits; higher fits better. A pair's score depends on that pair alone."""
        scores = np.empty(len(texts), np.float32)
        asked = fold(query)
        for positions, logits, _ in self._transformer.outputs([(asked, fold(t)) for t in texts]):
            scores[positions] = logits[:, 0]
        return scores


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Element-wise 1 / (1 + exp(-x)), as float32."""
    return (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
