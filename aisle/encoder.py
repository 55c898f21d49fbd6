"""Texts to unit vectors with the bundle's int8 bi-encoder: mean of the last layer's token vectors, scaled to length one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.onnx import Transformer
from aisle.text import fold

MAX_TOKENS = 64


class Encoder:
    """`folder` holds model.onnx and tokenizer.json."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._transformer = Transformer(folder, threads, MAX_TOKENS)
        self.dim: int = self._transformer.session.get_outputs()[0].shape[-1]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dim) float32 unit rows."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        for positions, tokens, mask in self._transformer.outputs([fold(t) for t in texts]):
            summed = np.einsum("btd,bt->bd", tokens, mask.astype(np.float32))
            vectors[positions] = summed / np.linalg.norm(summed, axis=1, keepdims=True).clip(1e-12)
        return vectors

    def knows(self, word: str) -> bool:
        """Whether `word` is one whole token: a word of the language, not a typing error."""
        return self._transformer.tokenizer.token_to_id(word) is not None
