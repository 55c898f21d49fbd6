"""Tables as shops keep them: parquet, csv, tsv or JSON lines, told by their ending; `-` is tsv on stdin.

Every format gives the same rows, and whatever breaks a rule is a BadInput that names file, line, value and remedy.
Ids stay what they were: a cell of a text format is never parsed here, a whole number of parquet stays a whole number.
This module knows queries and qrels but no catalogue; parquet needs pyarrow, which is imported only for it.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from aisle.errors import BadInput, MissingExtra, NotFound

Row = dict[str, object]

ENDINGS = (".parquet", ".csv", ".tsv", ".jsonl")
MAX_RATING = 30  # gain 2^30 - 1 still sums exactly in float64 over any ranking
LETTER_GAINS = {"E": 100, "S": 10, "C": 1, "I": 0}  # 1, 0.1, 0.01 and 0, times 100: nDCG knows no scale

_TOO_LONG = 10**300  # whole numbers beyond it do not fit a float
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def read_table(path: str | Path, *, required: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a table, in order, as column -> value; empty cells of text formats are "", missing JSON keys absent.

    Raises NotFound for a missing file, BadInput for an unknown ending and, while the rows are read, for the first
    thing that breaks the format or lacks a `required` column; MissingExtra for parquet without pyarrow.
    """
    if str(path) == "-":
        return _separated(sys.stdin.buffer, "stdin", "\t", required)
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise BadInput(f"{path} ends in {ending or 'nothing'}", f"name it for its format: {', '.join(ENDINGS)}")
    if ending == ".parquet":
        return _parquet(path, required)
    if ending == ".jsonl":
        return _json_lines(_open(path), str(path), required)
    return _separated(_open(path), str(path), "," if ending == ".csv" else "\t", required)


def stream_table(path: Path, *, required: Sequence[str] = ()) -> Iterator[Row]:
    """`read_table` of a file that may be larger than memory; it stays open until the last row, or is given up."""
    if path.suffix.lower() not in (".csv", ".tsv", ".jsonl"):
        yield from read_table(path, required=required)
        return
    try:
        file = path.open("rb")
    except FileNotFoundError as exc:
        raise NotFound(f"{path} does not exist", "check the path") from exc
    except OSError as exc:
        raise BadInput(f"{path} cannot be read ({exc.strerror})", "give a file that this user may read") from exc
    with file:
        if path.suffix.lower() == ".jsonl":
            yield from _json_lines(file, str(path), required)
        else:
            yield from _separated(file, str(path), "," if path.suffix.lower() == ".csv" else "\t", required)


def read_tsv(path: Path, *, required: Sequence[str] = ()) -> Iterator[Row]:
    """`read_table` of a published tab-separated file, whatever its ending. Raises NotFound, BadInput.

    Stray quotes are taken as pandas takes them, since that is what such a file was checked with.
    """
    return _separated(_open(path), str(path), "\t", required, strict=False)


def read_queries(path: str | Path) -> list[tuple[str, str]]:
    """(query_id, query) in file order; other columns are not read. Raises BadInput, also where a query_id repeats."""
    queries: dict[str, str] = {}
    for number, row in enumerate(read_table(path, required=("query_id", "query")), 1):
        query_id, query = as_id(row["query_id"], f"{path}, row {number}, query_id"), row["query"]
        if not isinstance(query, str):
            raise BadInput(f"{path}, row {number}: query {query!r} is not text", "write queries as text")
        if query_id in queries:
            raise BadInput(f"{path}, row {number}: query_id {query_id} occurs twice", "give each query its own id")
        queries[query_id] = query
    return list(queries.items())


def read_customers(path: str | Path) -> list[str]:
    """The ids of the column customer_id, each once, in file order; other columns are not read. Raises BadInput."""
    rows = enumerate(read_table(path, required=("customer_id",)), 1)
    return [*dict.fromkeys(as_id(row["customer_id"], f"{path}, row {number}, customer_id") for number, row in rows)]


def read_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """query_id -> product_id -> GAIN (not rating), whole numbers: 2^rating - 1, or 100, 10, 1, 0 for E, S, C, I.

    A file with another ending than a table's is TREC (query_id, unused, product_id, rating). A table has query_id,
    product_id and `rating` or `label`. Raises BadInput, also where one pair is judged twice with different gains.
    """
    is_table = str(path) == "-" or Path(path).suffix.lower() in ENDINGS
    qrels: dict[str, dict[str, int]] = {}
    scales: set[bool] = set()
    for where, query, product, grade in _table_judgments(path) if is_table else _trec_judgments(Path(path)):
        query_id, product_id = as_id(query, f"{where}, query_id"), as_id(product, f"{where}, product_id")
        gain = _gain(grade, where)
        scales.add(grade in LETTER_GAINS)
        if len(scales) > 1:
            raise BadInput(f"{where}: {grade!r} mixes letters and numbers in one file", "use one scale for all rows")
        if qrels.setdefault(query_id, {}).setdefault(product_id, gain) != gain:
            raise BadInput(
                f"{where}: {query_id}, {product_id} is judged twice, differently", "keep one judgment a pair"
            )
    if not qrels:
        raise BadInput(f"{path} has no judgments", "give at least one row")
    return qrels


def as_id(value: object, where: str) -> str:
    """An id as text, blanks round it removed: text or a whole number. Raises BadInput, which begins with `where`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadInput(f"{where}: {value!r} is no id", "write ids as text or whole numbers")
    text = value.strip()
    if not text or not text.isprintable():
        raise BadInput(f"{where}: {value!r} is empty or has control characters", "give every row a printable id")
    return text


def as_number(value: object) -> float | int | None:
    """The number that a cell holds, whole numbers as int; None if it is none. NaN and infinity stay themselves."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if isinstance(value, float) or abs(value) < _TOO_LONG else None
    text = str(value).strip()
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(text)
    if not _NUMBER.fullmatch(text) or len(text) > 300:
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _gain(grade: object, where: str) -> int:
    if isinstance(grade, str) and grade in LETTER_GAINS:
        return LETTER_GAINS[grade]
    rating = as_number(grade)
    if rating is None or not 0 <= rating <= MAX_RATING or rating != int(rating):
        rule = f"is neither a whole number from 0 to {MAX_RATING} nor one of E, S, C, I"
        raise BadInput(f"{where}: {grade!r} {rule}", "write the rating in one of these forms")
    return int(2 ** int(rating) - 1)


def _table_judgments(path: str | Path) -> Iterator[tuple[str, object, object, object]]:
    for number, row in enumerate(read_table(path, required=("query_id", "product_id")), 1):
        grade = next((row[column] for column in ("rating", "label") if row.get(column) is not None), None)
        if grade is None:
            raise BadInput(f"{path}, row {number}: no `label` or `rating`", "add one of these columns")
        yield f"{path}, row {number}", row["query_id"], row["product_id"], grade


def _trec_judgments(path: Path) -> Iterator[tuple[str, object, object, object]]:
    for number, line in _lines(_open(path), str(path)):
        cells = line.split()
        if cells and len(cells) != 4:
            rule = "TREC qrels have 4: query_id 0 product_id rating"
            raise BadInput(f"{path}, line {number}: {len(cells)} columns; {rule}", "fix the line, or use a .csv table")
        if cells:
            yield f"{path}, line {number}", cells[0], cells[2], cells[3]


def _open(path: Path) -> BinaryIO:
    """The file's bytes, read at once: a table that is given up half-way leaves no file open."""
    try:
        return io.BytesIO(path.read_bytes())
    except FileNotFoundError as exc:
        raise NotFound(f"{path} does not exist", "check the path") from exc
    except OSError as exc:
        raise BadInput(f"{path} cannot be read ({exc.strerror})", "give a file that this user may read") from exc


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, text with its line end). Decoded line by line, so that an error can name the line."""
    number = 0
    for number, raw in enumerate(file, 1):
        try:
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as exc:
            seen = f"{name}, line {number}, byte {exc.start + 1}: 0x{raw[exc.start]:02x} is not UTF-8"
            raise BadInput(seen, "save the file as UTF-8") from exc
    if number == 0:
        raise BadInput(f"{name} is empty", "give a table with a header and rows")


def _separated(
    file: BinaryIO, name: str, delimiter: str, required: Sequence[str], *, strict: bool = True
) -> Iterator[Row]:
    # Strict, because a stray quote would otherwise swallow the rows after it.
    reader = csv.reader((line for _, line in _lines(file, name)), delimiter=delimiter, strict=strict)
    header: list[str] = []
    try:
        for cells in filter(None, reader):
            if not header:
                header = checked_header([cell.strip() for cell in cells], name, required)
            elif len(cells) != len(header):
                seen = f"{name}, line {reader.line_num}: {len(cells)} cells where the header has {len(header)}"
                raise BadInput(seen, "give every row one cell a column; quote cells that contain the separator")
            else:
                yield dict(zip(header, cells, strict=True))
    except csv.Error as exc:
        remedy = "quote cells that contain quotes or line ends, and double the quotes inside"
        raise BadInput(f"{name}, line {reader.line_num}: {exc}", remedy) from exc
    if not header:
        raise BadInput(f"{name} has no header", "name the columns in the first line")


def checked_header(header: list[str], name: str, required: Sequence[str] = ()) -> list[str]:
    """`header`. Raises BadInput, which begins with `name`, where a column repeats or a `required` one is missing."""
    repeated = sorted({column for column in header if header.count(column) > 1})
    if repeated:
        raise BadInput(f"{name}: column {repeated[0]!r} occurs twice in the header", "give every column its own name")
    missing = [column for column in required if column not in header]
    if missing:
        have = ", ".join(header[:20])
        raise BadInput(f"{name} has no column {', '.join(missing)}; it has {have}", "add or rename the column")
    return header


def _json_lines(file: BinaryIO, name: str, required: Sequence[str]) -> Iterator[Row]:
    for number, line in _lines(file, name):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            row = json_object(line)
        except BadInput as exc:
            raise BadInput(f"{where}: {exc.detail}", exc.remedy) from exc
        checked_header(list(row), where, required)
        yield row


def json_object(line: str) -> Row:
    """One line of JSON lines. Raises BadInput."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise BadInput(f"broken JSON ({exc})", "write one JSON object a line") from exc
    if not isinstance(row, dict):
        raise BadInput(f"{line.strip()[:40]!r} is no JSON object", "write one JSON object a line")
    return row


def _parquet(path: Path, required: Sequence[str]) -> Iterator[Row]:
    if not path.exists():
        raise NotFound(f"{path} does not exist", "check the path")
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingExtra("pyarrow", "offline") from exc
    try:
        with pq.ParquetFile(path) as table:
            checked_header(table.schema_arrow.names, str(path), required)
            for batch in table.iter_batches(batch_size=4096):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as exc:
        raise BadInput(f"{path} is no readable parquet ({exc})", "write the file again, or use .jsonl") from exc
