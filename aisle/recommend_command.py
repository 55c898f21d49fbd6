"""`aisle recommend`: lists for many customers at once, from the histories in a bundle: no profile store is asked."""

from __future__ import annotations

import sys
from argparse import Namespace

from aisle.bundle import Bundle
from aisle.errors import BundleError
from aisle.filters import Columns
from aisle.histories import Histories
from aisle.history import NOTHING
from aisle.products import Products
from aisle.recommender import FACTS, Recommender
from aisle.tables import read_customers
from aisle.terminal import progress


def recommend(asked: Namespace) -> int:
    """Prints customer_id <tab> product_id <tab> rank <tab> score, best first; the unknown get a stranger's list.

    The log's end counts as now. Nothing that is sold out is listed.
    """
    customers = read_customers(asked.users)
    bundle = Bundle.open(asked.bundle)
    recommender, histories = _opened(bundle)
    products, in_stock = Products.load(bundle.path), Columns.load(bundle.path / "columns").in_stock
    for customer in customers if sys.stdout.isatty() else progress(customers):
        acts = histories.find(customer) or NOTHING
        found = recommender.for_acts(acts, recommender.fitted_at, asked.k, new=asked.new, allowed=in_stock)
        for rank, (row, score) in enumerate(zip(found.rows.tolist(), found.scores.tolist(), strict=True), 1):
            print(f"{customer}\t{products[row].product_id}\t{rank}\t{score:.9g}")
    return 0


def _opened(bundle: Bundle) -> tuple[Recommender, Histories]:
    """Raises BundleError where the bundle lacks one of them, or has one that is broken."""
    folder = bundle.path / "recommender"
    if not bundle.has(f"recommender/{FACTS}"):
        remedy = "build it from a recipe whose data says what shoppers did, such as online-retail"
        raise BundleError(f"bundle {bundle.path} has no recommender", remedy)
    if not bundle.has("recommender/shoppers/keys.npy"):
        remedy = "set histories = true under [recommender] in the recipe and build again"
        raise BundleError(f"bundle {bundle.path} carries no customers' histories", remedy)
    try:
        return Recommender.load(folder), Histories.load(folder / "shoppers")
    except Exception as exc:  # numpy, json and onnxruntime each have errors of their own
        raise BundleError(f"{folder} cannot be opened ({exc})", "copy the bundle again or rebuild it") from exc
