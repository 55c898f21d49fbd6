"""A BERT-like encoder over sequences laid end to end: no padding is computed, and attention stays inside each sequence.

The layers are those of transformers, by their own modules; only the three projections of attention become one product,
and every linear layer sees all tokens of a batch as one long row. On a GPU that can, attention is PyTorch's
variable-length flash attention; elsewhere sequences of like length are padded to one another for attention alone. No
pairs, tokenizers or heads are known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import PretrainedConfig

FAMILY = ("bert", "roberta", "xlm-roberta")  # one architecture, by the names of its parts as well
ALIKE = 1.125  # how much longer than its shortest sequence a group's longest may be, where attention is padded
FLASH_CAPABILITY = (8, 0)  # Ampere: before it, no flash attention and no bfloat16
FLASH_HEAD = 256  # the widest head that it takes, in multiples of 8

Attend = Callable[[Tensor], Tensor]  # (total, 3, heads, head_dim) queries, keys and values to (total, heads, head_dim)


def packable(config: PretrainedConfig) -> bool:
    """Whether `PackedEncoder` computes what such a model computes."""
    return config.model_type in FAMILY and getattr(config, "position_embedding_type", "absolute") == "absolute"


def has_flash(device: torch.device, dtype: torch.dtype, head_dim: int) -> bool:
    """Whether variable-length attention runs there."""
    if device.type != "cuda" or dtype != torch.bfloat16 or head_dim % 8 or head_dim > FLASH_HEAD:
        return False
    return torch.cuda.get_device_capability(device) >= FLASH_CAPABILITY


def flash(starts: Tensor, longest: int) -> Attend:
    """`starts`: (n + 1,) int32 on the device, where each sequence begins and the last one ends; `longest` in tokens."""
    from torch.nn.attention.varlen import varlen_attn

    def attend(projected: Tensor) -> Tensor:
        query, key, value = projected.unbind(1)
        seen = varlen_attn(query, key, value, starts, starts, longest, longest)
        assert isinstance(seen, Tensor)
        return seen

    return attend


class Group(NamedTuple):
    """Sequences of like length as a block of (n, longest) tokens.

    `rows`: (n, longest) where each lies, the last one of a sequence repeated as padding. `shown`: (n, 1, 1, longest),
    False on padding, None where there is none. `real`: which of the flat block are no padding; `back`: where they lie.
    """

    rows: Tensor
    shown: Tensor | None
    real: Tensor
    back: Tensor


def padded(lengths: NDArray[np.int64], device: torch.device) -> Attend:
    """The same attention for sequences of these `lengths` in tokens, by blocks that differ little in length."""
    groups = [_group(lengths, members, device) for members in alike(lengths)]

    def attend(projected: Tensor) -> Tensor:
        seen = torch.empty_like(projected[:, 0], memory_format=torch.contiguous_format)
        for rows, shown, real, back in groups:
            query, key, value = projected[rows].permute(2, 0, 3, 1, 4)  # each (n, heads, longest, head_dim)
            block = scaled_dot_product_attention(query, key, value, attn_mask=shown).transpose(1, 2)
            seen[back] = block.flatten(0, 1)[real]
        return seen

    return attend


def alike(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Positions of sequences whose lengths are within ALIKE of one another, shortest first."""
    order = np.argsort(lengths, kind="stable")
    while len(order):
        count = int(np.searchsorted(lengths[order], lengths[order[0]] * ALIKE, side="right"))
        yield order[:count]
        order = order[count:]


def _group(lengths: NDArray[np.int64], members: NDArray[np.int64], device: torch.device) -> Group:
    own = lengths[members]
    first = (np.cumsum(lengths) - lengths)[members]
    places = np.arange(own.max())
    rows, shown = first[:, None] + np.minimum(places, own[:, None] - 1), places < own[:, None]
    needed = (rows, shown[:, None, None], np.flatnonzero(shown), rows[shown])
    group = Group(*(torch.from_numpy(each).to(device) for each in needed))
    return group._replace(shown=None) if shown.all() else group


class PackedLayer(nn.Module):
    """One layer of a BERT-like encoder."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        own = layer.attention.self
        self.heads: int = own.num_attention_heads
        parts = (own.query, own.key, own.value)
        weight = torch.cat([part.weight.data for part in parts])
        self.project = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
        self.project.weight = nn.Parameter(weight, requires_grad=False)
        self.project.bias = nn.Parameter(torch.cat([part.bias.data for part in parts]), requires_grad=False)
        self.attended, self.widened, self.narrowed = layer.attention.output, layer.intermediate, layer.output

    def forward(self, tokens: Tensor, attend: Attend) -> Tensor:
        """(total, dim) to the same."""
        projected = self.project(tokens).view(len(tokens), 3, self.heads, -1)
        seen = self.attended(attend(projected).flatten(1), tokens)
        narrowed: Tensor = self.narrowed(self.widened(seen), seen)
        return narrowed


class PackedEncoder(nn.Module):
    """The encoder of a model whose configuration is `packable`."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        config = encoder.config
        self.embeddings = encoder.embeddings
        self.layers = nn.ModuleList(PackedLayer(layer) for layer in encoder.encoder.layer)
        self.head_dim: int = config.hidden_size // config.num_attention_heads
        self.first_position: int = 0 if config.model_type == "bert" else config.pad_token_id + 1

    def forward(self, ids: Tensor, types: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """(total, dim) of (total,) token ids, type ids and positions, which count from `first_position`."""
        tokens: Tensor = self.embeddings(input_ids=ids[None], token_type_ids=types[None], position_ids=positions[None])[
            0
        ]
        for layer in self.layers:
            tokens = layer(tokens, attend)
        return tokens
