"""The heavy reranker's folder: what is sealed is the network that was given, and what is no reranker is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, BertConfig, BertModel, PretrainedConfig
from world_heavy import SIZES, TOKENS, bert, bloom, published, sealed_hub, sealed_teacher, t5, teacher, xlm_roberta

from aisle.bundle import Bundle, verify_hashes
from aisle.cli import main
from aisle.errors import BadInput, NotFound
from aisle.sealing import sealing
from model_export.heavy import calibrated, reranker_facts, seal_hub, sealing_reranker
from model_export.vocabulary import tokenizer_over

FILES = ["config.json", "model.safetensors", "reranker.json", "tokenizer.json"]


def test_the_teacher_is_sealed_whole_with_how_a_pair_is_read(tmp_path: Path) -> None:
    sealed_teacher(tmp_path / "heavy")
    bundle = Bundle.open(tmp_path / "heavy")
    verify_hashes(bundle)
    facts = bundle.manifest
    assert [file.path for file in facts.files] == FILES
    assert (facts.recipe, facts.dim, facts.n_products, facts.models) == (
        "tiny",
        32,
        0,
        {"reranker": {"name": "tiny", "layers": 2}},
    )
    how = json.loads(bundle.file("reranker.json").read_bytes())
    assert how == {"head": "sides", "max_tokens": 96, "fold": True}
    network, state = teacher(), load_file(bundle.file("model.safetensors"))
    assert torch.equal(state["weights"], network.weights)
    assert float(state["bias"]) == 0.25
    last = "encoder.layer.1.output.dense.weight"
    assert torch.equal(state[f"bert.{last}"], network.encoder.bert.get_parameter(last))


def test_a_calibrated_copy_says_log_odds_in_the_same_order_and_leaves_the_original() -> None:
    network = teacher()
    pairs = [("red shoe", text) for text in ("red shoe", "blue hat", "green coat", "wool hat", "red coat", "64gb")]
    before = network.score_pairs(pairs)
    relevant = np.array([False, False, True, False, True, True])[before.argsort().argsort()].tolist()
    logits = calibrated(network, pairs, relevant).score_pairs(pairs)
    assert logits.argsort().tolist() == before.argsort().tolist()
    assert float((1 / (1 + np.exp(-logits))).mean()) == pytest.approx(0.5, abs=0.01)  # three of the six
    assert np.array_equal(network.score_pairs(pairs), before)


@pytest.mark.parametrize(
    ("config", "longest"), [(bert(), 64), (xlm_roberta(), 64), (bert(max_position_embeddings=2000), 512)]
)
def test_a_published_reranker_is_sealed_with_what_it_can_read(config: BertConfig, longest: int, tmp_path: Path) -> None:
    bundle = sealed_hub(tmp_path / "heavy", tmp_path / "tiny-reranker", config)
    assert [file.path for file in bundle.manifest.files] == FILES
    how = json.loads(bundle.file("reranker.json").read_bytes())
    assert how == {"head": "classification", "max_tokens": longest, "fold": False}
    model = bundle.manifest.models["reranker"]
    assert (model["name"], model["type"], model["layers"]) == ("tiny-reranker", config.model_type, 2)
    before, after = (
        AutoModelForSequenceClassification.from_pretrained(folder).state_dict()
        for folder in (tmp_path / "tiny-reranker", bundle.path)
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert str(tmp_path) not in bundle.file("config.json").read_text()


def test_the_tokenizers_own_limit_counts_where_it_is_smaller(tmp_path: Path) -> None:
    published(tmp_path / "source", bert())
    (tmp_path / "source" / "tokenizer_config.json").write_text('{"model_max_length": 40}')
    bundle = seal_hub(str(tmp_path / "source"), tmp_path / "heavy")
    assert json.loads(bundle.file("reranker.json").read_bytes())["max_tokens"] == 40


@pytest.mark.parametrize("told", ['{"model_max_length": null}', "{}", '{"model_max_length": 1' + "0" * 30 + "}"])
def test_a_tokenizer_without_a_limit_leaves_the_models_own(told: str, tmp_path: Path) -> None:
    published(tmp_path / "source", bert())
    (tmp_path / "source" / "tokenizer_config.json").write_text(told)
    bundle = seal_hub(str(tmp_path / "source"), tmp_path / "heavy")
    assert json.loads(bundle.file("reranker.json").read_bytes())["max_tokens"] == 64


@pytest.mark.parametrize("config", [bloom(), t5()], ids=["bloom", "t5"])
def test_a_family_that_counts_no_positions_reads_as_much_as_any(config: PretrainedConfig, tmp_path: Path) -> None:
    bundle = sealed_hub(tmp_path / "heavy", tmp_path / "source", config)
    assert json.loads(bundle.file("reranker.json").read_bytes())["max_tokens"] == 512
    assert bundle.manifest.models["reranker"]["layers"] == 2


@pytest.mark.parametrize("told", ['{"model_max', '{"model_max_length": "many"}', "[]", "\udcff"])
def test_a_broken_tokenizer_config_is_refused(told: str, tmp_path: Path) -> None:
    published(tmp_path / "source", bert())
    (tmp_path / "source" / "tokenizer_config.json").write_text(told, errors="surrogateescape")
    with pytest.raises(BadInput, match=r"tokenizer_config\.json of .* cannot be read \(.*\): download it again"):
        seal_hub(str(tmp_path / "source"), tmp_path / "heavy")


def test_a_model_that_reads_next_to_nothing_is_refused(tmp_path: Path) -> None:
    published(tmp_path / "source", bert())
    (tmp_path / "source" / "tokenizer_config.json").write_text('{"model_max_length": 7}')
    with pytest.raises(BadInput, match="reads 7 tokens of a pair, at least 8 are needed: correct model_max_length"):
        seal_hub(str(tmp_path / "source"), tmp_path / "heavy")


def test_a_tokenizer_with_a_word_that_the_model_lacks_is_refused(tmp_path: Path) -> None:
    published(tmp_path / "source", bert())
    tokenizer_over([*TOKENS, "odd"]).save(str(tmp_path / "source" / "tokenizer.json"))
    last = len(TOKENS)
    told = rf"has ids up to {last} \('odd'\), the model knows {last}: take the tokenizer that the model"
    with pytest.raises(BadInput, match=told):
        seal_hub(str(tmp_path / "source"), tmp_path / "heavy")
    assert not (tmp_path / "heavy").exists()


def test_what_is_no_reranker_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "heavy"
    published(source, BertConfig(len(TOKENS), num_labels=3, **SIZES))
    with pytest.raises(BadInput, match="tells 3 labels apart, a reranker has one: name a cross-encoder"):
        seal_hub(str(source), out)
    published(source, bert())
    (source / "tokenizer.json").unlink()
    with pytest.raises(BadInput, match=r"has no tokenizer\.json: save it there: AutoTokenizer"):
        seal_hub(str(source), out)
    BertModel(bert()).save_pretrained(source)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"id2label": {"0": "fits"}}))
    with pytest.raises(BadInput, match=r"was never trained to rerank: it has no classifier\.bias"):
        seal_hub(str(source), out)
    (source / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BadInput, match="cannot be opened as a reranker"):
        seal_hub(str(source), out)
    (source / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="cannot be opened as a reranker"):
        seal_hub(str(source), out)
    with pytest.raises(NotFound, match="is no folder and was not found on the hub"):
        seal_hub("no such model", out)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_reranker_is_sealed_over_an_older_one_and_never_over_a_search_bundle(tmp_path: Path) -> None:
    first, second = (sealed_teacher(tmp_path / "heavy", seed).manifest.bundle_id for seed in (3, 4))
    assert first != second
    with sealing(tmp_path / "bundle") as draft:
        (draft.folder / "search.json").write_text("{}")
        draft.seal(reranker_facts("shop", 0, {}))
    with (
        pytest.raises(BadInput, match="is something else than a heavy reranker"),
        sealing_reranker(tmp_path / "bundle"),
    ):
        pass


def test_aisle_build_leaves_a_reranker_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sealed_teacher(tmp_path / "heavy").manifest.bundle_id
    assert main(["build", "demo", "--out", str(tmp_path / "heavy")]) == 2
    assert "holds a heavy reranker: choose another --out" in capsys.readouterr().err
    assert Bundle.open(tmp_path / "heavy").manifest.bundle_id == before


def test_aisle_heavy_seals_and_tells_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published(tmp_path / "source", bert())
    assert main(["heavy", str(tmp_path / "source"), "--out", str(tmp_path / "heavy")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bundle_id"] == Bundle.open(tmp_path / "heavy").manifest.bundle_id
    assert (told["name"], told["head"], told["type"], told["layers"]) == ("source", "classification", "bert", 2)
    assert main(["heavy", str(tmp_path / "nothing"), "--out", str(tmp_path / "heavy")]) == 2
    assert "name a local folder, or a hub id that can be reached from here" in capsys.readouterr().err
