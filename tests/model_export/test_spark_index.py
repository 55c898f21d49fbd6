"""An index made in shards on Spark: put together it is the bundle of one machine, file by file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from aisle.bundle import Bundle
from aisle.catalogue import product_text, read_catalogue, title_text
from aisle.encoder import Encoder
from aisle.errors import BadInput
from aisle.files import LocalFiles
from aisle.indexing import reindex
from aisle.lexical import Lexical
from aisle.onnx import BATCH_TOKENS, batches
from aisle.products import Products
from model_export.spark.__main__ import main

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("spark")]

SHARDS, NOW = 5, "2026-01-01T00:00:00+00:00"


def silent(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def catalogue(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some products of the bundle in another order, one with a whole number among its attributes, and blank lines."""
    products = Products.load(tiny_bundle)
    rows = [json.loads(msgspec.json.encode(products[row])) for row in range(len(products) - 1, 10, -1)]
    for row in rows:
        row |= {f"title_{lang}": text for lang, text in row.pop("titles", {}).items()}
        row |= {f"description_{lang}": text for lang, text in row.pop("descriptions", {}).items()}
    rows[3]["attributes"] = {"pieces": 12, "weight": 1.5, "boxed": True}
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.jsonl"
    path.write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def alone(tiny_bundle: Path, catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """What `aisle index` makes of it."""
    out = tmp_path_factory.mktemp("alone") / "bundle"
    return reindex(Bundle.open(tiny_bundle), catalogue, out, None, NOW, 1, silent)


@pytest.fixture(scope="module")
def index(spark: "SparkSession", tiny_bundle: Path, catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from model_export.spark.index import build

    out = tmp_path_factory.mktemp("spark") / "index"
    head = build(spark, str(tiny_bundle), str(catalogue), str(out), SHARDS, silent, partition_tokens=512)
    assert (head.products, len(head.shards)) == (49, SHARDS)
    return out


def test_the_shards_are_the_bundle_of_one_machine(
    index: Path, tiny_bundle: Path, alone: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", str(tiny_bundle), str(index), "--out", str(tmp_path / "bundle")]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["products"], figures["bundle_id"]) == (49, alone.manifest.bundle_id)
    assert Bundle.open(tmp_path / "bundle").manifest.files == alone.manifest.files


def test_scores_of_different_shards_can_be_compared(index: Path, alone: Bundle) -> None:
    from model_export.spark import shards

    products = Products.load(alone.path)
    whole = Lexical.build([title_text(products[row]) for row in range(len(products))])
    query = f"{products[0].title} {products[20].title}"
    scores = np.full(len(products), np.nan, np.float32)
    for folder in sorted((index / "shards").iterdir()):
        shard = shards.read(LocalFiles(index), f"shards/{folder.name}")
        scores[shard.rows] = shard.fields["title"].match(query).score
    assert scores.tolist() == whole.match(query).score.tolist()


def test_a_product_lies_in_the_shard_of_its_id_wherever_it_stands(index: Path) -> None:
    from aisle.item_ids import hashed

    for folder in sorted((index / "shards").iterdir()):
        ids = [json.loads(line)["product_id"] for line in (folder / "products.jsonl").read_bytes().splitlines()]
        assert {int(one) * SHARDS >> 64 for one in hashed(ids)} == {int(folder.name)}


def test_an_index_that_is_there_is_not_written_over(
    index: Path, tiny_bundle: Path, catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", str(tiny_bundle), str(catalogue), "--out", str(index)]) == 2
    assert f"{index} has an index already" in capsys.readouterr().err


def test_a_small_catalogue_is_one_shard(
    spark: "SparkSession", tiny_bundle: Path, catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", str(tiny_bundle), str(catalogue), "--out", str(tmp_path / "index")]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["products"], figures["shards"]) == (49, 1)
    assert [path.name for path in (tmp_path / "index/shards").iterdir()] == ["00000"]


def test_each_partition_encodes_one_task_of_the_whole_catalogue(
    spark: "SparkSession", tiny_bundle: Path, catalogue: Path
) -> None:
    from pyspark.sql import functions as F

    from model_export.spark import models
    from model_export.spark.encoding import vectors
    from model_export.spark.products import opened, products

    texts = [product_text(product) for product in read_catalogue(catalogue, silent)]
    lengths = Encoder(tiny_bundle / "encoder").lengths(texts)
    assert models.lengths(str(tiny_bundle), texts) == lengths
    assert models.encoder.cache_info().currsize == 0  # counting opens no model
    expected = [sorted(batch) for batch in batches(lengths, BATCH_TOKENS)]
    assert len(expected) > 2
    dealt = products(spark, str(tiny_bundle), opened(str(catalogue)), SHARDS)
    found = vectors(dealt, str(tiny_bundle), BATCH_TOKENS).select(F.spark_partition_id(), "row").collect()
    dealt.unpersist()
    assert [sorted(row for at, row in found if at == task) for task in range(len(expected))] == expected


@pytest.mark.parametrize("out", ["s3://shop/bundle", "s3a://shop/bundle"])
def test_a_bundle_is_not_sealed_at_an_address(
    out: str,
    index: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["merge", str(tiny_bundle), str(index), "--out", out]) == 2
    said = f"spark: {out} is an address; a bundle is sealed on a disk: name a folder and copy it then\n"
    assert capsys.readouterr().err == said
    assert [*tmp_path.iterdir()] == []


def test_a_place_where_no_bundle_may_be_is_refused_before_shards_are_read(
    index: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index/shards.json").write_bytes((index / "shards.json").read_bytes())  # and no shard
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    assert main(["merge", str(tiny_bundle), str(tmp_path / "index"), "--out", str(tmp_path / "out")]) == 2
    assert "out exists and is not a bundle" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_shards_of_another_bundle_are_not_put_together(index: Path, alone: Bundle, tmp_path: Path) -> None:
    from model_export.spark.index import merge

    with pytest.raises(BadInput, match="was made with bundle"):
        merge(alone, str(index), tmp_path / "out", NOW, 1, silent)
    with pytest.raises(BadInput, match=r"has no shards\.json"):
        merge(alone, str(tmp_path), tmp_path / "out", NOW, 1, silent)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"product_id": "a", "title": "A", "price": -1}, {"product_id": "b"}], "row 1: price '-1' is not"),
        ([{"product_id": "a", "title": title} for title in "AB"], "row 2: product_id a is also in row 1"),
        (
            [{"product_id": one, "title": "A", "currency": one} for one in ("EUR", "USD")],
            "row 2: currency USD, but row 1 has EUR; a catalogue has one",
        ),
        ([], "has no products"),
    ],
    ids=["bad rows", "an id twice", "two currencies", "empty"],
)
def test_a_bad_catalogue_is_refused_in_the_words_of_one_machine(
    rows: list[dict[str, Any]], said: str, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = tmp_path / "catalogue.csv"
    columns = ("product_id", "title", "price", "currency")
    lines = [",".join(str(row.get(column, "")) for column in columns) for row in rows]
    catalogue.write_text("\n".join([",".join(columns), *lines]) + "\n")
    with pytest.raises(BadInput) as alone:
        reindex(Bundle.open(tiny_bundle), catalogue, tmp_path / "alone", None, NOW, 1, silent)
    assert said in alone.value.detail
    assert main(["index", str(tiny_bundle), str(catalogue), "--out", str(tmp_path / "out")]) == 2
    assert " ".join(str(alone.value).split()) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
