"""From process start to the first answer of the search function, under the real Lambda

    PYTHONPATH=. .venv-bench/bin/python benchmarks/cold_start.py .aisle/bench-35000

The runtime client is `awslambdaric`, the runtime interface emulator is AWS's own (infra/emulator.py). The bundle's
files are in the page cache: what fetching an image costs is not in these figures. Also draws what each import and each
part of the bundle costs.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from measuring import arguments, asked, in_new_process, milliseconds, resident_mb, write

from aisle.bundle import Bundle
from infra.emulator import emulator, started

ROOT = Path(__file__).resolve().parents[1]
EVENT = ROOT / "tests" / "events" / "http_get_search.json"
HANDLER = "functions.search.handler.handler"
MEMORY_MB = 1769  # one vCPU
STARTS = 7
LEAST_MS = 3.0  # of a bar of its own; what is shorter is added up


def main() -> None:
    given = arguments(__doc__.splitlines()[0]).parse_args()
    bundle = Bundle.open(given.bundle)
    environment = os.environ | {
        "AISLE_BUNDLE": str(bundle.path.resolve()),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
        "PYTHONPATH": str(ROOT),
    }
    event = search_event(asked(bundle, given.queries)[0])
    emulator()  # fetched before the clock runs
    starts = [first_answer(environment, event) for _ in range(STARTS + 1)][1:]  # the first one fills the page cache
    seconds, resident_mb = (statistics.median(values) for values in zip(*starts, strict=True))
    costs = {**import_costs(environment), **in_new_process(part_costs, bundle.path)}
    out = given.out or given.bundle.with_name(f"{given.bundle.name}.cold_start.json")
    print(f"{bundle.manifest.n_products} products: first answer after {seconds:.2f} s, {resident_mb:.0f} MB resident")
    for name, ms in costs.items():
        print(f"{name:40} {ms:8.1f} ms")
    draw(costs, out.with_suffix(".svg"))
    figures = {"starts": STARTS, "first_answer_s": round(seconds, 3), "resident_mb": round(resident_mb), "ms": costs}
    write(out, figures, bundle)


def search_event(query: str) -> bytes:
    """API Gateway's event of a search for `query`."""
    event = json.loads(EVENT.read_text(encoding="utf-8"))
    event["rawQueryString"] = urllib.parse.urlencode({"q": query})
    event["queryStringParameters"] = {"q": query}
    return json.dumps(event).encode()


def first_answer(environment: Mapping[str, str], event: bytes) -> tuple[float, float]:
    """Seconds from the start of the process to its first answer, and the MB then resident in the function's process."""
    start = time.perf_counter()
    with started(HANDLER, environment) as function:
        answer = function.invoke(event)
        seconds = time.perf_counter() - start
        if answer.get("statusCode") != 200:
            raise RuntimeError(f"the function answered {str(answer)[:500]}")
        return seconds, function_mb(function.pid)


def function_mb(parent: int) -> float:
    """Of the largest child of the emulator: the runtime client's process, which is the function's."""
    threads = Path(f"/proc/{parent}/task").glob("*/children")
    children = [child for thread in threads for child in thread.read_text().split()]
    return max(map(resident_mb, children))


def import_costs(environment: Mapping[str, str]) -> dict[str, float]:
    """package -> milliseconds of its own modules when the handler is imported, the dearest first.

    Opening the bundle is not part of it: -X importtime stops a module's clock while it imports others, but not while it
    runs, so the handler's own line is left out.
    """
    command = [sys.executable, "-X", "importtime", "-c", f"import {HANDLER.rpartition('.')[0]}"]
    told = subprocess.run(command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, check=True).stderr
    spent: dict[str, float] = defaultdict(float)
    for line in told.splitlines():
        own, _, name = (part.strip() for part in line.removeprefix("import time:").split("|"))
        if own.isdigit() and name != HANDLER.rpartition(".")[0]:
            package = name.split(".")[0]
            standard = package in sys.stdlib_module_names
            spent["import: standard library" if standard else f"import: {package}"] += int(own) / 1000
    return gathered(spent, "import: the rest")


def part_costs(path: Path) -> dict[str, float]:
    """part of the bundle -> milliseconds to open it, and those of two searches, each opened as serving does."""
    from aisle.dense import Dense
    from aisle.encoder import Encoder
    from aisle.filters import Columns
    from aisle.lexical import Lexical
    from aisle.products import Products
    from aisle.ranker import Ranker
    from aisle.reranker import CrossEncoder
    from aisle.runtime import Services
    from aisle.suggest import Suggester
    from aisle.types import SearchRequest
    from aisle.understanding import Understanding

    bundle = Bundle.open(path)
    parts: dict[str, Callable[[], object]] = {
        "open: manifest and sizes": lambda: Bundle.open(path),
        "open: products": lambda: Products.load(path),
        "open: columns": lambda: Columns.load(path / "columns"),
        "open: lexical indexes": lambda: [Lexical.load(path / "lexical" / f) for f in ("title", "body")],
        "open: vectors": lambda: Dense.load(path / "dense"),
        "open: encoder": lambda: Encoder(path / "encoder", 1),
        "open: reranker": lambda: CrossEncoder(path / "reranker", 1),
        "open: ranker": lambda: Ranker(path / "ranker"),
        "open: understanding": lambda: Understanding.load(path / "understanding", lambda word: False),
        "open: suggest": lambda: Suggester.load(path / "suggest"),
    }
    taken = {name: round(milliseconds(work), 1) for name, work in parts.items()}
    services = Services(bundle, threads=1)
    query = asked(bundle, None)[0]
    for name in ("first search", "second search"):
        taken[name] = round(milliseconds(lambda: services.search(SearchRequest(query), "benchmark")), 1)
    return taken


def gathered(spent: Mapping[str, float], rest: str) -> dict[str, float]:
    """`spent`, dearest first, with what is under LEAST_MS added up as `rest`."""
    bars = {name: round(ms, 1) for name, ms in sorted(spent.items(), key=lambda item: -item[1]) if ms >= LEAST_MS}
    return {**bars, rest: round(sum(spent.values()) - sum(bars.values()), 1)}


def draw(costs: Mapping[str, float], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 0.28 * len(costs) + 0.8), layout="constrained")
    bars = axes.barh(list(costs), list(costs.values()), color="#3b7dd8")
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.invert_yaxis()
    axes.set_xlabel("ms")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
