"""`aisle recommend` over the tiny bundle: what it prints, whom it knows, and what it says where it cannot."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aisle.cli import main
from aisle.histories import Histories
from aisle.products import Products
from aisle.recommender import Recommender

Printed = Callable[..., list[list[str]]]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Printed:
    def call(bundle: Path, customers: list[str], *options: str) -> list[list[str]]:
        table = tmp_path / "customers.csv"
        table.write_text("\n".join(["customer_id", *customers, ""]), encoding="utf-8")
        assert main(["recommend", str(bundle), str(table), *options]) == 0
        return [line.split("\t") for line in capsys.readouterr().out.splitlines()]

    return call


def known(bundle: Path) -> str:
    """A shopper of the demo store who bought something."""
    histories = Histories.load(bundle / "recommender" / "shoppers")
    names = [f"S{number:06d}" for number in range(60)]
    return next(name for name in names if (acts := histories.find(name)) and 4 in acts.kind.tolist())


def test_each_customer_gets_k_products_best_first(printed: Printed, tiny_bundle: Path) -> None:
    lines = printed(tiny_bundle, ["S000001", "nobody", "S000001"], "--k", "5")
    assert [line[0] for line in lines] == ["S000001"] * 5 + ["nobody"] * 5
    assert [line[2] for line in lines] == ["1", "2", "3", "4", "5"] * 2
    products = Products.load(tiny_bundle)
    assert all(products.find(line[1]) is not None for line in lines)
    for part in (lines[:5], lines[5:]):
        scores = [float(line[3]) for line in part]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


def test_new_leaves_out_what_was_bought(printed: Printed, tiny_bundle: Path) -> None:
    customer = known(tiny_bundle)
    histories = Histories.load(tiny_bundle / "recommender" / "shoppers")
    acts = histories.find(customer)
    assert acts is not None
    row = Recommender.load(tiny_bundle / "recommender").ids.row
    products = Products.load(tiny_bundle)
    bought = {products[row[item]].product_id for item, kind in zip(acts.item, acts.kind, strict=True) if kind == 4}
    anything, new = ({line[1] for line in printed(tiny_bundle, [customer], "--k", "60", *o)} for o in ([], ["--new"]))
    assert new.isdisjoint(bought)
    assert new <= anything


def test_sold_out_products_are_not_listed(printed: Printed, tiny_bundle: Path) -> None:
    products = Products.load(tiny_bundle)
    out = {products[row].product_id for row in range(len(products)) if not products[row].in_stock}
    assert out
    assert out.isdisjoint(line[1] for line in printed(tiny_bundle, ["nobody"], "--k", "60"))


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("recommender", "has no recommender: build it from a recipe whose data says what shoppers did"),
        ("recommender/shoppers", "carries no customers' histories: set histories = true under [recommender]"),
    ],
)
def test_a_bundle_that_cannot_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_bundle: Path, missing: str, sentence: str
) -> None:
    (tmp_path / "customers.csv").write_text("customer_id\n1\n", encoding="utf-8")
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    manifest["files"] = [file for file in manifest["files"] if not file["path"].startswith(f"{missing}/")]
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert main(["recommend", str(bundle), str(tmp_path / "customers.csv")]) == 2
    assert sentence in capsys.readouterr().err
