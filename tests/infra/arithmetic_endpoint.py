"""The endpoint as a process of its own, with a scorer whose right answers are arithmetic and whose device can be held.

    python arithmetic_endpoint.py FOLDER PORT CONFIG

A text scores its number of words times 1.25, less the query's; a token is a word, two more a pair. "nan" scores none,
"boom" breaks its batch. While FOLDER has a file `cold`, the model is not open; while it has `held`, no batch finishes;
with `broken`, each fails.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from infra.reranker_endpoint.__main__ import ended, serve
from infra.reranker_endpoint.config import read_config
from infra.reranker_endpoint.waiting import Logits, Pair

MAX_WORDS = 64
NAN, BOOM = -1, -2  # types of a pair that has no score, and of one that breaks the batch


class Arithmetic:
    def __init__(self, folder: Path, max_batch_tokens: int) -> None:
        self.folder = folder
        self.max_batch_tokens = max_batch_tokens

    def tokenise(self, query: str, texts: Sequence[str]) -> list[Pair]:
        return [self._pair(len(query.split()), text) for text in texts]

    def _pair(self, query: int, text: str) -> Pair:
        words = min(len(text.split()), MAX_WORDS)
        kind = {"nan": NAN, "boom": BOOM}.get(text, 0)
        return Pair([query, words] + [1] * words, [kind] * (words + 2))

    def launch(self, pairs: Sequence[Pair]) -> Callable[[], Logits]:
        def finish() -> Logits:
            wait_while(self.folder / "held")
            if (self.folder / "broken").exists() or any(pair.types[0] == BOOM for pair in pairs):
                raise RuntimeError("the device broke")
            return np.array([score(pair) for pair in pairs], np.float32)

        return finish


def score(pair: Pair) -> float:
    query, words = pair.ids[:2]
    return float("nan") if pair.types[0] == NAN else words * 1.25 - query


def wait_while(path: Path) -> None:
    while path.exists():
        time.sleep(0.005)


def main() -> None:
    folder, port, config = Path(sys.argv[1]), int(sys.argv[2]), read_config(Path(sys.argv[3]))

    def open_scorer() -> Arithmetic:
        wait_while(folder / "cold")
        return Arithmetic(folder, config.max_batch_tokens)

    status = ended(lambda: serve(open_scorer, config, "127.0.0.1", port))
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
