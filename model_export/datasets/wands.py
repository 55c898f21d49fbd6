"""WANDS (Wayfair): 42,994 furniture products, 480 queries, 233,448 judgments Exact, Partial or Irrelevant.

Read from the official files, which are tab-separated although their names end in .csv.
Chen et al., ECIR 2022; github.com/wayfair/WANDS, MIT licence.
"""

from collections import Counter
from pathlib import Path

from aisle.tables import Row, as_id, as_number, read_tsv
from model_export.datasets.corpus import (
    Corpus,
    clean_products,
    clean_queries,
    graded,
    hashes,
    located,
    split_of,
    with_ratings,
)

FOLDER = "wands"
SOURCE = "https://github.com/wayfair/WANDS (folder dataset)"
RATINGS = {"Exact": 3, "Partial": 1, "Irrelevant": 0}


def load_wands(data: Path) -> Corpus:
    """Products with class, description and features as attributes; queries split by the hash rule on "wands-<id>".

    Raises NotFound for a missing folder or file, BadInput for a broken one.
    """
    names = ["product.csv", "query.csv", "label.csv"]
    products_path, queries_path, labels_path = paths = located(data / FOLDER, names, SOURCE)
    dropped: Counter[str] = Counter()
    rows = read_tsv(products_path, required=("product_id", "product_name", "product_class", "product_description"))
    products = clean_products((_product(row) for row in rows), str(products_path), dropped)
    queries = clean_queries(
        (
            (query_id := as_id(row["query_id"], str(queries_path)), str(row["query"]), split_of(f"wands-{query_id}"))
            for row in read_tsv(queries_path, required=("query_id", "query"))
        ),
        dropped,
    )
    ratings = (
        (
            as_id(row["query_id"], str(labels_path)),
            as_id(row["product_id"], str(labels_path)),
            graded(RATINGS, row["label"], str(labels_path)),
        )
        for row in read_tsv(labels_path, required=("query_id", "product_id", "label"))
    )
    labelled = with_ratings(queries, ratings, {product.product_id for product in products}, dropped)
    return Corpus("wands", products, labelled, dropped=dict(dropped), files=hashes(paths))


def _product(row: Row) -> Row:
    features = _features(str(row.get("product_features") or ""))
    rating = as_number(row.get("average_rating"))
    return {
        "product_id": row["product_id"],
        "title": row["product_name"],
        "description": row["product_description"],
        "category": row["product_class"],
        "color": features.get("color", ""),
        "material": features.get("material", ""),
        "rating": rating if rating is not None and 0 <= rating <= 5 else None,
        "attributes": features,
    }


def _features(text: str) -> dict[str, object]:
    """The first value of each "key : value" between bars, keys in lower case."""
    features: dict[str, object] = {}
    for part in text.split("|"):
        key, colon, value = part.partition(":")
        if colon and key.strip() and value.strip():
            features.setdefault(key.strip().lower(), value.strip())
    return features
