"""A shop's own data: catalogue, queries and qrels, one table each in one folder, and where there is one its event log.

Whoever brings these files can mend them, so nothing is dropped: what breaks a rule is told with its row.
Training takes long, so what would only fail at its end (no labelled dev query, too few to learn from) is refused here.
"""

import hashlib
import sys
from collections.abc import Collection
from pathlib import Path

from aisle.catalogue import read_catalogue
from aisle.errors import BadInput, NotFound
from aisle.event_log import read_log
from aisle.local_state import EVENTS
from aisle.tables import ENDINGS, Row, as_id, as_number, read_table
from model_export.datasets.corpus import MIN_TRAIN, Corpus, LabelledQueries, hashes, split_of
from model_export.interactions import Interactions, from_records

SPLITS = ("train", "dev", "test")
LETTERS = {"E": 3, "S": 2, "C": 1, "I": 0}  # ESCI's exact, substitute, complement, irrelevant
MIN_DEV = 1  # the recipe `shop` is judged on dev


def load_shop(data: Path) -> Corpus:
    """The shop's catalogue with its labelled queries; unknown columns of the catalogue are named on stderr.

    Raises NotFound for a missing folder or table, BadInput for two files of one name and for a wrong row.
    """
    catalogue, asked, judged = paths = [table_path(data, name) for name in ("catalogue", "queries", "qrels")]
    products = read_catalogue(catalogue, lambda sentence: print(sentence, file=sys.stderr))
    labelled = _queries(asked)
    ratings = _ratings(judged, labelled.queries, {product.product_id for product in products})
    labelled = LabelledQueries(labelled.queries, labelled.splits, ratings, labelled.kinds)
    _enough(labelled, "train", MIN_TRAIN, judged)
    _enough(labelled, "dev", MIN_DEV, judged)
    acts, digest = _acts(data / EVENTS)
    return Corpus("shop", products, labelled, files=hashes(paths) | digest, acts=acts)


def _acts(log: Path) -> tuple[Interactions | None, dict[str, str]]:
    """What the shoppers of the log did, but for the forgotten, and a hash of the events; neither without a log."""
    if not log.is_dir():
        return None, {}
    records = [*read_log(log)]
    ids = "\n".join(sorted(record.event_id for record in records))
    acts = from_records(records)
    if not len(acts):
        raise BadInput(f"{log} holds no events of products", "remove the folder, or fill it by `aisle replay`")
    return acts, {EVENTS: hashlib.sha256(ids.encode()).hexdigest()}


def table_path(folder: Path, name: str) -> Path:
    """The one table of that name. Raises NotFound where there is none, BadInput where there are two."""
    if not folder.is_dir():
        raise NotFound(f"{folder} is no folder", "name with --data the folder that holds catalogue, queries and qrels")
    found = sorted(path for path in folder.iterdir() if path.stem == name and path.suffix.lower() in ENDINGS)
    if not found:
        raise NotFound(
            f"{folder} has no table {name!r}", f"add one of {', '.join(name + ending for ending in ENDINGS)}"
        )
    if len(found) > 1:
        listed = " and ".join(path.name for path in found)
        raise BadInput(f"{folder} has {listed}, and each table is one file", "keep one of them")
    return found[0]


def _queries(path: Path) -> LabelledQueries:
    """The queries without ratings; without a column `split` the hash rule says the split."""
    rows = list(read_table(path, required=("query_id", "query")))
    given = {column for column in ("split", "kind") if any(column in row for row in rows)}  # JSON rows may differ
    labelled = LabelledQueries()
    for number, row in enumerate(rows, 1):
        where = f"{path}, row {number}"
        query_id = as_id(row["query_id"], f"{where}, query_id")
        if query_id in labelled.queries:
            raise BadInput(f"{where}: query_id {query_id} occurs twice", "give each query its own id")
        labelled.queries[query_id] = _text(row, "query", where)
        labelled.splits[query_id] = _split(row, where) if "split" in given else split_of(query_id)
        if "kind" in given:
            labelled.kinds[query_id] = _text(row, "kind", where)
    return labelled


def _text(row: Row, column: str, where: str) -> str:
    """The cell with its blanks collapsed. Raises BadInput where it is empty or no text."""
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        remedy = "give every query a text" if column == "query" else f"fill {column} in every row, or remove the column"
        raise BadInput(f"{where}: {column} {value!r} is not a text", remedy)
    return " ".join(value.split())


def _split(row: Row, where: str) -> str:
    value = row.get("split")
    if not isinstance(value, str) or value.strip() not in SPLITS:
        remedy = "correct it, or remove the column to have queries split by a hash of their ids"
        raise BadInput(f"{where}: split {value!r} is none of {', '.join(SPLITS)}", remedy)
    return value.strip()


def _ratings(path: Path, query_ids: Collection[str], product_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """query_id -> product_id -> rating 0..3, in file order. Raises BadInput, also where a pair is judged twice."""
    qrels: dict[str, dict[str, int]] = {}
    for number, row in enumerate(read_table(path, required=("query_id", "product_id")), 1):
        where = f"{path}, row {number}"
        query_id = _known(row, "query_id", query_ids, "queries", where)
        product_id = _known(row, "product_id", product_ids, "catalogue", where)
        judged = qrels.setdefault(query_id, {})
        if product_id in judged:
            raise BadInput(f"{where}: {query_id}, {product_id} is judged twice", "keep one rating a pair")
        judged[product_id] = _rating(row, where)
    return qrels


def _known(row: Row, column: str, ids: Collection[str], table: str, where: str) -> str:
    found = as_id(row[column], f"{where}, {column}")
    if found not in ids:
        raise BadInput(f"{where}: {column} {found!r} is not in {table}", f"add it to {table}, or remove the row")
    return found


def _rating(row: Row, where: str) -> int:
    """The column `rating`, or `label` where a row has none, as `aisle evaluate` reads them."""
    grade = next((row[column] for column in ("rating", "label") if row.get(column) is not None), None)
    if isinstance(grade, str) and grade in LETTERS:
        return LETTERS[grade]
    rating = as_number(grade)
    if rating not in (0, 1, 2, 3):
        rule = "is neither a rating 0, 1, 2, 3 nor one of E, S, C, I"
        raise BadInput(f"{where}: {grade!r} {rule}", "write one of these in the column rating or label")
    return int(rating)


def _enough(labelled: LabelledQueries, split: str, least: int, path: Path) -> None:
    """A query counts once something is relevant for it: zeros alone neither teach nor judge. Raises BadInput."""
    relevant = [query_id for query_id, ratings in labelled.qrels.items() if any(ratings.values())]
    count = sum(labelled.splits[query_id] == split for query_id in relevant)
    if count < least:
        seen = f"{path} has {count} {split} queries with a rating above 0, at least {least} are needed"
        raise BadInput(seen, f"label more queries, or name more of them {split} in the column split")
