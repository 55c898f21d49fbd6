"""A shop's catalogue, from its table to Products: cleaned, checked, and with all its problems told at once.

Also the one text of a product that every model reads: a model that saw other texts in training than it sees in
serving loses quality silently, so there is one function for both. This module knows no index and no model.
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from aisle.errors import BadInput
from aisle.markup import clean_text, plain_text
from aisle.tables import Row, as_id, as_number, read_table
from aisle.types import Product

MAX_PROBLEMS = 10  # told in one error; reading stops there

_TEXTS = ("category", "brand", "color", "size", "material", "group_id", "image_url")
_COLUMNS = {"product_id", "title", "description", "price", "currency", "rating", "stock", "in_stock", "created_at"}
_KNOWN = _COLUMNS | {"attributes", *_TEXTS}
_LANGUAGE = re.compile(r"(title|description)_([a-z]{2,3})")
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")


def read_catalogue(path: str | Path, report: Callable[[str], None]) -> list[Product]:
    """The products of a CATALOGUE table in file order; `report` gets one sentence about the columns ignored.

    Raises BadInput: what read_table raises, or up to 10 problems of the rows in one error.
    """
    return read_products(read_table(path, required=("product_id", "title")), str(path), report)


def read_products(rows: Iterable[Row], source: str, report: Callable[[str], None]) -> list[Product]:
    """The products of catalogue rows, in order; `source` names them in errors. Rows are counted from 1.

    Raises BadInput for a catalogue without products and for problems: an id that repeats, an empty id or title, a
    price that is negative or no number, a rating outside 0..5, a stock that is not whole, a date that is none,
    attributes that are nested, a second currency.
    """
    products: list[Product] = []
    first_row: dict[str, int] = {}  # product_id -> row number
    currencies: dict[str, int] = {}
    ignored: dict[str, None] = {}
    problems: list[str] = []
    for number, row in enumerate(rows, 1):
        cells = _Cells(row, [])
        product = _product(cells)
        if first_row.setdefault(product.product_id, number) != number and product.product_id:
            cells.problem(f"product_id {product.product_id} is also in row {first_row[product.product_id]}")
        if product.currency and currencies.setdefault(product.currency, number) == number and len(currencies) > 1:
            first, its_row = next(iter(currencies.items()))
            cells.problem(f"currency {product.currency}, but row {its_row} has {first}; a catalogue has one")
        ignored |= dict.fromkeys(c for c in row if not is_read(c))
        products.append(product)
        problems += [f"row {number}: {problem}" for problem in cells.problems]
        if len(problems) >= MAX_PROBLEMS:
            break
    if ignored:
        report(f"{source}: columns ignored: {', '.join(ignored)}")
    if problems:
        raise BadInput(f"{source}: {'; '.join(problems[:MAX_PROBLEMS])}", "correct these rows and try again")
    if not products:
        raise BadInput(f"{source} has no products", "give at least one row")
    return products


def is_read(column: str) -> bool:
    """Whether a catalogue's column says something of the product; others are ignored."""
    return column in _KNOWN or _LANGUAGE.fullmatch(column) is not None


def row_product(row: Row) -> Product:
    """The product of one row, judged by itself. Raises BadInput with all that is wrong with it."""
    cells = _Cells(row, [])
    product = _product(cells)
    if cells.problems:
        raise BadInput("; ".join(cells.problems), "correct the row")
    return product


def title_text(product: Product) -> str:
    """What the title index holds: the titles in all languages and the short attributes."""
    fields = (product.brand, product.category, product.color, product.material, product.size)
    return " ".join([product.title, *product.titles.values(), *fields])


def body_text(product: Product) -> str:
    """What the body index holds: the descriptions in all languages and the attributes."""
    attributes = (f"{key} {value}" for key, value in product.attributes.items())
    return " ".join([product.description, *product.descriptions.values(), *attributes])


def product_text(product: Product) -> str:
    """The text that encoder and cross-encoder read: title, what it does not say yet, titles in other languages.

    Brand, color, material and category follow where the title lacks them as whole words, whatever the case.
    Descriptions are not read: they are long, and the models' time goes with length.
    """
    title = product.title.casefold()
    fields = (product.brand, product.color, product.material, product.category)
    missing = [field for field in fields if field and not _says(title, field.casefold())]
    return " ".join([product.title, *missing, *product.titles.values()])


def _says(title: str, value: str) -> bool:
    """Whether the title has the value as whole words; Chinese has no word ends, so any place will do there."""
    return value in title and re.search(rf"(?<![a-z0-9]){re.escape(value)}(?![a-z0-9])", title) is not None


@dataclass(frozen=True)
class _Cells:
    """One row, read by column: a blank cell is absent, a wrong one is noted in `problems` and then absent."""

    row: Row
    problems: list[str]

    def problem(self, text: str) -> None:
        self.problems.append(text)

    def value(self, column: str) -> object:
        value = self.row.get(column)
        return None if isinstance(value, str) and not value.strip() else value

    def text(self, column: str) -> str:
        value = self.value(column)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value).removesuffix(".0")  # a size 42 or 42.5 that a tool stored as a number
        if not isinstance(value, str):
            self.problem(f"{column} {_short(value)} is not text")
            return ""
        return plain_text(value) if column.startswith("description") else clean_text(value)

    def identifier(self, column: str) -> str:
        try:
            return as_id(self.row.get(column), column)
        except BadInput as exc:
            self.problem(exc.detail)
            return ""

    def amount(self, column: str, highest: float = math.inf) -> float | None:
        value = self.value(column)
        if value is None:
            return None
        number = as_number(value)
        if number is None or not math.isfinite(number) or not 0 <= number <= highest:
            span = "0 or more" if highest == math.inf else f"from 0 to {highest:g}"
            self.problem(f"{column} {_short(value)} is not a number {span}")
            return None
        return float(number)

    def stock(self) -> int | None:
        value, available = self.value("stock"), self.value("in_stock")
        number = 0 if value is None else as_number(value)
        if number is None or not abs(number) < 2**53 or number != int(number):
            self.problem(f"stock {_short(value)} is not a whole number")
            return None
        if available is not None and str(available).strip().lower() not in _YES + _NO:
            self.problem(f"in_stock {_short(available)} is neither true nor false")
        if str(available).strip().lower() in _NO:
            return 0
        return None if value is None else int(number)

    def moment(self, column: str) -> str:
        value = self.value(column)
        try:
            return "" if value is None else _iso(value)
        except (ValueError, OverflowError):
            self.problem(f"{column} {_short(value)} is not an ISO 8601 date")
            return ""

    def attributes(self) -> dict[str, str | float | bool]:
        value = self.value("attributes")
        try:
            pairs = json.loads(value) if isinstance(value, str) else {} if value is None else value
        except (ValueError, RecursionError):
            pairs = None
        if not isinstance(pairs, dict):
            self.problem(f"attributes {_short(value)} is not a JSON object")
            return {}
        kept = {clean_text(str(key)): self._attribute(key, given) for key, given in pairs.items()}
        return {key: given for key, given in kept.items() if key and given not in (None, "")}

    def _attribute(self, key: object, value: object) -> str | float | bool | None:
        if isinstance(value, str):
            return clean_text(value)
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        self.problem(f"attributes has {key} = {_short(value)}, which is neither text, number nor flag")
        return None


def _product(cells: _Cells) -> Product:
    title = cells.text("title")
    if not title:
        cells.problem("title is empty")
    return Product(
        product_id=cells.identifier("product_id"),
        title=title,
        description=cells.text("description"),
        price=cells.amount("price"),
        currency=cells.text("currency").upper(),
        rating=cells.amount("rating", highest=5),
        stock=cells.stock(),
        created_at=cells.moment("created_at"),
        attributes=cells.attributes(),
        titles=_by_language(cells, "title"),
        descriptions=_by_language(cells, "description"),
        **{column: cells.text(column) for column in _TEXTS},
    )


def _by_language(cells: _Cells, kind: str) -> dict[str, str]:
    matches = (_LANGUAGE.fullmatch(column) for column in cells.row)
    found = {match[2]: cells.text(match[0]) for match in matches if match and match[1] == kind}
    return {language: text for language, text in found.items() if text}


def _iso(value: object) -> str:
    """ISO 8601, moments with a zone in UTC, so that texts sort as times do. Raises ValueError, OverflowError."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str | datetime):
        raise ValueError(value)
    if isinstance(value, str) and len(value.strip()) == 10:
        return date.fromisoformat(value.strip()).isoformat()
    moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    return (moment.astimezone(UTC) if moment.tzinfo else moment).isoformat()


def _short(value: object) -> str:
    return repr(value)[:60]
