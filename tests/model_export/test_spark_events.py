"""An event log on Spark: what `EventLog.records` tells of it, counted by day, and a list for each of its shoppers."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from world_events import ANNA, BEN, NOON, PSEUDONYMS, record

from aisle.compaction import compact
from aisle.event_log import EventLog, read_log
from aisle.events import Record, act_of
from aisle.files import LocalFiles
from aisle.products import Products
from aisle.shopping import Act
from model_export.spark.__main__ import main

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
    from model_export.spark.shoppers import suited

    acts: dict[str, list[Act]] = {}
    for told in read_log(log):
        if act := act_of(told):
            acts.setdefault(told.shopper, []).append(act)
    assert acts.keys() == {ANNA, BEN}
    end = max(act.at_ms for known in acts.values() for act in known)
    expected = [
        {"shopper": shopper, "rank": rank, "product_id": product_id, "score": score}
        for shopper in sorted(acts)
        for rank, (product_id, score) in enumerate(suited(str(tiny_bundle), acts[shopper], end, 4, True), 1)
    ]
    assert len(expected) == 8
    asked = ["recommend", str(tiny_bundle), str(log), "--out", str(tmp_path / "lists"), "--k", "4", "--new"]
    assert main(asked) == 0
    assert rows(tmp_path / "lists") == expected


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
