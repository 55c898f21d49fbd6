"""Online Retail's loader over nine made-up lines, six of them with a reason to be left out; and over the real ones."""

from datetime import datetime
from pathlib import Path

import pytest

from model_export.datasets import load
from model_export.foretelling import Split

pa = pytest.importorskip("pyarrow", reason="reads parquet: needs the offline extra")

AT = datetime(2011, 5, 2, 9, 30)
LINES = [
    ("536365", "100", 6, 1.5, 7),
    ("536365", "200A", 1, 2.0, 7),
    ("536366", "100", 2, 1.5, 8),
    ("C536367", "100", -6, 1.5, 7),
    ("536368", "100", -1, 1.5, 7),
    ("536369", "100", 1, 0.0, 7),
    ("536370", "POST", 1, 9.0, 7),
    ("536371", "100", 1, 1.5, None),
    ("536372", "999", 1, 1.5, 7),  # not among the items
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from pyarrow import parquet

    place = tmp_path / "uci-online-retail"
    place.mkdir()
    items = {
        "stock_code": ["100", "200A", "POST"],
        "description": ["WHITE HANGING HEART T-LIGHT", "RED LAMP", "POSTAGE"],
        "median_unit_price": [1.5, 2.0, 9.0],
    }
    names = ("invoice_no", "stock_code", "quantity", "unit_price", "customer_id")
    lines = {name: [line[at] for line in LINES] for at, name in enumerate(names)} | {"invoice_date": [AT] * len(LINES)}
    parquet.write_table(pa.table(items), place / "items.parquet")
    parquet.write_table(pa.table(lines), place / "transactions.parquet")
    return tmp_path


def test_goods_that_were_sold_to_somebody_are_kept_and_the_rest_counted(folder: Path) -> None:
    corpus = load("online-retail", folder)
    acts = corpus.acts
    assert acts is not None
    assert [(p.product_id, p.price, p.currency) for p in corpus.products] == [("100", 1.5, "GBP"), ("200A", 2.0, "GBP")]
    assert [acts.shoppers[s] for s in acts.shopper] == ["7", "7", "8"]
    assert [acts.products[p] for p in acts.product] == ["100", "200A", "100"]
    assert acts.basket.tolist() == [0, 0, 1]
    assert corpus.dropped == {
        "cancelled line": 1,
        "line that sells nothing": 1,
        "line without a price": 1,
        "line of no goods": 2,
        "line without a customer": 1,
    }


def test_some_titles_are_asked_for_by_half_of_their_words(folder: Path) -> None:
    labelled = load("online-retail", folder).labelled
    assert labelled.qrels == {"known-100": {"100": 3}}
    asked = labelled.queries["known-100"].split()
    assert len(asked) == 2
    assert [word for word in ["white", "hanging", "heart", "t", "light"] if word in asked] == asked


@pytest.mark.data
def test_the_real_year_has_its_known_size(data_dir: Path) -> None:
    corpus = load("online-retail", data_dir)
    assert corpus.acts is not None
    assert (len(corpus.products), len(corpus.acts), len(corpus.acts.shoppers)) == (3877, 358_361, 4213)
    split = Split.last(corpus.acts, 0.1)
    assert {task: len(wanted.shoppers) for task, wanted in split.wanted.items()} == {"anything": 915, "new": 846}
