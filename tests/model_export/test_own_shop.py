"""A shop's own folder: read whole in every format, and every way to get it wrong is told with row and remedy."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from aisle.errors import BadInput, NotFound
from aisle.event_log import EventLog
from aisle.events import Record, ms_of
from aisle.files import LocalFiles
from aisle.identity import Caller
from aisle.pseudonyms import Pseudonyms
from aisle.ubi import Reading
from model_export.datasets import load, split_of
from model_export.demo_store import generate, write

PSEUDONYMS = Pseudonyms(b"\7" * 32)
CATALOGUE = "product_id,title,price,currency\np1,red circle,5,USD\np2,blue circle,6,USD\n007,red square,7,USD\n"
# q01 to q20 teach, d1 judges, and n1 is only asked.
QUERIES = [
    *({"query_id": f"q{i:02}", "query": f"red  shape {i}", "split": "train", "kind": "plain"} for i in range(1, 21)),
    {"query_id": "d1", "query": "blue one", "split": "dev", "kind": "rare"},
    {"query_id": "n1", "query": "square", "split": "test", "kind": "rare"},
]
QRELS = (
    "query_id,product_id,rating\n" + "".join(f"q{i:02},p1,{1 + i % 3}\n" for i in range(1, 21)) + "d1,p2,3\nd1,007,0\n"
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "catalogue.csv").write_text(CATALOGUE)
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, QUERIES)))
    (tmp_path / "qrels.csv").write_text(QRELS)
    return tmp_path


def rewritten(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_a_shop_is_read_whole(shop: Path) -> None:
    corpus = load("shop", shop)
    labelled = corpus.labelled
    assert [product.product_id for product in corpus.products] == ["p1", "p2", "007"]
    assert labelled.queries == {
        **{f"q{i:02}": f"red shape {i}" for i in range(1, 21)},
        "d1": "blue one",
        "n1": "square",
    }
    assert labelled.splits == {**{f"q{i:02}": "train" for i in range(1, 21)}, "d1": "dev", "n1": "test"}
    assert labelled.kinds == {**{f"q{i:02}": "plain" for i in range(1, 21)}, "d1": "rare", "n1": "rare"}
    assert labelled.qrels == {**{f"q{i:02}": {"p1": 1 + i % 3} for i in range(1, 21)}, "d1": {"p2": 3, "007": 0}}
    assert (corpus.name, corpus.pairs, corpus.texts, corpus.dropped) == ("shop", [], [], {})


def acted(shopper: str, product: str, at: str) -> Record:
    shop = Reading(Caller("test", trusted=True), ms_of(at), PSEUDONYMS, history=True)
    said: dict[str, object] = {"object": {"object_id": product}}
    return shop.event({"action_name": "purchase", "user_id": shopper, "timestamp": at, "event_attributes": said})


def test_what_shoppers_did_is_learned_from_but_not_what_the_forgotten_did(shop: Path) -> None:
    log = EventLog(LocalFiles(shop / "events"))
    ann, bo = PSEUDONYMS.of("ann"), PSEUDONYMS.of("bo")
    log.extend([acted("ann", "p1", "2026-01-01T10:00:00Z"), acted("bo", "007", "2026-01-02T10:00:00Z")])
    before = load("shop", shop)
    assert before.acts
    assert {*before.acts.shoppers} == {ann, bo}
    log.forget([ann], ms_of("2026-02-01T00:00:00Z"))
    after = load("shop", shop)
    assert after.acts
    assert (after.acts.shoppers, after.acts.products, len(after.acts)) == ((bo,), ("007",), 1)
    assert before.files["events"] != after.files["events"]
    assert load("shop", shop).files == after.files


def test_a_log_without_acts_is_told(shop: Path) -> None:
    (shop / "events").mkdir()
    with pytest.raises(BadInput, match="holds no events of products"):
        load("shop", shop)


def test_the_files_are_known_by_their_hashes(shop: Path) -> None:
    names = ("catalogue.csv", "queries.jsonl", "qrels.csv")
    assert load("shop", shop).files == {n: hashlib.sha256((shop / n).read_bytes()).hexdigest() for n in names}


def test_letters_stand_for_ratings_and_the_column_may_be_called_label(shop: Path) -> None:
    for number, letter in enumerate("ICSE"):
        text = (shop / "qrels.csv").read_text()
        (shop / "qrels.csv").write_text(re.sub(rf",{number}\n", f",{letter}\n", text).replace("rating", "label"))
    assert load("shop", shop).labelled.qrels["d1"] == {"p2": 3, "007": 0}
    assert [load("shop", shop).labelled.qrels[q]["p1"] for q in ("q01", "q02", "q03")] == [2, 3, 1]


def test_without_a_split_column_the_hash_rule_splits(shop: Path) -> None:
    ids = [f"s{i}" for i in range(60)]
    (shop / "queries.jsonl").unlink()
    (shop / "queries.tsv").write_text("query_id\tquery\n" + "".join(f"{i}\tred\n" for i in ids))
    (shop / "qrels.csv").write_text("query_id,product_id,rating\n" + "".join(f"{i},p1,3\n" for i in ids))
    labelled = load("shop", shop).labelled
    assert labelled.splits == {query_id: split_of(query_id) for query_id in ids}
    assert labelled.kinds == {}


def test_the_folder_that_the_demo_store_writes_is_a_shop(tmp_path: Path) -> None:
    write(generate(60, 1), tmp_path)
    own, demo = load("shop", tmp_path), load("demo", None, demo_products=60)
    assert (own.products, own.labelled) == (demo.products, demo.labelled)
    assert list(own.files) == ["catalogue.parquet", "queries.parquet", "qrels.parquet"]


def test_columns_that_no_catalogue_has_are_named_on_stderr(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewritten(shop / "catalogue.csv", "currency", "shelf")
    load("shop", shop)
    assert capsys.readouterr().err == f"{shop / 'catalogue.csv'}: columns ignored: shelf\n"


@pytest.mark.parametrize(
    ("table", "before", "after", "message"),
    [
        ("qrels.csv", "q02,p1,3", "q02,p9,3", "row 2: product_id 'p9' is not in catalogue: add it to catalogue"),
        ("qrels.csv", "q02,p1,3", "q99,p1,3", "row 2: query_id 'q99' is not in queries: add it to queries"),
        ("qrels.csv", "q02,p1,3", "q01,p1,3", "row 2: q01, p1 is judged twice: keep one rating a pair"),
        ("qrels.csv", "q02,p1,3", "q02,p1,4", "row 2: '4' is neither a rating 0, 1, 2, 3 nor one of E, S, C, I: write"),
        ("qrels.csv", "q02,p1,3", "q02,p1,-1", "row 2: '-1' is neither"),
        ("qrels.csv", "q02,p1,3", "q02,p1,1.5", "row 2: '1.5' is neither"),
        ("qrels.csv", "q02,p1,3", "q02,p1,nan", "row 2: 'nan' is neither"),
        ("qrels.csv", "q02,p1,3", "q02,p1,", "row 2: '' is neither"),
        ("qrels.csv", "rating", "stars", "row 1: None is neither"),
        (
            "qrels.csv",
            "q02,p1,3",
            "q02,p1,0",
            "has 19 train queries with a rating above 0, at least 20 are needed: label",
        ),
        ("qrels.csv", "d1,p2,3\n", "", "has 0 dev queries with a rating above 0, at least 1 are needed: label"),
        ("queries.jsonl", '"q02"', '"q01"', "row 2: query_id q01 occurs twice: give each query its own id"),
        ("queries.jsonl", '"red  shape 2"', '" "', "row 2: query ' ' is not a text: give every query a text"),
        ("queries.jsonl", '"red  shape 2"', "2", "row 2: query 2 is not a text"),
        ("queries.jsonl", '"split": "train"', '"split": "valid"', "row 1: split 'valid' is none of train, dev, test"),
        ("queries.jsonl", '"split": "train", ', "", "row 1: split None is none of train, dev, test: correct it"),
        ("queries.jsonl", ', "kind": "plain"', "", "row 1: kind None is not a text: fill kind in every row"),
        ("catalogue.csv", "p2,blue circle", "p1,blue circle", "row 2: product_id p1 is also in row 1"),
        ("catalogue.csv", "p2,blue circle", "p2,", "row 2: title is empty"),
    ],
)
def test_a_row_that_breaks_a_rule_is_told(shop: Path, table: str, before: str, after: str, message: str) -> None:
    rewritten(shop / table, before, after)
    with pytest.raises(BadInput, match=re.escape(message)) as raised:
        load("shop", shop)
    assert str(shop / table) in raised.value.detail


def two_catalogues(shop: Path) -> None:
    (shop / "catalogue.tsv").write_text(CATALOGUE.replace(",", "\t"))


def no_qrels(shop: Path) -> None:
    (shop / "qrels.csv").rename(shop / "labels.csv")


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (two_catalogues, BadInput, "has catalogue.csv and catalogue.tsv, and each table is one file: keep one of them"),
        (no_qrels, NotFound, "has no table 'qrels': add one of qrels.parquet, qrels.csv, qrels.tsv, qrels.jsonl"),
    ],
)
def test_each_table_is_one_file(shop: Path, spoil: Callable[[Path], None], kind: type[BadInput], message: str) -> None:
    spoil(shop)
    with pytest.raises(kind, match=re.escape(f"{shop} {message}")):
        load("shop", shop)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="shop is no folder: name with --data the folder that holds catalogue"):
        load("shop", tmp_path / "shop")
