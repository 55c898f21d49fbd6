"""What a Python process of an executor has open: one bundle, loaded by its first task and kept for the next ones.

Spark starts a process for every task that runs at once and uses it again, so a core has one onnxruntime session, of
one thread. A bundle is named by its path, which has to be the same on every machine: in the image, or unpacked there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from aisle.bundle import Bundle
from aisle.customer_lists import Lists
from aisle.encoder import MAX_TOKENS, Encoder
from aisle.runtime import Services
from aisle.text import fold


def opened(bundle: str) -> Bundle:
    """Raises BundleError."""
    return Bundle.open(Path(bundle))


@lru_cache(maxsize=1)
def services(bundle: str) -> Services:
    """What answers from the bundle at this path. Raises BundleError."""
    return Services(opened(bundle), threads=1)


@lru_cache(maxsize=1)
def encoder(bundle: str) -> Encoder:
    """The bundle's encoder alone. Raises BundleError."""
    return Encoder(opened(bundle).file("encoder/model.onnx").parent, threads=1)


@lru_cache(maxsize=1)
def lists(bundle: str) -> Lists:
    """What recommends from the bundle. Raises BundleError, also where it has no recommender."""
    return Lists(opened(bundle))


def lengths(bundle: str, texts: Sequence[str]) -> list[int]:
    """`Encoder.lengths` without the model. Raises BundleError."""
    return [len(encoding) for encoding in _tokenizer(bundle).encode_batch([fold(text) for text in texts])]


@lru_cache(maxsize=1)
def _tokenizer(bundle: str) -> Tokenizer:
    found = Tokenizer.from_file(str(opened(bundle).file("encoder/tokenizer.json")))
    found.enable_truncation(MAX_TOKENS)
    found.no_padding()
    return found
