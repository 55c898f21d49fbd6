"""Serving in an environment of its own: the built package with its core dependencies and Powertools, which the door of
a Lambda function has besides, and nothing of the workshop.

The package is built from a copy, so that what setuptools leaves behind in a checkout cannot lend it files.
"""

import json
import os
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGES = ("aisle", "functions", "model_export")
PROJECT_FILES = ("pyproject.toml", "README.md", "LICENSE")
ABSENT = ("torch", "transformers", "pandas", "pyarrow", "scipy", "bm25s", "boto3", "matplotlib", "uvicorn", "pytest")
PROGRAM = """
import importlib.util, json, sys
from types import SimpleNamespace
from functions.search.handler import handler
context = SimpleNamespace(aws_request_id="1", function_name="search", get_remaining_time_in_millis=lambda: 9000)
answer = handler(json.load(sys.stdin), context)
print()  # behind the line of metrics
print(json.dumps({"answer": answer, "installed": [m for m in sys.argv[1:] if importlib.util.find_spec(m)]}))
"""


@pytest.fixture(scope="session")
def lean_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of a new virtual environment with aisle and Powertools."""
    folder = tmp_path_factory.mktemp("lean")
    source, python = folder / "source", folder / "venv" / "bin" / "python"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, source)
    venv.create(folder / "venv", with_pip=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c"]
    subprocess.run([python, *install, ROOT / "constraints.txt", source, "aws-lambda-powertools"], check=True)
    return python


def test_the_handler_answers_with_the_core_and_powertools_alone(lean_python: Path, tiny_bundle: Path) -> None:
    seen = call(lean_python, tiny_bundle, "http_get_search.json")
    assert (seen["installed"], seen["answer"]["statusCode"]) == ([], 200)
    assert json.loads(seen["answer"]["body"])["hits"] != []


def call(python: Path, bundle: Path, event: str) -> dict[str, Any]:
    """What the search handler answers to tests/events/<event> in a process of `python`, and which of ABSENT it has."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    run = subprocess.run(
        [python, "-c", PROGRAM, *ABSENT],
        input=(ROOT / "tests" / "events" / event).read_bytes(),
        cwd=bundle.parent,  # not the checkout, whose packages would be found first
        env={**environment, "AISLE_BUNDLE": str(bundle)},
        capture_output=True,
    )
    assert run.returncode == 0, run.stderr.decode()
    return dict(json.loads(run.stdout.splitlines()[-1]))
