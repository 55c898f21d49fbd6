"""What a data set is to the workshop: products, labelled queries, judged pairs and plain texts, cleaned and counted.

Real data has repeated ids, empty titles and labels of products that nobody has. Such rows are dropped, and `dropped`
says how many and why, so that nothing vanishes silently. For a shop's own data the loader `own` is stricter.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aisle.bundle import sha256
from aisle.catalogue import read_products
from aisle.errors import BadInput, NotFound
from aisle.pairs import Pair
from aisle.tables import Row
from aisle.types import Product
from model_export.clicks import Clicks
from model_export.interactions import Interactions

MIN_TRAIN = 20  # labelled queries to learn from: of 20 the ranker gets three


@dataclass(frozen=True)
class LabelledQueries:
    """`splits` names train, dev or test for each query; `qrels` holds ratings 0..3, none for a query held out."""

    queries: dict[str, str] = field(default_factory=dict)  # query_id -> text
    splits: dict[str, str] = field(default_factory=dict)
    qrels: dict[str, dict[str, int]] = field(default_factory=dict)  # query_id -> product_id -> rating
    kinds: dict[str, str] = field(default_factory=dict)  # query_id -> what makes it hard, where the data set says so


@dataclass(frozen=True)
class JudgedPair:
    """`gain`: 0..1, and 1 for exactly what was asked for."""

    pair: Pair
    query_id: str
    product_id: str
    gain: float


@dataclass(frozen=True)
class Corpus:
    """One data set after cleaning. `texts` are queries without labels, `acts` what shoppers did with the products,
    `clicks` what they clicked of the answers to queries, `files` the sha256 of each file by name."""

    name: str
    products: list[Product] = field(default_factory=list)
    labelled: LabelledQueries = field(default_factory=LabelledQueries)
    pairs: list[JudgedPair] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    acts: Interactions | None = None
    clicks: Clicks | None = None
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> rows
    files: dict[str, str] = field(default_factory=dict)


def split_of(query_id: str) -> str:
    """train, dev or test by the hash rule that the data sets share: 70, 10 and 20 %."""
    u = int(hashlib.sha256(f"ecom-split-v1:{query_id}".encode()).hexdigest()[:8], 16) / 2**32
    return "train" if u < 0.70 else "dev" if u < 0.80 else "test"


def located(folder: Path, names: list[str], source: str) -> list[Path]:
    """The named files of a data set's folder. Raises NotFound naming what is missing and the `source` of it."""
    if not folder.is_dir():
        raise NotFound(f"{folder} does not exist", f"get it from {source} and name its parent folder with --data")
    paths = [folder / name for name in names]
    for path in paths:
        if not path.is_file():
            raise NotFound(f"{path} does not exist", f"get it from {source}; the folder holds {', '.join(names)}")
    return paths


def hashes(paths: Iterable[Path]) -> dict[str, str]:
    """sha256 in hex by file name."""
    return {path.name: sha256(path) for path in paths}


def clean_products(rows: Iterable[Row], source: str, dropped: Counter[str]) -> list[Product]:
    """Products of catalogue rows; rows without a title and repeated ids are dropped and counted. Raises BadInput."""

    def kept() -> Iterator[Row]:
        seen: set[object] = set()
        for row in rows:
            reason = "" if str(row["title"] or "").strip() else "product without a title"
            reason = reason or ("product_id repeats" if row["product_id"] in seen else "")
            if reason:
                dropped[reason] += 1
            else:
                seen.add(row["product_id"])
                yield row

    return read_products(kept(), source, lambda _: None)


def clean_queries(rows: Iterable[tuple[str, str, str]], dropped: Counter[str]) -> LabelledQueries:
    """Queries of (query_id, text, split) without labels yet; empty texts and repeated ids are dropped and counted."""
    labelled = LabelledQueries()
    for query_id, text, split in rows:
        query = " ".join(text.split())
        if not query or query_id in labelled.queries:
            dropped["query_id repeats" if query else "query without a text"] += 1
        else:
            labelled.queries[query_id] = query
            labelled.splits[query_id] = split
    return labelled


def with_ratings(
    labelled: LabelledQueries, ratings: Iterable[tuple[str, str, int]], product_ids: set[str], dropped: Counter[str]
) -> LabelledQueries:
    """The queries with (query_id, product_id, rating) as qrels; of a repeated pair the first rating counts."""
    qrels: dict[str, dict[str, int]] = {}
    for query_id, product_id, rating in ratings:
        if query_id not in labelled.queries:
            dropped["label of an unknown query"] += 1
        elif product_id not in product_ids:
            dropped["label of an unknown product"] += 1
        elif product_id in qrels.setdefault(query_id, {}):
            dropped["label repeats"] += 1
        else:
            qrels[query_id][product_id] = rating
    return LabelledQueries(labelled.queries, labelled.splits, {key: value for key, value in qrels.items() if value})


def graded(scale: dict[str, int], label: object, where: str) -> int:
    """The rating that a data set's own label stands for. Raises BadInput for a label outside the scale."""
    if label not in scale:
        raise BadInput(f"{where}: label {label!r} is none of {', '.join(scale)}", "use the data set's own files")
    return scale[str(label)]
