"""What the build project runs, one step a build, and what it tells the state machine afterwards.

    python -m infra.pipeline.steps candidate|canary|train

`candidate` seals the live bundle's models over the catalogue file, holds the result against the gates and publishes
it; `canary` puts a published bundle into an image and that behind the alias; `train` builds a bundle by a recipe and
publishes it. The environment says for which stage and file. The outcome is one line of JSON in .aisle/outcome.json:
the bundle's id, or the reason why there is none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aisle.aws.clients import client, told
from aisle.aws.publishing import REMEDY, fetch, live, publish
from aisle.bundle import Bundle
from aisle.errors import AisleError, BadInput
from aisle.evaluation import Gains
from aisle.indexing import reindex
from aisle.settings import Settings
from aisle.tables import read_qrels, read_queries
from infra.deploy import push_image
from infra.live import note
from infra.pipeline.canary import deploy
from infra.pipeline.gates import gates

WORK = Path(".aisle/pipeline")
OUTCOME = Path(".aisle/outcome.json")
JUDGEMENTS = "judgements/"
TRAINING = "training/"
Environment = Mapping[str, str]


def candidate(asked: Environment) -> str:
    """The id of the bundle over AISLE_CATALOGUE (etag AISLE_ETAG), published; "" where it is the one that is live."""
    bucket, key = asked["AISLE_BUCKET"], asked["AISLE_CATALOGUE"]
    threads = Settings.from_env().threads
    old = fetch(bucket, live(bucket).bundle_id, WORK / "live")
    catalogue, put_at = _download(bucket, key, WORK / Path(key).name, asked["AISLE_ETAG"])
    # What the overlay was told after the file was put must still be laid over the bundle.
    new = reindex(old, catalogue, WORK / "candidate", None, put_at, threads, print)
    if new.manifest.bundle_id == old.manifest.bundle_id:
        print(f"{key} makes the bundle that is live")
        return ""
    refused = []
    for gate in gates(old, new, threads, _judgements(bucket)):
        print(f"{'passed' if gate.passed else 'REFUSED'}: {gate.name}: {gate.reason}")
        refused += [f"{gate.name}: {gate.reason}"] * (not gate.passed)
    if refused:
        raise BadInput(f"{key} is refused: {'; '.join(refused)}", "correct the file, or deploy its bundle by hand")
    print(publish(new, bucket).address)
    return new.manifest.bundle_id


def canary(asked: Environment) -> str:
    """The id of the bundle AISLE_BUNDLE_ID, which has all traffic. AISLE_IMAGE: an image that carries it already."""
    bucket, bundle_id, stage = asked["AISLE_BUCKET"], asked["AISLE_BUNDLE_ID"], asked["AISLE_STAGE"]
    image = asked.get("AISLE_IMAGE") or push_image(stage, fetch(bucket, bundle_id, WORK / "candidate").path)
    deploy(stage, bucket, image)
    now = note(stage)
    print(f"bundle {now.bundle_id} is live, in version {now.version}")
    return now.bundle_id


def train(asked: Environment) -> str:
    """The id of the bundle that AISLE_RECIPE builds from the files under training/, published."""
    bucket = asked["AISLE_BUCKET"]
    data, out = WORK / "training", WORK / "trained"
    for key in _keys(bucket, TRAINING):
        target = (data / key.removeprefix(TRAINING)).resolve()
        if data.resolve() not in target.parents:
            raise BadInput(f"s3://{bucket}/{key} leads out of {TRAINING}", "give it a name without .. and //")
        _download(bucket, key, target)
    data.mkdir(parents=True, exist_ok=True)
    recipe = asked.get("AISLE_RECIPE") or "shop"
    _call([sys.executable, "-m", "aisle", "build", recipe, "--data", str(data), "--out", str(out)])
    bundle = Bundle.open(out)
    print(publish(bundle, bucket).address)
    return bundle.manifest.bundle_id


STEPS = {"candidate": candidate, "canary": canary, "train": train}


def _judgements(bucket: str) -> tuple[list[tuple[str, str]], Gains] | None:
    """judgements/queries.* and judgements/qrels.* of the bucket, where both are there."""
    keys = {Path(key).stem: key for key in _keys(bucket, JUDGEMENTS)}
    if not {"queries", "qrels"} <= keys.keys():
        return None
    queries, qrels = (_download(bucket, key, WORK / key)[0] for key in (keys["queries"], keys["qrels"]))
    return read_queries(queries), read_qrels(qrels)


def _keys(bucket: str, prefix: str) -> list[str]:
    with told(f"s3://{bucket}/{prefix} could not be listed", REMEDY):
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", []) if not found["Key"].endswith("/")]


def _download(bucket: str, key: str, target: Path, etag: str = "") -> tuple[Path, str]:
    """The file at `target`, and when it was put. BadInput: it is gone, or another by now than `etag`."""
    s3 = client("s3")
    target.parent.mkdir(parents=True, exist_ok=True)
    with told(f"s3://{bucket}/{key} could not be read", REMEDY):
        try:
            found = s3.get_object(Bucket=bucket, Key=key, **({"IfMatch": etag} if etag else {}))
        except s3.exceptions.ClientError as exc:
            code = exc.response["Error"].get("Code")
            if code == "NoSuchKey":
                raise BadInput(f"s3://{bucket}/{key} was deleted meanwhile", "put it again") from exc
            if code not in ("PreconditionFailed", "412"):
                raise
            raise BadInput(f"s3://{bucket}/{key} was replaced meanwhile", "its successor has its own turn") from exc
        with target.open("wb") as out:
            shutil.copyfileobj(found["Body"], out)
    return target, found["LastModified"].isoformat(timespec="seconds")


def _call(command: list[str]) -> None:
    """Raises BadInput with the last line that the command printed where it fails; its output goes on to ours."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        last = ""
        for line in running.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    if running.returncode:
        raise BadInput(f"{' '.join(command[:3])} ended with {running.returncode} ({last})", "see the build's log")


def main(step: str, environment: Environment) -> int:
    """The exit code; the outcome is written either way."""
    outcome: dict[str, Any] = {"bundle_id": "", "reason": ""}
    try:
        outcome["bundle_id"] = STEPS[step](environment)
    except AisleError as exc:
        outcome["reason"] = " ".join(str(exc).split())[:1000]
        print(f"{step}:", outcome["reason"], file=sys.stderr)
    OUTCOME.parent.mkdir(exist_ok=True)
    OUTCOME.write_text(json.dumps(outcome))
    return 2 if outcome["reason"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], os.environ))
