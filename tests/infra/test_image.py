"""The search image, built for real from a small Debian around a tiny bundle, then started inside itself.

Nothing here stands in for what Lambda runs but the base below and the emulator in front: the image's own entrypoint
starts the real runtime client, which calls the real handler with API Gateway's events.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from containers import (
    ROOT,
    buildah,
    config,
    container,
    debian,
    inside,
    lambda_like,
    layer_ids,
    make_image,
    require,
    started,
)

from aisle import __version__
from aisle.bundle import Bundle
from aisle.indexing import reindex

pytestmark = pytest.mark.slow

EVENTS = ROOT / "tests" / "events"
BUDGET_MB = 280  # what the image may add to its base, without the bundle
ABSENT = ["torch", "transformers", "pandas", "pyarrow", "scipy", "sympy", "sklearn", "lightgbm", "google.protobuf"]
ABSENT += ["flatbuffers", "huggingface_hub", "matplotlib", "uvicorn", "pytest", "model_export", "infra", "tests"]
FIND = """
import importlib.util, sys
def found(name):
    return importlib.util.find_spec(name.partition(".")[0]) and importlib.util.find_spec(name)
print([name for name in sys.argv[1:] if found(name)])
"""
EXPECTED = ("START ", "END ", "REPORT ", '{"_aws":')  # Lambda's own lines, and metrics
TASK = Path("var/task")


@dataclass(frozen=True)
class Built:
    """An image, what its build printed, a container of it, and the bundle in it."""

    base: tuple[str, str]  # its name, and RUNTIME
    tag: str
    printed: str
    container: str
    bundle: Bundle


@pytest.fixture(scope="module", params=["slim", "lambda"])
def image(request: pytest.FixtureRequest, tiny_bundle: Path) -> Iterator[Built]:
    require()
    tag = f"localhost/aisle-test/search:{request.param}"
    base = {"slim": debian, "lambda": lambda_like}[request.param](), request.param
    built = make_image(tiny_bundle, *base, tag)
    assert built.returncode == 0, built.stderr
    with container(tag) as name:
        yield Built(base, tag, built.stdout, name, Bundle.open(tiny_bundle))


def test_every_handler_inside_answers_api_gateway(image: Built, tmp_path: Path) -> None:
    listed = inside(
        image.container, "python3", "-c", "import glob; print(*sorted(glob.glob('functions/*/handler.py')))"
    )
    assert listed == "functions/nightly/handler.py functions/recommend/handler.py functions/search/handler.py"
    with started(image.container, image.tag, tmp_path / "log") as function:
        answers = {
            path.stem: function.invoke(json.loads(path.read_bytes())) for path in sorted(EVENTS.glob("http_*.json"))
        }
    assert {name: answer["statusCode"] for name, answer in answers.items()} == {
        "http_get_product_missing": 404,
        "http_get_search": 200,
        "http_post_rerank_base64": 200,
    }
    assert json.loads(answers["http_get_search"]["body"])["bundle_id"] == image.bundle.manifest.bundle_id
    assert [row["index"] for row in json.loads(answers["http_post_rerank_base64"]["body"])["results"]] == [1, 0]


@pytest.mark.parametrize("memory_mb", [1769, 3008])
def test_a_small_box_starts_without_a_word_of_complaint(image: Built, tmp_path: Path, memory_mb: int) -> None:
    """One core for one thread and for two: onnxruntime once complained of cores that it may not use."""
    with started(image.container, image.tag, tmp_path / "log", memory_mb) as function:
        assert function.invoke(json.loads((EVENTS / "http_get_search.json").read_bytes()))["statusCode"] == 200
    said = (tmp_path / "log").read_text().splitlines()
    assert said
    assert [line for line in said if not line.startswith(EXPECTED)] == []


def test_nothing_of_the_workshop_is_inside(image: Built) -> None:
    assert inside(image.container, "python3", "-c", FIND, *ABSENT) == "[]"
    with pytest.raises(AssertionError, match="No module named 'torch'"):
        inside(image.container, "python3", "-c", "import torch")


def test_no_compiler_no_cache_and_no_tests_are_added(image: Built) -> None:
    assert inside(image.container, "sh", "-c", "command -v gcc cc c++ ld make || true") == ""
    root = Path(buildah("mount", image.container))
    added = [path.relative_to(root / TASK) for path in (root / TASK).rglob("*")]
    assert [path for path in added if {"tests", "test", ".git", ".cache"} & {*path.parts}] == []
    assert not (root / "root/.cache").exists()


def test_python_starts_from_code_compiled_at_build(image: Built) -> None:
    """Unchecked: whatever dates the layers give the files, nothing is compiled again."""
    root = Path(buildah("mount", image.container))
    magic = inside(image.container, "python3", "-c", "import importlib.util as u; print(u.MAGIC_NUMBER.hex())")
    sources = [
        path for name in ("aisle", "functions", "numpy", "starlette") for path in (root / TASK / name).rglob("*.py")
    ]
    heads = {path: next((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")).read_bytes()[:8] for path in sources}
    assert len(heads) > 200
    assert {head.hex() for head in heads.values()} == {f"{magic}01000000"}


def test_it_adds_less_to_its_base_than_the_budget(image: Built) -> None:
    rows = dict(row.split(" MB  ")[::-1] for row in image.printed.splitlines() if " MB  " in row)
    assert list(rows) == [
        *("base", "packages", "aisle and functions", "models", "catalogue", "in all", "added, without the bundle"),
    ]
    assert 0 < float(rows["added, without the bundle"]) <= BUDGET_MB


def test_it_says_what_it_is_and_what_it_carries(image: Built) -> None:
    found = config(image.tag)
    assert found["Labels"] | {"io.buildah.version": ""} == {
        "aisle.bundle-id": image.bundle.manifest.bundle_id,
        "io.buildah.version": "",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.title": "aisle-search",
        "org.opencontainers.image.version": __version__,
    }
    assert (found["WorkingDir"], found["Cmd"]) == ("/var/task", ["functions.search.handler.handler"])
    assert inside(image.container, "python3", "-m", "aisle", "inspect", "/opt/aisle/bundle") == _as_printed(
        image.bundle
    )
    assert image.printed.splitlines()[-1].startswith(f"{image.tag} sha256:")


def test_it_runs_without_rights_where_the_base_leaves_that_open(image: Built) -> None:
    slim = image.tag.endswith("slim")
    assert inside(image.container, "sh", "-c", "id -u; id -g") == ("1000\n1000" if slim else "0\n0")


def test_a_new_catalogue_changes_the_last_layer_alone(image: Built, tmp_path: Path) -> None:
    (tmp_path / "catalogue.jsonl").write_text(json.dumps({"product_id": "1", "title": "Red shoes"}) + "\n")
    reindex(image.bundle, tmp_path / "catalogue.jsonl", tmp_path / "next", None, "2026-12-01T00:00:00Z", 1, print)
    tag = image.tag.replace("search:", "search:next-")
    assert make_image(tmp_path / "next", *image.base, tag).returncode == 0
    before, after = layer_ids(image.tag), layer_ids(tag)
    assert (before[:-2], len(before), before[-2] == after[-2]) == (after[:-2], len(after), False)


def test_a_damaged_bundle_makes_the_build_fail(image: Built, tmp_path: Path) -> None:
    damaged = tmp_path / "bundle"
    shutil.copytree(image.bundle.path, damaged)
    rows = (damaged / "dense" / "rows.npy").read_bytes()
    (damaged / "dense" / "rows.npy").write_bytes(rows[:-1] + bytes([rows[-1] ^ 1]))
    run = make_image(damaged, *image.base, "localhost/aisle-test/search:damaged")
    assert run.returncode == 2
    assert "dense/rows.npy of /opt/aisle/bundle has changed since the bundle was sealed" in run.stderr + run.stdout
    assert "image: buildah did not build the image" in run.stderr
    images = subprocess.run(["buildah", "images", "localhost/aisle-test/search:damaged"], capture_output=True)
    assert images.returncode != 0


def _as_printed(bundle: Bundle) -> str:
    return msgspec.json.encode(bundle.manifest).decode()
