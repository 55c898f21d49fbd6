"""Which image a deployment gives the batch function: one that is named, a fresh one, or the one that the stage runs.

    make deploy STAGE=dev AISLE_BATCH_IMAGE=123456789012.dkr.ecr.….amazonaws.com/aisle-dev-batch@sha256:…

A deployment around a bundle builds both images around it, so that searches and batches answer alike.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from aisle import __version__
from aisle.bundle import Bundle
from aisle.errors import BadInput, Unavailable
from infra.heavy import running
from infra.package import ROOT
from infra.registry import push, repository, with_digest
from infra.stage import one_of

IMAGE = "AISLE_BATCH_IMAGE"


def named_image(stage: str, switched_on: bool, asked: Mapping[str, str]) -> str:
    """The image that AISLE_BATCH_IMAGE names; empty: none. Raises BadInput for what is no address, or not wanted."""
    given = asked.get(IMAGE, "")
    if given and not switched_on:
        remedy = f'write batch: "on" in infra/stages/{stage}.yml, or leave it out'
        raise BadInput(f"{IMAGE} is given and {stage} has no batch scoring", remedy)
    return with_digest(IMAGE, given, f"aisle-{stage}-batch") if given else ""


def batch(stage: str, switched_on: bool, named: str, bundle: Bundle | None) -> dict[str, str]:
    """What osls is told: AISLE_BATCH_IMAGE; nothing where the stage has no batch scoring.

    Without a name it is built around `bundle`; without that, it is the one that runs. BadInput: none does. Unavailable.
    """
    if not switched_on:
        return {}
    image = named or (push_image(stage, bundle) if bundle else running(stage).get("BatchImage", ""))
    if not image:
        remedy = f"name a bundle to build one around, or an image: {IMAGE}=..."
        raise BadInput(f"{stage} is to score batches, and no image for it was ever deployed", remedy)
    return {IMAGE: image}


def push_image(stage: str, bundle: Bundle) -> str:
    """The address of a fresh image around the bundle, in the account's registry."""
    architecture = one_of(stage, "architecture", ("arm64", "x86_64"))
    image = f"aisle-batch:{__version__}-{bundle.manifest.bundle_id}-{architecture}"
    made = [sys.executable, "-m", "infra.images.build", str(bundle.path), "--function", "batch"]
    if subprocess.run([*made, "--arch", architecture, "--tag", image], cwd=ROOT).returncode:
        raise Unavailable("the image of the batch function could not be built", "its last lines above say why")
    return push(image, repository(f"{stage}-batch"))
