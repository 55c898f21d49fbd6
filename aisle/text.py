"""Text as every index, model and rule sees it: folded, split into words, stemmed; Chinese as single characters and
pairs.

One analyser serves both languages, because shops mix them in one title. A run of Han, Kana or Hangul characters gives
its characters and its overlapping pairs (the CJK bigrams of Lucene), which needs no dictionary and no load time.
Words that mix letters and digits ("64gb", "ue32m5502") stay whole and also give their parts, so that "64 gb" meets
"64gb". It knows nothing of products or queries.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import Stemmer

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_PART = re.compile(r"\d+|[^\W\d_]+")
_IS_CJK = re.compile(rf"[{_CJK}]")
_MOST_KEPT = 65_536  # characters: more than any shop writes, and no more memory for whoever sends all there are
_stem = Stemmer.Stemmer("english").stemWord


class _Kept(dict[int, str | None]):
    """What folding leaves of a character, by its code: looked up once, for `str.translate`."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        blank = unicodedata.category(character)[0] in "CZ"
        kept = None if unicodedata.combining(character) else " " if blank else character
        if len(self) < _MOST_KEPT:
            self[code] = kept
        return kept


_KEPT = _Kept()


def fold(text: str) -> str:
    """Width, case and accents removed, control characters turned to blanks, blanks collapsed."""
    kept = unicodedata.normalize("NFKD", text).casefold().translate(_KEPT)
    return unicodedata.normalize("NFKC", " ".join(kept.split()))


def words(text: str) -> list[str]:
    """The words of a folded text, unstemmed, in order; a CJK run is one word."""
    return _TOKEN.findall(fold(text))


def is_cjk(word: str) -> bool:
    return _IS_CJK.match(word) is not None


def has_digit(word: str) -> bool:
    return any(c.isdigit() for c in word)


@lru_cache(maxsize=200_000)
def _terms_of_word(word: str) -> tuple[str, ...]:
    if is_cjk(word):
        return tuple(word) + tuple(word[i : i + 2] for i in range(len(word) - 1)) if len(word) > 1 else (word,)
    if has_digit(word) and not word.isdigit():
        return (word, *(_stem(part) for part in _PART.findall(word)))
    return (_stem(word),)


def terms(text: str) -> list[str]:
    """The index terms of a text in order, repeats kept: stems, identifiers and parts, CJK characters and pairs."""
    return [term for word in words(text) for term in _terms_of_word(word)]


def ngrams(items: list[str], longest: int) -> Iterator[tuple[int, int]]:
    """Spans (start, end) over `items`, longest first, then from the left."""
    for size in range(min(longest, len(items)), 0, -1):
        for start in range(len(items) - size + 1):
            yield start, start + size
