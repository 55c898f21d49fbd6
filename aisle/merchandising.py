"""The shop's own rules: words that mean the same, products pinned to the top or buried, queries sent to a page.

They are written by hand in `merchandising.toml`, so the reader checks everything a hand can get wrong and
says where and how to mend it. Rules match the folded query as a whole; only synonyms match inside it. What
pinning does to a ranking is search's affair.
"""

import re
import tomllib
from collections.abc import Callable, Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import msgspec

from aisle.errors import BadInput, NotFound
from aisle.lexicon import units
from aisle.text import fold, ngrams

_KEYS = {
    "synonyms": {"words"},
    "pin": {"query", "products"},
    "bury": {"query", "products"},
    "redirect": {"query", "url"},
}
_LONGEST_SYNONYM = 8  # units: words, or Chinese characters
_MOST_UNITS = 256  # of a query; what comes after is not read


class Rules(msgspec.Struct, frozen=True):
    """synonyms: groups of folded words. By folded query: pin and bury (product ids, in order), redirects (a url)."""

    synonyms: list[list[str]] = []
    pin: dict[str, list[str]] = {}
    bury: dict[str, list[str]] = {}
    redirects: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path, known_ids: Collection[str]) -> "Rules":
        """The rules of a merchandising.toml. Raises NotFound without it, BadInput for the first rule that is wrong."""
        return _Checker(path, frozenset(known_ids)).rules(_tables(path))

    @staticmethod
    def named(path: Path) -> set[str]:
        """The product ids that a merchandising.toml names, whatever else is wrong with it. Raises NotFound, BadInput.

        For a catalogue that is too large to ask for all its ids: those found among these are `known_ids`.
        """
        tables = _tables(path)
        listed = [table for kind in ("pin", "bury") for table in tables.get(kind, []) if isinstance(table, dict)]
        return {i for table in listed for i in table.get("products", []) if isinstance(i, str)}

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(self))

    @classmethod
    def load(cls, path: Path) -> "Rules":
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def among(self, ids: Collection[str]) -> "Rules":
        """The same rules without the products that are not among `ids`."""
        return self._of(lambda product_id: product_id in ids)

    def without(self, ids: Collection[str]) -> "Rules":
        """The same rules without the products that are."""
        return self._of(lambda product_id: product_id not in ids)

    def _of(self, kept: Callable[[str], bool]) -> "Rules":
        pin, bury = ({q: [*filter(kept, named)] for q, named in rule.items()} for rule in (self.pin, self.bury))
        return msgspec.structs.replace(self, pin=pin, bury=bury)

    def expand(self, query: str) -> str:
        """The query with the other words of every synonym group that it says one of, for lexical retrieval."""
        query_units = units(query)[:_MOST_UNITS]
        said = {" ".join(query_units[start:end]) for start, end in ngrams(query_units, _LONGEST_SYNONYM)}
        added: dict[str, None] = {}
        for group in self.synonyms:
            keys = {word: " ".join(units(word)) for word in group}
            if not said.isdisjoint(keys.values()):
                added |= {word: None for word, key in keys.items() if key not in said}
        return " ".join((query, *added))

    def redirect(self, query: str) -> str | None:
        return self.redirects.get(fold(query))

    def pins(self, query: str) -> list[str]:
        """Product ids to show first, in this order."""
        return self.pin.get(fold(query), [])

    def buries(self, query: str) -> list[str]:
        """Product ids to show last."""
        return self.bury.get(fold(query), [])


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise NotFound(f"{path} does not exist", "create it, or leave merchandising out") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise BadInput(f"{path} is not TOML: {exc}", "mend that place and save the file as UTF-8") from exc


class _Checker:
    """Turns the tables of one file into rules; every complaint names the file and the rule."""

    def __init__(self, path: Path, known_ids: frozenset[str]) -> None:
        self._path = path
        self._known_ids = known_ids

    def rules(self, tables: dict[str, Any]) -> Rules:
        for name in tables:
            self._known(name, _KEYS, "the file", "a kind of rule")
        pin, bury = self._products_by_query(tables, "pin"), self._products_by_query(tables, "bury")
        for query in pin.keys() & bury.keys():
            both = set(pin[query]) & set(bury[query])
            if both:
                self._fail("[[pin]] and [[bury]]", f"both name {min(both)!r} for {query!r}", "keep one of the two")
        synonyms = [self._synonyms(table, where) for table, where in self._each(tables, "synonyms")]
        return Rules(synonyms, pin, bury, self._redirects(tables))

    def _each(self, tables: dict[str, Any], kind: str) -> list[tuple[dict[str, Any], str]]:
        """Each rule of a kind with its place, its keys checked."""
        listed = tables.get(kind, [])
        if not isinstance(listed, list) or not all(isinstance(table, dict) for table in listed):
            self._fail(kind, "is not a list of tables", f"write [[{kind}]] above each rule")
        placed = [(table, f"[[{kind}]] number {number}") for number, table in enumerate(listed, 1)]
        for table, where in placed:
            for name in table:
                self._known(name, _KEYS[kind], where, "a key of it")
            for name in sorted(_KEYS[kind] - table.keys()):
                self._fail(where, f"has no {name!r}", f"add a line {name} = ...")
        return placed

    def _synonyms(self, table: dict[str, Any], where: str) -> list[str]:
        group = [fold(word) for word in self._strings(table["words"], where, "words")]
        for word in group:
            if not 0 < len(units(word)) <= _LONGEST_SYNONYM:
                self._fail(where, f"has a word of no letters or of too many words: {word!r}", "use one to eight words")
        if len(set(group)) < 2:
            self._fail(where, f"has fewer than two different words: {group}", "add a word that means the same")
        return list(dict.fromkeys(group))

    def _products_by_query(self, tables: dict[str, Any], kind: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for table, where in self._each(tables, kind):
            query = self._query(table, where, found)
            found[query] = self._strings(table["products"], where, "products")
            for product_id in found[query]:
                if product_id not in self._known_ids:
                    hint = self._hint(product_id, self._known_ids)
                    self._fail(
                        where, f"names product {product_id!r}, not in the catalogue{hint}", "correct or remove the id"
                    )
            if len(set(found[query])) < len(found[query]):
                self._fail(where, f"names a product twice: {found[query]}", "keep one of them")
        return found

    def _redirects(self, tables: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for table, where in self._each(tables, "redirect"):
            query = self._query(table, where, found)
            url = table["url"]
            if not isinstance(url, str) or not _is_url(url):
                self._fail(where, f"has the url {url!r}", 'write a path of the shop ("/sale") or an http(s) address')
            found[query] = url
        return found

    def _query(self, table: dict[str, Any], where: str, found: Collection[str]) -> str:
        query = table["query"]
        if not isinstance(query, str) or not fold(query):
            self._fail(where, f"has the query {query!r}, not a text", 'write query = "what shoppers type"')
        if fold(query) in found:
            self._fail(where, f"repeats the query {query!r} (case and width are folded)", "join the two rules")
        return fold(query)

    def _strings(self, value: Any, where: str, name: str) -> list[str]:
        if not isinstance(value, list) or not value:
            self._fail(
                where, f"has {name} = {value!r}, not a list with something in it", f'write {name} = ["...", "..."]'
            )
        for item in value:
            if not isinstance(item, str) or not item.strip():
                self._fail(where, f"has {item!r} among its {name}, not a text", "put it in quotes")
        return list(value)

    def _known(self, name: str, names: Collection[str], where: str, noun: str) -> None:
        if name not in names:
            listed = ", ".join(sorted(names))
            self._fail(where, f"has {name!r}, which is not {noun}{self._hint(name, names)}", f"use one of: {listed}")

    def _hint(self, word: str, words: Collection[str]) -> str:
        near = get_close_matches(word, words, n=1)
        return f" (did you mean {near[0]!r}?)" if near else ""

    def _fail(self, where: str, wrong: str, remedy: str) -> NoReturn:
        raise BadInput(f"{self._path}: {where} {wrong}", remedy)


def _is_url(url: str) -> bool:
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return False
    if url.startswith("/"):
        return not url.startswith(("//", "/\\"))  # browsers read those as another host
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
