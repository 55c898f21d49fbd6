"""One way to run a sealed transformer: tokenise, batch by length, feed onnxruntime.

Both models of a bundle (`encoder/`, `reranker/`) are a `model.onnx` beside a `tokenizer.json`: token ids, a mask and
the sides to pool in, a vector for each side out. Inputs are sorted by length and cut into batches of about equal token
count, so that little padding is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

BATCH_TOKENS = 256  # their activations fit the processor's second cache
SLOW_FUSIONS = ["SkipLayerNormFusion"]  # scalar on a CPU: six times as long as its parts


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """A CPU session with `threads` intra-op threads that do not spin (Lambda bills spinning)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    return ort.InferenceSession(str(path), options, providers=providers, disabled_optimizers=SLOW_FUSIONS)


class Padded(NamedTuple):
    """Inputs of like length as one block. All (batch, longest) int64."""

    ids: NDArray[np.int64]
    second: NDArray[np.int64]  # 1 on the tokens of a pair's second text
    mask: NDArray[np.int64]  # 0 on padding


def text_side(batch: Padded) -> NDArray[np.float32]:
    """(batch, 1, longest): all tokens of each text."""
    return batch.mask[:, None].astype(np.float32)


def pair_sides(batch: Padded) -> NDArray[np.float32]:
    """(batch, 2, longest): the tokens of each pair's first text, and those of its second."""
    return np.stack([batch.mask - batch.second, batch.second], 1).astype(np.float32)


class Transformer:
    """A model folder opened for `threads` threads; at most `max_tokens` of an input are read."""

    def __init__(self, folder: Path, threads: int, max_tokens: int) -> None:
        self.session = open_session(folder / "model.onnx", threads)
        self.dim: int = self.session.get_outputs()[0].shape[-1]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.no_padding()

    def lengths(self, inputs: Sequence[str]) -> list[int]:
        """Tokens that are read of each input."""
        return [len(encoding) for encoding in self.tokenizer.encode_batch(list(inputs))]

    def run(
        self,
        inputs: Sequence[str] | Sequence[tuple[str, str]],
        sides_of: Callable[[Padded], NDArray[np.float32]],
    ) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Positions among `inputs` and their (batch, sides, dim) unit rows, shortest inputs first."""
        encodings = self.tokenizer.encode_batch(list(inputs))
        for positions in batches([len(e) for e in encodings], BATCH_TOKENS):
            batch = padded([encodings[i] for i in positions])
            feed = {"input_ids": batch.ids, "attention_mask": batch.mask, "sides": sides_of(batch)}
            vectors = self.session.run(None, feed)[0]
            yield positions, vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-12)


def batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Positions in order of length, cut so that a batch holds at most about `tokens`, padding counted."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[i] > tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def padded(encodings: Sequence[Encoding]) -> Padded:
    ids, second, mask = np.zeros((3, len(encodings), max(len(e) for e in encodings)), np.int64)
    for row, e in enumerate(encodings):
        ids[row, : len(e)], second[row, : len(e)], mask[row, : len(e)] = e.ids, e.type_ids, 1
    return Padded(ids, second, mask)
