"""A stage into an AWS account: what `make deploy` does once its tools are there.

    python -m infra.deploy dev [.aisle/demo-300]

An image is built around the bundle and pushed; without a bundle, around the one that is live. Or AISLE_IMAGE names an
image in the account's registry, with its digest. A stage with a heavy reranker gets that too (infra/heavy.py), and one
that scores batches their image (infra/batch/image.py). Then osls deploys, the pipeline gets what it starts from (the
sources, and the bundle whose models the next catalogue is indexed with), and what is live is noted beside the bundles.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from aisle import __version__
from aisle.aws.clients import client, told
from aisle.aws.publishing import Live, bucket_of, fetch, live, publish
from aisle.bundle import Bundle
from aisle.errors import AisleError, BadInput, NotFound, Unavailable
from infra.batch.image import batch, named_image
from infra.heavy import heavy
from infra.live import note
from infra.package import OSLS, ROOT
from infra.pipeline.source import upload
from infra.registry import push, repository, with_digest
from infra.stage import one_of


def deploy(stage: str, path: Path | None) -> str:
    """What is live afterwards, in words. Raises BadInput, NotFound, BundleError, Unavailable.

    What it raises before osls begins has changed nothing. Where osls fails, what was live still is. What fails after
    that leaves the new stack and the note of what was live before: the same command again mends it.
    """
    with told("AWS does not accept the credentials", "log in again, or name another profile in AWS_PROFILE"):
        client("sts").get_caller_identity()
    image, bundle = os.environ.get("AISLE_IMAGE"), None
    if image and path:
        raise BadInput("AISLE_IMAGE carries a bundle already", "name either AISLE_IMAGE or BUNDLE")
    reranker = heavy(stage, one_of(stage, "heavy", ("on", "off")) == "on", os.environ)
    scores = one_of(stage, "batch", ("on", "off")) == "on"
    named = named_image(stage, scores, os.environ)
    if not image:
        bundle = Bundle.open(path) if path else live_bundle(stage, ROOT / ".aisle" / f"{stage}-live")
        image = push_image(stage, bundle.path)
    given = {"AISLE_IMAGE": with_digest("AISLE_IMAGE", image, f"aisle-{stage}"), **reranker}
    given |= batch(stage, scores, named, bundle)
    environment = {**os.environ, **given}
    if subprocess.run([OSLS, "deploy", "--stage", stage], cwd=ROOT, env=environment).returncode:
        raise Unavailable(f"osls could not deploy {stage}", "its last lines above say why; what was live still is")
    now = hand_over(stage, bundle)
    return f"{stage}: bundle {now.bundle_id} is live, in version {now.version} of search"


def live_bundle(stage: str, folder: Path) -> Bundle:
    """The bundle that is live, fetched into `folder`. BadInput: none is, so the first one must be named."""
    bucket = bucket_of(stage)
    try:
        bundle_id = live(bucket).bundle_id
    except NotFound as exc:
        raise BadInput(f"no bundle is live in {stage}", f"name one: make deploy STAGE={stage} BUNDLE=...") from exc
    return fetch(bucket, bundle_id, folder)


def hand_over(stage: str, bundle: Bundle | None) -> Live:
    """Leaves the pipeline what it starts from. The note is last: it names no bundle that could not be published."""
    upload(stage)
    if bundle:
        publish(bundle, bucket_of(stage))
    return note(stage)


def push_image(stage: str, bundle: Path) -> str:
    """The address of a fresh image around the bundle, in the account's registry."""
    bundle_id = Bundle.open(bundle).manifest.bundle_id
    architecture = one_of(stage, "architecture", ("arm64", "x86_64"))
    image = f"aisle:{__version__}-{bundle_id}-{architecture}"
    made = ["make", "image", f"BUNDLE={bundle}", f"ARCH={architecture}", f"TAG={image}"]
    if subprocess.run(made, cwd=ROOT).returncode:
        raise Unavailable("the image could not be built", "its last lines above say why")
    return push(image, repository(stage))


def main() -> int:
    stage, *bundle = sys.argv[1:]
    try:
        print(deploy(stage, Path(bundle[0]) if bundle else None))
    except AisleError as exc:
        print("deploy:", exc, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
