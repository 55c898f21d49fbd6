"""The search image for the tests: bases made of a small Debian, and containers run by buildah in a chroot.

The bases are kept between runs. AWS's own base cannot be had without its registry: `lambda_like` has what it promises,
a Python with the runtime client and the AWS SDK in it, and an entrypoint that starts them.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.emulator import Function, emulator, under_emulator
from infra.images.build import certificates

ROOT = Path(__file__).parents[2]
LISTS = ROOT / "infra" / "images"
SUITE = "trixie"  # Python 3.13, as AWS's base that the Dockerfile names
LAMBDA_LIKE = "localhost/aisle-test/lambda-like:trixie"
ENTRYPOINT = '#!/bin/sh\nexec python3 -m awslambdaric "$@"\n'
TIMEOUT_S = 30


def require() -> None:
    """Skips unless images can be built from scratch."""
    missing = [tool for tool in ("buildah", "debootstrap") if not shutil.which(tool)]
    if missing or os.geteuid():
        pytest.skip(f"needs {', '.join(missing) or 'root'}, to build a base image")


def buildah(*arguments: str | Path) -> str:
    run = subprocess.run(["buildah", *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def debian(suite: str = SUITE) -> str:
    """The name of an image of this Debian with its Python and pip."""
    tag = f"localhost/aisle-test/debian:{suite}"
    if not _exists(tag):
        with container("scratch") as name:
            packages = "--include=python3,python3-pip,ca-certificates"
            subprocess.run(
                ["debootstrap", "--variant=minbase", packages, suite, buildah("mount", name)],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            buildah("umount", name)
            buildah("config", "--env=PATH=/usr/local/bin:/usr/bin:/bin", name)
            buildah("commit", "--quiet", name, tag)
    return tag


def lambda_like() -> str:
    """The name of an image that has what AWS's own base has."""
    if not _exists(LAMBDA_LIKE):
        with container(debian()) as name:
            root = Path(buildah("mount", name))
            (root / "lambda-entrypoint.sh").write_text(ENTRYPOINT)
            (root / "lambda-entrypoint.sh").chmod(0o755)
            shutil.copy(LISTS / "runtime-packages.txt", root / "tmp")
            buildah("umount", name)
            install = ["python3", "-m", "pip", "install", "--break-system-packages", "--no-cache-dir", "--no-deps"]
            trusted = certificates()
            mounted = ["-v", f"{trusted}:/certificates:ro", "--env=PIP_CERT=/certificates"] if trusted else []
            buildah("run", "--isolation=chroot", *mounted, name, "--", *install, "-r", "/tmp/runtime-packages.txt")
            buildah("config", '--entrypoint=["/lambda-entrypoint.sh"]', name)
            buildah("commit", "--quiet", name, LAMBDA_LIKE)
    return LAMBDA_LIKE


def _exists(tag: str) -> bool:
    return not subprocess.run(["buildah", "inspect", "--type=image", tag], capture_output=True).returncode


def make_image(
    bundle: Path, base: str, runtime: str, tag: str, function: str = "search"
) -> subprocess.CompletedProcess[str]:
    """`make image` without make."""
    command = [sys.executable, "-m", "infra.images.build", str(bundle), "--builder", "buildah", "--function", function]
    command += ["--base-image", base, "--runtime", runtime, "--tag", tag]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@contextmanager
def container(image: str) -> Iterator[str]:
    """A container of `image`, removed at the end."""
    name = buildah("from", "--pull-never", image)
    try:
        yield name
    finally:
        buildah("rm", name)


def config(image: str) -> dict[str, Any]:
    """The image's entrypoint, command, environment, user and labels."""
    found: dict[str, Any] = json.loads(buildah("inspect", "--type=image", image))["OCIv1"]["config"]
    return found


def layer_ids(image: str) -> list[str]:
    """The hashes of the image's layers, the lowest first."""
    return [*json.loads(buildah("inspect", "--type=image", image))["OCIv1"]["rootfs"]["diff_ids"]]


def inside(name: str, *command: str) -> str:
    """What `command` prints in the container `name`, as the image's user."""
    return buildah("run", "--isolation=chroot", name, "--", *command)


def started(name: str, image: str, log: Path, memory_mb: int = 1769) -> AbstractContextManager[Function]:
    """The image's own entrypoint and command under Lambda's emulator, on one core; what they print goes to `log`."""
    start = ["taskset", "-c", "0", "buildah", "run", "--isolation=chroot", f"-v={emulator()}:/emulator:ro"]
    start += [f"--env=AWS_LAMBDA_FUNCTION_MEMORY_SIZE={memory_mb}", name, "--", "/emulator"]
    found = config(image)
    return under_emulator(
        start, [*found["Entrypoint"], *found["Cmd"]], os.environ | {"TMPDIR": str(log.parent)}, log, TIMEOUT_S
    )
