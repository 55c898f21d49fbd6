"""A store made up from a seed: products in English and Chinese, queries with known answers, and shoppers with tastes.

It stands in for a shop's own data in the demo, the tests and the benchmarks, where the truth has to be known without
judges. `python -m model_export.demo_store` prints what it holds.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aisle.errors import MissingExtra
from model_export.demo_store.catalogue import Dice, iter_made, iter_products
from model_export.demo_store.labels import Truth
from model_export.demo_store.queries import write_queries
from model_export.demo_store.shoppers import Tastes, browse

__all__ = ["Store", "generate", "iter_products", "write"]


@dataclass(frozen=True)
class Store:
    """Four tables as lists of rows; `write` names their files. `tastes`: the truth about the shoppers, S000001 is 1."""

    products: list[dict[str, object]]  # CATALOGUE columns
    queries: list[dict[str, object]]  # query_id, query, lang (en, zh), kind, split (train, dev, test), held_out
    qrels: list[dict[str, object]]  # query_id, product_id, rating (1, 2, 3); an unlisted pair is 0
    events: list[dict[str, object]]  # shopper_id, session_id, query_id, timestamp, action, product_id, position
    tastes: Tastes | None = field(compare=False)  # None where nothing was asked


def generate(n_products: int = 3000, n_shoppers: int = 3000, seed: int = 7) -> Store:
    """The store of this size and seed, the same on every machine. Raises BadInput where `n_products` is under 1."""
    made = list(iter_made(n_products, seed))
    truth = Truth(made)
    queries = write_queries(made, Dice(np.random.default_rng([seed, 2])))
    qrels: list[dict[str, object]] = []
    for query in queries:
        rows, ratings = truth.rate(query.intent)
        qrels += (
            {"query_id": query.query_id, "product_id": truth.product_ids[row], "rating": rating}
            for row, rating in zip(rows.tolist(), ratings.tolist(), strict=True)
        )
    listed: list[dict[str, object]] = [
        {
            "query_id": q.query_id,
            "query": q.text,
            "lang": q.lang,
            "kind": q.kind,
            "split": q.split,
            "held_out": q.held_out,
        }
        for q in queries
    ]
    events, tastes = browse(made, truth, queries, n_shoppers, np.random.default_rng([seed, 3]))
    return Store([m.row for m in made], listed, qrels, events, tastes)


def write(store: Store, folder: Path) -> None:
    """catalogue, queries, qrels and events .parquet in `folder`, which is made. Raises MissingExtra without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingExtra("pyarrow", "offline") from exc
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"catalogue": store.products, "queries": store.queries, "qrels": store.qrels, "events": store.events}
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
