"""The heavy reranker that a deployment brings: a sealed model in the bundles bucket, and the image that runs it.

    make deploy STAGE=prod AISLE_HEAVY=HEAVY AISLE_HEAVY_IMAGE=123456789012.dkr.ecr.….amazonaws.com/…@sha256:…

AISLE_HEAVY is what `aisle heavy` or `aisle build --heavy` wrote, or the id of a model that was brought before. A
deployment that names neither model nor image takes what the stage runs. SageMaker reads plain files, so the folder lies
as it is under heavy/<id>/, the manifest written last: without it nothing there counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aisle.aws.clients import client, told
from aisle.aws.publishing import REMEDY, bucket_of
from aisle.bundle import MANIFEST, Bundle, verify_hashes
from aisle.errors import BadInput, NotFound
from infra.registry import with_digest

PREFIX = "heavy"
MODEL, IMAGE = "AISLE_HEAVY", "AISLE_HEAVY_IMAGE"
_FILES = ("reranker.json", "config.json", "model.safetensors", "tokenizer.json")
_ID = re.compile(r"[0-9a-f]{16}")
_UPLOAD_S = 60.0  # of one part on its way


def heavy(stage: str, switched_on: bool, asked: Mapping[str, str]) -> dict[str, str]:
    """What osls is told of the reranker: AISLE_HEAVY_ID and AISLE_HEAVY_IMAGE; nothing where the stage has none.

    The model is in the bucket then. BadInput, NotFound: nothing says which model or image, or it is not there.
    BundleError: the folder is not what was sealed. Unavailable: AWS refused.
    """
    given = {name: asked[name] for name in (MODEL, IMAGE) if asked.get(name)}
    if not switched_on:
        if given:
            remedy = f'write heavy: "on" in infra/stages/{stage}.yml, or leave it out'
            raise BadInput(f"{' and '.join(given)} is given and {stage} has no heavy reranker", remedy)
        return {}
    runs = {} if len(given) == 2 else running(stage)
    image = given.get(IMAGE) or runs.get("HeavyImage", "")
    model = given.get(MODEL) or runs.get("HeavyId", "")
    if not image:
        remedy = f"push one and name it: make heavy-image STAGE={stage}, then {IMAGE}=..."
        raise BadInput(f"{stage} is to have a heavy reranker, and no image of it was ever deployed", remedy)
    with_digest(IMAGE, image, f"aisle-{stage}-reranker")
    if not model:
        remedy = f"name a sealed folder: {MODEL}=... (`aisle heavy MODEL --out HEAVY` seals one)"
        raise BadInput(f"{stage} is to have a heavy reranker, and no model of it was ever deployed", remedy)
    return {"AISLE_HEAVY_ID": _brought(model, bucket_of(stage)), IMAGE: image}


def bring(sealed: Bundle, bucket: str) -> str:
    """The model's id, under which its files lie in the bucket. Raises as `heavy` does."""
    lacking = [name for name in _FILES if not sealed.has(name)]
    if lacking:
        raise BadInput(f"{sealed.path} is no heavy reranker: it has no {lacking[0]}", "seal one with `aisle heavy`")
    verify_hashes(sealed)
    model = sealed.manifest.bundle_id
    if not _is_there(model, bucket):
        with told(f"s3://{bucket}/{PREFIX}/{model}/ cannot be written", REMEDY):
            s3 = client("s3", _UPLOAD_S)
            for name in [*(file.path for file in sealed.manifest.files), MANIFEST]:
                with (sealed.path / name).open("rb") as content:
                    s3.upload_fileobj(content, bucket, f"{PREFIX}/{model}/{name}")
    return model


def _brought(model: str, bucket: str) -> str:
    """The id of a folder's model once it is in the bucket, or an id whose model is."""
    if Path(model).exists() or not _ID.fullmatch(model):
        return bring(Bundle.open(Path(model)), bucket)
    if not _is_there(model, bucket):
        raise NotFound(f"there is no model {model} in s3://{bucket}/{PREFIX}", f"name its sealed folder in {MODEL}")
    return model


def _is_there(model: str, bucket: str) -> bool:
    key = f"{PREFIX}/{model}/{MANIFEST}"
    with told(f"s3://{bucket}/{key} cannot be read", REMEDY):
        s3 = client("s3", _UPLOAD_S)
        try:
            s3.get_object(Bucket=bucket, Key=key)["Body"].close()
        except s3.exceptions.NoSuchKey:
            return False
        except s3.exceptions.NoSuchBucket as exc:
            remedy = 'deploy the stage once with heavy: "off", which makes the bucket, then with "on"'
            raise BadInput(f"there is no bucket {bucket} yet for the model to lie in", remedy) from exc
    return True


def running(stage: str) -> dict[str, str]:
    """The deployed stack's outputs, such as HeavyId and HeavyImage; none where there is no stack."""
    cloudformation: Any = client("cloudformation")
    with told(f"the stack aisle-{stage} could not be asked what it runs", REMEDY):
        try:
            (stack,) = cloudformation.describe_stacks(StackName=f"aisle-{stage}")["Stacks"]
        except cloudformation.exceptions.ClientError as exc:
            if exc.response["Error"].get("Code") != "ValidationError":  # else there is none
                raise
            return {}
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
