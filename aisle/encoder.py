"""Texts to unit vectors with the bundle's int8 bi-encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.onnx import Transformer, text_side
from aisle.text import fold

MAX_TOKENS = 64


class TextEncoder(Protocol):
    """The seam: (len(texts), dim) float32 unit rows."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class Encoder:
    """`folder` holds model.onnx and tokenizer.json."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._transformer = Transformer(folder, threads, MAX_TOKENS)
        self.dim = self._transformer.dim

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dim) float32 unit rows."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        for positions, sides in self._transformer.run([fold(t) for t in texts], text_side):
            vectors[positions] = sides[:, 0]
        return vectors

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens that `encode` reads of each text: what its time goes with."""
        return self._transformer.lengths([fold(t) for t in texts])

    def knows(self, word: str) -> bool:
        """Whether `word` is one whole token: a word of the language, not a typing error."""
        return self._transformer.tokenizer.token_to_id(word) is not None
