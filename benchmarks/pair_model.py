"""A small reranker with random weights, requests to it, and the right scores: what a load of requests is checked with.

Weights are spread wider than a trained model's, so that nearly every pair has a score of its own and an answer that
belongs to another pair is seen. The right scores come from transformers, one pair at a time, which knows nothing of
batches and packing.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification

from aisle import __version__
from aisle.bundle import Facts
from aisle.sealing import sealing

SPECIAL = ("[PAD]", "[CLS]", "[SEP]")
WORDS = tuple(f"word{number}" for number in range(1000))
MAX_TOKENS = 128
LAYERS, WIDTH = 2, 128
SPREAD = 0.2  # standard deviation of the weights
LISTS = (1, 2, 5, 10, 20, 30, 50)  # texts of a request, equally often
LONGEST = 60  # words of a text; short ones are more frequent


class Asked(NamedTuple):
    query: str
    texts: list[str]

    @property
    def body(self) -> bytes:
        """TEI's form, for the model's own logits."""
        return msgspec.json.encode({"query": self.query, "texts": self.texts, "raw_scores": True})


def requests(count: int, seed: int = 7) -> list[Asked]:
    chance = random.Random(seed)
    return [
        Asked(_text(chance, 4), [_text(chance, LONGEST) for _ in range(chance.choice(LISTS))]) for _ in range(count)
    ]


def _text(chance: random.Random, longest: int) -> str:
    return " ".join(chance.choices(WORDS, k=1 + int(longest * chance.random() ** 2)))


def write_reranker(source: Path, heavy: Path) -> None:
    """A model as transformers keeps it at `source`, sealed for the endpoint at `heavy`."""
    torch.manual_seed(7)
    sizes = {
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "intermediate_size": 4 * WIDTH,
    }
    known = {"vocab_size": len(SPECIAL) + len(WORDS), "max_position_embeddings": MAX_TOKENS, "num_labels": 1}
    BertForSequenceClassification(BertConfig(**sizes, **known, initializer_range=SPREAD)).save_pretrained(source)
    tokenizer = Tokenizer(models.WordLevel({token: at for at, token in enumerate((*SPECIAL, *WORDS))}, "[PAD]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.save(str(source / "tokenizer.json"))
    facts = Facts(
        created_at="2026-11-01T00:00:00Z",
        aisle_version=__version__,
        recipe="random weights",
        languages=[],
        currency="",
        n_products=0,
        dim=WIDTH,
    )
    with sealing(heavy) as draft:
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            shutil.copyfile(source / name, draft.folder / name)
        reading = {"head": "classification", "max_tokens": MAX_TOKENS, "fold": False}
        (draft.folder / "reranker.json").write_bytes(msgspec.json.encode(reading))
        draft.seal(facts)


def right_scores(source: Path, asked: list[Asked]) -> list[NDArray[np.float32]]:
    """(texts,) logits of each request, pair by pair."""
    torch.set_num_threads(1)
    model = BertForSequenceClassification.from_pretrained(source).eval()
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)

    def logit(query: str, text: str) -> float:
        pair = tokenizer.encode(query, text)
        with torch.inference_mode():
            return float(model(torch.tensor([pair.ids]), token_type_ids=torch.tensor([pair.type_ids])).logits)

    return [np.array([logit(query, text) for text in texts], np.float32) for query, texts in asked]


def told_apart(right: list[NDArray[np.float32]], tolerance: float) -> float:
    """The share of all scores whose next one in order is farther than twice `tolerance`: these cannot be confused."""
    return round(float(np.mean(np.diff(np.sort(np.concatenate(right))) > 2 * tolerance)), 4)
