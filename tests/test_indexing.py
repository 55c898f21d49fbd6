"""The daily refresh: the same models over a new catalogue."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from aisle.bundle import Bundle
from aisle.errors import BadInput, BundleError
from aisle.golden import Golden
from aisle.indexing import reindex
from aisle.products import Products
from aisle.recommender import Recommender
from aisle.runtime import Services, open_services
from aisle.settings import Settings
from aisle.shopping import Act
from aisle.types import SearchRequest

CATALOGUE = """product_id,title,title_zh,price,currency,color,category
007,Sturdy red kettle,红色水壶,30,EUR,red,kitchen
1e5,Blue kettle,,25,EUR,blue,kitchen
x-3,Garden chair,花园椅,80,EUR,green,garden
"""


@pytest.fixture(scope="module")
def refreshed(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("refreshed")
    (folder / "catalogue.csv").write_text(CATALOGUE)
    return reindex(
        Bundle.open(tiny_bundle),
        folder / "catalogue.csv",
        folder / "bundle",
        None,
        "2026-01-02T03:04:05+00:00",
        1,
        lambda _: None,
    )


def test_the_new_products_are_found_by_both_languages(refreshed: Bundle) -> None:
    services = Services(refreshed, threads=1)
    for query in ("red kettle", "红色水壶"):
        answer = services.search(SearchRequest(query), "q")
        assert answer.hits[0].product_id == "007"
        assert (answer.hits[0].price, answer.hits[0].currency) == (30, "EUR")


def test_models_stay_and_figures_go(refreshed: Bundle, tiny_bundle: Path) -> None:
    old = Bundle.open(tiny_bundle).manifest
    models = {f.path: f.sha256 for f in old.files if f.path.startswith(("encoder/", "reranker/", "ranker/"))}
    assert models == {f.path: f.sha256 for f in refreshed.manifest.files if f.path in models}
    new = refreshed.manifest
    assert (new.evaluation, new.steps, new.n_products, new.currency, new.languages) == ({}, [], 3, "EUR", ["zh"])
    assert (list(new.data), new.created_at) == (["catalogue.csv"], "2026-01-02T03:04:05+00:00")
    assert new.bundle_id != old.bundle_id


def test_what_the_log_said_of_products_that_stay_is_kept_and_new_ones_are_found_by_their_texts(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    old = Products.load(tiny_bundle)
    kept = [old[row] for row in range(0, len(old), 2)]
    twin = msgspec.structs.replace(kept[0], product_id="twin")
    lines = b"".join(msgspec.json.encode(msgspec.structs.replace(p, stock=5)) + b"\n" for p in [twin, *kept])
    (tmp_path / "catalogue.jsonl").write_bytes(lines)
    made = reindex(
        Bundle.open(tiny_bundle), tmp_path / "catalogue.jsonl", tmp_path / "new", None, "2026-01-02", 1, lambda _: None
    )
    products, ids = Products.load(made.path), [product.product_id for product in kept]
    before, after = (Recommender.load(path / "recommender") for path in (tiny_bundle, made.path))
    assert before.ids.find(ids).tolist() == after.ids.find(ids).tolist()
    told = [Act(before.fitted_at - 1000, "e", "click", kept[0].product_id)]
    allowed = np.arange(len(products)) > 0
    found = after.recommend(told, before.fitted_at, 60, new=False, allowed=allowed)
    assert {products[row].product_id for row in found.rows.tolist()} <= {*ids}
    similar, _ = after.similar(products.row(kept[0].product_id), 10)
    assert "twin" in {products[row].product_id for row in similar.tolist()}
    links = before.knowledge.shoppers.links(before.ids.find(ids))
    assert (links.weight == after.knowledge.shoppers.links(after.ids.find(ids)).weight).all()


def test_one_catalogue_makes_one_bundle_whatever_seeds_the_hashes(tiny_bundle: Path, tmp_path: Path) -> None:
    titles = [f"{color} {thing} {n}" for n in range(6) for color in ("red", "blue") for thing in ("kettle", "lamp")]
    (tmp_path / "shop.csv").write_text("product_id,title\n" + "".join(f"{i},{t}\n" for i, t in enumerate(titles)))
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "aisle", "index", str(tiny_bundle), "shop.csv", "--out", seed]
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert Bundle.open(tmp_path / "1").manifest.bundle_id == Bundle.open(tmp_path / "2").manifest.bundle_id


def test_the_golden_queries_replay_on_the_machine_that_recorded_them(refreshed: Bundle) -> None:
    replay = open_services(Settings(bundle=refreshed.path)).replay()
    assert (replay.ok, replay.mean_overlap, replay.changed_tops) == (True, 1.0, [])


def test_the_shoppers_half_of_the_golden_queries_outlives_every_refresh(
    refreshed: Bundle, tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "catalogue.csv").write_text(CATALOGUE)
    again = reindex(refreshed, tmp_path / "catalogue.csv", tmp_path / "bundle", None, "2026-01-03", 1, lambda _: None)
    asked = [[q.query for q in Golden.load(path / "golden.json").queries[:32]] for path in (tiny_bundle, again.path)]
    assert asked[0] == asked[1]
    titles = [q.query for q in Golden.load(again.path / "golden.json").queries[32:]]
    assert titles == ["Sturdy red kettle", "Blue kettle", "Garden chair"]


@pytest.mark.parametrize("name", ["encoder/model.onnx", "encoder/tokenizer.json", "dense/rows.npy", "search.json"])
def test_a_file_of_the_right_size_and_the_wrong_bytes_is_told(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    size = (tmp_path / "bundle" / name).stat().st_size
    (tmp_path / "bundle" / name).write_bytes(b"?" * size)
    with pytest.raises(BundleError, match=r"cannot be opened .*copy the bundle again or rebuild it"):
        open_services(Settings(bundle=tmp_path / "bundle"))


def test_a_broken_catalogue_leaves_no_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("product_id,title\n1,\n")
    with pytest.raises(BadInput, match="title"):
        reindex(
            Bundle.open(tiny_bundle),
            tmp_path / "bad.csv",
            tmp_path / "out",
            None,
            "2026-01-02T03:04:05+00:00",
            1,
            lambda _: None,
        )
    assert [p.name for p in tmp_path.iterdir()] == ["bad.csv"]
