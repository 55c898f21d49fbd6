"""What the endpoint's image is made of: its Dockerfile and its list of packages, held against the repository.

test_reranker_container.py builds it.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from rerank_server import ROOT
from test_image_making import pins, plain

from infra.emulated import free_port

FOLDER = ROOT / "infra" / "reranker_endpoint"
REQUIREMENTS = FOLDER / "requirements.txt"
PROGRAM = """
import sys
code = sys.argv.pop(1)
sys.path.insert(0, code)
from infra.reranker_endpoint.__main__ import main
status = main()
ours = {name: module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] in ("aisle", "infra")}
print([name for name, file in ours.items() if not file.startswith(code)])
sys.exit(status)
"""


def instructions() -> Iterator[tuple[str, str]]:
    """(instruction, its arguments) of the Dockerfile, lines joined and comments left out."""
    lines = [line for line in (FOLDER / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, arguments = line.partition(" ")
        yield name, " ".join(arguments.split())


def copied() -> dict[str, str]:
    """Path in the repository -> path in the image's first stage."""
    own = [arguments.split() for name, arguments in instructions() if name == "COPY" and "--from" not in arguments]
    return dict(own)


def test_the_image_answers_sagemakers_contract_as_a_user_without_rights() -> None:
    said = dict(instructions())
    assert (said["CMD"], said["USER"], said["EXPOSE"]) == ('["serve"]', "1000:1000", "8080")
    assert "ENTRYPOINT" not in said  # SageMaker gives `serve` as the command
    assert [arguments for name, arguments in instructions() if name == "FROM"] == [
        "${BASE_IMAGE} AS installed",
        "${BASE_IMAGE}",
    ]
    script = next(arguments for name, arguments in instructions() if "/usr/local/bin/serve" in arguments)
    assert script.startswith(r"""printf '#!/bin/sh\nexec python3 -m infra.reranker_endpoint "$@"\n' > """)


def test_what_is_copied_is_there_and_known_to_git() -> None:
    for path in copied():
        listed = subprocess.run(["git", "ls-files", path], cwd=ROOT, capture_output=True, text=True).stdout
        assert listed, f"COPY {path}"


def test_the_image_has_the_versions_that_were_tested() -> None:
    constraints = pins(ROOT / "constraints.txt")
    assert {package: constraints.get(package) for package in pins(REQUIREMENTS)} == pins(REQUIREMENTS)


def test_every_package_of_the_image_brings_what_it_needs() -> None:
    """As installed here, where torch is one for processors and names no CUDA."""
    listed = pins(REQUIREMENTS).keys()
    needed = {package: {*declared(package)} for package in listed}
    assert {package: names - listed for package, names in needed.items() if names - listed} == {}


def declared(package: str) -> Iterator[str]:
    for requirement in map(Requirement, requires(package) or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield plain(requirement.name)


@pytest.mark.slow
def test_the_code_that_is_copied_is_all_that_the_endpoint_imports(tmp_path: Path) -> None:
    for path, place in copied().items():
        target = tmp_path / place.lstrip("/")
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target)
    command = [sys.executable, "-I", "-c", PROGRAM, str(tmp_path / "code"), "--model", str(tmp_path / "none")]
    run = subprocess.run([*command, "--port", str(free_port())], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith(f"reranker: {tmp_path / 'none'} is not a folder")
    assert run.stdout == "[]\n"
