"""PriceRunner offers: titles as merchants write them, and for each canonical product name the offers of that product.

The labels are known-item ("this offer is that product"), so a match gets the highest rating and everything else none.
"""

from collections import Counter
from pathlib import Path

from aisle.tables import as_id, read_table
from model_export.datasets.corpus import Corpus, clean_products, clean_queries, hashes, located, with_ratings

FOLDER = "pricerunner-offers"
SOURCE = "https://doi.org/10.24432/C5M91Z"
MATCH_RATING = 3


def load_pricerunner(data: Path) -> Corpus:
    """35,311 products with title and category; 12,845 queries, those of the test split without labels.

    Raises NotFound for a missing folder or file, BadInput for a broken one.
    """
    names = ["products.parquet", "queries.parquet", "labels_train_dev.parquet"]
    products_path, queries_path, labels_path = paths = located(data / FOLDER, names, SOURCE)
    dropped: Counter[str] = Counter()
    rows = read_table(products_path, required=("product_id", "title", "category"))
    products = clean_products(
        ({column: row[column] for column in ("product_id", "title", "category")} for row in rows),
        str(products_path),
        dropped,
    )
    queries = clean_queries(
        (
            (as_id(row["query_id"], str(queries_path)), str(row["query"]), str(row["split"]))
            for row in read_table(queries_path, required=("query_id", "query", "split"))
        ),
        dropped,
    )
    ratings = (
        (as_id(row["query_id"], str(labels_path)), as_id(row["product_id"], str(labels_path)), MATCH_RATING)
        for row in read_table(labels_path, required=("query_id", "product_id", "label"))
        if row["label"] == 1
    )
    labelled = with_ratings(queries, ratings, {product.product_id for product in products}, dropped)
    return Corpus("pricerunner", products, labelled, dropped=dict(dropped), files=hashes(paths))
