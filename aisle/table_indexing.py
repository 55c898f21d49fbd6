"""A catalogue larger than an image: `aisle index --catalogue-at` streams it, chunk by chunk, into a LanceDB table and
seals a bundle of models, settings and word statistics that names it.

It is read twice: once for what all products say together, once for each. Memory goes with a chunk, the distinct terms
(12 bytes each), 32 bytes a product, which sorting them at the end makes 110 for a moment, and a sample of products,
from which spelling, names and suggestions are learned.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from aisle import __version__
from aisle.bundle import Bundle, Facts, sha256
from aisle.catalogue import MAX_PROBLEMS, is_read, product_text, row_product
from aisle.encoder import Encoder
from aisle.errors import BadInput, NotFound
from aisle.filters import Columns, spellings
from aisle.golden import Golden
from aisle.indexed import STATISTICS, USUAL, VALUES
from aisle.indexing import GOLDEN_QUERIES, MODELS, Report, Tuned, golden_queries, write_golden, write_tuned
from aisle.item_ids import hashed
from aisle.lance_catalogue import absolute
from aisle.lance_writing import Chunk, write_table
from aisle.merchandising import Rules
from aisle.personal import Usual
from aisle.sealing import sealing
from aisle.suggest import Suggester
from aisle.table_record import columns, said
from aisle.tables import stream_table
from aisle.text import fold
from aisle.types import FACETS, Product
from aisle.understanding import Understanding
from aisle.word_statistics import WordCount

CHUNK = 10_000  # products that are held at once
SAMPLE = 100_000  # at most so many, evenly spread, teach spelling, names and suggestions


class Survey:
    """What all products say together, as they come."""

    def __init__(self) -> None:
        self.rows = 0
        self.currency = ""
        self.languages: set[str] = set()
        self.words = (WordCount(), WordCount())
        self.sample: list[Product] = []
        self._step = 1
        self._values = {facet: Counter[str]() for facet in FACETS}
        self._codes: dict[str, dict[str, int]] = {facet: {} for facet in FACETS}
        self._coded: list[np.ndarray[Any, np.dtype[np.int32]]] = []
        self._prices: list[np.ndarray[Any, np.dtype[np.float32]]] = []
        self._hashes: list[np.ndarray[Any, np.dtype[np.uint64]]] = []

    def add(self, products: Sequence[Product]) -> None:
        """Raises BadInput for a second currency."""
        for product in products:
            if product.currency and self.currency and product.currency != self.currency:
                detail = f"product {product.product_id} has currency {product.currency}, others have {self.currency}"
                raise BadInput(f"{detail}; a catalogue has one", "correct these rows and try again")
            self.currency = self.currency or product.currency
            self.languages |= product.titles.keys()
        for field, count in enumerate(self.words):
            count.add(said(product)[field] for product in products)
        self.sample += products[-self.rows % self._step :: self._step]
        while len(self.sample) > SAMPLE:
            self.sample, self._step = self.sample[::2], 2 * self._step
        self.rows += len(products)
        self._coded.append(np.array([self._code(facet, products) for facet in FACETS], np.int32))
        self._prices.append(np.array([np.nan if p.price is None else p.price for p in products], np.float32))
        self._hashes.append(hashed([product.product_id for product in products]))

    def _code(self, facet: str, products: Sequence[Product]) -> list[int]:
        given = [getattr(product, facet) for product in products]
        self._values[facet].update(given)
        folded = {value: fold(value) for value in dict.fromkeys(given)}
        codes = self._codes[facet]
        code = {value: codes.setdefault(key, len(codes)) if key else -1 for value, key in folded.items()}
        return [code[value] for value in given]

    def values(self) -> dict[str, dict[str, str]]:
        """facet -> folded value -> as shown, in the order of the codes."""
        return {facet: spellings(counts.elements()) for facet, counts in self._values.items()}

    def usual(self) -> Usual:
        """What everybody's choice is held against."""
        nothing = np.zeros(self.rows, np.float32)
        prices, codes = np.concatenate(self._prices), np.concatenate(self._coded, axis=1)
        none = nothing.astype(np.int32)
        return Usual.of(Columns(prices, nothing, none.astype(bool), none.astype(np.int64), none, codes, self.values()))

    def check_ids(self) -> None:
        """BadInput names two rows, counted from 1, that have one product_id."""
        keys = np.concatenate(self._hashes)
        order = np.argsort(keys, kind="stable")
        twice = np.flatnonzero(keys[order][1:] == keys[order][:-1])
        if len(twice):
            first, second = order[twice[0] : twice[0] + 2] + 1
            raise BadInput(f"rows {first} and {second} have the same product_id", "give every product its own id")


def reindex_at(
    bundle: Bundle,
    catalogue: Path,
    out: Path,
    merchandising: Path | None,
    uri: str,
    created_at: str,
    threads: int,
    report: Report,
) -> Bundle:
    """As `indexing.reindex`, the products in a table at `uri`. A recommender is left behind: it needs them at hand.

    Raises BadInput, BundleError, MissingExtra, Unavailable.
    """
    hash_of = sha256(catalogue) if catalogue.is_file() else ""
    if not hash_of:
        raise NotFound(f"{catalogue} does not exist", "check the path")
    report("index: what all products say together")
    survey, old = Survey(), Rules.load(bundle.file("merchandising.json"))
    named = _named(old, merchandising)
    there: set[str] = set()
    for products in _chunks(catalogue, report):
        survey.add(products)
        there |= named & {product.product_id for product in products}
    if not survey.rows:
        raise BadInput(f"{catalogue} has no products", "give at least one row")
    survey.check_ids()
    rules = Rules.read(merchandising, there) if merchandising else old.among(there)
    known: dict[str, Any] = json.loads(bundle.file("search.json").read_bytes())
    tuned = Tuned(**{name: known[name] for name in Tuned._fields if name in known})
    with sealing(out) as draft:
        for name in MODELS:
            if (bundle.path / name).exists():
                shutil.copytree(bundle.path / name, draft.folder / name)
        encoder = Encoder(draft.folder / "encoder", threads)
        _write_survey(draft.folder, survey, encoder)
        rules.save(draft.folder / "merchandising.json")
        write_tuned(draft.folder, tuned, survey.currency)
        report(f"index {survey.rows} products: vectors and rows of the table")
        name = f"products_{hash_of[:12]}_{bundle.manifest.bundle_id[:8]}"
        chunks = _written(catalogue, survey, encoder, report)
        place = write_table(absolute(uri), name, encoder.dim, chunks, report)
        msgspec.structs.replace(place, sampled=len(survey.sample) < survey.rows).save(draft.folder)
        asked = [golden.query for golden in Golden.load(bundle.file("golden.json")).queries[: GOLDEN_QUERIES // 2]]
        write_golden(draft.folder, golden_queries(survey.sample, asked), threads)
        facts = {name: getattr(bundle.manifest, name) for name in Facts.__struct_fields__}
        facts |= {
            "languages": sorted(survey.languages),
            "currency": survey.currency,
            "n_products": survey.rows,
            "dim": int(encoder.dim),
            "created_at": created_at,
            "data": {catalogue.name: hash_of},
            "steps": [],
            "evaluation": {},
            "aisle_version": __version__,
        }
        return draft.seal(Facts(**facts))


def _write_survey(folder: Path, survey: Survey, encoder: Encoder) -> None:
    for name, count in zip(("title", "body"), survey.words, strict=True):
        count.statistics().save(folder / STATISTICS / name)
    (folder / VALUES).write_bytes(msgspec.json.encode(survey.values()))
    if (folder / "personal").exists():
        survey.usual().save(folder / USUAL)
    Understanding.build(survey.sample, encoder.knows).save(folder / "understanding")
    Suggester.build(survey.sample).save(folder / "suggest")


def _written(catalogue: Path, survey: Survey, encoder: Encoder, report: Report) -> Iterator[Chunk]:
    title, body = (count.statistics() for count in survey.words)
    done = 0
    for products in _chunks(catalogue, lambda sentence: None):
        vectors = encoder.encode([product_text(product) for product in products])
        yield columns(done, products, vectors, (title, body)), vectors
        done += len(products)
        report(f"index {done} of {survey.rows} products")


def _chunks(catalogue: Path, report: Report) -> Iterator[list[Product]]:
    """BadInput as `read_catalogue` raises it, but for ids that repeat. `report` is told of ignored columns."""
    products: list[Product] = []
    ignored: dict[str, None] = {}
    problems: list[str] = []
    for number, row in enumerate(stream_table(catalogue, required=("product_id", "title")), 1):
        ignored |= dict.fromkeys(column for column in row if not is_read(column))
        try:
            products.append(row_product(row))
        except BadInput as exc:
            problems.append(f"row {number}: {exc.detail}")
            if len(problems) >= MAX_PROBLEMS:
                break
        if problems:
            products.clear()  # the rows that follow are only read for their own mistakes
        elif number % CHUNK == 0:
            yield products
            products = []
    if ignored:
        report(f"{catalogue}: columns ignored: {', '.join(ignored)}")
    if problems:
        raise BadInput(f"{catalogue}: {'; '.join(problems)}", "correct these rows and try again")
    if products:
        yield products


def _named(old: Rules, merchandising: Path | None) -> set[str]:
    """The ids that rules may name: those of a file too that has mistakes, which `Rules.read` tells of later."""
    if merchandising is None:
        return {i for rule in (old.pin, old.bury) for ids in rule.values() for i in ids}
    return Rules.named(merchandising)
