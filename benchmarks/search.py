"""One search end to end on one core: this bundle with and without reranking, beside what a shop would pick instead.

    .venv-bench/bin/python benchmarks/search.py .aisle/bench-35000

HTTP, JSON and the network are left out, so the figures are those of the search alone. The budget is the largest that a
request may ask for: nothing is cut short. The peers search the texts that the bundle's own models read.
"""

from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import arguments, asked, one_core, percentiles, side_by_side, write
from peers import BM25, ExactSearch, LanceHybrid

from aisle.bundle import Bundle
from aisle.catalogue import product_text
from aisle.products import Products
from aisle.runtime import Services
from aisle.types import Rerank, SearchRequest

BUDGET_MS = 10_000


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300, help="searches a system; queries repeat in turn (default: 300)")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    given = parser.parse_args()
    bundle = Bundle.open(given.bundle)
    services = Services(bundle, threads=1)
    distinct = asked(bundle, given.queries)
    queries = list(islice(cycle(distinct), given.n))
    systems: dict[str, Callable[[int], object]] = {
        "aisle": lambda i: answer(services, queries[i], "none"),
        "aisle, reranked": lambda i: answer(services, queries[i], "auto"),
    }
    with TemporaryDirectory() as folder:
        if not given.alone:
            systems |= peers(bundle.path, Path(folder), queries)
        one_core()
        taken = side_by_side(systems, given.n)
    summary = {name: percentiles(times) for name, times in taken.items()}
    figures = {
        "queries": {"distinct": len(set(distinct)), "searches": given.n, "threads": 1},
        "milliseconds": summary,
    }
    own = summary["aisle"]["p50"]
    print(f"{bundle.manifest.n_products} products, {given.n} searches a system, one core")
    for name, row in summary.items():
        print(f"{name:55} p50 {row['p50']:8.2f} ms   p99 {row['p99']:8.2f} ms   {row['p50'] / own:5.1f} x")
    write(given.out or given.bundle.with_name(f"{given.bundle.name}.search.json"), figures, bundle)


def peers(bundle: Path, folder: Path, queries: list[str]) -> dict[str, Callable[[int], object]]:
    products = Products.load(bundle)
    texts = [product_text(products[row]) for row in range(len(products))]
    exact = ExactSearch(texts)
    bm25, lance = BM25(texts), LanceHybrid(folder, texts, exact)
    return {
        "BM25 alone (bm25s)": lambda i: bm25.search(queries[i]),
        "MiniLM and exact search (sentence-transformers)": lambda i: exact.search(queries[i]),
        "hybrid search (LanceDB, MiniLM)": lambda i: lance.search(queries[i]),
    }


def answer(services: Services, query: str, rerank: Rerank) -> None:
    """Raises RuntimeError where a stage was skipped."""
    response = services.search(SearchRequest(query, rerank=rerank, budget_ms=BUDGET_MS), "benchmark")
    if response.degraded:
        raise RuntimeError(f"{query!r} was answered without {', '.join(response.degraded)}")


if __name__ == "__main__":
    main()
