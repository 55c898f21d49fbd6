"""Amazon's Shopping Queries Dataset (ESCI): queries and products in English, Spanish and Japanese, judged E, S, C or I.

Two shapes are read: the small sample of whole pairs (`esci-pairs`), most of whose queries have one product, so that it
ranks nothing and stays pairs; and the official files (`esci`), of which the small version is taken, as the benchmark's
ranking task does. A pair's gain is the usual 1, 0.1, 0.01, 0; where a rating is needed, E and S get 3 and 1, whose
gains 7 and 1 come nearest, and C and I none.
Reddy et al., arXiv:2206.06588.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from aisle.pairs import COLUMNS, pair_of
from aisle.tables import Row, as_id, read_table
from model_export.datasets.corpus import (
    Corpus,
    JudgedPair,
    LabelledQueries,
    clean_products,
    clean_queries,
    graded,
    hashes,
    located,
    split_of,
    with_ratings,
)

GAINS = {"E": 1.0, "S": 0.1, "C": 0.01, "I": 0.0}
RATINGS = {"E": 3, "S": 1, "C": 0, "I": 0}

SAMPLE = "esci-pairs-sample"
OFFICIAL = "esci"
SOURCE = "https://github.com/amazon-science/esci-data"
_EXAMPLES = "shopping_queries_dataset_examples.parquet"
_PRODUCTS = "shopping_queries_dataset_products.parquet"
_EXAMPLE_COLUMNS = (
    "example_id", "query", "query_id", "product_id", "product_locale", "esci_label", "small_version", "split",
)  # fmt: skip


def load_esci_pairs(data: Path) -> Corpus:
    """The judged pairs of the sample (train and dev), their products and queries; the unlabelled pairs are left out."""
    (path,) = paths = located(data / SAMPLE, ["pairs_train_dev.parquet"], SOURCE)
    dropped: Counter[str] = Counter()
    seen: set[str] = set()
    kept: list[Row] = []
    for row in read_table(path, required=("pair_id", "query_id", "query", "product_id", "title", "label", "split")):
        pair_id = as_id(row["pair_id"], str(path))
        reason = "pair repeats" if pair_id in seen else "" if row["title"] else "pair without a title"
        if reason:
            dropped[reason] += 1
        else:
            seen.add(pair_id)
            kept.append(row)
    products = clean_products((_sample_product(row) for row in _first(kept, "product_id")), str(path), dropped)
    pairs = [_sample_pair(row, str(path)) for row in kept]
    return Corpus(
        "esci-pairs",
        products,
        pairs=pairs,
        texts=[*dict.fromkeys(judged.pair.query for judged in pairs)],
        dropped=dict(dropped),
        files=hashes(paths),
    )


def load_esci(data: Path) -> Corpus:
    """The small version of the official files. Product ids are "locale:ASIN", since one ASIN has a text a locale.

    The official test split stays test; of the official train split the queries that the hash rule calls dev are dev.
    """
    examples_path, products_path = paths = located(data / OFFICIAL, [_EXAMPLES, _PRODUCTS], SOURCE)
    dropped: Counter[str] = Counter()
    examples = [
        {**row, "product_id": _localised(row), "split": _dev_carved(row)}
        for row in read_table(examples_path, required=_EXAMPLE_COLUMNS)
        if row["small_version"] == 1
    ]
    wanted = {row["product_id"] for row in examples}
    rows = read_table(products_path, required=("product_id", "product_title", "product_locale"))
    products = clean_products(
        (_official_product(row) for row in rows if _localised(row) in wanted), str(products_path), dropped
    )
    labelled = _labelled(examples, {p.product_id for p in products}, dropped, str(examples_path))
    return Corpus("esci", products, labelled, dropped=dict(dropped), files=hashes(paths))


def _labelled(rows: list[Row], product_ids: set[str], dropped: Counter[str], where: str) -> LabelledQueries:
    firsts = _first(rows, "query_id")
    queries = clean_queries(
        ((as_id(row["query_id"], where), str(row["query"] or ""), str(row["split"])) for row in firsts), dropped
    )
    ratings = (
        (as_id(row["query_id"], where), as_id(row["product_id"], where), graded(RATINGS, row["esci_label"], where))
        for row in rows
    )
    return with_ratings(queries, ratings, product_ids, dropped)


def _first(rows: Iterable[Row], column: str) -> Iterator[Row]:
    seen: set[object] = set()
    for row in rows:
        if row[column] not in seen:
            seen.add(row[column])
            yield row


def _text(row: Row, column: str) -> str:
    return str(row.get(column) or "")


def _sample_product(row: Row) -> Row:
    return {column: row.get(column) for column in ("product_id", "title", "description", "brand", "color")}


def _sample_pair(row: Row, where: str) -> JudgedPair:
    graded(RATINGS, row["label"], where)
    texts = {column: _text(row, column) for column in ("query", *COLUMNS)}
    return JudgedPair(
        pair=pair_of(as_id(row["pair_id"], where), texts),
        query_id=as_id(row["query_id"], where),
        product_id=as_id(row["product_id"], where),
        gain=GAINS[str(row["label"])],
    )


def _localised(row: Row) -> str:
    return f"{row['product_locale']}:{row['product_id']}"


def _dev_carved(row: Row) -> str:
    held_out = row["split"] == "test"
    return "test" if held_out else "dev" if split_of(str(row["query_id"])) == "dev" else "train"


def _official_product(row: Row) -> Row:
    read = {column: row.get(f"product_{column}") for column in ("title", "description", "brand", "color")}
    return {"product_id": _localised(row), **read}
