"""An event log on Spark: what `EventLog.records` tells of it, counted by day, and a list for each of its shoppers."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from world_events import ANNA, BEN, NOON, PSEUDONYMS, record

from aisle.compaction import compact
from aisle.event_log import EventLog, read_log
from aisle.events import Record, act_of
from aisle.files import LocalFiles
from aisle.filters import Columns
from aisle.products import Products
from aisle.recommender import Recommender
from aisle.shopping import Act
from model_export.spark.__main__ import main

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("spark")]

DAY_MS = 86_400_000
COUNTS = {"impressions": "impression", "views": "view", "clicks": "click", "carts": "cart", "purchases": "purchase"}


@pytest.fixture
def log(tiny_bundle: Path, tmp_path: Path) -> Path:
    """Three days of two shoppers, a stranger and one who was forgotten; told twice, and on two days."""
    products = Products.load(tiny_bundle)
    ids = [products[row].product_id for row in range(8)]
    told: list[Record] = []
    for nth in range(40):
        kind = [*COUNTS.values()][nth % 5]
        shopper = (ANNA, BEN)[nth % 2]
        at_ms = NOON + nth % 3 * DAY_MS + nth * 1000
        told.append(record(f"e{nth}", at_ms, kind=kind, shopper=shopper, product_id=ids[nth % 7]))
    told.append(record("query", kind="query", product_id="", hits=(ids[0],)))
    told.append(record("stranger", kind="click", anonymous=True, product_id=ids[7]))
    told.append(record("e3", NOON + 2 * DAY_MS, kind="cart", shopper=BEN, product_id=ids[3]))  # a corrected clock
    at_first, then = NOON, NOON + DAY_MS  # an event that named a product at first
    told.append(record("lost", at_first, kind="view", anonymous=True, product_id=ids[5]))
    told.append(record("lost", then, kind="view", anonymous=True, product_id=""))
    gone = record("gone", shopper=PSEUDONYMS.of("carl"), product_id=ids[1])
    events = EventLog(LocalFiles(tmp_path / "log"))
    events.extend(told)
    events.extend(told[:9][::-1])
    events.extend([gone])
    events.forget([gone.shopper], NOON + DAY_MS)
    return tmp_path / "log"


def test_products_are_counted_by_day_as_the_log_is_read(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for told in read_log(log):
        if told.product_id:
            counts.setdefault((told.timestamp[:10], told.product_id), Counter())[told.kind] += 1
    expected = [
        {"day": day, "product_id": product_id, **{name: found[kind] for name, kind in COUNTS.items()}}
        for (day, product_id), found in sorted(counts.items())
    ]
    assert sum(found.total() for found in counts.values()) == 41
    assert main(["events", "-", str(log), "--out", str(tmp_path / "days")]) == 0
    assert json.loads(capsys.readouterr().out)["lines"] == len(expected)
    assert rows(tmp_path / "days") == expected


def test_a_compacted_log_counts_the_same(log: Path, tmp_path: Path) -> None:
    assert main(["events", "-", str(log), "--out", str(tmp_path / "before")]) == 0
    compacted(log)
    assert main(["events", "-", str(log), "--out", str(tmp_path / "after")]) == 0
    assert rows(tmp_path / "after") == rows(tmp_path / "before") != []


def test_every_shopper_gets_the_list_that_their_acts_call_for(log: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    recommender, products = Recommender.load(tiny_bundle / "recommender"), Products.load(tiny_bundle)
    in_stock = Columns.load(tiny_bundle / "columns").in_stock
    acts: dict[str, list[Act]] = {}
    for told in read_log(log):
        if act := act_of(told):
            acts.setdefault(told.shopper, []).append(act)
    assert acts.keys() == {ANNA, BEN}
    now_ms = max(recommender.fitted_at, *(act.at_ms for known in acts.values() for act in known))
    expected = []
    for shopper in sorted(acts):
        best = recommender.recommend(acts[shopper], now_ms, 4, new=True, allowed=in_stock)
        for rank, (row, score) in enumerate(zip(best.rows.tolist(), best.scores.tolist(), strict=True), 1):
            product_id = products[row].product_id
            expected.append({"shopper": shopper, "rank": rank, "product_id": product_id, "score": score})
    assert len(expected) == 8
    asked = ["recommend", str(tiny_bundle), str(log), "--out", str(tmp_path / "lists"), "--k", "4", "--new"]
    assert main(asked) == 0
    assert sorted(rows(tmp_path / "lists"), key=lambda line: (line["shopper"], line["rank"])) == expected


def test_nobody_is_chosen_for_twice(log: Path, tiny_bundle: Path, spark: "SparkSession") -> None:
    from model_export.spark.shoppers import lists

    plan = lists(spark, str(tiny_bundle), str(log), 4, True)._jdf.queryExecution().toString()
    assert "FlatMapGroupsInArrow" in plan
    assert "rangepartitioning" not in plan  # to sort all, Spark runs what comes before once to find the bounds


@pytest.mark.parametrize("k", [0, 1001])
def test_a_k_that_is_none_is_refused(
    k: int, log: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["recommend", str(tiny_bundle), str(log), "--out", str(tmp_path / "lists"), "--k", str(k)]
    assert main(asked) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"spark: k is {k}: give a number from 1 to 1000"
    assert not (tmp_path / "lists").exists()


@pytest.mark.parametrize("job", ["events", "recommend"])
def test_a_log_without_events_gives_nothing(job: str, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "log/raw").mkdir(parents=True)
    assert main([job, str(tiny_bundle), str(tmp_path / "log"), "--out", str(tmp_path / "out")]) == 0
    assert rows(tmp_path / "out") == []


def test_what_is_no_log_and_a_broken_line_are_told(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["events", "-", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 2
    assert "nothing is no folder of an event log" in capsys.readouterr().err
    (log / "raw/date=2026-01-02/broken.jsonl.gz").write_bytes(b"no gzip")
    assert main(["events", "-", str(log), "--out", str(tmp_path / "out")]) == 2
    assert "broken.jsonl.gz is not gzipped" in capsys.readouterr().err


def rows(out: Path) -> list[dict[str, Any]]:
    return [row for part in sorted(out.glob("*.parquet")) for row in pq.read_table(part).to_pylist()]


def compacted(log: Path) -> None:
    done = compact(EventLog(LocalFiles(log)), NOON + 9 * DAY_MS)
    assert len(done.written) == 3
