"""The endpoint's image, built for real and started as SageMaker starts it: `serve`, the model under /opt/ml/model.

On Debian 12, whose Python is the one that the packages were tested with.
"""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import container, debian, inside, require
from rerank_server import listens, wait_until

from infra.emulated import free_port
from infra.images.reranker import build_image
from infra.reranker_endpoint.config import read_config

pytestmark = pytest.mark.slow
ASKED = {"query": "red shoes", "texts": ["a blue hat", "red shoes", ""], "raw_scores": True}


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    require()
    with container(build_image(debian("bookworm"))) as name:
        yield name


def test_the_container_serves_the_sealed_teacher(image: str, tiny_bundle: Path, tmp_path: Path) -> None:
    from infra.reranker_endpoint.model import open_scorer

    assert inside(image, "id", "-u") == "1000"
    heavy = shutil.copytree(tiny_bundle.parent / "heavy", tmp_path / "model")  # where another user may read it
    port = free_port()
    command = ["buildah", "run", "--isolation=chroot", f"-v={heavy}:/opt/ml/model:ro", image, "--"]
    with subprocess.Popen([*command, "serve", "--port", str(port)]) as process:
        try:
            wait_until(lambda: process.poll() is not None or listens(port))
            wait_until(lambda: answers(port, "/ping") == 200)
            body = json.dumps(ASKED).encode()
            headers = {"content-type": "application/json"}
            request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, headers)
            with urllib.request.urlopen(request, timeout=30) as response:
                told = {row["index"]: row["score"] for row in json.load(response)}
        finally:
            process.terminate()
            process.wait()
    scorer = open_scorer(heavy, read_config())
    known = scorer.launch(scorer.tokenise("red shoes", ["a blue hat", "red shoes", ""]))()
    assert told == {row: pytest.approx(float(score), abs=1e-4) for row, score in enumerate(known)}


def answers(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as exc:
        return exc.code


def test_the_endpoints_code_alone_is_inside(image: str) -> None:
    assert inside(image, "ls", "/opt/aisle", "/opt/aisle/infra").split() == [
        "/opt/aisle:",
        "aisle",
        "infra",
        "/opt/aisle/infra:",
        "__init__.py",
        "__pycache__",
        "reranker_endpoint",
    ]
