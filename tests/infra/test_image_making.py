"""What goes into the search image, and what `make image` refuses before it builds anything."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "infra" / "images"
LISTS = {name: IMAGES / f"{name}-packages.txt" for name in ("search", "batch", "runtime", "lance")}
LAYERS = sorted((ROOT / "layers").glob("*.txt"))


def pins(path: Path) -> dict[str, str]:
    """package, spelled as pip compares them -> exact version."""
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    named = [line.partition("==") for line in lines if line]
    assert [line for *line, version in named if not version] == []
    return {plain(name): version for name, _, version in named}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", LISTS)
def test_the_image_has_the_versions_that_were_tested(name: str) -> None:
    constraints = pins(ROOT / "constraints.txt")
    assert {package: constraints.get(package) for package in pins(LISTS[name])} == pins(LISTS[name])


def test_the_image_has_every_package_that_serving_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {plain(re.split(r"[^\w.-]", line)[0]) for line in project["dependencies"]}
    assert declared - pins(LISTS["search"]).keys() == set()


def image(bundle: Path, path: str) -> tuple[int, str]:
    """Exit code and last line of `make image`, where only the programs in `path` are there."""
    command = [sys.executable, "-m", "infra.images.build", str(bundle)]
    run = subprocess.run(command, cwd=ROOT, env={"PATH": path}, capture_output=True, text=True)
    return run.returncode, run.stderr.splitlines()[-1]


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    remedy = "name the folder that `aisle build` wrote with --out"
    assert image(tmp_path / "none", "") == (2, f"image: {tmp_path / 'none'} is not a folder: {remedy}")


def test_a_bundle_that_is_half_there_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    half = shutil.copytree(tiny_bundle, tmp_path / "half")
    (half / "dense" / "rows.npy").unlink()
    seen, remedy = "(No such file or directory)", "copy the bundle again or rebuild it"
    assert image(half, "") == (2, f"image: dense/rows.npy is missing from {half} {seen}: {remedy}")


@pytest.mark.parametrize(
    ("format_", "said"),
    [
        (2, "bundle format 2 is older than this code (3): build the bundle again"),
        (4, "bundle format 4 is newer than this code (3): deploy a newer aisle"),
    ],
)
def test_a_bundle_of_another_format_is_refused(tmp_path: Path, format_: int, said: str) -> None:
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode({"format": format_}))
    assert image(tmp_path, "") == (2, f"image: {said}")


def test_a_docker_client_without_an_engine_builds_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\necho Cannot connect to the Docker daemon >&2\nexit 1\n")
    client.chmod(0o755)
    assert image(tiny_bundle, str(tmp_path)) == (
        2,
        "image: neither docker (with buildx and a running engine) nor buildah works here: "
        "start docker, or install buildah (apt-get install buildah)",
    )


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("path", [*LISTS.values(), *LAYERS], ids=lambda path: path.stem)
def test_every_package_has_a_wheel_for_the_base(path: Path, arch: str) -> None:
    """Of the Python and the glibc that AWS gives it: Python 3.11 has Amazon Linux 2, later ones Amazon Linux 2023."""
    python = zip_runtime() if path in LAYERS else image_runtime()
    glibc = 26 if python == "3.11" else 34
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
    command += ["--only-binary=:all:", f"--python-version={python}", "--target=unused", "-r", str(path)]
    platforms = [f"manylinux_2_{minor}_{arch}" for minor in range(5, glibc + 1)] + [f"manylinux2014_{arch}"]
    run = subprocess.run([*command, *(f"--platform={tag}" for tag in platforms)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def image_runtime() -> str:
    named = re.search(r"BASE_IMAGE=public\.ecr\.aws/lambda/python:(\d\.\d+)$", dockerfile(), re.MULTILINE)
    assert named
    return named[1]


def zip_runtime() -> str:
    named = re.search(r"^ *runtime: python(\d\.\d+)$", (ROOT / "serverless.yml").read_text(), re.MULTILINE)
    assert named
    return named[1]


def dockerfile() -> str:
    return (IMAGES / "search.Dockerfile").read_text()
