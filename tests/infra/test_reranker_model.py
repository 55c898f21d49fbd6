"""The endpoint's scorer beside the networks that it serves: packed or padded, alone or in company, one logit a pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize, scaled_dot_product_attention
from transformers import BertModel, DistilBertConfig, PretrainedConfig, RobertaConfig
from world_heavy import (
    SIZES,
    TOKENS,
    WORDS,
    bert,
    published,
    sealed_hub,
    sealed_teacher,
    teacher,
    tokenizer_for,
    xlm_roberta,
)

from aisle.errors import BundleError
from aisle.onnx import padded, pair_sides
from aisle.sealing import sealing
from aisle.text import fold
from infra.reranker_endpoint.model import Reading, TorchScorer, open_network, open_scorer
from infra.reranker_endpoint.networks import PackedNetwork, PaddedNetwork
from infra.reranker_endpoint.packed import Attend, PackedEncoder, alike, flash, has_flash
from infra.reranker_endpoint.packed import padded as padded_attention
from infra.reranker_endpoint.waiting import Pair
from model_export.heavy import reranker_facts, seal_hub

QUERY = "Rote  shoe size"
TEXTS = ["red shoe", "", "blue hat wool coat size 64gb", "winter running shoes " * 40, "Käse", "red shoe", "green " * 7]


@dataclass
class Budget:
    max_batch_tokens: int = 8192


def scorer_of(folder: Path) -> TorchScorer:
    return open_scorer(folder, Budget(), "cpu")


def logits(scorer: TorchScorer, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
    return scorer.launch(scorer.tokenise(query, texts))()


def roberta() -> RobertaConfig:
    own = {"max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1}
    return RobertaConfig(len(TOKENS), num_labels=1, **(SIZES | own))


def distilbert() -> DistilBertConfig:
    return DistilBertConfig(len(TOKENS), 64, dim=32, n_layers=2, n_heads=4, hidden_dim=64, num_labels=1)


def test_the_endpoint_says_what_the_teacher_says(tmp_path: Path) -> None:
    sealed_teacher(tmp_path / "heavy")
    scores = logits(scorer_of(tmp_path / "heavy"), QUERY, TEXTS)
    network = teacher()
    network.tokenizer.enable_truncation(96)
    batch = padded(network.tokenizer.encode_batch([(fold(QUERY), fold(text)) for text in TEXTS]))
    with torch.inference_mode():  # all in float32: the workshop itself rounds where the processor is faster at it
        sides = network.encoder(*map(torch.from_numpy, (batch.ids, batch.mask, pair_sides(batch))))
        wanted = network.logits(normalize(sides, dim=-1)).numpy()
    assert scores.dtype == np.float32
    assert np.abs(scores - wanted).max() < 1e-4
    assert len(np.unique(wanted.round(3))) == len(TEXTS) - 1  # texts are told apart
    assert scores[0] == pytest.approx(scores[5], abs=1e-5)


@pytest.mark.parametrize("config", [bert(), bert(type_vocab_size=1), roberta(), xlm_roberta()])
def test_packed_is_what_transformers_computes_padded(config: PretrainedConfig, tmp_path: Path) -> None:
    model = published(tmp_path / "source", config)
    seal_hub(str(tmp_path / "source"), tmp_path / "heavy")
    scorer = scorer_of(tmp_path / "heavy")
    assert isinstance(scorer._network, PackedNetwork)
    tokenizer = tokenizer_for(config)
    tokenizer.enable_truncation(64)
    batch = padded(tokenizer.encode_batch([(QUERY, text) for text in TEXTS]))
    ids = torch.from_numpy(np.where(batch.mask, batch.ids, config.pad_token_id or 0))
    types = torch.from_numpy(batch.second) if config.type_vocab_size > 1 else None
    with torch.inference_mode():
        wanted = model(ids, attention_mask=torch.from_numpy(batch.mask), token_type_ids=types).logits[:, 0].numpy()
    assert np.abs(logits(scorer, QUERY, TEXTS) - wanted).max() < 1e-5
    assert len(np.unique(wanted.round(4))) == len(TEXTS) - 1


def test_another_family_runs_as_transformers_has_it(tmp_path: Path) -> None:
    config = distilbert()
    model = published(tmp_path / "source", config)
    seal_hub(str(tmp_path / "source"), tmp_path / "heavy")
    scorer = scorer_of(tmp_path / "heavy")
    assert isinstance(scorer._network, PaddedNetwork)
    pairs = scorer.tokenise(QUERY, TEXTS)
    with torch.inference_mode():
        wanted = [float(model(torch.tensor([pair.ids])).logits) for pair in pairs]
    assert np.abs(scorer.launch(pairs)() - wanted).max() < 1e-5


@pytest.mark.parametrize("kind", ["sides", "packed", "padded"])
def test_a_pair_has_one_score_in_whatever_company(kind: str, tmp_path: Path) -> None:
    if kind == "sides":
        sealed_teacher(tmp_path / "heavy")
    else:
        sealed_hub(tmp_path / "heavy", tmp_path / "source", bert() if kind == "packed" else distilbert())
    scorer, random = scorer_of(tmp_path / "heavy"), np.random.default_rng(1)
    texts = [" ".join(random.choice(WORDS, n)) for n in random.integers(1, 60, 150)]
    pairs = [pair for query in ("red", "blue winter coat") for pair in scorer.tokenise(query, texts)]
    alone = np.concatenate([scorer.launch([pair])() for pair in pairs[::20]])
    assert np.abs(scorer.launch(pairs)()[::20] - alone).max() < 1e-5
    back = random.permutation(len(pairs))
    assert np.abs(scorer.launch([pairs[i] for i in back])() - scorer.launch(pairs)()[back]).max() < 1e-5


def test_long_inputs_are_cut_and_empty_ones_are_read(tmp_path: Path) -> None:
    sealed_teacher(tmp_path / "heavy")
    scorer = scorer_of(tmp_path / "heavy")
    (empty, long) = scorer.tokenise("red", ["", "shoe " * 500])
    cls, sep, red, shoe = (TOKENS.index(token) for token in ("[CLS]", "[SEP]", "red", "shoe"))
    assert empty == Pair([cls, red, sep, sep], [0, 0, 0, 1])
    assert long == Pair([cls, red, sep, *[shoe] * 92, sep], [0, 0, 0, *[1] * 93])
    assert [len(pair.ids) for pair in scorer.tokenise("red " * 500, ["blue " * 500, ""])] == [96, 96]
    assert np.isfinite(logits(scorer, "", ["", "red"])).all()
    assert scorer.tokenise("red", []) == []
    assert scorer.launch([])().shape == (0,)


def test_passes_that_were_launched_together_end_in_any_order(tmp_path: Path) -> None:
    sealed_teacher(tmp_path / "heavy")
    scorer = scorer_of(tmp_path / "heavy")
    first, second = scorer.tokenise("red", TEXTS), scorer.tokenise("blue", TEXTS)
    ends = [scorer.launch(first), scorer.launch(second)]
    scores = [end() for end in reversed(ends)]
    assert np.array_equal(scores[1], scorer.launch(first)())
    assert np.array_equal(scores[0], scorer.launch(second)())


def test_attention_stays_inside_each_sequence_as_flash_attention_has_it() -> None:
    """`varlen_attn` takes (total, heads, head_dim) and where sequences start; ours must agree on those very starts."""
    random = np.random.default_rng(2)
    lengths = random.integers(1, 40, 30)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    projected = torch.from_numpy(random.normal(size=(starts[-1], 3, 4, 8)).astype(np.float32))
    attend: Attend = padded_attention(lengths, torch.device("cpu"))
    seen = attend(projected)
    assert seen.shape == (starts[-1], 4, 8)
    for start, stop in pairwise(starts):
        query, key, value = projected[start:stop].permute(1, 2, 0, 3)  # (heads, length, head_dim)
        wanted = scaled_dot_product_attention(query[None], key[None], value[None])[0].transpose(0, 1)
        assert (seen[start:stop] - wanted).abs().max() < 1e-5


def test_flash_attention_is_called_as_the_installed_torch_has_it() -> None:
    """On shapes alone, which need no GPU: the whole encoder in bfloat16 with `varlen_attn` inside."""
    with torch.device("meta"):
        network: torch.nn.Module = BertModel(bert())
        encoder = PackedEncoder(network.to(torch.bfloat16))
        ids, starts = torch.zeros(70, dtype=torch.int32), torch.zeros(4, dtype=torch.int32)
        tokens = encoder(ids, ids, ids, flash(starts, longest=30))
    assert (tokens.shape, tokens.dtype) == ((70, 32), torch.bfloat16)


@pytest.mark.parametrize("kind", ["sides", "bert", "xlm-roberta", "distilbert"])
def test_bfloat16_says_nearly_the_same(kind: str, tmp_path: Path) -> None:
    if kind == "sides":
        sealed_teacher(tmp_path / "heavy")
    else:
        config = {"bert": bert(), "xlm-roberta": xlm_roberta(), "distilbert": distilbert()}[kind]
        sealed_hub(tmp_path / "heavy", tmp_path / "source", config)
    reading = Reading("sides" if kind == "sides" else "classification", 64, fold=False)
    exact, rounded = (
        open_network(tmp_path / "heavy", reading, torch.device("cpu"), dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    pairs = scorer_of(tmp_path / "heavy").tokenise(QUERY, TEXTS)
    with torch.inference_mode():
        wanted, logits = exact(pairs), rounded(pairs).float()
    assert 0 < (logits - wanted).abs().max() < 0.1
    assert torch.corrcoef(torch.stack([wanted, logits]))[0, 1] > 0.98


def test_groups_hold_like_lengths_and_every_sequence_once() -> None:
    lengths = np.array([40, 8, 9, 16, 8, 17, 41, 10])
    assert [group.tolist() for group in alike(lengths)] == [[1, 4, 2], [7], [3, 5], [0, 6]]


def test_flash_attention_is_for_gpus_that_have_it() -> None:
    assert not has_flash(torch.device("cpu"), torch.bfloat16, 64)
    assert not has_flash(torch.device("cuda"), torch.float32, 64)
    assert not has_flash(torch.device("cuda"), torch.bfloat16, 20)


def test_a_folder_that_is_no_whole_reranker_is_refused(tmp_path: Path) -> None:
    sealed_teacher(tmp_path / "heavy")
    weights = tmp_path / "heavy" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BundleError, match=r"model\.safetensors of .* has changed since the bundle was sealed: copy"):
        scorer_of(tmp_path / "heavy")
    weights.write_bytes(whole[:1000])
    with pytest.raises(BundleError, match=r"model\.safetensors of .* has 1000 bytes, the manifest says"):
        scorer_of(tmp_path / "heavy")
    weights.unlink()
    with pytest.raises(BundleError, match=r"model\.safetensors is missing"):
        scorer_of(tmp_path / "heavy")
    weights.write_bytes(whole)
    manifest = tmp_path / "heavy" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 3', '"format": 99'))
    with pytest.raises(BundleError, match="format 99 is newer than this code"):
        scorer_of(tmp_path / "heavy")
    manifest.unlink()
    with pytest.raises(BundleError, match=r"has no readable manifest\.json"):
        scorer_of(tmp_path / "heavy")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"search.json": "{}"}, "holds no reranker: name a folder that `aisle build --heavy` or `aisle heavy` wrote"),
        ({"reranker.json": '{"head": "tail", "max_tokens": 96, "fold": true}'}, "cannot be opened as a reranker"),
        ({"reranker.json": '{"head": "sides", "max_tokens": 96, "fold": true}'}, "cannot be opened as a reranker"),
    ],
)
def test_a_sealed_folder_of_another_kind_is_refused(files: dict[str, str], told: str, tmp_path: Path) -> None:
    with sealing(tmp_path / "other") as draft:
        for name, text in files.items():
            (draft.folder / name).write_text(text)
        draft.seal(reranker_facts("other", 0, {}))
    with pytest.raises(BundleError, match=told):
        scorer_of(tmp_path / "other")
