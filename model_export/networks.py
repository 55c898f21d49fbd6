"""The two networks of the workshop, as torch sees them, and how texts become their inputs.

A bi-encoder is a BERT-like encoder with mean pooling; a cross-encoder is the same encoder over a pair, with the pooled
vectors of its two sides multiplied into one logit. A student keeps some of its teacher's layers, and computes the last
of them for the pooled vectors alone: nobody looks at the other tokens any more.
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
from transformers import AutoModel, BertModel, BertPreTrainedModel

from aisle.encoder import MAX_TOKENS as TEXT_TOKENS
from aisle.onnx import Padded, batches, padded, pair_sides, text_side
from aisle.reranker import MAX_TOKENS as PAIR_TOKENS
from aisle.text import fold
from model_export.vocabulary import Vocabulary

TRAINING_TOKENS = 1024  # run at once, padding counted
SCALE = 20.0  # inverse temperature of cosine similarities, as sentence-transformers uses


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision() -> AbstractContextManager[object]:
    """bfloat16 matrix products where the processor has them (1.4 to 2 times as fast), else float32."""
    fast = device().type == "cuda" or bool(torch.cpu._is_avx512_bf16_supported())
    return torch.autocast(device().type, dtype=torch.bfloat16, enabled=fast)


def base_encoder(path: Path, vocabulary: Vocabulary, seed: int) -> Teacher:
    """The pretrained encoder with the shop's vocabulary in place of its own."""
    torch.manual_seed(seed)
    encoder: BertModel = AutoModel.from_pretrained(path, attn_implementation="sdpa")
    vectors = vocabulary.embeddings(encoder.get_input_embeddings().weight.detach().numpy(), seed)
    encoder.set_input_embeddings(nn.Embedding.from_pretrained(torch.from_numpy(vectors), freeze=False, padding_idx=0))
    encoder.config.vocab_size = len(vectors)
    return Teacher(encoder)


class Teacher(BertPreTrainedModel):
    """Every layer for every token, then each side's mean.

    The seam of both encoders: (batch, longest) token ids and mask and (batch, sides, longest) float32, 1 on the tokens
    of a side, to (batch, sides, dim) vectors of any length.
    """

    def __init__(self, bert: BertModel) -> None:
        super().__init__(bert.config)
        self.bert = bert

    def forward(self, input_ids: Tensor, attention_mask: Tensor, sides: Tensor) -> Tensor:
        return means(self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state, sides)


class Student(BertPreTrainedModel):
    """`layers` of a `bert`: the first, the last, and evenly between; the last one for the means of the sides alone."""

    def __init__(self, bert: BertModel, layers: int) -> None:
        super().__init__(copy.deepcopy(bert.config))
        self.config.num_hidden_layers = layers
        self.bert = copy.deepcopy(bert)
        kept = np.linspace(0, len(self.bert.encoder.layer) - 1, layers).round().astype(int)
        *below, self.last = (self.bert.encoder.layer[i] for i in kept)
        self.bert.encoder.layer = nn.ModuleList(below)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, sides: Tensor) -> Tensor:
        tokens = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = means(tokens, sides)
        query, key, value = (
            project(vectors).unflatten(-1, (self.config.num_attention_heads, -1)).transpose(1, 2)
            for project, vectors in zip(self._projections(), (pooled, tokens, tokens), strict=True)
        )
        hidden = (1 - attention_mask[:, None, None]).to(query.dtype) * -1e4
        weights = (query @ key.transpose(2, 3) / query.shape[-1] ** 0.5 + hidden).softmax(-1)
        seen = self.last.attention.output((weights @ value).transpose(1, 2).flatten(2), pooled)
        vectors: Tensor = self.last.output(self.last.intermediate(seen), seen)
        return vectors

    def _projections(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        attention = self.last.attention.self
        return attention.query, attention.key, attention.value


def means(tokens: Tensor, sides: Tensor) -> Tensor:
    """(batch, sides, dim): the mean of each side's tokens."""
    return (sides.to(tokens.dtype) @ tokens) / sides.sum(-1, keepdim=True).to(tokens.dtype)


class BiEncoder(nn.Module):
    """Texts to unit vectors."""

    def __init__(self, encoder: Teacher | Student, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.encoder, self.tokenizer = encoder, tokenizer
        self.to(device())

    def forward(self, texts: Sequence[str]) -> Tensor:
        """(len(texts), dim) float32 unit rows, with gradients."""
        return by_length(self.tokenizer, [fold(t) for t in texts], TEXT_TOKENS, text_side, self.encoder)[:, 0]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dim) float32 unit rows, without gradients."""
        return inferred(self, self, texts)


class CrossEncoder(nn.Module):
    """(query, text) pairs to one logit each: a weighted product of the sides' mean vectors, which saw each other.

    It starts as the bi-encoder's scaled cosine, and so needs few steps to become better than it.
    """

    def __init__(self, encoder: Teacher | Student, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.encoder, self.tokenizer = copy.deepcopy(encoder), tokenizer
        self.weights = nn.Parameter(torch.full((encoder.config.hidden_size,), SCALE))
        self.bias = nn.Parameter(torch.zeros(()))
        self.to(device())

    def shallow(self, layers: int) -> CrossEncoder:
        """A student: a copy with fewer layers and the same head."""
        student = CrossEncoder(Student(self.encoder.bert, layers), self.tokenizer)
        student.weights, student.bias = copy.deepcopy(self.weights), copy.deepcopy(self.bias)
        return student

    def forward(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """(len(pairs),) float32 logits, with gradients."""
        return self.logits(self.sides(pairs))

    def sides(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """(len(pairs), 2, dim) float32 unit rows of query and text, each having seen the other, with gradients."""
        return by_length(self.tokenizer, [(fold(q), fold(t)) for q, t in pairs], PAIR_TOKENS, pair_sides, self.encoder)

    def logits(self, sides: Tensor) -> Tensor:
        """(n,) float32 from (n, 2, dim)."""
        return (sides[:, 0] * sides[:, 1] * self.weights).sum(-1) + self.bias

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts),) float32 logits: the seam of aisle.reranker.Reranker."""
        return self.score_pairs([(query, text) for text in texts])

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """(len(pairs),) float32 logits, without gradients."""
        return inferred(self, self, pairs)

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """`sides` without gradients."""
        return inferred(self, self.sides, pairs)


def by_length(
    tokenizer: Tokenizer,
    inputs: Sequence[str] | Sequence[tuple[str, str]],
    max_tokens: int,
    sides_of: Callable[[Padded], NDArray[np.float32]],
    encoder: Teacher | Student,
) -> Tensor:
    """(len(inputs), sides, dim) float32 unit rows: inputs of like length are computed together, for padding costs as
    much as text."""
    tokenizer.enable_truncation(max_tokens)
    encodings = tokenizer.encode_batch(list(inputs))
    order, parts = [], []
    for positions in batches([len(e) for e in encodings], TRAINING_TOKENS):
        batch = padded([encodings[i] for i in positions])
        feed = (torch.from_numpy(a).to(device()) for a in (batch.ids, batch.mask, sides_of(batch)))
        with precision():
            parts.append(encoder(*feed))
        order += positions
    vectors = torch.cat(parts)[torch.tensor(order, device=device()).argsort()]
    return nn.functional.normalize(vectors.float(), dim=-1)


@torch.no_grad()
def inferred(network: nn.Module, compute: Callable[[Any], Tensor], inputs: Sequence[Any]) -> NDArray[np.float32]:
    """What `compute` of the network says of all inputs, a few thousand at a time in evaluation mode."""
    network.eval()
    steps = tqdm(range(0, len(inputs), 4096), desc="encoding", mininterval=2, leave=False, disable=None)
    return np.concatenate([compute(inputs[i : i + 4096]).cpu().numpy() for i in steps])
