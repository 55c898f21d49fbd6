"""What the words of a query mean in this shop: spans of words that name a category, a brand or a colour.

Names come from the catalogue's own values. Other words are learned from its titles, in any language: if
nearly every product whose title says 白色 has the colour White, then 白色 means White. A Chinese run has no
spaces, so its characters are the units that spans are made of. It knows neither prices nor spelling.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from aisle.filters import spellings
from aisle.text import fold, is_cjk, ngrams, terms, words
from aisle.types import Product

NAMED = ("category", "brand", "color")
LEARNED = ("category", "color")  # a brand is read by its name only
MIN_PRODUCTS = 5  # that a learned word must occur in
PURITY = 0.95  # share of them that must have the one value
COVERAGE = 0.10  # share of a colour's products whose titles must say the word
CHANCE = 0.05  # a word is not learned where products drawn blindly would agree as often as this
NAME_SHARE = (
    0.10  # share of the titles saying a brand or colour that must have it; less, and the name is an ordinary word
)
_LONGEST_NAME = 8  # units
_LONGEST_RUN = 4  # Chinese characters of a learned word
_MOST_UNITS = 256  # of a query; what comes after is not read
STOPWORDS = frozenset(
    [
        "a", "an", "and", "any", "are", "as", "at", "be", "best", "buy", "by", "can", "cheap", "for", "from", "get",
        "good", "great", "has", "have", "i", "in", "is", "it", "its", "me", "my", "new", "no", "not", "of", "off",
        "on", "one", "or", "our", "out", "over", "set", "so", "that", "the", "their", "them", "there", "these",
        "this", "those", "to", "top", "under", "up", "us", "use", "was", "we", "what", "when", "which", "who",
        "will", "with", "you", "your", "generic", "none", "other", "unbranded", "unknown", "brand",
    ]
)  # fmt: skip


def units(text: str) -> list[str]:
    """The pieces that names are matched on, in order: stems of words, single characters of a Chinese run."""
    return [unit for word in words(text) for unit in (word if is_cjk(word) else (_stem(word),))]


class _Tables(msgspec.Struct, frozen=True):
    """lexicon.json. Keys are units joined by a blank. names: key -> (field, value); learned: field -> key -> value."""

    names: dict[str, tuple[str, str]]
    learned: dict[str, dict[str, str]]


class Lexicon:
    """Reads category, brand and colour out of a text."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    @classmethod
    def build(cls, products: Sequence[Product]) -> "Lexicon":
        said = [_said(product) for product in products]
        names = _names(products, said)
        learned = {field: _learn(products, said, field, names) for field in LEARNED}
        return cls(_Tables(names, learned))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lexicon.json").write_bytes(msgspec.json.encode(self._tables))

    @classmethod
    def load(cls, folder: Path) -> "Lexicon":
        return cls(msgspec.json.decode((folder / "lexicon.json").read_bytes(), type=_Tables))

    def read(self, text: str) -> dict[str, str]:
        """Field -> value, at most one a field: names before learned words, the longest span, then the leftmost."""
        query = units(text)[:_MOST_UNITS]
        found: dict[str, str] = {}
        taken: set[int] = set()
        for start, end in ngrams(query, _LONGEST_NAME):
            field, value = self._tables.names.get(" ".join(query[start:end]), ("", ""))
            if field and field not in found and taken.isdisjoint(range(start, end)):
                found[field] = value
                taken.update(range(start, end))
        # Learned spans may share characters with one another (白色运动 is both white and sporty), never with a name.
        for start, end in ngrams(query, _LONGEST_RUN):
            if taken.isdisjoint(range(start, end)):
                key = " ".join(query[start:end])
                for field, meanings in self._tables.learned.items():
                    if key in meanings:
                        found.setdefault(field, meanings[key])
        return found


@lru_cache(maxsize=200_000)
def _stem(word: str) -> str:
    return terms(word)[0]


def _said(product: Product) -> frozenset[str]:
    """The keys that a product's titles say: single words, and pieces of Chinese runs up to _LONGEST_RUN characters."""
    said: set[str] = set()
    for word in {word for title in (product.title, *product.titles.values()) for word in words(title)}:
        if is_cjk(word):
            said.update(" ".join(word[start:end]) for start, end in ngrams(list(word), _LONGEST_RUN))
        else:
            said.add(_stem(word))
    return frozenset(said)


def _names(products: Sequence[Product], said: Sequence[frozenset[str]]) -> dict[str, tuple[str, str]]:
    """Key -> (field, value). A key that names two things keeps the one with more products."""
    holders = Counter(key for keys in said for key in keys)
    names: dict[str, tuple[str, str]] = {}
    sizes: dict[str, int] = {}
    for field in NAMED:
        rows = _rows_by_value(products, field)
        for folded, value in spellings(getattr(product, field) for product in products).items():
            own = rows[folded]
            for key in _keys(field, folded):
                saying = sum(key in said[row] for row in own)
                ordinary = field != "category" and holders[key] > 0 and saying < NAME_SHARE * holders[key]
                if not ordinary and len(own) > sizes.get(key, 0):
                    names[key], sizes[key] = (field, value), len(own)
    return names


def _keys(field: str, folded: str) -> Iterator[str]:
    """How a value may be called: as it is, and a category path by its last part too."""
    called = {folded, folded.rsplit(">", 1)[-1]} if field == "category" else {folded}
    for name in called:
        pieces = units(name)
        says_something = any(not piece.isdigit() for piece in pieces) and not STOPWORDS.issuperset(words(name))
        if (
            says_something
            and len(pieces) <= _LONGEST_NAME
            and (len(pieces[0]) > 1 or len(pieces) > 1 or is_cjk(pieces[0]))
        ):
            yield " ".join(pieces)


def _rows_by_value(products: Sequence[Product], field: str) -> dict[str, list[int]]:
    folded_of = {value: fold(value) for value in {getattr(product, field) for product in products}}
    rows: dict[str, list[int]] = {}
    for row, product in enumerate(products):
        rows.setdefault(folded_of[getattr(product, field)], []).append(row)
    return rows


def _learn(
    products: Sequence[Product], said: Sequence[frozenset[str]], field: str, names: dict[str, tuple[str, str]]
) -> dict[str, str]:
    """Key -> value of the words that (nearly) only one value's products say. Products without a value do not vote."""
    rows = _rows_by_value(products, field)
    rows.pop("", None)
    shown = spellings(getattr(product, field) for product in products)
    voters = sum(map(len, rows.values()))
    holders = Counter(key for own in rows.values() for row in own for key in said[row])
    learned: dict[str, str] = {}
    for folded, own in rows.items():
        for key, count in Counter(key for row in own for key in said[row]).items():
            pure = holders[key] >= MIN_PRODUCTS and count >= PURITY * holders[key]
            covers = field != "color" or count >= COVERAGE * len(own)
            by_chance = (len(own) / voters) ** count > CHANCE
            if pure and covers and not by_chance and key not in names and _may_mean(key):
                learned[key] = shown[folded]
    return dict(_shortest(learned.items()))


def _may_mean(key: str) -> bool:
    return key not in STOPWORDS and not key.isdigit() and (len(key) > 1 or is_cjk(key))


def _shortest(learned: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Without the Chinese pieces that contain a shorter piece of the same meaning: 白 makes 白色 superfluous."""
    kept: dict[str, str] = {}
    for key, value in sorted(learned, key=lambda item: (len(item[0]), item[0])):
        pieces = key.split()
        parts = (" ".join(pieces[start:end]) for start, end in ngrams(pieces, len(pieces) - 1))
        if not any(kept.get(part) == value for part in parts):
            kept[key] = value
    yield from kept.items()
