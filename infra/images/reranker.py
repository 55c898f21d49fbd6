"""The heavy reranker's container image, built by docker or buildah, whichever works here, and pushed for a stage.

    python -m infra.images.reranker --stage dev

prints the address that AISLE_HEAVY_IMAGE of a deployment names. The image has no model: SageMaker lays the sealed one
under /opt/ml/model. What infra/reranker_endpoint/Dockerfile copies lies in its context as it does in this checkout. GPU
instances are x86_64, whatever the stage's functions run on. Without --stage it is built and stays here.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

from aisle import __version__
from aisle.errors import AisleError
from infra.images.build import ROOT, certificates, put, same_dates
from infra.images.builders import Build, find_builder
from infra.registry import push, repository

DOCKERFILE = Path("infra/reranker_endpoint/Dockerfile")
CODE = ("aisle", "infra/__init__.py", "infra/reranker_endpoint")
TAG = f"aisle-reranker:{__version__}-x86_64"


def build_image(base_image: str | None = None) -> str:
    """The local image's name. Raises Unavailable where nothing can build, or the build failed."""
    with TemporaryDirectory(prefix="aisle-image-") as folder:
        fill(Path(folder))
        values = {"VERSION": __version__, **({"BASE_IMAGE": base_image} if base_image else {})}
        build = Build(Path(folder), Path(folder) / DOCKERFILE, TAG, "x86_64", values, certificates())
        find_builder().build(build)
    return TAG


def fill(context: Path) -> None:
    """Puts into `context` all that the Dockerfile copies, readable by anyone and dated alike."""
    for name in CODE:
        for path in [ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                put(path, context / path.relative_to(ROOT))
    same_dates(context)


def main() -> int:
    parser = ArgumentParser("python -m infra.images.reranker", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stage", help="push to aisle-<stage>-reranker and print the address there")
    parser.add_argument("--base-image", help=f"default: BASE_IMAGE of {DOCKERFILE}")
    asked = parser.parse_args()
    try:
        image = build_image(asked.base_image)
        print(push(image, repository(f"{asked.stage}-reranker")) if asked.stage else image)
    except AisleError as exc:
        print("image:", exc, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
