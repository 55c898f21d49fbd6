"""Queries that nobody labelled: what shoppers type and wish for, from WANDS, ESCI and WebShop."""

from pathlib import Path

from aisle.tables import read_table
from model_export.datasets.corpus import Corpus, hashes, located


def load_shopping_queries(data: Path) -> Corpus:
    """Distinct query texts in file order: the queries themselves, then those written for long wishes."""
    names = ["queries.parquet", "goal_to_query.parquet"]
    paths = located(data / "shopping-queries", names, "https://github.com/wayfair/WANDS and princeton-nlp/WebShop")
    read = [str(row["text"]) for row in read_table(paths[0], required=("text",))]
    read += [str(row["query"]) for row in read_table(paths[1], required=("query",))]
    texts = list(dict.fromkeys(text for text in (" ".join(each.split()) for each in read) if text))
    dropped = {"text repeats or is empty": len(read) - len(texts)}
    return Corpus("shopping-queries", texts=texts, dropped=dropped, files=hashes(paths))
