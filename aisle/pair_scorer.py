"""Does this product answer this query exactly? A logistic regression over what words and models say of one pair.

The cross-encoder alone knows the shops that it was trained on. On other catalogues plain facts say more: how much of
the query the product's texts lack, whether another brand, size or audience was asked for. `Tables` holds what such
facts need of the world, how rare words are and which brands there are; a pair's score depends on that pair alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aisle.encoder import TextEncoder
from aisle.errors import BundleError
from aisle.lexical import idf_of
from aisle.lexicon import STOPWORDS
from aisle.pairs import Pair
from aisle.reranker import Reranker, sigmoid
from aisle.text import fold, is_cjk, ngrams, terms, words

FEATURES = (
    "missing",  # 0..1: idf share of the query's words that title, brand and color have not, even nearly
    "missing_most",  # the largest idf of a query word that no text of the product has, even nearly
    "missing_words",  # how many query terms no text has as they stand
    "coverage",  # 0..1: idf share of the query's terms that any text has as they stand
    "rarest",  # the largest idf of a query term
    "phrase",  # 0..1: how well the query fits into the title as it is written
    "precision",  # 0..1: share of the terms of title, brand and color that the query asked for
    "brand_asked",  # 1: the query names the product's brand
    "brand_other",  # 1: the query names another brand, and not this one
    "numbers_missing",  # how many of the query's numbers no text has
    "numbers_other",  # how many of those stand where the title has another number of the same unit
    "audience_other",  # 1: the query is for women and the title for men, and so on
    "audience_missing",  # 1: the query says for whom, the title does not
    "without",  # 1: the query says what it does not want
    "cosine",  # of the query with the nearest of title, bullet points and description
    "cross",  # the cross-encoder's logit
)
MOST_QUERY, MOST_TEXT = 300, 4000  # characters that are looked at: comparing long texts takes time squared
NEAR = 80  # of 100: rapidfuzz's ratio from which a word counts as nearly there
BRAND_WORDS = 3
AUDIENCES = {
    "men": "men mens man hombre hombres メンズ 男 男士 男款",
    "women": "women womens woman ladies lady mujer mujeres レディース 女 女士 女款",
    "boys": "boys boy nino ninos 男童",
    "girls": "girls girl nina ninas 女童",
    "kids": "kids kid children child toddler baby bebe infantil キッズ 儿童 童",
}
WITHOUT = frozenset({"without", "not", "no", "non", "sin"})
_AUDIENCE = {fold(word): name for name, said in AUDIENCES.items() for word in said.split()}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([^\W\d_]+|[\"'])?")
_SPANISH = "con de del el en la las los para sin un una y"
_UNWORDS = STOPWORDS.union(["with", "without"], _SPANISH.split())


class Tables(Struct, frozen=True):
    """What is known of words before a pair comes: in how many of `texts` texts a term occurs, and names of brands."""

    texts: int
    frequency: dict[str, int]
    brands: frozenset[str]

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> Tables:
        """From the products of many pairs; what occurs once is as good as unknown."""
        frequency = Counter(term for pair in pairs for term in sorted(set(terms(_all_of(pair)))))
        brands = Counter(_key(pair.brand) for pair in pairs)
        return cls(
            len(pairs),
            {term: n for term, n in frequency.items() if n > 1},
            frozenset(brand for brand, n in brands.items() if n > 1 and len(brand) > 2),
        )

    def idf(self, term: str) -> float:
        """Lucene's; a term that is unknown counts as if one text had it."""
        return float(idf_of(self.frequency.get(term, 1), self.texts))


class _Text(NamedTuple):
    """One text of a product, as often as words are looked for in it."""

    terms: frozenset[str]
    words: list[str]  # of an alphabet
    joined: str  # folded, without blanks and hyphens

    @classmethod
    def of(cls, text: str) -> _Text:
        return cls(
            frozenset(terms(text)),
            [word for word in dict.fromkeys(words(text)) if not is_cjk(word)],
            fold(text).replace(" ", "").replace("-", ""),
        )

    def has(self, word: str, tables: Tables) -> float:
        """0..1: how surely the text has a query word; of a Chinese run the share of its pieces."""
        pieces = terms(word)
        if is_cjk(word):
            mass = sum(map(tables.idf, pieces))
            return sum(tables.idf(piece) for piece in pieces if piece in self.terms) / max(mass, 1e-6)
        if pieces[0] in self.terms:
            return 1.0
        if len(word) < 4:
            return 0.0
        if word in self.joined:
            return 0.9
        from rapidfuzz import fuzz, process

        near = process.extractOne(word, self.words, scorer=fuzz.ratio, score_cutoff=NEAR)
        return 0.008 * near[1] if near else 0.0


class Fitted(Struct, frozen=True):
    """scorer.json: for each of `features` mean, spread and weight, and the bias of the whole."""

    features: list[str]
    tables: Tables
    mean: list[float]
    spread: list[float]
    weights: list[float]
    bias: float

    def logits(self, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) from the (n, len(FEATURES)) features of n pairs."""
        logits: NDArray[np.float64] = (seen - self.mean) / self.spread @ np.array(self.weights) + self.bias
        return logits


class PairScorer:
    """`folder` holds scorer.json; the encoder and the cross-encoder are the bundle's own."""

    def __init__(self, fitted: Fitted, encoder: TextEncoder, reranker: Reranker) -> None:
        self._fitted, self._encoder, self._reranker = fitted, encoder, reranker

    @classmethod
    def load(cls, folder: Path, encoder: TextEncoder, reranker: Reranker) -> PairScorer:
        """BundleError where scorer.json is damaged or knows other features than this code."""
        path = folder / "scorer.json"
        try:
            fitted = msgspec.json.decode(path.read_bytes(), type=Fitted)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise BundleError(f"{path} cannot be read ({exc})", "copy the bundle again or rebuild it") from exc
        if fitted.features != list(FEATURES):
            raise BundleError(f"{path} has other features than this code", "rebuild it with this version of aisle")
        return cls(fitted, encoder, reranker)

    @staticmethod
    def save(fitted: Fitted, folder: Path) -> None:
        folder.mkdir()
        (folder / "scorer.json").write_bytes(msgspec.json.encode(fitted, order="deterministic"))

    def score(self, pair: Pair) -> float:
        """0..1: the chance that the product is exactly what the query asks for."""
        said = model_features(pair, self._encoder, self._reranker)
        seen = np.array([[*word_features(pair, self._fitted.tables), *said]], float)
        return float(sigmoid(self._fitted.logits(seen).astype(np.float32))[0])


def model_features(pair: Pair, encoder: TextEncoder, reranker: Reranker) -> list[float]:
    """The features of FEATURES that the models say; each text alone, so that no other pair matters."""
    texts = [text for text in (pair.title, pair.bullet_points, pair.description) if text]
    query, *vectors = (encoder.encode([text])[0] for text in (pair.query, *texts))
    cosine = max((float(query @ vector) for vector in vectors), default=0.0)
    return [cosine, float(reranker.score(pair.query, [pair.text])[0])]


def word_features(pair: Pair, tables: Tables) -> list[float]:
    """The other features, in the order of FEATURES."""
    from rapidfuzz import fuzz

    query, named, everything = pair.query[:MOST_QUERY], _named(pair)[:MOST_TEXT], _all_of(pair)[:MOST_TEXT]
    title, whole = _Text.of(named), _Text.of(everything)
    asked = dict.fromkeys(terms(query))
    idf = {term: tables.idf(term) for term in asked}
    query_words, title_words = words(query), words(named)
    telling = [(word, _weight(word, tables)) for word in query_words if word not in _UNWORDS]
    lacking = [weight * (1 - title.has(word, tables)) for word, weight in telling]
    spans, own = _spans(query_words), _key(pair.brand)
    own_brands = {own} if own else _spans(title_words) & tables.brands  # without a brand, those that the title names
    numbers = {number for number, _ in _numbers(everything)}
    units = {unit for _, unit in _numbers(named) if unit}
    absent = [unit for number, unit in _numbers(query) if number not in numbers]
    wanted, offered = _audiences(query_words), _audiences(title_words)
    return [
        sum(lacking) / max(sum(weight for _, weight in telling), 1e-6),
        max((weight * (1 - whole.has(word, tables)) for word, weight in telling), default=0.0),
        len(asked.keys() - whole.terms),
        sum(weight for term, weight in idf.items() if term in whole.terms) / max(sum(idf.values()), 1e-6),
        max(idf.values(), default=0.0),
        fuzz.partial_ratio(fold(query), fold(pair.title)[:MOST_QUERY]) / 100,
        len(title.terms & asked.keys()) / max(len(title.terms), 1),
        not own_brands.isdisjoint(spans),
        own_brands.isdisjoint(spans) and not tables.brands.isdisjoint(spans),
        len(absent),
        sum(unit in units for unit in absent),
        bool(wanted and offered) and wanted.isdisjoint(offered),
        bool(wanted) and not offered,
        not WITHOUT.isdisjoint(query_words),
    ]


def _named(pair: Pair) -> str:
    return f"{pair.title} {pair.brand} {pair.color}"


def _all_of(pair: Pair) -> str:
    return f"{_named(pair)} {pair.bullet_points} {pair.description}"


def _weight(word: str, tables: Tables) -> float:
    """The idf of a word, of a Chinese run the mean of its pieces."""
    pieces = terms(word)
    return sum(map(tables.idf, pieces)) / len(pieces) if is_cjk(word) else tables.idf(pieces[0])


def _key(brand: str) -> str:
    """A brand as spans of words name it: levi's is "levi s"."""
    return " ".join(words(brand))


def _spans(said: list[str]) -> set[str]:
    return {" ".join(said[start:end]) for start, end in ngrams(said, BRAND_WORDS)}


def _numbers(text: str) -> list[tuple[str, str]]:
    """(number, unit) as written, of every number in a text."""
    return _NUMBER.findall(fold(text))


def _audiences(said: Iterable[str]) -> set[str]:
    """Who a text is for; a Chinese run may say so anywhere, for it has no word ends."""
    found: set[str] = set()
    for word in said:
        named = [key for key in _AUDIENCE if key in word] if is_cjk(word) else [word]
        found.update(_AUDIENCE[key] for key in named if key in _AUDIENCE)
    return found
