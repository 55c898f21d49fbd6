"""Shops' catalogues: the demo store with its labels, an invented shop and a fashion shop without any.

Each maps its own columns to those of a CATALOGUE and lets the catalogue's reader check them.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from aisle.tables import Row, as_id, read_table
from aisle.text import words
from model_export import interactions
from model_export.clicks import from_store
from model_export.datasets.corpus import Corpus, LabelledQueries, clean_products, hashes, located
from model_export.demo_store import generate

COLORS = frozenset(
    words(
        "beige black blue brown burgundy charcoal coral cream gold gray green grey ivory khaki lavender magenta maroon "
        "mint multicolor mustard navy nude olive orange peach pink plum purple red rose rust silver tan taupe teal "
        "turquoise white yellow"
    )
)
_GENDERS = {"F": "women", "M": "men"}


def load_demo(n_products: int) -> Corpus:
    """The demo store with the labels of all its splits, and what as many shoppers as it has products did there; nothing
    is read, so there are no file hashes."""
    store = generate(n_products, n_products)
    products = clean_products(store.products, "the demo store", Counter())
    labelled = LabelledQueries()
    for row in store.queries:
        query_id = as_id(row["query_id"], "the demo store")
        labelled.queries[query_id] = str(row["query"])
        labelled.splits[query_id] = str(row["split"])
        labelled.kinds[query_id] = str(row["kind"])
    for row in store.qrels:
        judged = labelled.qrels.setdefault(as_id(row["query_id"], "the demo store"), {})
        judged[str(row["product_id"])] = int(str(row["rating"]))
    clicks, acts = from_store(store.events, store.queries), interactions.from_store(store.events)
    return Corpus("demo", products, labelled, clicks=clicks, acts=acts)


def load_retail_demo(data: Path) -> Corpus:
    """2,465 invented products with category, style, price and stock. Raises NotFound, BadInput."""
    source = "https://github.com/aws-samples/retail-demo-store"
    paths = located(data / "retail-demo-catalog", ["products.parquet"], source)
    return _catalogue("retail-demo", paths, map(_retail_product, read_table(paths[0], required=("product_id", "name"))))


def load_livostyle(data: Path) -> Corpus:
    """2,766 fashion products; colour and style come from their tags (see `spoken_tags`). Raises NotFound, BadInput."""
    source = "https://github.com/arturayupov/womens-fashion-catalog-open-data"
    paths = located(data / "livostyle-catalog", ["products.parquet"], source)
    rows = list(read_table(paths[0], required=("product_id", "title", "tags", "description")))
    spoken = spoken_tags(rows)
    return _catalogue("livostyle", paths, (_livostyle_product(row, spoken) for row in rows))


def spoken_tags(rows: Iterable[Row]) -> set[str]:
    """The tags that describe: written in lower case, and said by the title or description of a product that has them.

    Suppliers and sections are capitalised, and the shop's notes ("issues", a sale's name) are in no shown text.
    """
    spoken: set[str] = set()
    for row in rows:
        text = " ".join(["", *words(f"{row['title']} {row['description'] or ''}"), ""])
        spoken |= {tag for tag in _tags(row) if tag.islower() and f" {' '.join(words(tag))} " in text}
    return spoken


def _catalogue(name: str, paths: list[Path], rows: Iterable[Row]) -> Corpus:
    dropped: Counter[str] = Counter()
    products = clean_products(rows, str(paths[0]), dropped)
    return Corpus(name, products, dropped=dict(dropped), files=hashes(paths))


def _retail_product(row: Row) -> Row:
    attributes = {"style": row.get("style"), "gender": _GENDERS.get(str(row.get("gender_affinity")))}
    return {
        "product_id": row["product_id"],
        "title": row["name"],
        "description": row.get("description"),
        "category": row.get("category"),
        "price": row.get("price"),
        "currency": "USD",
        "stock": row.get("current_stock"),
        "attributes": attributes,
    }


def _livostyle_product(row: Row, spoken: set[str]) -> Row:
    tags = _tags(row)
    colors = [tag for tag in tags if tag in COLORS]
    in_title = [color for color in colors if color in words(str(row["title"]))]
    styles = [tag for tag in tags if tag in spoken and tag not in COLORS]
    rating = row.get("review_rating")
    return {
        "product_id": row["product_id"],
        "title": row["title"],
        "description": row["description"],
        "category": row.get("product_type"),
        "color": next(iter(in_title + colors), ""),
        "price": row.get("price_min_usd"),
        "currency": "USD",
        "rating": round(rating, 2) if isinstance(rating, float) else None,
        "in_stock": row.get("in_stock_any"),
        "created_at": row.get("created_at"),
        "attributes": {"colors": ", ".join(colors), "style": ", ".join(styles)},
    }


def _tags(row: Row) -> list[str]:
    tags = row["tags"]
    return [str(tag) for tag in tags] if isinstance(tags, list) else []
