"""`aisle build`, `demo`, `heavy` and `release`: the commands that need the workshop, found by their entry points."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import msgspec
import numpy as np

from aisle.bundle import MANIFEST
from aisle.cli import Parser, whole
from aisle.errors import AisleError
from aisle.event_log import read_log
from aisle.local_state import SHOPPERS
from aisle.report import check_report
from aisle.server import serve
from aisle.settings import Settings
from model_export.recipe import Recipe, read_recipe

DEMO = Path(".aisle")
FULL_DEMO = 1000  # products; a smaller store has too few queries for the demo recipe's gates
START_S = 30
CHECK_QUERY = "red runing shoes under 50"


def build(arguments: list[str]) -> None:
    """aisle build RECIPE --data DIR --out BUNDLE [--report FILE.html] [--merchandising FILE] [--heavy HEAVY]"""
    parser = Parser("aisle build", epilog="example: aisle build pricerunner --data data --out bundles/pricerunner")
    parser.add_argument(
        "recipe", help="shop (your own data), demo, demo-small, pricerunner, general, online-retail, or a TOML file"
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets (default: AISLE_DATA)")
    parser.add_argument("--out", type=Path, required=True, help="the bundle to write")
    parser.add_argument("--report", type=Path, help="also write an HTML report with plots here")
    parser.add_argument("--merchandising", type=Path, help="the shop's rules, a merchandising.toml")
    parser.add_argument("--heavy", type=Path, help="also seal the cross-encoder's teacher here, for the heavy endpoint")
    given = parser.parse_args(arguments)
    check_report(given.report)
    data = given.data or Settings.from_env().data
    _build(read_recipe(given.recipe), data, given.out, given.report, given.merchandising, given.heavy)


def demo(arguments: list[str]) -> None:
    """aisle demo [--check] [--port 8000] [--products 3000]"""
    parser = Parser("aisle demo", epilog="example: aisle demo --check")
    parser.add_argument("--check", action="store_true", help="answer one query over HTTP and exit")
    parser.add_argument("--port", type=whole(0, 65535), default=8000, help="default: 8000")
    size = "size of the demo store (300 trains in two minutes)"
    parser.add_argument("--products", type=whole(1, 1_000_000), default=3000, help=size)
    given = parser.parse_args(arguments)
    out = _built_demo(given.products)
    print(f"bundle {out}, report {out}.html; a shop: http://127.0.0.1:{given.port}", file=sys.stderr)
    if given.check:
        print(_answer(out, given.port))
    else:
        serve(out, port=given.port, state=_demo_state(given.products))


def heavy(arguments: list[str]) -> None:
    """aisle heavy MODEL --out HEAVY"""
    parser = Parser("aisle heavy", epilog="example: aisle heavy BAAI/bge-reranker-v2-m3 --out heavy")
    parser.add_argument("model", metavar="MODEL", help="a published cross-encoder with one label: hub id or folder")
    parser.add_argument("--out", metavar="HEAVY", type=Path, required=True, help="the folder to seal it in")
    given = parser.parse_args(arguments)
    from model_export.heavy import seal_hub  # torch takes seconds to import

    sealed = seal_hub(given.model, given.out).manifest
    told = {"bundle_id": sealed.bundle_id, **sealed.models["reranker"], "bytes": sum(f.bytes for f in sealed.files)}
    print(json.dumps(told, ensure_ascii=False))


def release(arguments: list[str]) -> None:
    """aisle release LOG --epsilon 1 --out DIR"""
    parser = Parser("aisle release", epilog="example: aisle release log --epsilon 1 --out counts")
    parser.add_argument("log", metavar="LOG", type=Path, help="folder of an event log")
    parser.add_argument("--epsilon", type=float, required=True, help="above 0, up to 20: less tells less of anybody")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write counts and their manifest into")
    given = parser.parse_args(arguments)
    from model_export.interactions import from_records
    from model_export.private_counts import release as release_counts  # OpenDP is large

    manifest = release_counts(from_records(read_log(given.log)), given.epsilon, given.out, np.random.default_rng())
    print(json.dumps(manifest))


def _build(
    recipe: Recipe,
    data: Path | None,
    out: Path,
    report: Path | None,
    merchandising: Path | None = None,
    heavy: Path | None = None,
) -> None:
    from model_export.build import (
        build as build_bundle,  # torch takes seconds to import: after the arguments are checked
    )

    build_bundle(recipe, data, out, report, merchandising, heavy)


def _built_demo(products: int) -> Path:
    """The demo's bundle; built unless a former run left it."""
    out = DEMO / f"demo-{products}"
    if not (out / MANIFEST).exists():
        recipe = read_recipe("demo" if products >= FULL_DEMO else "demo-small")
        data = msgspec.structs.replace(recipe.data, demo_products=products)
        _build(msgspec.structs.replace(recipe, data=data), None, out, out.with_name(f"{out.name}.html"))
    return out


def _demo_state(products: int) -> Path:
    """What the demo's shoppers did; written unless a former run left it."""
    folder = DEMO / f"demo-{products}.state"
    if not (folder / SHOPPERS).exists():
        from model_export.demo_state import write_state
        from model_export.demo_store import generate

        write_state(folder, generate(products).events, time.time_ns() // 1_000_000)
    return folder


def _answer(bundle: Path, port: int) -> str:
    """The body of one search over HTTP, from a server started for it."""
    server = subprocess.Popen([sys.executable, "-m", "aisle", "serve", str(bundle), "--port", str(port)])
    try:
        _await(f"http://127.0.0.1:{port}/v1/health", server)
        query = urllib.parse.urlencode({"q": CHECK_QUERY, "k": 5})
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/search?{query}", timeout=30) as response:
            answer = json.load(response)
    finally:
        server.terminate()
        server.wait(10)
    if not answer["hits"]:
        raise AisleError(f"{CHECK_QUERY!r} found nothing", "look at the report beside the bundle")
    return json.dumps(answer, ensure_ascii=False, indent=2)


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    """Returns when `url` answers. Raises AisleError where the server ends first or takes longer than START_S."""
    for _ in range(START_S * 10):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AisleError("the server did not start", "choose another --port, or see its message above")
