"""The two networks of the workshop, as torch sees them, and how texts become their inputs.

A bi-encoder is a BERT-like encoder with mean pooling; a cross-encoder is the same encoder over a pair, with the pooled
vectors of its two sides multiplied into one logit. Teachers and students differ only in depth, so a student starts from
its teacher's layers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from tqdm import tqdm
from transformers import AutoModel, BertModel

from aisle.encoder import MAX_TOKENS as TEXT_TOKENS
from aisle.onnx import batches, padded
from aisle.reranker import MAX_TOKENS as PAIR_TOKENS
from aisle.text import fold
from model_export.vocabulary import Vocabulary

SCALE = 20.0  # inverse temperature of cosine similarities, as sentence-transformers uses


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision() -> AbstractContextManager[object]:
    """bfloat16 matrix products where the processor has them (1.4 to 2 times as fast), else float32."""
    fast = device().type == "cuda" or bool(torch.cpu._is_avx512_bf16_supported())
    return torch.autocast(device().type, dtype=torch.bfloat16, enabled=fast)


def base_encoder(path: Path, vocabulary: Vocabulary, seed: int) -> BertModel:
    """The pretrained encoder with the shop's vocabulary in place of its own."""
    torch.manual_seed(seed)
    encoder: BertModel = AutoModel.from_pretrained(path, attn_implementation="sdpa")
    vectors = vocabulary.embeddings(encoder.get_input_embeddings().weight.detach().numpy(), seed)
    encoder.set_input_embeddings(nn.Embedding.from_pretrained(torch.from_numpy(vectors), freeze=False, padding_idx=0))
    encoder.config.vocab_size = len(vectors)
    return encoder


def shallow(encoder: BertModel, layers: int) -> BertModel:
    """A copy of `encoder` with `layers` of its layers: the first, the last, and evenly between."""
    student = copy.deepcopy(encoder)
    kept = np.linspace(0, len(encoder.encoder.layer) - 1, layers).round().astype(int)
    student.encoder.layer = nn.ModuleList(student.encoder.layer[i] for i in kept)
    student.config.num_hidden_layers = layers
    return student


class BiEncoder(nn.Module):
    """Texts to unit vectors."""

    def __init__(self, encoder: BertModel, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.encoder, self.tokenizer = encoder, tokenizer
        self.to(device())

    def forward(self, texts: Sequence[str]) -> Tensor:
        """(len(texts), dim) float32 unit rows, with gradients."""
        return by_length(self.tokenizer, [fold(t) for t in texts], TEXT_TOKENS, self._vectors)

    def _vectors(self, inputs: dict[str, Tensor]) -> Tensor:
        second = inputs.pop("token_type_ids")
        return pooled(self.encoder(**inputs).last_hidden_state, inputs["attention_mask"] - second)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dim) float32 unit rows, without gradients."""
        return inferred(self, self, texts)


class CrossEncoder(nn.Module):
    """(query, text) pairs to one logit each: a weighted product of the sides' mean vectors, which saw each other.

    It starts as the bi-encoder's scaled cosine, and so needs few steps to become better than it.
    """

    def __init__(self, encoder: BertModel, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.encoder, self.tokenizer = copy.deepcopy(encoder), tokenizer
        self.weights = nn.Parameter(torch.full((encoder.config.hidden_size,), SCALE))
        self.bias = nn.Parameter(torch.zeros(()))
        self.to(device())

    def shallow(self, layers: int) -> CrossEncoder:
        """A student: a copy with fewer layers and the same head."""
        student = CrossEncoder(shallow(self.encoder, layers), self.tokenizer)
        student.weights, student.bias = copy.deepcopy(self.weights), copy.deepcopy(self.bias)
        return student

    def forward(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """(len(pairs),) float32 logits, with gradients."""
        return self.logits(self.sides(pairs))

    def sides(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """(len(pairs), 2, dim) float32 unit rows of query and text, each having seen the other, with gradients."""
        return by_length(self.tokenizer, [(fold(q), fold(t)) for q, t in pairs], PAIR_TOKENS, self._sides)

    def logits(self, sides: Tensor) -> Tensor:
        """(n,) float32 from (n, 2, dim)."""
        return (sides[:, 0] * sides[:, 1] * self.weights).sum(-1) + self.bias

    def _sides(self, inputs: dict[str, Tensor]) -> Tensor:
        second = inputs.pop("token_type_ids")
        tokens = self.encoder(**inputs).last_hidden_state
        return torch.stack([pooled(tokens, inputs["attention_mask"] - second), pooled(tokens, second)], 1)

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts),) float32 logits: the seam of aisle.reranker.Reranker."""
        return self.score_pairs([(query, text) for text in texts])

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """(len(pairs),) float32 logits, without gradients."""
        return inferred(self, self, pairs)

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """`sides` without gradients."""
        return inferred(self, self.sides, pairs)


def pooled(tokens: Tensor, mask: Tensor) -> Tensor:
    """(batch, dim) float32 unit rows from (batch, longest, dim) token vectors, as aisle.onnx.pooled."""
    return nn.functional.normalize((tokens.float() * mask.unsqueeze(-1)).sum(1), dim=-1)


def by_length(
    tokenizer: Tokenizer,
    inputs: Sequence[str] | Sequence[tuple[str, str]],
    max_tokens: int,
    compute: Callable[[dict[str, Tensor]], Tensor],
) -> Tensor:
    """`compute` over inputs of like length together, in the order of `inputs`: padding costs as much as text."""
    tokenizer.enable_truncation(max_tokens)
    encodings = tokenizer.encode_batch(list(inputs))
    order, parts = [], []
    for positions in batches([len(e) for e in encodings]):
        ids, types, mask = (torch.from_numpy(a).to(device()) for a in padded([encodings[i] for i in positions]))
        with precision():
            parts.append(compute({"input_ids": ids, "token_type_ids": types, "attention_mask": mask}))
        order += positions
    return torch.cat(parts)[torch.tensor(order, device=device()).argsort()]


@torch.no_grad()
def inferred(network: nn.Module, compute: Callable[[Any], Tensor], inputs: Sequence[Any]) -> NDArray[np.float32]:
    """What `compute` of the network says of all inputs, a few thousand at a time in evaluation mode."""
    network.eval()
    steps = tqdm(range(0, len(inputs), 4096), desc="encoding", mininterval=2, leave=False, disable=None)
    return np.concatenate([compute(inputs[i : i + 4096]).cpu().numpy() for i in steps])
