"""The shop of `world` with its products in a LanceDB table, of a folder or of an emulated S3."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from world import PRODUCTS, Clock, MeaningEncoder, search_world

from aisle.catalogue import product_text
from aisle.dense import Dense
from aisle.filters import Columns
from aisle.gathering import GatheredSearch, Statistics
from aisle.lance_catalogue import LanceCatalogue, Place
from aisle.lance_writing import write_table
from aisle.lexical import Lexical
from aisle.mapped import Lines
from aisle.merchandising import Rules
from aisle.products import Products
from aisle.search import Search
from aisle.table_record import columns, said
from aisle.types import Product
from aisle.word_statistics import WordCount


def written(uri: str, products: Sequence[Product] = PRODUCTS) -> tuple[Place, Statistics]:
    """A table of `products`, and what their words say together."""
    counts = (WordCount(), WordCount())
    for field, count in enumerate(counts):
        count.add(said(product)[field] for product in products)
    title, body = (count.statistics() for count in counts)
    vectors = MeaningEncoder().encode([product_text(product) for product in products])
    chunks = [(columns(0, products, vectors, (title, body)), vectors)]
    return write_table(uri, "world", vectors.shape[1], chunks, lambda sentence: None), Statistics(title, body)


def gathered_world(
    folder: Path,
    rules: Rules | None = None,
    clock: Clock | None = None,
    products: Sequence[Product] = PRODUCTS,
    uri: str | None = None,
) -> GatheredSearch:
    """`search_world` over a table in `uri`, or in a folder."""
    place, statistics = written(uri or str(folder / "lance"), products)
    whole = search_world(folder, rules, clock, products).parts
    none = np.zeros((3, 0), np.float32)
    parts = {
        "products": Products(Lines(b"", np.zeros(1, np.int64)), np.zeros(0, np.int32), None),
        "columns": Columns.among([], whole.columns.values),
        "title": Lexical.among(statistics.title, [], none, []),
        "body": Lexical.among(statistics.body, [], none, []),
        "dense": Dense(np.zeros((0, place.dim), np.int8)),
    }
    clock = clock or Clock()
    over = partial(Search, bundle_id="world", clock=clock)
    return GatheredSearch(whole.__class__(**{**vars(whole), **parts}), statistics, LanceCatalogue(place), clock, over)
