"""One way to run a sealed transformer: tokenise, batch by length, feed onnxruntime.

Both models of a bundle (`encoder/`, `reranker/`) are a `model.onnx` beside a `tokenizer.json`. Inputs are sorted by length and cut
into batches of about equal token count, so that little padding is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

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


class Transformer:
    """A model folder opened for `threads` threads; at most `max_tokens` of an input are read."""

    def __init__(self, folder: Path, threads: int, max_tokens: int) -> None:
        self.session = open_session(folder / "model.onnx", threads)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.no_padding()
        self._takes_types = any(i.name == "token_type_ids" for i in self.session.get_inputs())

    def outputs(self, inputs: Sequence[str] | Sequence[tuple[str, str]]) -> Iterator[tuple[list[int], NDArray[np.float32], NDArray[np.int64]]]:
        """(positions in `inputs`, first output, attention mask) of each batch, shortest inputs first."""
        encodings = self.tokenizer.encode_batch(list(inputs))
        for positions in batches([len(e) for e in encodings]):
            ids, types, mask = padded([encodings[i] for i in positions])
            feed = {"input_ids": ids, "attention_mask": mask}
            if self._takes_types:
                feed["token_type_ids"] = types
            yield positions, self.session.run(None, feed)[0], mask


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
