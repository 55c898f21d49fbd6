"""A batch on Spark and the same batch on one machine: the same lines, the same rejects."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aisle.cli import main as aisle
from aisle.products import Products
from model_export.spark.__main__ import main

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("spark")]

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(spark: "SparkSession", tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The figures of a batch over a file, run on Spark into `spark/`, after one machine has run it into `alone/`.

    What one machine wrote is read back by Spark as it was written.
    """

    def both(file: Path, *options: str) -> dict[str, Any]:
        told = [str(tiny_bundle), str(file)]
        plain = [option for option in options if not option.startswith("--tokens")]
        assert aisle(["batch", "run", *told, "--out", str(tmp_path / "alone"), *plain]) == 0
        if alone := lines(tmp_path / "alone"):
            back = [row.asDict() for row in spark.read.parquet(str(tmp_path / "alone/parts")).collect()]
            assert sorted(map(str, back)) == sorted(map(str, alone))
        capsys.readouterr()
        assert main(["batch", *told, "--out", str(tmp_path / "spark"), *options]) == 0
        figures: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert lines(tmp_path / "spark") == lines(tmp_path / "alone")
        assert rejects(tmp_path / "spark") == rejects(tmp_path / "alone")
        return figures

    return both


def lines(out: Path) -> list[dict[str, Any]]:
    return [row for part in sorted((out / "parts").glob("*.parquet")) for row in pq.read_table(part).to_pylist()]


def rejects(out: Path) -> list[dict[str, Any]]:
    parts = sorted(out.glob("rejects/[!.]*.json*"))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def written(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def titles(bundle: Path) -> list[str]:
    products = Products.load(bundle)
    return [products[row].title for row in range(len(products))]


def test_pairs_score_as_on_one_machine_however_they_are_cut(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    found = titles(tiny_bundle)
    rows = [(f"p{at}", ("red shoes", "杯子", "lamp")[at % 3], found[at % len(found)]) for at in range(600)]
    figures = run(written(tmp_path / "pairs.csv", ("pair_id", "query", "title"), rows), "--tokens=2000")
    assert (figures["lines"], figures["rejected"], figures["partitions"]) == (600, 0, 3)


def test_queries_are_answered_as_on_one_machine_and_read_back_by_duckdb(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb", reason="reads parquet: needs the dev extra")
    rows = [*enumerate(titles(tiny_bundle)[:3]), ("none", "zzzz")]
    figures = run(written(tmp_path / "queries.csv", ("query_id", "query"), rows), "--k=5")
    with duckdb.connect() as database:
        parts = str(tmp_path / "spark/parts/*.parquet")
        (answer,) = database.execute(
            "select count(*), count(distinct query_id), max(rank), count(product_id) from read_parquet(?)", [parts]
        ).fetchall()
    assert answer == (figures["lines"], 3, 5, figures["lines"])


def test_customers_get_the_lists_of_one_machine(run: Run, tmp_path: Path) -> None:
    customers = [(f"customer-{at}",) for at in range(1, 20)] + [("unknown",)]
    figures = run(written(tmp_path / "customers.csv", ("customer_id",), customers), "--k=3", "--new")
    assert (figures["lines"], figures["rejected"]) == (60, 0)


def test_a_catalogue_is_embedded_from_parquet_as_on_one_machine(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    found = titles(tiny_bundle)
    table = pa.table(
        {"product_id": [f"id{at}" for at in range(len(found))], "title": found, "price": [1.5] * len(found)}
    )
    pq.write_table(table, tmp_path / "catalogue.parquet", row_group_size=7)
    figures = run(tmp_path / "catalogue.parquet", "--tokens=10")
    assert (figures["lines"], figures["partitions"]) == (len(found), 1)  # a chunk is the least that is a partition


def test_pairs_of_parquet_score_as_on_one_machine_wherever_row_groups_end(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    found = titles(tiny_bundle)
    table = pa.table(
        {
            "pair_id": [f"p{at}" for at in range(620)],
            "query": [("red shoes", "杯子", "", "lamp")[at % 4] for at in range(620)],
            "title": [found[at % len(found)] for at in range(620)],
            "description": ["A long text. " * (at % 30) for at in range(620)],
        }
    )
    with pq.ParquetWriter(tmp_path / "pairs.parquet", table.schema) as writer:
        for start, stop in ((0, 1), (1, 98), (98, 98), (98, 431), (431, 620)):
            writer.write_table(table.slice(start, stop - start), row_group_size=max(stop - start, 1))
    figures = run(tmp_path / "pairs.parquet", "--tokens=2000")
    assert (figures["lines"], figures["rejected"], figures["partitions"]) == (465, 155, 3)


def test_bad_rows_are_rejected_for_the_same_reasons(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_bytes(
        b"pair_id,query,title\na,red shoes,Red shoe\nb,only two\n,lamp,Lamp\nc,,Lamp\nd,\xff,Lamp\ne,lamp,Lamp\n"
    )
    figures = run(file)
    assert (figures["lines"], figures["rejected"]) == (2, 4)
    assert [row["row"] for row in rejects(tmp_path / "spark")] == [2, 3, 4, 5]


def test_a_file_without_rows_is_answered_by_none(run: Run, tmp_path: Path) -> None:
    figures = run(written(tmp_path / "pairs.csv", ("pair_id", "query", "title"), []))
    assert (figures["lines"], figures["rejected"]) == (0, 0)


def test_partitions_without_rows_add_nothing(tiny_bundle: Path, spark: "SparkSession") -> None:
    from model_export.spark.partitions import each

    schema = pa.schema([("number", pa.int64())])
    found = each(spark, [3, 0, 2, 0, 0], lambda n: iter([pa.record_batch([pa.array([n] * n)], schema)]), schema)
    assert [row["number"] for row in found.collect()] == [3, 3, 3, 2, 2]
    assert found.rdd.getNumPartitions() == 5


@pytest.mark.parametrize(
    ("bundle", "content", "said"),
    [
        ("missing", "pair_id,query,title\n", "missing is not a folder"),
        ("", "nothing,here\n1,2\n", "the columns nothing, here tell no kind of job"),
        ("", "", "asked.csv has no header"),
    ],
    ids=["no bundle", "no kind", "no header"],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    bundle: str, content: str, said: str, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "asked.csv"
    file.write_text(content)
    told = [bundle or str(tiny_bundle), str(file), "--out", str(tmp_path / "out")]
    assert main(["batch", *told]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_lies_at_the_target_stays(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "customers.csv", ("customer_id",), [("customer-1",)])
    (tmp_path / "out/parts").mkdir(parents=True)
    (tmp_path / "out/parts/mine").write_text("mine")
    assert main(["batch", str(tiny_bundle), str(file), "--out", str(tmp_path / "out")]) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out/parts").iterdir()] == ["mine"]


def test_rejects_that_lie_at_the_target_stay(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "customers.csv", ("customer_id",), [("customer-1",)])
    (tmp_path / "out/rejects").mkdir(parents=True)
    assert main(["batch", str(tiny_bundle), str(file), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"spark: {tmp_path}/out/rejects is there already: choose another --out\n"
    assert not (tmp_path / "out/parts").exists()


@pytest.mark.parametrize("partitions", [1, 2, 7, 100])
def test_a_group_is_in_the_partition_of_its_number(partitions: int, spark: "SparkSession") -> None:
    from model_export.spark.partitions import placed, spark_type

    schema = pa.schema([("number", pa.int64()), ("rows", pa.int64()), ("partition", pa.int64())])

    def told(group: pa.Table) -> pa.Table:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        number, partition = group["number"][0].as_py(), context.partitionId()
        return pa.table({"number": [number], "rows": [len(group)], "partition": [partition]}, schema=schema)

    numbers = spark.range(3 * partitions).selectExpr(f"id % {partitions} as number")
    found = placed(numbers, "number", partitions).applyInArrow(told, spark_type(schema))
    assert sorted(map(tuple, found.collect())) == [(number, 3, number) for number in range(partitions)]


def test_a_process_opens_a_bundle_once_for_all_its_tasks(tiny_bundle: Path, spark: "SparkSession") -> None:
    from model_export.spark.partitions import each

    schema = pa.schema([("process", pa.int64()), ("opened", pa.int64())])

    def opened(number: int) -> Iterator[pa.RecordBatch]:
        import os

        from model_export.spark import models

        models.services(str(tiny_bundle))
        yield pa.record_batch([pa.array([os.getpid()]), pa.array([models.services.cache_info().misses])], schema)

    found = each(spark, range(12), opened, schema).collect()
    assert len(found) == 12
    assert len({row["process"] for row in found}) <= 2  # cores
    assert {row["opened"] for row in found} == {1}
