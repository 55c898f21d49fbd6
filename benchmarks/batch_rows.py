"""Pairs for the benchmarks of batches: golden queries and products of a bundle, drawn by chance, in a parquet file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import asked

from aisle.bundle import Bundle
from aisle.pairs import pair_of
from aisle.products import Products

Pairs = list[tuple[str, str]]  # query and product text
SAMPLE = 20_000
COLUMNS = ("query", "title", "brand", "color")


def write_pairs(bundle: Bundle, file: Path, rows: int) -> Pairs:
    """`rows` pairs of golden queries and products drawn from the bundle, in `file`; the first of them as texts."""
    products, queries, random = Products.load(bundle.path), asked(bundle, None), np.random.default_rng(7)
    known = [products[row] for row in range(len(products))]
    first: Pairs = []
    schema = pa.schema([(name, pa.string()) for name in ("pair_id", *COLUMNS)])
    with pq.ParquetWriter(file, schema) as writer:
        for start in range(0, rows, 50_000):
            count = min(50_000, rows - start)
            chosen = [known[at] for at in random.integers(0, len(known), count)]
            said = [queries[at] for at in random.integers(0, len(queries), count)]
            cells = [[f"p{start + i}" for i in range(count)], said]
            cells += [[getattr(product, name) for product in chosen] for name in COLUMNS[1:]]
            writer.write_table(pa.table(cells, schema))
            for query, product in zip(said[: SAMPLE - len(first)], chosen, strict=False):
                told = {name: getattr(product, name) for name in COLUMNS[1:]}
                pair = pair_of("", {"query": query, "description": "", "bullet_points": "", **told})
                first.append((pair.query, pair.text))
    return first
