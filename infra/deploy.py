"""A stage into an AWS account: what `make deploy` does once its tools are there.

    python -m infra.deploy dev .aisle/demo-300

AISLE_IMAGE names the image of search in the account's registry, with its digest; where it is empty, an image is built
around the bundle and pushed. Then osls deploys, what is live then is noted beside the bundles, and the pipeline gets
what it starts from: the sources, and the bundle whose models the next catalogue is indexed with.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from aisle import __version__
from aisle.aws.clients import client, told
from aisle.aws.publishing import bucket_of, publish
from aisle.bundle import MANIFEST, Bundle
from aisle.errors import AisleError, BadInput, Unavailable
from infra.live import note
from infra.package import OSLS, ROOT
from infra.pipeline.source import upload
from infra.registry import push, repository

REPOSITORY = "aisle"  # of all stages: prod serves the very image that dev has tried
_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[^@:]+@sha256:[0-9a-f]{64}")


def deploy(stage: str, bundle: Path) -> str:
    """What is live afterwards, in words. Raises Unavailable, BadInput, BundleError before anything was changed."""
    with told("AWS does not accept the credentials", "log in again, or name another profile in AWS_PROFILE"):
        client("sts").get_caller_identity()
    image = os.environ.get("AISLE_IMAGE") or push_image(stage, bundle)
    if not _IMAGE.fullmatch(image):
        raise BadInput(
            f"AISLE_IMAGE is {image!r}, which is no ECR address with a digest",
            "name one like 123456789012.dkr.ecr.us-east-1.amazonaws.com/aisle@sha256:..., or unset it",
        )
    environment = {**os.environ, "AISLE_IMAGE": image}
    if subprocess.run([OSLS, "deploy", "--stage", stage], cwd=ROOT, env=environment).returncode:
        raise Unavailable(f"osls could not deploy {stage}", "its last lines above say why; what was live still is")
    live = note(stage)
    upload(stage)
    if (bundle / MANIFEST).exists():  # an image that was named may have come without it
        publish(Bundle.open(bundle), bucket_of(stage))
    return f"{stage}: bundle {live.bundle_id} is live, in version {live.version} of search"


def push_image(stage: str, bundle: Path) -> str:
    """The address of a fresh image around the bundle, in the account's registry."""
    bundle_id = Bundle.open(bundle).manifest.bundle_id
    architecture = _architecture(stage)
    image = f"aisle:{__version__}-{bundle_id}-{architecture}"
    made = ["make", "image", f"BUNDLE={bundle}", f"ARCH={architecture}", f"TAG={image}"]
    if subprocess.run(made, cwd=ROOT).returncode:
        raise Unavailable("the image could not be built", "its last lines above say why")
    return push(image, repository(REPOSITORY))


def _architecture(stage: str) -> str:
    found = re.search(r"^architecture: (\w+)", (ROOT / "infra/stages" / f"{stage}.yml").read_text(), re.MULTILINE)
    if not found:
        raise BadInput(f"infra/stages/{stage}.yml names no architecture", "write arm64 or x86_64")
    return found[1]


def main() -> int:
    stage, bundle = sys.argv[1:]
    try:
        print(deploy(stage, Path(bundle)))
    except AisleError as exc:
        print("deploy:", exc, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
