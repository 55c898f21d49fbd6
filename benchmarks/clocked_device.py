"""A stand-in for a GPU: it takes its time by the clock and none of the processor, and has an answer for every pair.

    python benchmarks/clocked_device.py HEAVY PORT     the reranker's endpoint around it

What two servers make of a device whose arithmetic happens elsewhere can so be compared on a machine without one.
Batches follow one another on it, as on a GPU's stream. Its scores are a checksum of a pair's tokens, known beforehand.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pair_model import MAX_TOKENS, Asked
from tokenizers import Tokenizer

from infra.reranker_endpoint.__main__ import serve
from infra.reranker_endpoint.config import read_config
from infra.reranker_endpoint.waiting import Logits, Pair

BATCH_S, TOKEN_S = 2e-3, 1e-6  # of a batch and of each of its tokens: a model of six layers on a fast GPU


class ClockedDevice:
    """The batcher's Scorer, with a sealed model's tokenizer."""

    def __init__(self, heavy: Path, max_batch_tokens: int) -> None:
        self.max_batch_tokens = max_batch_tokens
        self._tokenizer = Tokenizer.from_file(str(heavy / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._free_s = 0.0

    def tokenise(self, query: str, texts: Sequence[str]) -> list[Pair]:
        encodings = self._tokenizer.encode_batch_fast([(query, text) for text in texts])
        return [Pair(encoding.ids, encoding.type_ids) for encoding in encodings]

    def launch(self, pairs: Sequence[Pair]) -> Callable[[], Logits]:
        taken = BATCH_S + TOKEN_S * sum(len(pair.ids) for pair in pairs)
        done = self._free_s = max(self._free_s, time.monotonic()) + taken

        def finish() -> Logits:
            time.sleep(max(done - time.monotonic(), 0))
            return np.array([checksum(pair) for pair in pairs], np.float32)

        return finish


def checksum(pair: Pair) -> float:
    return hash(tuple(pair.ids)) % 1_000_003 / 1000  # of whole numbers, the same in every process


def right_checksums(heavy: Path, asked: Sequence[Asked]) -> list[Logits]:
    device = ClockedDevice(heavy, 1)
    return [np.array([checksum(pair) for pair in device.tokenise(*one)], np.float32) for one in asked]


if __name__ == "__main__":
    config = read_config()
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    serve(lambda: ClockedDevice(folder, config.max_batch_tokens), config, "127.0.0.1", port)
