"""How good a bundle is beside BM25 with the same analyser, spelling correction and price filter.

    python benchmarks/quality.py .aisle/demo-3000 demo --split test
    python benchmarks/quality.py bundles/pricerunner pricerunner --split dev --data DIR
    python benchmarks/quality.py bundles/general icecat --index --split train dev --data DIR

With --index the bundle's models are first put over the data set's catalogue, as `aisle index` does. Prints each
measure with its paired difference and 95 % bootstrap interval, and the same by kind of query where the data set names
kinds; all of it goes into a JSON file beside the bundle.
"""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from measuring import write

from aisle.bundle import Bundle
from aisle.evaluation import interval, paired_bootstrap
from aisle.indexing import reindex
from aisle.runtime import open_search
from aisle.settings import Settings
from aisle.types import Product
from model_export.assess import MEASURES, Systems, bm25_run, bundle_run, judged
from model_export.datasets import Corpus, load

SEED = 7
HARD = ("cross", "synonym")  # kinds that need meaning: the right product mostly says it in other words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data_set", help="whose queries and labels: demo, pricerunner, ...")
    parser.add_argument("--split", default=["dev"], choices=("train", "dev", "test"), nargs="+")
    parser.add_argument("--index", action="store_true", help="first put the models over the data set's catalogue")
    parser.add_argument("--data", type=Path, default=Settings.from_env().data)
    parser.add_argument("--out", type=Path, help="JSON file to write (default: BUNDLE.quality.json)")
    given = parser.parse_args()
    bundle = Bundle.open(given.bundle)
    corpus = load(given.data_set, given.data, demo_products=bundle.manifest.n_products)
    systems = Systems(judged(corpus.labelled, given.split, 100_000))
    with TemporaryDirectory() as folder:
        searched = indexed(bundle, corpus, Path(folder)) if given.index else bundle
        search = open_search(searched.path, bundle.manifest.bundle_id, threads=os.cpu_count() or 1)
        systems.runs["bundle"] = bundle_run(search, systems.judged)
        systems.runs["BM25"] = bm25_run(search, corpus.products, systems.judged)
    measures = {name: _compared(systems, name, None) for name in MEASURES}
    kinds = {kind: {kind} for kind in sorted({*systems.judged.kinds.values()})}
    if kinds:
        kinds["+".join(HARD)] = {*HARD}
    by_kind = {name: _compared(systems, "nDCG@10", chosen) for name, chosen in kinds.items()}
    figures = {
        "queries": len(systems.judged.queries),
        "data_set": given.data_set,
        "split": " and ".join(given.split),
        "measures": measures,
        "by_kind": by_kind,
    }
    print(f"{figures['queries']} {figures['split']} queries of {given.data_set}, bundle {bundle.manifest.bundle_id}")
    named = {f"nDCG@10 {kind}": row for kind, row in by_kind.items()}
    for name, row in {**measures, **named}.items():
        low, high = row["interval"]
        means = f"bundle {row['bundle']:.4f}  BM25 {row['BM25']:.4f}"
        print(f"{name:22} {means}  {row['gain']:+.4f} [{low:+.4f}, {high:+.4f}]")
    write(given.out or given.bundle.with_name(f"{given.bundle.name}.quality.json"), figures, bundle)


def indexed(bundle: Bundle, corpus: Corpus, folder: Path) -> Bundle:
    """The models of `bundle` over the products of `corpus`, in `folder`."""
    catalogue = folder / "catalogue.jsonl"
    catalogue.write_bytes(b"".join(msgspec.json.encode(catalogue_row(product)) + b"\n" for product in corpus.products))
    return reindex(bundle, catalogue, folder / "bundle", None, "", os.cpu_count() or 1, lambda _: None)


def catalogue_row(product: Product) -> dict[str, object]:
    """The product as a row of a CATALOGUE, which has a column a language."""
    row: dict[str, object] = msgspec.to_builtins(product)
    for column in ("title", "description"):
        texts = row.pop(f"{column}s", {})
        assert isinstance(texts, dict)
        row |= {f"{column}_{language}": text for language, text in texts.items()}
    return row


def _compared(systems: Systems, measure: str, kinds: set[str] | None) -> dict[str, Any]:
    """Means of both systems over the queries of these kinds (all, where None), and the paired difference."""
    by_query = {name: systems.evaluation(name).by_query for name in ("bundle", "BM25")}
    chosen = [q for q in by_query["bundle"] if kinds is None or systems.judged.kinds.get(q) in kinds]
    ours, theirs = (np.array([rows[q][measure] for q in chosen]) for rows in by_query.values())
    gain, low, high = paired_bootstrap(ours, theirs, SEED)
    mean, least, most = interval(ours, SEED)
    return {
        "bundle": mean,
        "bundle_interval": [least, most],
        "BM25": float(theirs.mean()),
        "gain": gain,
        "interval": [low, high],
        "queries": len(chosen),
    }


if __name__ == "__main__":
    main()
