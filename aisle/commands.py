"""What each command of `aisle` does, once its arguments are read: open a bundle, ask it, print.

A terminal gets a table and a pipe JSON lines, except where the format has a name: `run` prints a TREC run and `score`
pair_id <tab> score, wherever they go. What a table holds is checked before models are loaded, which takes longer.
"""

import dataclasses
import statistics
import sys
import tempfile
import uuid
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from aisle.assessment import Assessment, assess, check_measures, judged_queries, report_on, untied
from aisle.batch_commands import batch as batch
from aisle.bundle import Bundle, verify_hashes
from aisle.decoding import read_values
from aisle.errors import BadInput
from aisle.evaluation import trec_run_lines
from aisle.event_commands import events as events
from aisle.event_commands import replay as replay
from aisle.indexing import reindex
from aisle.key_commands import keys as keys
from aisle.lance_catalogue import PLACE
from aisle.listings import bundle_facts, bundle_listing, measures_listing, search_listing
from aisle.pairs import read_pairs
from aisle.products import Products
from aisle.recommend_command import recommend as recommend
from aisle.report import check_report, write_report
from aisle.runtime import Services, open_services
from aisle.settings import Settings
from aisle.table_indexing import reindex_at
from aisle.tables import read_qrels, read_queries
from aisle.terminal import progress
from aisle.types import SearchRequest

TAG = "aisle"  # the last column of a TREC run
PATIENCE_MS = (
    10_000  # the most a request may ask for: who types a query wants the best answer, however slow the machine
)


def index(asked: Namespace) -> int:
    """Seals BUNDLE2 and prints its id."""
    bundle = Bundle.open(asked.bundle)
    with _as_file(asked.catalogue) as catalogue:
        now, threads = datetime.now(UTC).isoformat(timespec="seconds"), _settings(asked).threads
        if asked.catalogue_at:
            given = catalogue, asked.out, asked.merchandising, asked.catalogue_at
            made = reindex_at(bundle, *given, now, threads, _tell)
        else:
            made = reindex(bundle, catalogue, asked.out, asked.merchandising, now, threads, _tell)
    manifest = made.manifest
    if sys.stdout.isatty():
        print(f"bundle {manifest.bundle_id} with {manifest.n_products} products is at {asked.out}")
    else:
        _print_json({"bundle_id": manifest.bundle_id, "n_products": manifest.n_products, "path": str(asked.out)})
    return 0


def search(asked: Namespace) -> int:
    """Prints the hits: a table, one JSON line each, or with --json the whole response."""
    values = {"query": asked.query, "k": asked.k, "lang": asked.lang, "budget_ms": PATIENCE_MS}
    request = read_values(values, SearchRequest, "argument")
    response = _open(asked).search(request, uuid.uuid4().hex)
    if asked.json:
        _print_json(response)
    elif sys.stdout.isatty():
        print(search_listing(response))
    else:
        for hit in response.hits:
            _print_json(hit)
    return 0


def run(asked: Namespace) -> int:
    """Prints a TREC run, query by query; a query without hits has no lines."""
    queries = read_queries(asked.queries)
    services = _open(asked)
    # On a terminal the lines themselves show how far it is; a bar would be written across them.
    for query_id, query in queries if sys.stdout.isatty() else progress(queries):
        for line in trec_run_lines({query_id: untied(services.ranking(query, asked.k))}, TAG):
            print(line)
        sys.stdout.flush()
    return 0


def score(asked: Namespace) -> int:
    """Prints pair_id <tab> score, in the order of PAIRS."""
    pairs = read_pairs(asked.pairs)
    services = _open(asked)
    for pair in pairs if sys.stdout.isatty() else progress(pairs):
        print(f"{pair.pair_id}\t{services.score(pair):.9g}")  # nine digits tell any two float32 apart
    return 0


def evaluate(asked: Namespace) -> int:
    """Prints each measure with its interval, and the latency of a search request; writes --report."""
    check_report(asked.report)
    check_measures(asked.measures)
    queries, qrels = read_queries(asked.queries), read_qrels(asked.qrels)
    bundle = Bundle.open(asked.bundle)
    if bundle.has(PLACE):
        raise BadInput(
            f"the catalogue of {asked.bundle} lies in a table, and evaluate needs it in the bundle",
            "evaluate the bundle that it was indexed from, or give what `aisle run` prints to ir_measures",
        )
    products = Products.load(bundle.path)
    judged = judged_queries(queries, qrels, products)
    if len(judged) < len(queries):
        _tell(f"{len(queries) - len(judged)} of {len(queries)} queries have no judgements and are skipped")
    services = _open(asked)
    assessment = assess(services, progress(judged), qrels, asked.measures, asked.k)
    _print_assessment(assessment)
    if asked.report:
        facts = bundle_facts(services.bundle.manifest)
        write_report(asked.report, report_on(assessment, dict(judged), qrels, products, facts))
    return 0


def verify(asked: Namespace) -> int:
    """0 where every byte is as it was sealed and the golden queries find the same here; 1 where they do not."""
    bundle = Bundle.open(asked.bundle)
    verify_hashes(bundle)  # before the files are used: what a changed model does is anyone's guess
    replay = Services(bundle, _settings(asked).threads).replay()
    if not replay.ok:
        _tell(f"aisle: bundle {bundle.manifest.bundle_id} answers differently here: {replay.reason}")
        return 1
    print(f"ok: {len(bundle.manifest.files)} files are as they were sealed, {replay.reason}")
    return 0


def inspect(asked: Namespace) -> int:
    """Prints the manifest: tables to a terminal, its JSON on one line to a pipe."""
    manifest = Bundle.open(asked.bundle).manifest
    if sys.stdout.isatty():
        print(bundle_listing(manifest))
    else:
        _print_json(manifest)
    return 0


def publish(asked: Namespace) -> int:
    """Prints the bundle's address in S3, and whether it was there already."""
    from aisle.aws.publishing import bucket_of, publish  # boto3 is behind it

    bundle = Bundle.open(asked.bundle)
    published = publish(bundle, asked.bucket or bucket_of(asked.stage))
    if sys.stdout.isatty():
        print(f"{published.address} {'is there already' if published.was_there else 'is published'}")
    else:
        _print_json({"address": published.address, "was_there": published.was_there})
    return 0


def serve(asked: Namespace) -> int:
    """Answers over HTTP until interrupted."""
    from aisle.server import serve  # the HTTP door, which no other command opens

    serve(asked.bundle, asked.host, asked.port, asked.state)
    return 0


def _print_assessment(assessment: Assessment) -> None:
    total_ms = assessment.latency_ms["total"]
    n, median_ms, p95_ms = len(total_ms), statistics.median(total_ms), float(np.percentile(total_ms, 95))
    if sys.stdout.isatty():
        print(measures_listing(assessment.intervals()))
        print(f"{n} queries; a search takes {median_ms:.1f} ms (median), {p95_ms:.1f} ms (p95)")
        return
    for row in assessment.intervals():
        _print_json({"measure": row.measure, "mean": row.mean, "low": row.low, "high": row.high, "queries": n})
    _print_json({"measure": "latency_ms", "median": round(median_ms, 2), "p95": round(p95_ms, 2), "queries": n})


def _settings(asked: Namespace) -> Settings:
    return dataclasses.replace(Settings.from_env(), bundle=asked.bundle)


def _open(asked: Namespace) -> Services:
    return open_services(_settings(asked))


@contextmanager
def _as_file(path: Path) -> Iterator[Path]:
    """`path`, or what stdin holds as a file: the manifest needs the hash of what was read."""
    if str(path) != "-":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        spooled = Path(folder) / "stdin.tsv"
        spooled.write_bytes(sys.stdin.buffer.read())
        yield spooled


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _print_json(value: object) -> None:
    print(msgspec.json.encode(value).decode())
