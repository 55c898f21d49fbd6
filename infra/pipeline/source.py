"""What the build project builds from: this checkout's last commit, as one archive in the bundles bucket.

python -m infra.pipeline.source --stage dev
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from aisle.aws.clients import client, told
from aisle.aws.publishing import bucket_of
from aisle.errors import AisleError, BadInput
from infra.live import REMEDY

ROOT = Path(__file__).parents[2]
KEY = "pipeline/source.zip"


def upload(stage: str) -> str:
    """The archive's address. BadInput: this is no git checkout. Unavailable: S3 refused."""
    packed = subprocess.run(["git", "archive", "--format=zip", "HEAD"], cwd=ROOT, capture_output=True)
    if packed.returncode:
        reason = packed.stderr.decode().strip()
        raise BadInput(f"the sources cannot be packed ({reason})", "deploy from a git checkout with a commit")
    bucket = bucket_of(stage)
    with told(f"s3://{bucket}/{KEY} could not be written", REMEDY):
        client("s3", 60.0).put_object(Bucket=bucket, Key=KEY, Body=packed.stdout)
    return f"s3://{bucket}/{KEY}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.pipeline.source", description="Upload the sources.")
    parser.add_argument("--stage", default="dev")
    try:
        print(upload(parser.parse_args().stage))
    except AisleError as exc:
        print("source:", exc, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
