"""One way to run a sealed transformer: tokenise, batch by length, feed onnxruntime.

Both models of a bundle (`encoder/`, `reranker/`) are a `model.onnx` beside a `tokenizer.json`. Inputs are sorted by
length and cut into batches of about equal token count, so that little padding is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

BATCH_TOKENS = 1024


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """A CPU session with `threads` intra-op threads that do not spin (Lambda bills spinning)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Batch(NamedTuple):
    """Inputs that were run together: their positions among all inputs and, by token, vector and side."""

    positions: list[int]
    tokens: NDArray[np.float32]  # (batch, longest, dim)
    mask: NDArray[np.int64]  # (batch, longest), 0 on padding
    second: NDArray[np.int64]  # (batch, longest), 1 on the tokens of a pair's second text


class Transformer:
    """A model folder opened for `threads` threads; at most `max_tokens` of an input are read."""

    def __init__(self, folder: Path, threads: int, max_tokens: int) -> None:
        self.session = open_session(folder / "model.onnx", threads)
        self.dim: int = self.session.get_outputs()[0].shape[-1]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.no_padding()

    def run(self, inputs: Sequence[str] | Sequence[tuple[str, str]]) -> Iterator[Batch]:
        """The last layer's token vectors, shortest inputs first."""
        encodings = self.tokenizer.encode_batch(list(inputs))
        for positions in batches([len(e) for e in encodings]):
            ids, second, mask = padded([encodings[i] for i in positions])
            # The pretrained encoder never saw a second token type: both texts of a pair are of the first.
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            yield Batch(positions, self.session.run(None, feed)[0], mask, second)


def pooled(tokens: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """(batch, dim) float32 unit rows: the mean direction of each input's tokens under `mask`."""
    summed = np.einsum("btd,bt->bd", tokens, mask.astype(np.float32))
    unit: NDArray[np.float32] = summed / np.linalg.norm(summed, axis=1, keepdims=True).clip(1e-12)
    return unit


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Positions in order of length, cut so that a batch holds about BATCH_TOKENS tokens, padding counted."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[i] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def padded(encodings: Sequence[Encoding]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Token ids, token types and attention mask, each (batch, longest) int64."""
    ids, types, mask = np.zeros((3, len(encodings), max(len(e) for e in encodings)), np.int64)
    for row, e in enumerate(encodings):
        ids[row, : len(e)], types[row, : len(e)], mask[row, : len(e)] = e.ids, e.type_ids, 1
    return ids, types, mask
