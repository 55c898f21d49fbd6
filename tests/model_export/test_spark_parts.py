"""What the jobs for Spark are cut and put together by, without Spark: batches, postings, partitions, addresses."""

import os
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from world_events import BEN, NOON, record

from aisle.aws.clients import client
from aisle.batch_source import Chunk
from aisle.compaction import compact
from aisle.errors import BadInput, MissingExtra, NotFound
from aisle.event_log import EventLog
from aisle.files import LocalFiles
from aisle.lexical import Lexical
from aisle.onnx import batches
from aisle.tables import Row
from aisle.text import terms
from model_export.spark.__main__ import main
from model_export.spark.answering import read_texts
from model_export.spark.event_days import pieces
from model_export.spark.partitions import shares, together
from model_export.spark.postings import Statistics, joined, part
from model_export.spark.session import spark_session
from model_export.spark.storage import Address, address, files_at, source_at
from model_export.spark.token_batches import batch_of, offsets, places

ROOT = Path(__file__).parents[2]
TEXTS = ["red circle", "", "blue circle 42 42", "red red square", "12v circle", "shines at night", "circle"]
PARTS = ([4, 1], [0, 2, 3, 6], [5])  # rows, in three parts


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 64), st.integers(1, 7))
def test_a_length_and_a_place_among_its_like_tell_the_batch(lengths: list[int], tokens: int, chunk_rows: int) -> None:
    rows = {length: lengths.count(length) for length in lengths}
    chunks = [(at // chunk_rows, length) for at, length in enumerate(lengths)]
    before = offsets([(*key, chunks.count(key)) for key in set(chunks)])
    place, nth, told = places(rows, tokens), dict[tuple[int, int], int](), []
    for chunk in chunks:
        at = nth[chunk] = nth.get(chunk, -1) + 1
        told.append(batch_of(place[chunk[1]], before[chunk] + at))
    expected = [0] * len(lengths)
    for number, batch in enumerate(batches(lengths, tokens)):
        for row in batch:
            expected[row] = number
    assert told == expected


def whole(texts: list[str]) -> Statistics:
    said = [terms(text) for text in texts]
    vocabulary = {term: at for at, term in enumerate(dict.fromkeys(term for words in said for term in words))}
    frequency = np.array([sum(term in words for words in said) for term in vocabulary], np.int64)
    return Statistics(vocabulary, frequency, len(texts), sum(map(len, said)) / len(texts))


def arrays(index: Lexical) -> list[object]:
    found: list[NDArray[Any]] = [index.start, index.rows, index.weights, index.documents]
    return [[*index.vocabulary.items()], *((array.dtype, array.tolist()) for array in found)]


@pytest.mark.parametrize("texts", [TEXTS, [""] * 7], ids=["words", "no words"])
def test_parts_of_an_index_make_the_index_that_is_built_at_once(texts: list[str]) -> None:
    statistics = whole(texts)
    parts = [(np.array(rows), part([texts[row] for row in rows], statistics)) for rows in PARTS]
    assert arrays(joined(parts, statistics)) == arrays(Lexical.build(texts))


def test_a_part_scores_its_texts_as_the_whole_index_does() -> None:
    rows = PARTS[1]
    index = part([TEXTS[row] for row in rows], whole(TEXTS))
    query = "red circle 42"
    assert index.match(query).score.tolist() == Lexical.build(TEXTS).match(query).score[rows].tolist()


def test_statistics_come_back_as_they_were_saved(tmp_path: Path) -> None:
    files, statistics = LocalFiles(tmp_path), whole([*TEXTS, "红色 圆"])
    statistics.save(files, "statistics/title")
    found = Statistics.load(files, "statistics/title")
    assert (found.vocabulary, found.n, found.average) == (statistics.vocabulary, 8, statistics.average)
    assert found.frequency.tolist() == statistics.frequency.tolist()


@given(st.lists(st.integers(0, 50)), st.integers(1, 100), st.integers(1, 5))
def test_shares_hold_every_item_once_in_order_and_weigh_the_same_but_for_one(
    weights: list[int], most: int, cores: int
) -> None:
    found = shares(range(len(weights)), weights, most, cores)
    assert [item for share in found for item in share] == [*range(len(weights))]
    heaviest = max(weights, default=0)
    assert all(sum(weights[item] for item in share) <= most + heaviest for share in found)


@pytest.mark.parametrize(
    ("weights", "cores", "expected"), [([10] * 8, 4, [2] * 4), ([10] * 10, 1, [5, 5]), ([0, 0], 2, [2]), ([], 2, [])]
)
def test_no_core_is_left_without_work(weights: list[int], cores: int, expected: list[int]) -> None:
    assert [len(share) for share in shares(weights, weights, 50, cores)] == expected


def test_neighbours_are_one_chunk_of_bytes_or_of_a_row_group() -> None:
    text = [Chunk(3, 11, 5, 100, 180), Chunk(4, 16, 2, 180, 240)]
    assert together(text) == Chunk(3, 11, 7, 100, 240)
    groups = [Chunk(0, 1, 5, 90, 95, 0), Chunk(1, 6, 5, 5, 10, 1)]
    assert together(groups) == Chunk(0, 1, 10, 90, 100, 0)


def test_an_address_is_that_of_a_bucket_or_a_path(tmp_path: Path) -> None:
    assert address("s3://shop/in/a.csv") == Address("shop", "in/a.csv")
    assert address("s3a://shop/") == Address("shop", "")
    assert address(str(tmp_path)) is None
    with pytest.raises(BadInput, match="names no bucket"):
        address("s3:///a.csv")
    with pytest.raises(NotFound):
        source_at(str(tmp_path / "missing.csv"))


def test_what_spark_calls_s3a_is_the_bucket_that_aisle_reads(aws: dict[str, str]) -> None:
    client("s3").create_bucket(Bucket="shop")
    files_at("s3a://shop/spark/index").write("shards.json", b"{}")
    assert [*files_at("s3://shop").names("spark/")] == ["spark/index/shards.json"]
    source = source_at("s3a://shop/spark/index/shards.json")
    assert (source.name, source.size, source.read(0, 9)) == ("shards.json", 2, b"{}")
    assert pickle.loads(pickle.dumps(source)).version == source.version  # as a task gets it
    with pytest.raises(NotFound):
        source_at("s3://shop/missing.csv")


def test_a_day_of_many_files_is_read_in_pieces_also_when_it_is_compacted_meanwhile(tmp_path: Path) -> None:
    log = EventLog(LocalFiles(tmp_path))
    for nth in range(60):
        log.append("2026-01-01", [record(f"e{nth}", NOON + nth)])
    gone = record("gone", shopper=BEN)
    log.append("2026-01-01", [gone])
    log.forget([BEN], NOON + 1)
    found = pieces(str(tmp_path))
    assert [(piece.day, len(piece.names)) for piece in found] == [("2026-01-01", count) for count in (1, 50, 11)]
    expected = [told.event_id for told in log.records()]
    assert len(expected) == 60
    assert sorted(told.event_id for piece in found for told in piece.records()) == sorted(expected)
    first = {told.event_id for told in found[0].records()}
    assert len(compact(log, NOON + 9 * 86_400_000).written) == 1
    assert first | {told.event_id for piece in found[1:] for told in piece.records()} == {*expected}


def test_what_the_models_read_of_a_row() -> None:
    row: Row = {"query": " lamp ", "title": "Red  lamp", "brand": "Lux", "bullet_points": "- bright", "description": ""}
    assert read_texts("score", row, scorer=False) == ["lamp Red lamp Lux"]
    assert read_texts("score", row, scorer=True) == ["lamp Red lamp Lux", "lamp", "Red lamp", "- bright"]
    product: Row = {"product_id": "a", "title": "Red lamp", "description": "It shines. " * 50}
    assert read_texts("embed", product, scorer=True) == ["Red lamp"]
    assert read_texts("embed", {"product_id": "a", "title": ""}, scorer=False) == []
    assert read_texts("score", BadInput("no row", "mend it"), scorer=True) == []


def test_files_of_the_jobs_that_are_no_python_are_packaged() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    packaged = {path for pattern in told["model_export"] for path in (ROOT / "model_export").glob(pattern)}
    folder = ROOT / "model_export/spark"
    assert {path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"} <= packaged


def test_a_java_that_is_gone_is_told_in_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="needs pyspark: pip install -c constraints.txt -e '.[spark]'")
    asked = [sys.executable, "-m", "model_export.spark", "events", "-", str(tmp_path), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "JAVA_HOME": "/gone"}
    ran = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 2
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("spark: Spark did not start (")
    assert last.endswith("): install Java 17 and let JAVA_HOME name it")
    assert "Traceback" not in ran.stderr


def test_without_pyspark_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(MissingExtra, match="spark"), spark_session("none"):
        pass
    assert main(["events", "-", "log", "--out", "out"]) == 2
    assert "pip install 'aisle[spark]'" in capsys.readouterr().err


def test_there_is_a_sentence_where_a_count_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "bundle", "table.csv", "--out", "out", "--shards", "0"]) == 2
    assert capsys.readouterr().err == "spark: --shards and --tokens are counts: give 1 or more\n"
