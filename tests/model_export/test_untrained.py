"""A recipe without training: the base model as it is, quantised, in a bundle like any other."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from aisle.bundle import verify_hashes
from aisle.runtime import Services

pytest.importorskip("torch", reason="builds a bundle: needs the export extra")

TINY = Path(__file__).parent.parent / "tiny.toml"


@pytest.mark.slow
def test_the_base_model_searches_as_it_is(tmp_path: Path) -> None:
    from model_export.build import build
    from model_export.recipe import read_recipe

    text = re.sub(r"\[training\].*?(?=\n\[)", "", TINY.read_text(encoding="utf-8"), flags=re.S)
    (tmp_path / "untrained.toml").write_text(text, encoding="utf-8")
    recipe = read_recipe(str(tmp_path / "untrained.toml"))
    assert recipe.training is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter and LightGBM's converter warn about their own internals
        bundle = build(recipe, None, tmp_path / "bundle")
    verify_hashes(bundle)
    exported = next(step for step in bundle.manifest.steps if step.name.endswith("the encoder"))
    assert exported.figures["cosine_min"] > 0.95
    assert not any("tune" in step.name or "distil" in step.name for step in bundle.manifest.steps)
    assert bundle.manifest.models["encoder"]["layers"] == 6
    services = Services(bundle, threads=1)
    (product_id, score), *_ = services.ranking("red shoes", 5)
    assert product_id
    assert np.isfinite(score)
    assert services.replay().ok
