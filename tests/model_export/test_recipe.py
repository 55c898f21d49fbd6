"""Recipes: the shipped ones are valid, and each way to get one wrong is told."""

from pathlib import Path

import pytest

from aisle.errors import BadInput, NotFound
from model_export.recipe import read_recipe

TINY = Path(__file__).parent.parent / "tiny.toml"


@pytest.mark.parametrize("name", ["demo", "demo-small", "general", "online-retail", "pricerunner", "shop"])
def test_the_shipped_recipes_are_valid_and_never_train_on_icecat(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert "icecat" not in recipe.corpora


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("student_lists", "student_list", "unknown recipe .*student_list.* did you mean student_lists"),
        ("steps = 2, batch = 8", "steps = 0, batch = 8", "steps"),
        ('train = ["demo"]', 'train = ["icecat"]', "icecat, which is for evaluation only"),
        ('train = ["demo"]', 'train = ["amazon"]', "names the data set 'amazon'"),
        ("[data]", "[data", "is not TOML"),
        ("above_bm25 = -1.0", 'above_bm25 = "much"', "above_bm25"),
        ("above_bm25 = -1.0", 'measure = "nDCG"', "measure"),
        ('catalogue = "demo"', 'catalogue = "demo"\njudged_on = "holdout"', "judged_on"),
        ("add_tokens = 50", "add_tokens = -1", "add_tokens"),
        ("rate = 3e-4 }", "rate = 3e-4, hard = 3 }", '"hard" in training.student_encoder: allowed: steps, batch, rate'),
    ],
)
def test_a_wrong_recipe_is_told(tmp_path: Path, before: str, after: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(TINY.read_text().replace(before, after, 1))
    with pytest.raises(BadInput, match=message):
        read_recipe(str(path))


def test_an_unknown_name_lists_the_known() -> None:
    known = "demo, demo-small, general, online-retail, pricerunner, shop"
    with pytest.raises(NotFound, match=f"no recipe is called 'dmeo': choose {known} or"):
        read_recipe("dmeo")
