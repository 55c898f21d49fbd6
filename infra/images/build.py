"""The container image of a function around one bundle, by docker or buildah, whichever works here.

    python -m infra.images.build .aisle/demo-300 --base-image python:3.13-slim --runtime slim

What is built is a small folder made for the purpose: the lists of packages, the sources, and the bundle in two parts,
models and catalogue, so that a new catalogue alone leaves the models' layer as it was. A broken bundle is refused
before anything is built, and a damaged one by the build itself. `--function batch` builds that of the batch function,
by the same recipe. Prints the layers' sizes and the image's id.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from aisle import __version__
from aisle.bundle import Bundle
from aisle.errors import AisleError
from aisle.lance_catalogue import PLACE
from infra.images.builders import BUILDERS, Build, Layer, find_builder

ROOT = Path(__file__).parents[2]
IMAGES = Path(__file__).parent
DOCKERFILE = "search.Dockerfile"
PACKAGES = ("install.py", "search-packages.txt", "batch-packages.txt", "runtime-packages.txt", "lance-packages.txt")
FUNCTIONS = {  # image -> its doors
    "search": ("functions/search", "functions/recommend", "functions/nightly"),
    "batch": ("functions/batch",),
}
MODELS = ("encoder", "reranker", "ranker", "pairs")  # what `aisle index` keeps
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
PARTS = ("packages", "aisle and functions", "models", "catalogue")  # what the Dockerfile's last COPY lines bring
EPOCH = 0  # of every file: equal content makes equal layers


def main(argv: Sequence[str] | None = None) -> int:
    try:
        build_image(arguments().parse_args(argv))
        return 0
    except AisleError as exc:
        print("image:", exc, file=sys.stderr)
        return 2


def arguments() -> ArgumentParser:
    parser = ArgumentParser("python -m infra.images.build", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="what `aisle build` or `aisle index` wrote")
    parser.add_argument("--function", choices=sorted(FUNCTIONS), default="search", help="default: search")
    parser.add_argument("--arch", choices=sorted({*MACHINES.values()}), default=machine(), help="default: as here")
    parser.add_argument("--base-image", help=f"default: BASE_IMAGE of {DOCKERFILE}")
    parser.add_argument("--runtime", choices=["lambda", "slim"], help="slim: a base that is not AWS's own")
    parser.add_argument(
        "--builder", choices=sorted(BUILDERS), help="default: docker if its engine answers, else buildah"
    )
    parser.add_argument("--tag", help="name of the image; default: aisle-<function>:<version>-<bundle id>-<arch>")
    return parser


def build_image(asked: Namespace) -> None:
    """Raises BundleError for a bundle that is none, Unavailable where nothing can build or the build failed."""
    bundle = Bundle.open(asked.bundle)
    builder = find_builder(asked.builder)
    tag = asked.tag or f"aisle-{asked.function}:{__version__}-{bundle.manifest.bundle_id}-{asked.arch}"
    values = {"FUNCTION": asked.function, "VERSION": __version__, "BUNDLE_ID": bundle.manifest.bundle_id}
    values |= {"BASE_IMAGE": asked.base_image} if asked.base_image else {}
    values |= {"RUNTIME": asked.runtime} if asked.runtime else {}
    table = (bundle.path / PLACE).is_file()
    values |= {"CATALOGUE": "table"} if table else {}
    values |= {"HASHES_ONLY": "1"} if table or asked.arch != machine() else {}
    with TemporaryDirectory(prefix="aisle-image-") as folder:
        fill(Path(folder), bundle, asked.function)
        build = Build(Path(folder), Path(folder) / DOCKERFILE, tag, asked.arch, values, certificates())
        builder.build(build)
    print(listing(builder.layers(tag)))
    print(f"{tag} {builder.image_id(tag)}")


def fill(context: Path, bundle: Bundle, function: str) -> None:
    """Puts into `context` all that the Dockerfile copies, readable by anyone and dated alike."""
    for name in PACKAGES:
        put(IMAGES / name, context / "packages" / name)
    put(IMAGES / DOCKERFILE, context / DOCKERFILE)
    for name in ("aisle", "functions/__init__.py", *FUNCTIONS[function]):
        for path in [ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                put(path, context / "code" / path.relative_to(ROOT))
    for name in ["manifest.json", *(file.path for file in bundle.manifest.files)]:
        part = "models" if name.partition("/")[0] in MODELS else "catalogue"
        put(bundle.path / name, context / part / name)
    same_dates(context)


def same_dates(context: Path) -> None:
    """Makes everything in `context` readable by anyone and as old as everything else: equal content, equal layers."""
    for path in [context, *context.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH, EPOCH))


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def certificates() -> Path | None:
    """The file of certificates that this machine's own pip trusts, where one is named."""
    named = (os.environ.get(name) for name in CERTIFICATES)
    return next((Path(name) for name in named if name and Path(name).is_file()), None)


def machine() -> str:
    return MACHINES.get(platform.machine().lower(), "x86_64")


def listing(layers: Sequence[Layer]) -> str:
    """A table, the lowest layer first: the base as one, then what this build put on it."""
    added = [layer.bytes for layer in layers if "COPY" in layer.step][-len(PARTS) :]
    sizes = {"base": sum(layer.bytes for layer in layers) - sum(added), **dict(zip(PARTS, added, strict=True))}
    rows = [*sizes.items(), ("in all", sum(sizes.values())), ("added, without the bundle", sum(added[:2]))]
    return "\n".join(f"{size / 1e6:9.1f} MB  {name}" for name, size in rows)


if __name__ == "__main__":
    sys.exit(main())
