import hashlib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aisle.errors import BadInput, NotFound
from aisle.tables import Row
from aisle.types import Product
from model_export.datasets import EVALUATION_ONLY, LOADERS, LabelledQueries, load, split_of
from model_export.datasets.corpus import clean_products, clean_queries, with_ratings
from model_export.datasets.shops import spoken_tags

WANDS_PRODUCTS = (
    "product_id\tproduct_name\tproduct_class\tcategory hierarchy\tproduct_description\tproduct_features\t"
    "rating_count\taverage_rating\treview_count\n"
    '0\toak bed\tBeds\tFurniture / Beds\ta "king" bed , solid\tcolor : brown|color:tan|width:64.7|x\t15\t4.5\t15\n'
    "1\tdesk chair\tOffice Chairs\tFurniture / Chairs\t\t\t\t\t\n"
    "1\tdesk chair\tOffice Chairs\tFurniture / Chairs\t\t\t\t\t\n"
    "2\t\tRugs\t\t\t\t\t\t\n"
)


@pytest.fixture
def wands(tmp_path: Path) -> Path:
    folder = tmp_path / "wands"
    folder.mkdir()
    (folder / "product.csv").write_text(WANDS_PRODUCTS)
    (folder / "query.csv").write_text("query_id\tquery\tquery_class\n0\t big  bed\tBeds\n7\tchair\tChairs\n")
    (folder / "label.csv").write_text(
        "id\tquery_id\tproduct_id\tlabel\n0\t0\t0\tExact\n1\t0\t1\tIrrelevant\n2\t7\t1\tPartial\n3\t7\t2\tExact\n4\t9\t1\tExact\n"
    )
    return tmp_path


@pytest.fixture
def esci(tmp_path: Path) -> Path:
    examples = [
        {"example_id": 1, "query": "shoe", "query_id": 5, "product_id": "B1", "product_locale": "us",
         "esci_label": "E", "small_version": 1, "large_version": 1, "split": "train"},
        {"example_id": 2, "query": "shoe", "query_id": 5, "product_id": "B2", "product_locale": "us",
         "esci_label": "S", "small_version": 1, "large_version": 1, "split": "train"},
        {"example_id": 3, "query": "zapato", "query_id": 6, "product_id": "B1", "product_locale": "es",
         "esci_label": "C", "small_version": 1, "large_version": 1, "split": "test"},
        {"example_id": 4, "query": "easy", "query_id": 8, "product_id": "B1", "product_locale": "us",
         "esci_label": "E", "small_version": 0, "large_version": 1, "split": "train"},
        {"example_id": 5, "query": "shoe", "query_id": 5, "product_id": "GONE", "product_locale": "us",
         "esci_label": "I", "small_version": 1, "large_version": 1, "split": "train"},
    ]  # fmt: skip
    products = [
        {"product_id": asin, "product_title": title, "product_description": "<p>soft</p>", "product_bullet_point": None,
         "product_brand": "Acme", "product_color": color, "product_locale": locale}
        for asin, title, color, locale in [
            ("B1", "Acme shoe", "red", "us"), ("B2", "Boot", None, "us"), ("B1", "Zapato", "rojo", "es"),
            ("B9", "Unjudged", None, "us"),
        ]
    ]  # fmt: skip
    folder = tmp_path / "esci"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(examples), folder / "shopping_queries_dataset_examples.parquet")
    pq.write_table(pa.Table.from_pylist(products), folder / "shopping_queries_dataset_products.parquet")
    return tmp_path


def test_wands_official_files_give_products_and_graded_queries_and_count_what_is_dropped(wands: Path) -> None:
    corpus = load("wands", wands)
    features: dict[str, str | float | bool] = {"color": "brown", "width": "64.7"}
    assert corpus.products == [
        Product("0", "oak bed", 'a "king" bed , solid', "Beds", color="brown", rating=4.5, attributes=features),
        Product("1", "desk chair", category="Office Chairs"),
    ]
    assert corpus.labelled == LabelledQueries(
        {"0": "big bed", "7": "chair"},
        {"0": split_of("wands-0"), "7": split_of("wands-7")},
        {"0": {"0": 3, "1": 0}, "7": {"1": 1}},
    )
    assert corpus.dropped == {
        "product_id repeats": 1,
        "product without a title": 1,
        "label of an unknown product": 1,
        "label of an unknown query": 1,
    }
    assert corpus.files["product.csv"] == hashlib.sha256(WANDS_PRODUCTS.encode()).hexdigest()


def test_wands_labels_outside_its_scale_are_refused(wands: Path) -> None:
    (wands / "wands" / "label.csv").write_text("id\tquery_id\tproduct_id\tlabel\n0\t0\t0\tPerfect\n")
    with pytest.raises(BadInput, match="'Perfect' is none of Exact, Partial, Irrelevant"):
        load("wands", wands)


def test_esci_official_files_give_the_small_version_with_a_product_a_locale(esci: Path) -> None:
    corpus = load("esci", esci)
    assert corpus.products == [
        Product("us:B1", "Acme shoe", "soft", brand="Acme", color="red"),
        Product("us:B2", "Boot", "soft", brand="Acme"),
        Product("es:B1", "Zapato", "soft", brand="Acme", color="rojo"),
    ]
    split = "dev" if split_of("5") == "dev" else "train"
    assert corpus.labelled == LabelledQueries(
        {"5": "shoe", "6": "zapato"}, {"5": split, "6": "test"}, {"5": {"us:B1": 3, "us:B2": 1}, "6": {"es:B1": 0}}
    )
    assert corpus.dropped == {"label of an unknown product": 1}


def test_a_missing_folder_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    for name in LOADERS.keys() - {"shop"}:  # a shop's own tables lie in the folder itself
        with pytest.raises(NotFound, match=r"does not exist: get it from http.* with --data"):
            load(name, tmp_path)


def test_a_missing_file_is_named_with_all_that_the_folder_holds(wands: Path) -> None:
    (wands / "wands" / "label.csv").unlink()
    with pytest.raises(NotFound, match=r"label\.csv does not exist: .*holds product\.csv, query\.csv, label\.csv"):
        load("wands", wands)


def test_data_must_be_named_and_so_must_a_known_data_set() -> None:
    with pytest.raises(BadInput, match="give --data DIR"):
        load("wands", None)
    with pytest.raises(NotFound, match="choose from demo, pricerunner"):
        load("amazon", Path())


def test_cleaning_keeps_the_first_of_what_repeats_and_counts_the_rest() -> None:
    dropped: Counter[str] = Counter()
    rows: list[Row] = [{"product_id": i, "title": t} for i, t in [("a", "x"), ("a", "y"), ("b", " "), ("c", None)]]
    assert clean_products(rows, "rows", dropped) == [Product("a", "x")]
    queries = clean_queries([("q", "red", "train"), ("q", "blue", "dev"), ("r", "", "dev")], dropped)
    judged = with_ratings(queries, [("q", "a", 3), ("q", "a", 1), ("q", "z", 1), ("s", "a", 1)], {"a"}, dropped)
    assert judged == LabelledQueries({"q": "red"}, {"q": "train"}, {"q": {"a": 3}})
    assert dropped == {
        "product_id repeats": 1, "product without a title": 2, "query_id repeats": 1, "query without a text": 1,
        "label repeats": 1, "label of an unknown product": 1, "label of an unknown query": 1,
    }  # fmt: skip


def test_tags_that_no_text_says_and_capitalised_suppliers_are_not_descriptions() -> None:
    rows: list[Row] = [
        {"title": "Boho dress", "description": "Lace trim.", "tags": ["boho", "issues", "Lace Co", "lace trim"]},
        {"title": "Hat", "description": None, "tags": ["BiBi", "boho", "ha"]},
    ]
    assert spoken_tags(rows) == {"boho", "lace trim"}


def test_the_demo_store_needs_no_data_and_labels_only_its_own_products() -> None:
    corpus = load("demo", None, demo_products=60)
    product_ids = {product.product_id for product in corpus.products}
    assert len(product_ids) == 60
    assert set(corpus.labelled.qrels) <= set(corpus.labelled.queries) == set(corpus.labelled.splits)
    assert {p for judged in corpus.labelled.qrels.values() for p in judged} <= product_ids


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("pricerunner", (35311, 12845, 28644, 0, 0)),
        ("esci-pairs", (2718, 0, 0, 2720, 2260)),
        ("retail-demo", (2465, 0, 0, 0, 0)),
        ("livostyle", (2766, 0, 0, 0, 0)),
        ("shopping-queries", (0, 0, 0, 0, 14321)),
        ("icecat", (19406, 135, 2918, 0, 0)),
    ],
)
def test_a_real_data_set_is_read_whole(data_dir: Path, name: str, sizes: tuple[int, ...]) -> None:
    corpus = load(name, data_dir)
    labels = sum(len(judged) for judged in corpus.labelled.qrels.values())
    assert (
        len(corpus.products), len(corpus.labelled.queries), labels, len(corpus.pairs), len(corpus.texts),
    ) == sizes  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("name", ["pricerunner", "icecat"])
def test_the_splits_of_the_files_are_those_of_the_hash_rule(data_dir: Path, name: str) -> None:
    splits = load(name, data_dir).labelled.splits
    assert splits == {query_id: split_of(query_id) for query_id in splits}


@pytest.mark.data
def test_no_note_and_no_supplier_of_livostyle_reaches_a_product(data_dir: Path) -> None:
    styles = [str(product.attributes.get("style", "")) for product in load("livostyle", data_dir).products]
    shown = {tag for style in styles for tag in style.split(", ")}
    assert not shown & {
        "issues",
        "Ship From Overseas",
        "Ship from USA",
        "SYNZ",
        "BiBi",
        "Zenana",
        "shomi",
        "Doorbusters",
    }
    assert {"casual", "v-neck", "lace trim"} <= shown


def test_icecat_is_for_evaluation_only() -> None:
    assert frozenset({"icecat"}) == EVALUATION_ONLY
