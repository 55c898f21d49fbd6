"""Two programs that build container images, behind one shape: docker with buildx, and buildah, which needs no engine.

Lambda refuses an image index, and attestations make one: docker is told to write none, and a tag has one platform.
buildah isolates by chroot, which works without privileges that a build machine may not give.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Protocol

from aisle.errors import Unavailable

PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


@dataclass(frozen=True)
class Build:
    """What to build: a folder, a recipe in it, a name, and what the recipe is told."""

    context: Path
    dockerfile: Path
    tag: str
    arch: str  # x86_64 or arm64
    values: dict[str, str]  # ARG -> value
    certificates: Path | None  # trusted during the build, not kept

    def options(self) -> list[str]:
        """Those that docker and buildah share, the folder last."""
        told = [f"--build-arg={name}={value}" for name, value in self.values.items()]
        told += [f"--secret=id=certificates,src={self.certificates}"] if self.certificates else []
        told += [f"--platform={PLATFORMS[self.arch]}", f"--tag={self.tag}", f"--file={self.dockerfile}"]
        return [*told, str(self.context)]


class Layer(NamedTuple):
    bytes: int  # unpacked
    step: str  # the line of the Dockerfile that made it, as the builder writes it down


class Builder(Protocol):
    def works(self) -> bool: ...

    def build(self, build: Build) -> None:
        """Raises Unavailable where the build fails; why has then been printed."""

    def layers(self, tag: str) -> list[Layer]:
        """The lowest first; those without files are left out."""

    def image_id(self, tag: str) -> str: ...


class Docker:
    def works(self) -> bool:
        """A client alone builds nothing: the engine has to answer."""
        return _works("docker", "info") and _works("docker", "buildx", "version")

    def build(self, build: Build) -> None:
        _obey(["docker", "buildx", "build", "--load", "--provenance=false", "--sbom=false", *build.options()])

    def layers(self, tag: str) -> list[Layer]:
        told = _told(["docker", "history", "--no-trunc", "--human=false", "--format={{.Size}}\t{{.CreatedBy}}", tag])
        rows = [row.split("\t", 1) for row in reversed(told.splitlines())]
        return [Layer(int(size), step) for size, step in rows if int(size)]

    def image_id(self, tag: str) -> str:
        return _told(["docker", "image", "inspect", "--format={{.Id}}", tag]).strip()


class Buildah:
    def works(self) -> bool:
        return _works("buildah", "version")

    def build(self, build: Build) -> None:
        isolation = os.environ.get("BUILDAH_ISOLATION", "chroot")
        _obey(
            ["buildah", "bud", "--layers", "--force-rm", "--timestamp=0", f"--isolation={isolation}", *build.options()]
        )

    def layers(self, tag: str) -> list[Layer]:
        with TemporaryDirectory(prefix="aisle-layers-") as folder:
            _told(["buildah", "push", "--quiet", "--disable-compression", tag, f"dir:{folder}"])
            manifest = json.loads((Path(folder) / "manifest.json").read_bytes())
            config = json.loads((Path(folder) / manifest["config"]["digest"].partition(":")[2]).read_bytes())
            steps = [row.get("created_by", "") for row in config["history"] if not row.get("empty_layer")]
            return [Layer(row["size"], step) for row, step in zip(manifest["layers"], steps, strict=True)]

    def image_id(self, tag: str) -> str:
        return "sha256:" + _told(["buildah", "images", "--quiet", "--no-trunc", tag]).strip().removeprefix("sha256:")


BUILDERS: dict[str, Builder] = {"docker": Docker(), "buildah": Buildah()}


def find_builder(name: str | None = None) -> Builder:
    """The one of that name, or else the first that works here. Raises Unavailable where it does not or none does."""
    for known, builder in BUILDERS.items():
        if name in (None, known) and builder.works():
            return builder
    raise Unavailable(
        f"{name or 'neither docker (with buildx and a running engine) nor buildah'} works here",
        "start docker, or install buildah (apt-get install buildah)",
    )


def _works(*command: str) -> bool:
    return bool(shutil.which(command[0])) and subprocess.run(command, capture_output=True).returncode == 0


def _obey(command: Sequence[str]) -> None:
    if subprocess.run(command).returncode:
        raise Unavailable(f"{command[0]} did not build the image", "its last lines above say why")


def _told(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
