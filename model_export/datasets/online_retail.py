"""Online Retail of the UCI repository: a year of a wholesaler's invoices, bought by customers who come back.

Goods alone: codes that begin with a digit, sold at a price, not cancelled. The catalogue is what was sold in the given
rows, under the text that was entered most often. Nobody's queries are known: some words of some titles stand for them,
which tells whether a product is found again and no more. Chen et al., J. Database Marketing 19 (2012), 197-208;
doi.org/10.24432/C5BW33, CC BY 4.0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

from aisle.tables import Row, as_id, as_number, read_table
from aisle.text import words
from aisle.types import Product
from model_export.datasets.corpus import Corpus, LabelledQueries, clean_products, hashes, located, split_of
from model_export.interactions import Act, Interactions

FOLDER = "uci-online-retail"
SOURCE = "https://doi.org/10.24432/C5BW33"
KNOWN_ITEMS = 6  # products to one that is asked for
LEAST_WORDS = 4  # of its title
_COLUMNS = ("invoice_no", "stock_code", "quantity", "invoice_date", "unit_price", "customer_id")


def load_online_retail(data: Path) -> Corpus:
    """About 3,900 goods and the purchases of some 4,000 customers. Raises NotFound, BadInput."""
    items_path, lines_path = paths = located(data / FOLDER, ["items.parquet", "transactions.parquet"], SOURCE)
    dropped: Counter[str] = Counter()
    items = read_table(items_path, required=("stock_code", "description", "median_unit_price"))
    products = clean_products((_product(row) for row in items if _is_goods(row)), str(items_path), dropped)
    lines = read_table(lines_path, required=_COLUMNS)
    acts = Interactions.of(_purchases(lines, {p.product_id for p in products}, str(lines_path), dropped))
    labelled = known_items(products)
    return Corpus("online-retail", products, labelled, dropped=dict(dropped), files=hashes(paths), acts=acts)


def known_items(products: Sequence[Product]) -> LabelledQueries:
    """For one product in KNOWN_ITEMS a query of half the words of its title, in their order; itself is the answer."""
    labelled = LabelledQueries()
    for product in products[::KNOWN_ITEMS]:
        said = words(product.title)
        if len(said) >= LEAST_WORDS:
            query_id = f"known-{product.product_id}"
            kept = sorted(sorted(range(len(said)), key=lambda at: crc32(f"{query_id} {at}".encode()))[: len(said) // 2])
            labelled.queries[query_id] = " ".join(said[at] for at in kept)
            labelled.splits[query_id] = split_of(query_id)
            labelled.qrels[query_id] = {product.product_id: 3}
    return labelled


def _is_goods(row: Row) -> bool:
    return str(row["stock_code"])[:1].isdigit()


def _product(row: Row) -> Row:
    return {
        "product_id": row["stock_code"],
        "title": row["description"],
        "price": row["median_unit_price"],
        "currency": "GBP",
    }


def _purchases(lines: Iterator[Row], ids: set[str], where: str, dropped: Counter[str]) -> Iterator[Act]:
    for row in lines:
        quantity, price = as_number(row["quantity"]) or 0, as_number(row["unit_price"]) or 0
        invoice = str(row["invoice_no"])
        reason = "cancelled line" if invoice.startswith("C") else "line that sells nothing" if quantity <= 0 else ""
        reason = reason or ("line without a price" if price <= 0 else "")
        reason = reason or ("line of no goods" if row["stock_code"] not in ids else "")
        reason = reason or ("line without a customer" if row["customer_id"] is None else "")
        at = row["invoice_date"]
        if reason or not isinstance(at, datetime):
            dropped[reason or "line without a time"] += 1
            continue
        customer = as_id(row["customer_id"], where)
        yield Act(customer, str(row["stock_code"]), "purchase", int(at.replace(tzinfo=UTC).timestamp() * 1000), invoice)
