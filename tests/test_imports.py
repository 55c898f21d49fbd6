"""The arrows of the architecture, held by reading the sources: who may import whom, and what no cold start may load.

LAYERS is the picture of the architecture as data. Every module of `aisle` has a place in it, so whoever adds one says
where it belongs. A last test starts each Lambda handler and looks at what it really loaded.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up: a module imports its own layer and those before it.
LAYERS = {
    "ground": "__init__ errors markup shopping text timings types",
    "primitives": "bundle dense encoder evaluation files golden item_ids keys lexical mapped neighbours onnx products "
    "pseudonyms report sealing spelling tables word_statistics",
    "domain": "batch_parquet batch_source batch_text catalogue compaction content event_log events filters heavy "
    "histories history knowledge lexicon "
    "merchandising object_ids orders overlay pair_scorer pairs personal price_phrase profile query_cache ranker "
    "reasons recommender reranker suggest ubi understanding table_record",
    "flows": "assessment batch_job batch_kinds batch_part collecting content_recommender customer_lists diversity live "
    "nightly recommend replaying retrieval search variety gathering",
    "edges": "access aws decoding docs_page http identity local_state openapi operation operations parameters problems "
    "request_body rerank_forms schema settings shopper_operations storefront terminal lance_catalogue lance_writing",
    "wiring": "changes indexing runtime shoppers indexed table_indexing",
    "doors": "__main__ batch_commands cli commands event_commands key_commands listings recommend_command server",
}
HEIGHT = {module: height for height, names in enumerate(LAYERS.values()) for module in names.split()}
FLOWS = list(LAYERS).index("flows")

SERVING = {"numpy", "onnxruntime", "tokenizers", "msgspec", "starlette", "mangum", "Stemmer", "rapidfuzz"}
# Of the extras: aisle imports them where they are used, so that it loads without them.
LAZY = {
    "pyarrow",
    "bm25s",
    "ir_measures",
    "jinja2",
    "jwt",
    "lancedb",
    "markupsafe",
    "matplotlib",
    "sklearn",
    "tqdm",
    "uvicorn",
}
IMPURE = {"time", "random", "uuid", "secrets", "socket", "urllib.request", "http.client"}
WORDS = "model_export.demo_store.words"

HEAVY = {"torch", "transformers", "optimum", "onnx", "lightgbm", "scipy", "pandas", "pydantic", "boto3"}
HEAVY |= {"botocore.client", "model_export"} | LAZY


class Import(NamedTuple):
    """`name` as dotted; `top` where it runs as soon as the module is loaded."""

    name: str
    top: bool
    where: str


def sources(*folders: str) -> dict[str, ast.Module]:
    """path from the root -> syntax tree, of every Python file in `folders`."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_bytes(), str(path)) for path in paths}


AISLE, FUNCTIONS, WORKSHOP = sources("aisle"), sources("functions"), sources("model_export")
ALL = AISLE | FUNCTIONS | WORKSHOP


def dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {dotted(path) for path in ALL}


def imports(path: str) -> list[Import]:
    """Everything that the file imports; a submodule counts as itself: `from aisle import text` is `aisle.text`."""
    tree = ALL[path]
    deferred = {id(node) for block in ast.walk(tree) if _is_deferred(block) for node in ast.walk(block)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            where = f"{path}:{node.lineno}"
            found += [Import(name, id(node) not in deferred, where) for name in _names(node)]
    return found


def _is_deferred(node: ast.AST) -> bool:
    checking = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return checking or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _names(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        source = "." * node.level + (node.module or "")
        for full in (f"{source}.{alias.name}" for alias in node.names):
            yield full if full in MODULES or full in IMPURE else source


def package(name: str) -> str:
    return name.partition(".")[0]


def within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(f"{parent}.")


def place(path: str) -> str:
    """The key of `path` in LAYERS: "search" for aisle/search.py, "aws" for everything in aisle/aws/."""
    return path.split("/")[1].removesuffix(".py")


def attributes(path: str) -> set[str]:
    return {node.attr for node in ast.walk(ALL[path]) if isinstance(node, ast.Attribute)}


def third_party(path: str) -> list[Import]:
    own = {"aisle", "functions", "model_export", ""}
    return [i for i in imports(path) if package(i.name) not in own | sys.stdlib_module_names]


def test_every_module_of_aisle_has_one_layer() -> None:
    modules = {place(path) for path in AISLE}
    assert modules - HEIGHT.keys() == set(), "give these modules a layer: LAYERS in tests/test_imports.py"
    assert HEIGHT.keys() - modules == set(), "these modules are gone: take them out of LAYERS in tests/test_imports.py"
    assert len(HEIGHT) == len(" ".join(LAYERS.values()).split()), "a module stands in two layers of LAYERS"


@pytest.mark.parametrize("path", AISLE)
def test_arrows_point_down(path: str) -> None:
    own = HEIGHT.get(place(path), len(LAYERS))
    targets = [(i, i.name.split(".")[1] if "." in i.name else "__init__") for i in imports(path)]
    assert [i for i, target in targets if package(i.name) == "aisle" and HEIGHT.get(target, 0) > own] == []


@pytest.mark.parametrize("path", AISLE)
def test_aisle_knows_neither_doors_nor_workshop(path: str) -> None:
    assert [i for i in imports(path) if package(i.name) in {"functions", "model_export", "infra", "tests"}] == []


@pytest.mark.parametrize("path", ALL)
def test_imports_are_absolute(path: str) -> None:
    assert [i for i in imports(path) if i.name.startswith(".")] == []


@pytest.mark.parametrize("path", AISLE)
def test_aisle_loads_with_the_serving_packages_alone(path: str) -> None:
    aws = {"boto3", "botocore", "circuitbreaker"} if path.startswith("aisle/aws/") else set()
    allowed = {True: SERVING, False: SERVING | LAZY | aws}
    assert [i for i in third_party(path) if package(i.name) not in allowed[i.top]] == []


@pytest.mark.parametrize("path", [path for path in AISLE if HEIGHT.get(place(path), 0) <= FLOWS])
def test_flows_and_below_have_no_clock_no_chance_no_network_and_no_http(path: str) -> None:
    forbidden = IMPURE | {"starlette", "mangum", "uvicorn"}
    assert [i for i in imports(path) if any(within(i.name, name) for name in forbidden)] == []
    assert attributes(path) & {"now", "utcnow", "today"} == set()


@pytest.mark.parametrize("path", AISLE | FUNCTIONS)
def test_only_settings_reads_the_environment(path: str) -> None:
    names = attributes(path) | {a.name for n in ast.walk(ALL[path]) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert names & {"environ", "environb", "getenv", "getenvb"} == set() or path == "aisle/settings.py"


@pytest.mark.parametrize("path", FUNCTIONS)
def test_functions_import_aisle_and_not_one_another(path: str) -> None:
    own = dotted(path).removesuffix(".handler")
    assert [i for i in imports(path) if within(i.name, "functions") and not within(i.name, own)] == []
    assert [i for i in third_party(path) if package(i.name) not in {"mangum", "aws_lambda_powertools"}] == []
    assert [i for i in imports(path) if package(i.name) == "model_export"] == []


@pytest.mark.parametrize("path", [path for path in ALL if not path.startswith("model_export/demo_store/")])
def test_the_demo_stores_words_stay_in_the_demo_store(path: str) -> None:
    assert [
        i for i in imports(path) if within(i.name, "model_export.demo_store") and i.name != "model_export.demo_store"
    ] == []


def test_the_demo_stores_synonyms_are_written_nowhere_else() -> None:
    """Those that only held-out queries use, as texts of their own: a list of them would answer what the store asks."""
    listed = [part for text in texts(ALL[WORDS.replace(".", "/") + ".py"]) for part in text.split(", ")]
    held_out = {part[1:] for part in listed if part.startswith("*") and part != "*"}
    assert len(held_out) > 100
    elsewhere = {path: tree for path, tree in ALL.items() if dotted(path) != WORDS}
    assert {path: found for path, tree in elsewhere.items() if (found := held_out & {*texts(tree)})} == {}


def texts(tree: ast.Module) -> list[str]:
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


@pytest.mark.parametrize("path", [path for path in FUNCTIONS if path.endswith("/handler.py")])
def test_a_cold_start_loads_nothing_heavy(path: str, tiny_bundle: Path) -> None:
    program = f"import sys, json, {dotted(path)}; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    environment = {**os.environ, "AISLE_BUNDLE": str(tiny_bundle)}
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == []
