"""Icecat electronics with graded queries (Chorus): shows whether models trained elsewhere carry over. Evaluation only.

The product texts are copyleft: nothing built from them may enter a release, and no weight is chosen on these ratings.
"""

import json
from collections import Counter
from pathlib import Path

from aisle.errors import BadInput
from aisle.tables import Row, as_id, as_number, read_table
from model_export.datasets.corpus import Corpus, clean_products, clean_queries, hashes, located, with_ratings

FOLDER = "icecat-chorus"
SOURCE = "https://github.com/o19s/chorus"


def load_icecat(data: Path) -> Corpus:
    """19,406 products with brand and attributes; 135 queries rated 0..3, those of the test split without ratings.

    Raises NotFound for a missing folder or file, BadInput for a broken one.
    """
    names = ["products.parquet", "queries.parquet", "ratings_train_dev.parquet"]
    products_path, queries_path, ratings_path = paths = located(data / FOLDER, names, SOURCE)
    dropped: Counter[str] = Counter()
    rows = read_table(products_path, required=("product_id", "title", "attributes_json"))
    products = clean_products(map(_product, rows), str(products_path), dropped)
    queries = clean_queries(
        (
            (as_id(row["query_id"], str(queries_path)), str(row["query"]), str(row["split"]))
            for row in read_table(queries_path, required=("query_id", "query", "split"))
        ),
        dropped,
    )
    ratings = (_rating(row, str(ratings_path)) for row in read_table(ratings_path, required=("rating",)))
    labelled = with_ratings(queries, ratings, {product.product_id for product in products}, dropped)
    return Corpus("icecat", products, labelled, dropped=dict(dropped), files=hashes(paths))


def _product(row: Row) -> Row:
    given = json.loads(str(row["attributes_json"] or "{}"))
    # The prefixes t_, n_, b_ only tell the type, which the JSON value tells already.
    attributes = {key[2:].replace("_", " ").strip(): value for key, value in given.items()}
    return {
        "product_id": row["product_id"],
        "title": row["title"],
        "description": row.get("short_description"),
        "brand": row.get("brand"),
        "color": given.get("t_product_colour"),
        "created_at": row.get("date_released"),
        "attributes": attributes,
    }


def _rating(row: Row, where: str) -> tuple[str, str, int]:
    rating = as_number(row["rating"])
    if rating not in (0, 1, 2, 3):
        raise BadInput(f"{where}: rating {row['rating']!r} is not 0, 1, 2 or 3", "use the data set's own files")
    return as_id(row["query_id"], where), as_id(row["product_id"], where), int(rating)
