"""The sealed reranker as a Scorer: texts to tokens on the processor, tokens to logits on the GPU where there is one.

A pass is started and not awaited: copies to the GPU are pinned and asynchronous, and the scores come back in one copy.
Without a GPU a thread of its own takes its place. Models of BERT's family are computed without padding; any other
runs as transformers has it, inputs sorted by length. bfloat16 on a GPU that has it, else float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec
import numpy as np
import torch
from msgspec import Meta, Struct
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, BertModel

from aisle.bundle import Bundle, verify_hashes
from aisle.errors import BundleError
from aisle.text import fold
from infra.reranker_endpoint.networks import Classification, PackedNetwork, PaddedNetwork, Sides
from infra.reranker_endpoint.packed import PackedEncoder, packable
from infra.reranker_endpoint.waiting import Logits, Pair

_AGAIN = "seal it again with `aisle build --heavy` or `aisle heavy`"


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
    """reranker.json: how a pair becomes a logit. `max_tokens`: of a pair, more are cut off."""

    head: Literal["sides", "classification"]
    max_tokens: Annotated[int, Meta(ge=8)]
    fold: bool


class Budget(Protocol):
    @property
    def max_batch_tokens(self) -> int: ...


class Network(Protocol):
    """Started, not awaited: (len(pairs),) logits on the device."""

    def __call__(self, pairs: Sequence[Pair]) -> Tensor: ...


def open_scorer(folder: Path, config: Budget, device: str | None = None) -> TorchScorer:
    """The scorer sealed in `folder`, on `device` or the GPU where there is one; every hash is checked.

    BundleError: the folder is incomplete, damaged, of another format, or no reranker.
    """
    bundle = Bundle.open(folder)
    if not bundle.has("reranker.json"):
        raise BundleError(
            f"{folder} holds no reranker", "name a folder that `aisle build --heavy` or `aisle heavy` wrote"
        )
    verify_hashes(bundle)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        reading = msgspec.json.decode(bundle.file("reranker.json").read_bytes(), type=Reading)
        network = open_network(folder, reading, place, fastest(place))
        tokenizer = Tokenizer.from_file(str(bundle.file("tokenizer.json")))
    except (BundleError, torch.OutOfMemoryError):
        raise
    except Exception as exc:  # tokenizers, safetensors and torch each have errors of their own, some of them bare
        raise BundleError(f"{folder} cannot be opened as a reranker ({exc})", _AGAIN) from exc
    return TorchScorer(network, tokenizer, reading, place, config.max_batch_tokens)


class TorchScorer:
    """The seam of the batcher: see `infra.reranker_endpoint.batching.Scorer`."""

    def __init__(
        self, network: Network, tokenizer: Tokenizer, reading: Reading, device: torch.device, max_batch_tokens: int
    ) -> None:
        self.max_batch_tokens = max_batch_tokens
        self._network, self._tokenizer, self._device = network, tokenizer, device
        self._seen = fold if reading.fold else str
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(reading.max_tokens)
        self._in_order = ThreadPoolExecutor(1, "scorer")  # what a GPU's stream is: one pass after the other

    def tokenise(self, query: str, texts: Sequence[str]) -> list[Pair]:
        """A pair for each text, of `max_tokens` at most."""
        asked = self._seen(query)
        encodings = self._tokenizer.encode_batch_fast([(asked, self._seen(text)) for text in texts])
        return [Pair(encoding.ids, encoding.type_ids) for encoding in encodings]

    def launch(self, pairs: Sequence[Pair]) -> Callable[[], Logits]:
        """Starts the pass; what is returned waits for it and has a logit for each pair."""
        if not pairs:
            return lambda: np.zeros(0, np.float32)
        if self._device.type != "cuda":
            return self._in_order.submit(self._computed, [*pairs]).result
        with torch.inference_mode():
            logits = self._network(pairs).float()
            scores = torch.empty(len(pairs), dtype=torch.float32, pin_memory=True)
            scores.copy_(logits, non_blocking=True)
            done = torch.cuda.Event(blocking=True)  # sleeps where others spin on a core that the tokenizer could use
            done.record()

        def finished() -> Logits:
            done.synchronize()
            return scores.numpy()

        return finished

    def _computed(self, pairs: Sequence[Pair]) -> Logits:
        with torch.inference_mode():
            logits: Logits = self._network(pairs).float().numpy()
            return logits


def fastest(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU that computes in it, else float32."""
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if fast else torch.float32


def open_network(folder: Path, reading: Reading, device: torch.device, dtype: torch.dtype) -> Network:
    """The network of a sealed folder. Raises what transformers, safetensors and torch raise."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    network: nn.Module
    if reading.head == "sides":
        state = load_file(folder / "model.safetensors")
        head = Sides(state.pop("weights"), state.pop("bias"))
        bert: nn.Module = BertModel(config, add_pooling_layer=False)
        bert.load_state_dict({name.removeprefix("bert."): value for name, value in state.items()})
        bert.to(dtype)
        network = PackedNetwork(PackedEncoder(bert), head, types=False, device=device)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
        if packable(config):
            types = config.type_vocab_size > 1
            network = PackedNetwork(PackedEncoder(model.base_model), Classification(model), types, device)
        else:
            network = PaddedNetwork(model, device)
    return network.to(device).eval()
