"""The heavy reranker as a sealed folder: a cross-encoder in full precision for the GPU endpoint, under the manifest and
hashes that a bundle has.

What is sealed is a network as transformers knows it (config.json, model.safetensors, tokenizer.json) and reranker.json,
which says how a pair becomes a logit: `head` "sides" is the workshop's weighted product of the two sides' mean unit
vectors, "classification" is the one label of a published reranker; at most `max_tokens` of a pair are read, after
`aisle.text.fold` where `fold` says so. Neither rerankers nor search bundles are written over one another.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from safetensors import SafetensorError
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel

from aisle import __version__
from aisle.bundle import MANIFEST, Bundle, Facts, read_manifest
from aisle.errors import BadInput, BundleError
from aisle.reranker import MAX_TOKENS
from aisle.sealing import Draft, sealing
from model_export.export import calibrate
from model_export.hub import model_folder
from model_export.networks import CrossEncoder, Teacher
from model_export.quiet import quiet

HUB_TOKENS = 512  # of a pair, where a published model would read more: products have no chapters
LEAST_TOKENS = 8  # of a pair: the endpoint takes no less
WANTED = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model*.safetensors",
    "model*.safetensors.index.json",
]
ROBERTA = ("roberta", "xlm-roberta")  # count positions from behind the padding's id


@contextmanager
def sealing_reranker(target: Path) -> Iterator[Draft]:
    """A draft for `target`, as of aisle.sealing. BadInput, beside its reasons: a search bundle stands there."""
    if (target / MANIFEST).exists() and not _is_reranker(target):
        raise BadInput(f"{target} is something else than a heavy reranker", "name another folder for the reranker")
    with sealing(target) as draft:
        yield draft


@contextmanager
def sealing_beside(target: Path, bundle: Path) -> Iterator[Draft]:
    """The same, for the reranker of a search bundle that is built at the same time."""
    one, other = target.resolve(), bundle.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise BadInput(f"{target} and {bundle} lie in one another", "choose another --heavy")
    with ExitStack() as drafts:
        try:
            draft = drafts.enter_context(sealing_reranker(target))
        except BadInput as exc:
            raise BadInput(exc.detail, "choose another --heavy") from exc
        yield draft


def refuse_reranker(target: Path) -> None:
    """BadInput where a search bundle at `target` would replace a heavy reranker."""
    if (target / MANIFEST).exists() and _is_reranker(target):
        raise BadInput(f"{target} holds a heavy reranker", "choose another --out")


def _is_reranker(target: Path) -> bool:
    try:
        return any(file.path == "reranker.json" for file in read_manifest(target).files)
    except BundleError:
        return False


def calibrated(network: CrossEncoder, pairs: Sequence[tuple[str, str]], relevant: Sequence[bool]) -> CrossEncoder:
    """A copy whose logits are log-odds of `relevant` on these pairs, as `seal_reranker` makes the student's."""
    network = copy.deepcopy(network)
    calibrate(network, network.score_pairs(pairs), relevant)
    return network


def reranker_facts(recipe: str, dim: int, model: dict[str, Any], **more: Any) -> Facts:
    """The facts of a reranker named by `model` (name, layers, ...); it has no catalogue. `dim`: its hidden size."""
    known: dict[str, Any] = {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "languages": [],
        "currency": "",
        "n_products": 0,
        "models": {"reranker": model},
    }
    return Facts(aisle_version=__version__, recipe=recipe, dim=dim, **(known | more))


def teacher_facts(bundle: Facts, network: CrossEncoder, evaluation: dict[str, Any]) -> Facts:
    """The facts of the teacher of the reranker of a search `bundle`."""
    config = network.encoder.config
    own = {"name": f"{bundle.recipe} teacher", "scheme": "float32", "layers": config.num_hidden_layers}
    return reranker_facts(
        bundle.recipe,
        config.hidden_size,
        bundle.models["reranker"] | own,
        created_at=bundle.created_at,
        data=bundle.data,
        steps=bundle.steps,
        evaluation=evaluation,
    )


def seal_teacher(network: CrossEncoder, draft: Draft, facts: Facts) -> Bundle:
    """The workshop's cross-encoder: the layers, and the head's `weights` (dim,) and `bias` beside them."""
    assert isinstance(network.encoder, Teacher)
    state = {f"bert.{name}": value for name, value in network.encoder.bert.state_dict().items() if "pooler" not in name}
    state |= {"weights": network.weights.data, "bias": network.bias.data}
    kept = {name: value.detach().cpu().float().contiguous() for name, value in state.items()}
    save_file(kept, draft.folder / "model.safetensors", metadata={"format": "pt"})
    _write(draft.folder, network.encoder.config, network.tokenizer, "sides", MAX_TOKENS, fold=True)
    return draft.seal(facts)


def seal_hub(model: str, out: Path) -> Bundle:
    """A published reranker, by hub id or folder, sealed at `out` in the precision it was published in.

    NotFound: no such model, or no way to it. BadInput: it has not exactly one trained label, no tokenizer.json or one
    of another model, or code of its own; or `out` cannot be written.
    """
    with sealing_reranker(out) as draft:
        folder = model_folder(model, WANTED)
        network, tokenizer = _network(model, folder), _tokenizer(model, folder)
        _check_ids(model, tokenizer, network.config.vocab_size)
        with quiet():
            network.save_pretrained(draft.folder, max_shard_size="1TB")
        longest = _longest(model, folder, network.config)
        _write(draft.folder, network.config, tokenizer, "classification", longest, fold=False)
        known = {
            "name": folder.resolve().name if Path(model).is_dir() else model,
            "head": "classification",
            "type": network.config.model_type,
            "layers": int(network.config.num_hidden_layers),
            "parameters": sum(weight.numel() for weight in network.parameters()),
        }
        return draft.seal(reranker_facts("heavy", int(network.config.hidden_size), known))


def _write(
    folder: Path, config: PretrainedConfig, tokenizer: Tokenizer, head: str, max_tokens: int, fold: bool
) -> None:
    """Everything but the weights."""
    config = copy.deepcopy(config)
    config.name_or_path = ""  # a folder of the machine that sealed it
    (folder / "config.json").write_text(config.to_json_string(), encoding="utf-8")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(folder / "tokenizer.json"))
    how = {"head": head, "max_tokens": max_tokens, "fold": fold}
    (folder / "reranker.json").write_text(json.dumps(how) + "\n", encoding="utf-8")


def _network(model: str, folder: Path) -> PreTrainedModel:
    """The classifier with its one label. Raises BadInput."""
    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            if config.num_labels != 1:
                raise BadInput(
                    f"{model} tells {config.num_labels} labels apart, a reranker has one",
                    "name a cross-encoder that gives a pair one score",
                )
            network, told = AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=config,
                dtype="auto",
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
        reason = " ".join(str(exc).split()).partition(". ")[0]
        raise BadInput(
            f"{model} cannot be opened as a reranker ({reason})",
            "name a model of transformers itself, with config.json and model.safetensors",
        ) from exc
    if told["missing_keys"]:
        lacking = min(told["missing_keys"])
        raise BadInput(f"{model} was never trained to rerank: it has no {lacking}", "name a trained cross-encoder")
    assert isinstance(network, PreTrainedModel)
    return network


def _tokenizer(model: str, folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise BadInput(
            f"{model} has no tokenizer.json",
            "save it there: AutoTokenizer.from_pretrained(…).save_pretrained(…) of transformers writes one",
        )
    try:
        return Tokenizer.from_file(str(path))
    except Exception as exc:  # tokenizers raises nothing narrower
        raise BadInput(f"tokenizer.json of {model} cannot be read ({exc})", "download it again") from exc


class _Told(Struct):
    """What counts here of tokenizer_config.json. Without a limit transformers writes null or a huge number."""

    model_max_length: float | None = None


def _longest(model: str, folder: Path, config: PretrainedConfig) -> int:
    """The most tokens of a pair that the model can read, HUB_TOKENS at most. Raises BadInput."""
    limits: list[float] = [HUB_TOKENS]
    told = folder / "tokenizer_config.json"
    if told.is_file():
        try:
            limits.append(msgspec.json.decode(told.read_bytes(), type=_Told).model_max_length or HUB_TOKENS)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise BadInput(f"{told.name} of {model} cannot be read ({exc})", "download it again") from exc
    positions = getattr(config, "max_position_embeddings", None) or 0  # some families have none, XLNet says -1
    if positions > 0:
        taken = int(config.pad_token_id or 0) + 1 if config.model_type in ROBERTA else 0
        limits.append(positions - taken)
    longest = int(min(limits))
    if longest < LEAST_TOKENS:
        raise BadInput(
            f"{model} reads {longest} tokens of a pair, at least {LEAST_TOKENS} are needed",
            "correct model_max_length in its tokenizer_config.json, or name another model",
        )
    return longest


def _check_ids(model: str, tokenizer: Tokenizer, known: int) -> None:
    """Raises BadInput where a word's id is none of the model's: scoring it would fail, on a GPU once and for all."""
    word, last = max(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    if last >= known:
        raise BadInput(
            f"tokenizer.json of {model} has ids up to {last} ({word!r}), the model knows {known}",
            "take the tokenizer that the model was trained with",
        )
