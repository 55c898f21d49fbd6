"""Everything in a bundle that follows from the catalogue, written beside models that stay: the daily refresh, without
training.

The workshop fills its draft with the same function, so a fresh catalogue and a fresh build differ in nothing but the
models.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aisle import __version__
from aisle.bundle import Bundle, Facts, sha256
from aisle.catalogue import body_text, product_text, read_catalogue, title_text
from aisle.content import content_neighbours
from aisle.dense import Dense
from aisle.encoder import Encoder
from aisle.filters import Columns
from aisle.golden import Golden, record
from aisle.item_ids import ItemIds
from aisle.knowledge import Knowledge, item_prices
from aisle.lexical import Lexical
from aisle.merchandising import Rules
from aisle.products import Products
from aisle.recommender import FACTS
from aisle.runtime import open_sealed
from aisle.sealing import sealing
from aisle.suggest import Suggester
from aisle.types import Product
from aisle.understanding import Understanding

MODELS = ("encoder", "reranker", "ranker", "pairs", "personal")  # the last two where a recipe has judged pairs, clicks
GOLDEN_QUERIES = 64
PATIENCE_S = 120.0  # with a store, while nobody waits
Report = Callable[[str], None]  # one sentence of progress


class Tuned(NamedTuple):
    """Numbers found by measuring: the least cosine that counts as a match, and the margin under which an order deserves
    the heavy reranker."""

    floor: float = -1.0
    heavy_margin: float = 0.0


class Found(NamedTuple):
    """How texts are found: by the words of titles and bodies, by meaning. What a cluster may make in shards."""

    title: Lexical
    body: Lexical
    dense: Dense


def write_index(
    folder: Path,
    products: Sequence[Product],
    rules: Rules,
    tuned: Tuned,
    threads: int,
    report: Report,
    found: Found | None = None,
) -> None:
    """Fill `folder`, which holds encoder/, with all that follows from `products`; `found` may be made already."""
    report(f"index {len(products)} products: columns, words, suggestions")
    Products.save(products, folder)
    Columns.build(products).save(folder / "columns")
    # Each is let go as soon as it is saved.
    (found.title if found else Lexical.build([title_text(p) for p in products])).save(folder / "lexical" / "title")
    (found.body if found else Lexical.build([body_text(p) for p in products])).save(folder / "lexical" / "body")
    encoder = Encoder(folder / "encoder", threads)
    Understanding.build(products, encoder.knows).save(folder / "understanding")
    Suggester.build(products).save(folder / "suggest")
    rules.save(folder / "merchandising.json")
    write_tuned(folder, tuned, currency_of(products))
    report(f"index {len(products)} products: vectors")
    dense = found.dense if found else Dense.build(encoder.encode([product_text(p) for p in products]))
    dense.save(folder / "dense")


def write_recommender(old: Path, folder: Path, products: Sequence[Product]) -> None:
    """The recommender in `old` over other products, in `folder`, whose vectors are written: what the log said of those
    that stay is kept, and those that are new are known by their texts."""
    ids = ItemIds.load(old / "ids").over([product.product_id for product in products])
    content = content_neighbours(Dense.load(folder / "dense"), ids)
    new = folder / "recommender"
    shutil.copytree(old, new, ignore=shutil.ignore_patterns("ids", "knowledge"))
    ids.save(new / "ids")
    Knowledge.load(old / "knowledge").over(item_prices(products, ids), content).save(new / "knowledge")
    facts = json.loads((old / FACTS).read_bytes())
    (new / FACTS).write_text(json.dumps({**facts, "rows": len(products)}))


def write_tuned(folder: Path, tuned: Tuned, currency: str) -> None:
    """search.json: what search needs beside its indexes."""
    (folder / "search.json").write_text(json.dumps({**tuned._asdict(), "currency": currency}))


def currency_of(products: Sequence[Product]) -> str:
    """The catalogue's one currency, or "" where it names none."""
    return next((p.currency for p in products if p.currency), "")


def write_golden(folder: Path, queries: Sequence[str], threads: int) -> None:
    """golden.json: what these queries find with the other files of `folder`, on this processor."""
    search = open_sealed(folder, "draft", threads, PATIENCE_S)
    record(lambda query: search.ranking(query, 10), queries).save(folder / "golden.json")


def reindex(
    bundle: Bundle,
    catalogue: Path,
    out: Path,
    merchandising: Path | None,
    created_at: str,
    threads: int,
    report: Report,
) -> Bundle:
    """The models of `bundle` over the products of `catalogue`, sealed at `out`; measured figures are dropped.

    Keeps encoder, reranker, ranker, scorer of pairs, what clicks and the log taught, and the shop's rules, less the
    products that left, unless `merchandising` brings new ones. The shoppers' half of the golden queries stays, the
    other half are titles of the new catalogue. Raises BadInput and BundleError.
    """
    products = read_catalogue(catalogue, report)
    data = {catalogue.name: sha256(catalogue)}
    return reindexed(bundle, products, data, out, merchandising, created_at, threads, report)


def reindexed(
    bundle: Bundle,
    products: Sequence[Product],
    data: dict[str, str],
    out: Path,
    merchandising: Path | None,
    created_at: str,
    threads: int,
    report: Report,
    found: Found | None = None,
) -> Bundle:
    """`reindex` over products that are read already, from files of these names and hashes."""
    ids = {p.product_id for p in products}
    rules = (
        Rules.read(merchandising, ids) if merchandising else Rules.load(bundle.file("merchandising.json")).among(ids)
    )
    known: dict[str, Any] = json.loads(bundle.file("search.json").read_bytes())
    tuned = Tuned(**{name: known[name] for name in Tuned._fields if name in known})
    with sealing(out) as draft:
        for name in MODELS:
            if (bundle.path / name).exists():
                shutil.copytree(bundle.path / name, draft.folder / name)
        write_index(draft.folder, products, rules, tuned, threads, report, found)
        if (bundle.path / "recommender").exists():
            report(f"recommend from {len(products)} products: what is known of them, and what means alike")
            write_recommender(bundle.path / "recommender", draft.folder, products)
        asked = [old.query for old in Golden.load(bundle.file("golden.json")).queries[: GOLDEN_QUERIES // 2]]
        write_golden(draft.folder, golden_queries(products, asked), threads)
        facts = {name: getattr(bundle.manifest, name) for name in Facts.__struct_fields__}
        facts |= catalogue_facts(products, draft.folder)
        facts |= {
            "created_at": created_at,
            "data": data,
            "steps": [],
            "evaluation": {},
            "aisle_version": __version__,
        }
        return draft.seal(Facts(**facts))


def golden_queries(products: Sequence[Product], asked: Sequence[str]) -> list[str]:
    """Half of what shoppers ask, which comes first, half titles, spread over the catalogue."""
    half = GOLDEN_QUERIES // 2
    titles = [" ".join(p.title.split()[:6]) for p in products]
    return [*dict.fromkeys(q for queries in (asked, titles) for q in queries[:: -(-len(queries) // half) or 1])]


def catalogue_facts(products: Sequence[Product], folder: Path) -> dict[str, Any]:
    """The manifest's fields that follow from the catalogue."""
    languages = sorted({language for p in products for language in p.titles})
    dim = Dense.load(folder / "dense").rows.shape[1]
    return {"languages": languages, "currency": currency_of(products), "n_products": len(products), "dim": int(dim)}
