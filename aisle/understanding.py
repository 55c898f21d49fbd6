"""Query understanding: what a shopper typed, read as spelling, price, category, brand and colour.

Everything is learned from the catalogue offline, so that a shop's own words are known from the first day and
no model runs. Only the price filters; what else is read is evidence for the ranker. It knows no index and no
shopper.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aisle.lexicon import Lexicon
from aisle.price_phrase import read_price
from aisle.spelling import SHORTEST, Speller
from aisle.text import fold, words
from aisle.types import Product, Understood

_MOST_CORRECTIONS = 16  # words looked up a query: a bound on the time that nonsense can take
_EDGES = " ,;，、。"  # left dangling where a price phrase was cut out


class Reading(NamedTuple):
    """`text` is what to retrieve with: as typed, or folded where a word was corrected or a price phrase cut out."""

    text: str
    understood: Understood


class Understanding:
    """Reads queries by two tables of the catalogue: its words and its names."""

    def __init__(self, speller: Speller, lexicon: Lexicon) -> None:
        self._speller = speller
        self._lexicon = lexicon

    @classmethod
    def build(cls, products: Sequence[Product], is_word: Callable[[str], bool]) -> "Understanding":
        """The tables of a catalogue. `is_word`: whether a folded word is known outside it, and so never corrected."""
        texts = (text for product in products for text in _texts(product))
        return cls(Speller.build(texts, is_word), Lexicon.build(products))

    def save(self, folder: Path) -> None:
        self._speller.save(folder)
        self._lexicon.save(folder)

    @classmethod
    def load(cls, folder: Path, is_word: Callable[[str], bool]) -> "Understanding":
        return cls(Speller.load(folder, is_word), Lexicon.load(folder))

    def understand(self, query: str, currency: str) -> Reading:
        """The reading of any text at all. `currency`: the catalogue's ISO code; "" takes every amount for its own."""
        typed = " ".join(query.split())
        folded = fold(query)
        price, ignored, spans = read_price(folded, currency)
        pieces = self._corrected(_outside(folded, spans))
        phrases = [folded[start:end] for start, end in spans]
        text = _tidy(" ".join(pieces)) if spans else pieces[0]
        whole = _interleaved(pieces, phrases)
        found = self._lexicon.read(text)
        understood = Understood(query=None if whole == folded else whole, price=price, ignored=ignored, **found)
        return Reading(typed if text == folded else text, understood)

    def _corrected(self, pieces: list[str]) -> list[str]:
        """The pieces with their misspelled words replaced; a word typed twice is looked up once."""
        seen = dict.fromkeys(word for piece in pieces for word in words(piece) if len(word) >= SHORTEST)
        looked_up = ((word, self._speller.correct(word)) for word in list(seen)[:_MOST_CORRECTIONS])
        corrections = {word: better for word, better in looked_up if better != word}
        if not corrections:
            return pieces
        misspelled = re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, corrections))})(?![^\W_])")
        return [misspelled.sub(lambda match: corrections[match.group()], piece) for piece in pieces]


def _texts(product: Product) -> Iterator[str]:
    yield from (product.title, product.description, product.category, product.brand, product.color, product.material)
    yield from product.titles.values()
    yield from product.descriptions.values()


def _outside(text: str, spans: list[tuple[int, int]]) -> list[str]:
    """The text before, between and after the spans: one piece more than there are spans."""
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _interleaved(pieces: list[str], phrases: list[str]) -> str:
    return "".join(piece + phrase for piece, phrase in zip(pieces, [*phrases, ""], strict=True))


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(_EDGES)
