"""Pairs of token ids to logits: a network and its head, with or without padding.

Both networks only start what they compute: on a GPU nothing here waits for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from infra.reranker_endpoint.packed import PackedEncoder, flash, has_flash, padded
from infra.reranker_endpoint.waiting import Pair

PADDED_TOKENS = 4096  # run at once where padding is computed, padding counted


class PackedNetwork(nn.Module):
    """Pairs to logits without padding.

    `head`: of (total, dim) tokens, (total,) segments and (n + 1,) starts. The segments of pair i are 2 i and 2 i + 1.
    """

    def __init__(self, encoder: PackedEncoder, head: nn.Module, types: bool, device: torch.device) -> None:
        super().__init__()
        self.encoder, self.head, self.types, self.device = encoder, head, types, device
        self.dtype = next(encoder.parameters()).dtype
        self.flash = has_flash(device, self.dtype, encoder.head_dim)

    def forward(self, pairs: Sequence[Pair]) -> Tensor:
        lengths = np.array([len(pair.ids) for pair in pairs])
        total, starts = int(lengths.sum()), np.concatenate([[0], np.cumsum(lengths)])
        sent = np.empty(3 * total + len(starts), np.int32)  # one copy for all of it
        ids, positions, segments = sent[: 3 * total].reshape(3, total)
        ids[:] = np.fromiter(chain.from_iterable(pair.ids for pair in pairs), np.int32, total)
        positions[:] = np.arange(total) - np.repeat(starts[:-1], lengths) + self.encoder.first_position
        segments[:] = np.fromiter(chain.from_iterable(pair.types for pair in pairs), np.int32, total)
        segments += np.repeat(2 * np.arange(len(pairs), dtype=np.int32), lengths)
        sent[3 * total :] = starts
        return self._logits(to_device(sent, self.device), lengths)

    def _logits(self, sent: Tensor, lengths: NDArray[np.int64]) -> Tensor:
        """`sent`: ids, positions and segments of all tokens, and where each pair begins and the last one ends."""
        total = int(lengths.sum())
        ids, positions, segments = sent[: 3 * total].view(3, total)
        starts = sent[3 * total :]
        attend = flash(starts, int(lengths.max())) if self.flash else padded(lengths, self.device)
        types = segments % 2 if self.types else torch.zeros_like(segments)
        logits: Tensor = self.head(self.encoder(ids, types, positions, attend), segments, starts)
        return logits


class Sides(nn.Module):
    """The workshop's head: the weighted product of the mean unit vectors of query and text, each having seen the other.

    A mean and a sum of the same vectors have one direction, so the sums will do.
    """

    def __init__(self, weights: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights.float(), requires_grad=False)  # (dim,)
        self.bias = nn.Parameter(bias.float(), requires_grad=False)  # ()

    def forward(self, tokens: Tensor, segments: Tensor, starts: Tensor) -> Tensor:
        count = len(starts) - 1
        sums = tokens.new_zeros(2 * count, tokens.shape[1], dtype=torch.float32).index_add_(0, segments, tokens.float())
        unit = nn.functional.normalize(sums.view(count, 2, -1), dim=-1)
        logits: Tensor = (unit[:, 0] * unit[:, 1] * self.weights).sum(-1) + self.bias
        return logits


class Classification(nn.Module):
    """The published model's own head, over the first token of each pair."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.pooler = model.base_model.pooler  # None in RoBERTa's family, whose classifier pools
        self.classifier = model.classifier

    def forward(self, tokens: Tensor, segments: Tensor, starts: Tensor) -> Tensor:
        first = tokens[starts[:-1]][:, None]  # (n, 1, dim)
        logits: Tensor = self.classifier(self.pooler(first) if self.pooler else first)
        return logits[:, 0]


class PaddedNetwork(nn.Module):
    """Pairs to logits by any classifier of transformers, those of like length together."""

    def __init__(self, model: Any, device: torch.device) -> None:
        super().__init__()
        self.model, self.device = model, device
        self.blank = int(model.config.pad_token_id or 0)
        takes_types = "token_type_ids" in inspect.signature(model.forward).parameters
        self.types = takes_types and getattr(model.config, "type_vocab_size", 0) > 1

    def forward(self, pairs: Sequence[Pair]) -> Tensor:
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i].ids))
        parts, at = [], 0
        while at < len(order):
            count = 1
            while at + count < len(order) and (count + 1) * len(pairs[order[at + count]].ids) <= PADDED_TOKENS:
                count += 1
            parts.append(self._block([pairs[i] for i in order[at : at + count]]))
            at += count
        back = to_device(np.argsort(order), self.device)
        return torch.cat(parts)[back]

    def _block(self, pairs: Sequence[Pair]) -> Tensor:
        """(len(pairs),) of pairs padded to the last one."""
        block = np.zeros((3, len(pairs), len(pairs[-1].ids)), np.int64)
        block[0] = self.blank
        for row, pair in enumerate(pairs):
            block[0, row, : len(pair.ids)], block[1, row, : len(pair.ids)] = pair.ids, pair.types
            block[2, row, : len(pair.ids)] = 1
        ids, types, mask = to_device(block, self.device)
        logits: Tensor = self.model(
            ids, attention_mask=mask, **({"token_type_ids": types} if self.types else {})
        ).logits
        return logits[:, 0]


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Without waiting for a copy to a GPU."""
    here = torch.from_numpy(array)
    return here.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else here
