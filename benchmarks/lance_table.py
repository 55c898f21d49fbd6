"""A catalogue in a table (LanceDB) beside the same in the bundle: what is found, how long it takes, what S3 is asked.

    .venv/bin/python benchmarks/lance_table.py .aisle/bench-models --products 100000

What was indexed stays beside the bundle and is taken again. The table lies on the local disk, then, copied, in an
emulated S3 that counts requests. An emulation says nothing of S3's own time: `first_byte_ms` to the first byte of each
is an assumption. What it adds is computed from the rounds that were counted, and measured by letting the emulation wait
as long.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from counted_s3 import counted, counted_s3
from measuring import arguments, asked, in_new_process, milliseconds, one_core, percentiles, resident_mb, write
from numpy.typing import NDArray

from aisle import lance_catalogue
from aisle.bundle import Bundle
from aisle.dense import Dense, top_rows
from aisle.gathering import GatheredSearch
from aisle.runtime import Services, open_sealed, open_search
from aisle.sealing import sealing
from aisle.search import Search
from aisle.table_record import decode
from aisle.types import Filters, Range, SearchRequest

PRODUCTS = 100_000
SEARCHES = 200
STORED_SEARCHES = 40  # of the emulated S3, which takes some 20 ms of one core a request
WARM_UP = 10
K = 10
FIRST_BYTE_MS = 30  # S3 Standard, same region: 20 to 40 ms are usual (assumption)
USD_A_GET = 0.4e-6
BUCKET = "catalogues"
FILTERS = {"none": Filters(), "in stock under 40": Filters(price=Range(lte=40), in_stock=True)}
CONNECTION = {"AWS_ACCESS_KEY_ID": "counted", "AWS_SECRET_ACCESS_KEY": "counted", "AWS_REGION": "us-east-1"}


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=PRODUCTS, help="generated products (default: %(default)s)")
    parser.add_argument("--without-s3", action="store_true", help="the local disk alone")
    given = parser.parse_args()
    models = Bundle.open(given.bundle)
    queries = asked(models, given.queries)
    folder = given.bundle.with_name(f"lance-{given.products}")
    folder.mkdir(exist_ok=True)
    catalogue = folder / "catalogue.jsonl"
    generator = Path(__file__).with_name("catalogue.py")
    subprocess.run([sys.executable, str(generator), str(given.products), str(catalogue)], check=True)
    figures: dict[str, Any] = {"products": given.products, "searches": SEARCHES, "threads": 1}
    made = {"bundle": [], "table on disk": ["--catalogue-at", str(folder / "table")]}
    for name, more in made.items():
        figures[name] = {**indexed(models.path, catalogue, folder / name, more), "mb": megabytes(folder / name)}
        figures[name] |= in_new_process(timed, folder / name, queries)
        print(name, figures[name], flush=True)
    figures["table on disk"]["table_mb"] = megabytes(folder / "table")
    figures["agreement"] = in_new_process(agreement, folder / "bundle", folder / "table on disk", queries)
    print("agreement", figures["agreement"], flush=True)
    if not given.without_s3:
        with counted_s3() as url:
            figures["table in emulated S3"] = stored(url, folder, queries)
        print("s3", figures["table in emulated S3"], flush=True)
    write(given.out or given.bundle.with_name(f"lance-{given.products}.json"), figures, models)


def indexed(models: Path, catalogue: Path, out: Path, more: Sequence[str]) -> dict[str, int]:
    """Seconds that `aisle index` took, and the most MB that it held; of an earlier run, where there was one.

    Raises CalledProcessError.
    """
    noted = out.with_name(f"{out.name}.json")
    if noted.exists():
        earlier: dict[str, int] = json.loads(noted.read_bytes())
        return earlier
    command = [sys.executable, "-m", "aisle", "index", str(models), str(catalogue), "--out", str(out), *more]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    figures = {"index_s": round(time.perf_counter() - start), "index_peak_mb": round(usage.ru_maxrss / 1024)}
    noted.write_text(json.dumps(figures))
    return figures


def megabytes(folder: Path) -> int:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)


def timed(path: Path, queries: list[str]) -> dict[str, Any]:
    """Opening, memory and time of a bundle on one core, in a process of its own; without reranking."""
    one_core()
    services: list[Services] = []
    open_ms = milliseconds(lambda: services.append(Services(Bundle.open(path), threads=1)))
    taken = {name: searched(services[0], queries, filters, SEARCHES) for name, filters in FILTERS.items()}
    return {
        "open_ms": round(open_ms, 1),
        "resident_mb": round(resident_mb()),
        "milliseconds": {name: percentiles(times) for name, times in taken.items()},
    }


def searched(
    services: Services, queries: list[str], filters: Filters, searches: int, after: Callable[[], object] = lambda: None
) -> list[float]:
    """Milliseconds of each search, the first ones left out; `after` each."""
    taken = []
    for number, query in enumerate(islice(cycle(queries), WARM_UP + searches)):
        request = SearchRequest(query, filters=filters, rerank="none", budget_ms=10_000)
        elapsed = milliseconds(lambda request=request: services.search(request, "lance"))  # type: ignore[misc]
        if number >= WARM_UP:
            taken.append(elapsed)
        after()
    return taken


def agreement(whole: Path, table: Path, queries: list[str]) -> dict[str, Any]:
    """Overlap of the first ten with those of the bundle, and what of the exact nearest ten each vector index finds.

    int8 kernels scale by the batch, so a text encoded in chunks has another vector than one encoded with all others:
    the bundle is asked as it was sealed, and with the table's vectors in its index.
    """
    sealed, stored = open_search(whole, "whole", 1), open_sealed(table, "table", 1)
    assert isinstance(stored, GatheredSearch)
    alike = dataclasses.replace(sealed.parts, dense=Dense.build(vectors_of(stored, len(sealed.parts.products))))
    embedded = Search(alike, "alike", time.perf_counter)
    return {
        "overlap@10, vectors alike": overlap(embedded, stored, queries),
        "overlap@10, as indexed": overlap(sealed, stored, queries),
        "overlap@10, the bundle with either vectors": overlap(sealed, embedded, queries),
        "recall@10 of vectors": recalled(embedded, stored, queries),
    }


def vectors_of(stored: GatheredSearch, rows: int) -> NDArray[np.float32]:
    """(rows, dim), by row, as the table's records have them."""
    assert isinstance(stored.table, lance_catalogue.LanceCatalogue)
    vectors = np.empty((rows, stored.table.place.dim), np.float32)
    place = stored.table.place
    table = lance_catalogue.connected(place.uri, 60.0).open_table(place.table, version=place.version)
    for batch in table.search().select(["record"]).to_batches(1000):
        for record in map(decode, batch["record"].to_pylist()):
            vectors[record.row] = np.frombuffer(record.vector, np.int8) / np.float32(127)
    return vectors


def overlap(one: Search, other: Search | GatheredSearch, queries: list[str]) -> dict[str, float]:
    """By filter: of the first ten hits, and the share of queries whose first hit is the same."""
    overlaps: dict[str, float] = {}
    for name, filters in FILTERS.items():
        shares, firsts = [], []
        for query in queries:
            request = SearchRequest(query, filters=filters, rerank="none", budget_ms=10_000)
            these, those = ([hit.product_id for hit in s.search(request, "q").hits] for s in (one, other))
            shares.append(len({*these} & {*those}) / max(len(these), len(those)) if these or those else 1.0)
            firsts.append(these[:1] == those[:1])
        overlaps[name] = round(float(np.mean(shares)), 4)
        overlaps[f"{name}, first hit"] = round(float(np.mean(firsts)), 4)
    return overlaps


def recalled(embedded: Search, stored: GatheredSearch, queries: list[str]) -> dict[str, float]:
    """Of the exact nearest ten: whatever scores at least as the tenth counts."""
    dense = embedded.parts.dense
    every = np.arange(len(embedded.parts.products))
    recalls: dict[str, list[float]] = {"bundle": [], "table": []}
    for vector in embedded.parts.encoder.encode(queries):
        exact = dense.some(every, vector)
        least = exact[top_rows(exact, K)[-1]]
        seen = dense.scores(vector)
        found = [record.row for record in stored.table.find([], vector, Filters(), 200, list)]
        for name, cosines in (("bundle", seen), ("table", exact[found])):
            recalls[name].append(float(np.mean(cosines[top_rows(cosines, K)] >= least)))
    return {name: round(float(np.mean(shares)), 4) for name, shares in recalls.items()}


def stored(url: str, folder: Path, queries: list[str]) -> dict[str, Any]:
    """The table on disk, copied to an S3 at `url` that counts, and a bundle that names it there."""
    import boto3

    os.environ.update(CONNECTION | {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true"})
    s3, prefix = boto3.client("s3"), "bench"
    s3.create_bucket(Bucket=BUCKET)
    for path in (folder / "table").rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), BUCKET, f"{prefix}/{path.relative_to(folder / 'table')}")
    with sealing(folder / "stored") as draft:
        shutil.copytree(folder / "table on disk", draft.folder, dirs_exist_ok=True)
        here = lance_catalogue.Place.load(draft.folder)
        msgspec.structs.replace(here, uri=f"s3://{BUCKET}/{prefix}").save(draft.folder)
        draft.seal(Bundle.open(folder / "table on disk").manifest)
    return in_new_process(asked_of_s3, folder / "stored", queries, url)


def asked_of_s3(path: Path, queries: list[str], url: str) -> dict[str, Any]:
    """Requests, rounds and bytes a search, in a process that has asked nothing before; without and with S3's wait."""
    lance_catalogue.ASK_S = 60.0
    counted(url, FIRST_BYTE_MS)
    services: list[Services] = []
    open_ms = milliseconds(lambda: services.append(Services(Bundle.open(path), threads=1)))
    figures: dict[str, Any] = {"first_byte_ms": FIRST_BYTE_MS, "usd_a_get": USD_A_GET}
    figures["opening"] = {"ms": round(open_ms), **counted(url)}
    request = SearchRequest(queries[0], rerank="none", budget_ms=10_000)
    first_ms = milliseconds(lambda: services[0].search(request, "lance"))
    figures["first search"] = {"ms": round(first_ms), **counted(url)}
    for name, filters in FILTERS.items():
        counts: list[Counter[str]] = []
        counted(url, FIRST_BYTE_MS)
        waited = searched(services[0], queries, filters, STORED_SEARCHES, lambda c=counts: c.append(counted(url)))  # type: ignore[misc]
        counted(url, 0)
        taken = searched(services[0], queries, filters, STORED_SEARCHES)
        told = counts[WARM_UP:]
        mean = {
            key: round(float(np.mean([count[key] for count in told])), 1) for key in ("requests", "rounds", "bytes")
        }
        figures[name] = {
            **mean,
            "computed_added_ms": round(mean["rounds"] * FIRST_BYTE_MS, 1),
            "milliseconds without wait": percentiles(taken),
            "milliseconds with wait": percentiles(waited),
            "usd_a_million_searches": round(mean["requests"] * USD_A_GET * 1e6, 2),
        }
    return figures


if __name__ == "__main__":
    main()
