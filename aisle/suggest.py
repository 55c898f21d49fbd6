"""Type-ahead: what a shopper may be about to type, from categories, brands, phrases and product titles.

Every word start of every text (every character, in Chinese) is one entry of a sorted index, stored as two
small integers rather than as text; a prefix is two binary searches. Texts are numbered by how good a
suggestion they are, so that the best matches are simply the smallest numbers. It knows no shopper and no
scores of search.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle.filters import spellings
from aisle.lexicon import STOPWORDS
from aisle.mapped import Lines, load_array
from aisle.text import fold, is_cjk, words
from aisle.types import Product, Suggestion

MIN_TITLES = 5  # that a phrase must occur in to be suggested
MAX_PHRASES = 2000
_SORTED_CHARS = 40  # the index is sorted by so many characters; a longer prefix is compared by its first 40
_TITLE_CHARS = 120  # where word starts of a title are indexed
_ENDLESS = chr(0x10FFFF)

Kind = Literal["category", "brand", "query", "product"]


class _Text(msgspec.Struct, frozen=True, array_like=True):
    """One suggestion: as shown, folded, what it is, its language ("" for any)."""

    shown: str
    folded: str
    kind: Kind
    lang: str = ""


_decode = msgspec.json.Decoder(_Text).decode


class Suggester:
    """`texts`: JSON, best first, products last. `entry`, `offset`: (m,) int32, text and place of each sorted start."""

    def __init__(self, texts: Lines | list[bytes], entry: NDArray[np.int32], offset: NDArray[np.int32]) -> None:
        self._texts = texts
        self._entry = entry
        self._offset = offset
        self._first_product = bisect_left(range(len(texts)), True, key=lambda row: self._text(row).kind == "product")

    @classmethod
    def build(cls, products: Sequence[Product]) -> "Suggester":
        """The index of a catalogue."""
        texts = list(_ranked(products))
        starts = [(row, start) for row, text in enumerate(texts) for start in _starts(text.folded)]
        starts.sort(key=lambda at: texts[at[0]].folded[at[1] : at[1] + _SORTED_CHARS])
        table = np.array(starts, np.int32).reshape(-1, 2)
        return cls([msgspec.json.encode(text) for text in texts], table[:, 0].copy(), table[:, 1].copy())

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        Lines.save((self._texts[row] for row in range(len(self._texts))), folder / "texts.jsonl")
        np.save(folder / "entry.npy", self._entry, allow_pickle=False)
        np.save(folder / "offset.npy", self._offset, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "Suggester":
        entry, offset = (load_array(folder / name) for name in ("entry.npy", "offset.npy"))
        return cls(Lines.load(folder / "texts.jsonl"), entry, offset)

    def suggest(self, prefix: str, k: int, lang: str | None = None) -> list[Suggestion]:
        """At most k suggestions with a word that starts like `prefix`, none twice; the top categories for an empty one.

        Those that start with it come first, then those with a later word, then products. `lang` leaves out titles in
        other languages.
        """
        sought = fold(prefix)[:_SORTED_CHARS]
        if not sought:
            rows = (row for row in range(self._first_product) if self._text(row).kind == "category")
            return self._shown(rows, k, lang)
        low = bisect_left(range(len(self._entry)), sought, key=self._start)
        high = bisect_left(range(len(self._entry)), sought + _ENDLESS, lo=low, key=self._start)
        keys = self._keys(low, high)
        some = 16 * k + 16  # enough for the k best unless most of them are repeats or in another language
        if len(keys) > some:
            found = self._shown(self._rows(np.partition(keys, some)[:some]), k, lang)
            if len(found) >= k:
                return found
        return self._shown(self._rows(keys), k, lang)

    def _text(self, row: int) -> _Text:
        return _decode(self._texts[row])

    def _start(self, position: int) -> str:
        offset = int(self._offset[position])
        return self._text(int(self._entry[position])).folded[offset : offset + _SORTED_CHARS]

    def _keys(self, low: int, high: int) -> NDArray[np.int32]:
        """Sort keys of index positions: the text's number, set back by a tier for later words and for products."""
        entry, tier = self._entry[low:high], self._first_product
        return entry + tier * np.where(entry >= tier, 1, self._offset[low:high] > 0).astype(np.int32)

    def _rows(self, keys: NDArray[np.int32]) -> Iterator[int]:
        tier = self._first_product
        for key in np.sort(keys).tolist():
            yield key if key < tier else key - tier

    def _shown(self, rows: Iterable[int], k: int, lang: str | None) -> list[Suggestion]:
        found: dict[str, Suggestion] = {}
        for row in rows:
            if len(found) >= k:
                break
            text = self._text(row)
            if lang is None or text.lang in ("", lang):
                found.setdefault(text.folded, Suggestion(text.shown, text.kind))
        return list(found.values())


def _ranked(products: Sequence[Product]) -> Iterator[_Text]:
    """Every text once a language: by how many products say it, then categories before brands and phrases; products
    last, as they come."""
    weighted: list[tuple[int, _Text]] = []
    kinds: tuple[Kind, Kind] = ("category", "brand")
    for kind in kinds:
        counts = Counter(fold(getattr(product, kind)) for product in products)
        shown = spellings(getattr(product, kind) for product in products)
        weighted += [(counts[folded], _Text(value, folded, kind)) for folded, value in shown.items()]
    weighted += [(count, _Text(phrase, phrase, "query")) for phrase, count in _phrases(products)]
    titles = (text for product in products for text in _titles(product))
    seen: set[tuple[str, str]] = set()
    for text in (*(text for _, text in sorted(weighted, key=lambda item: -item[0])), *titles):
        if text.folded and (text.folded, text.lang) not in seen:
            seen.add((text.folded, text.lang))
            yield text


def _titles(product: Product) -> Iterator[_Text]:
    for lang, title in (("", product.title), *product.titles.items()):
        yield _Text(" ".join(title.split()), fold(title), "product", lang)


def _phrases(products: Sequence[Product]) -> list[tuple[str, int]]:
    """(phrase, titles that say it): two and three words in a row, or one whole Chinese run; a phrase that hardly ever
    occurs outside a longer one is left to that one."""
    counts = Counter(phrase for product in products for phrase in sorted(_said(product)))
    counts = Counter({phrase: count for phrase, count in counts.items() if count >= MIN_TITLES})
    swallowed = set()
    for phrase, count in counts.items():
        for part in (phrase.split(" ", 1)[-1], phrase.rsplit(" ", 1)[0]):
            if part != phrase and count >= 0.9 * counts[part]:
                swallowed.add(part)
    return [item for item in counts.most_common(MAX_PHRASES) if item[0] not in swallowed]


def _said(product: Product) -> set[str]:
    said: set[str] = set()
    for title in (product.title, *product.titles.values()):
        title_words = words(title)
        said.update(word for word in title_words if is_cjk(word) and 2 <= len(word) <= 8)
        for size in (2, 3):
            spans = (title_words[start : start + size] for start in range(len(title_words) - size + 1))
            said.update(" ".join(span) for span in spans if _reads_well(span))
    return said


def _reads_well(span: list[str]) -> bool:
    edges = (span[0], span[-1])
    return not any(is_cjk(word) for word in span) and not any(
        w in STOPWORDS or w.isdigit() or len(w) < 2 for w in edges
    )


def _starts(folded: str) -> list[int]:
    """Where a prefix may begin: the first character, the first of each word, and each Chinese character."""
    text = folded[:_TITLE_CHARS]
    inner = (
        at for at in range(1, len(text)) if is_cjk(text[at]) or (text[at].isalnum() and not text[at - 1].isalnum())
    )
    return [0, *inner]
