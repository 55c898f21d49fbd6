"""Tiny rerankers with random weights, sealed as the endpoint finds them: the workshop's own kind and published ones."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, processors
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    BloomConfig,
    PretrainedConfig,
    PreTrainedModel,
    T5Config,
    XLMRobertaConfig,
)

from aisle.bundle import Bundle
from model_export.heavy import reranker_facts, seal_hub, seal_teacher, sealing_reranker
from model_export.networks import CrossEncoder, Teacher
from model_export.vocabulary import SPECIAL, tokenizer_over

WORDS = [
    "red",
    "blue",
    "green",
    "shoe",
    "hat",
    "coat",
    "wool",
    "cotton",
    "running",
    "winter",
    "size",
    "##s",
    "64",
    "gb",
]
TOKENS = [*SPECIAL, *WORDS]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
SPREAD = 0.2  # of random weights: at transformers' 0.02 all texts would score alike


def teacher(seed: int = 3) -> CrossEncoder:
    """The workshop's cross-encoder before any training, with logits that differ from pair to pair."""
    torch.manual_seed(seed)
    config = BertConfig(len(TOKENS), max_position_embeddings=128, initializer_range=SPREAD, **SIZES)
    network = CrossEncoder(Teacher(BertModel(config)), tokenizer_over(TOKENS))
    torch.nn.init.normal_(network.weights.data)
    network.bias.data.fill_(0.25)
    return network.eval()


def sealed_teacher(out: Path, seed: int = 3) -> Bundle:
    network = teacher(seed)
    with sealing_reranker(out) as draft:
        known = {"name": "tiny", "layers": 2}
        return seal_teacher(network, draft, reranker_facts("tiny", network.encoder.config.hidden_size, known))


def published(folder: Path, config: PretrainedConfig, seed: int = 3) -> PreTrainedModel:
    """A folder as of the hub, with a classifier of `config` and a tokenizer over TOKENS."""
    torch.manual_seed(seed)
    config.initializer_range = SPREAD
    network = AutoModelForSequenceClassification.from_config(config).eval()
    network.save_pretrained(folder)
    tokenizer_for(config).save(str(folder / "tokenizer.json"))
    assert isinstance(network, PreTrainedModel)
    return network


def tokenizer_for(config: PretrainedConfig) -> Tokenizer:
    if config.model_type not in ("roberta", "xlm-roberta"):
        return tokenizer_over(TOKENS)
    tokens = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]", *WORDS]  # the order of that family, in which padding is 1
    tokenizer = tokenizer_over(tokens)
    # Two marks between the texts, no types.
    tokenizer.post_processor = processors.RobertaProcessing(("[SEP]", 2), ("[CLS]", 0))
    return tokenizer


def bert(**more: int) -> BertConfig:
    return BertConfig(len(TOKENS), num_labels=1, **(SIZES | {"max_position_embeddings": 64} | more))


def xlm_roberta(**more: int) -> XLMRobertaConfig:
    """Its positions are counted from 2, behind the padding's id 1."""
    own = {"max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1}
    return XLMRobertaConfig(len(TOKENS), num_labels=1, **(SIZES | own | more))


def bloom() -> BloomConfig:
    """It has no table of positions, and reads from left to right."""
    return BloomConfig(len(TOKENS), hidden_size=32, n_layer=2, n_head=4, pad_token_id=0, num_labels=1)


def t5() -> T5Config:
    """It has no table of positions either, and judges a pair at its last token, which must be its end."""
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    own = {"pad_token_id": 0, "decoder_start_token_id": 0, "eos_token_id": TOKENS.index("[SEP]")}
    return T5Config(len(TOKENS), num_labels=1, **(sizes | own))


def sealed_hub(out: Path, source: Path, config: PretrainedConfig | None = None) -> Bundle:
    """A published reranker of `config` (a BERT by default), written to `source` and sealed at `out`."""
    published(source, config or bert())
    return seal_hub(str(source), out)
