"""What the build project builds from: the files of this checkout that git knows, as they lie here, in one archive.

A deployment takes them as they lie here too, so stack and pipeline agree, committed or not.

python -m infra.pipeline.source --stage dev
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

from aisle.aws.clients import client, told
from aisle.aws.publishing import REMEDY, bucket_of
from aisle.errors import AisleError, BadInput

ROOT = Path(__file__).parents[2]
KEY = "pipeline/source.zip"


def upload(stage: str) -> str:
    """The archive's address. BadInput: this is no git checkout. Unavailable: S3 refused."""
    archive = packed(ROOT)
    bucket = bucket_of(stage)
    with told(f"s3://{bucket}/{KEY} could not be written", REMEDY):
        client("s3", 60.0).put_object(Bucket=bucket, Key=KEY, Body=archive)
    return f"s3://{bucket}/{KEY}"


def packed(root: Path) -> bytes:
    """A zip of the checkout's files, those that were not committed as they are. BadInput: it is no git checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True)
    if listed.returncode:
        reason = listed.stderr.decode().strip()
        raise BadInput(f"the sources cannot be packed ({reason})", "deploy from a git checkout")
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as files:
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (root / name).is_file():  # else it was deleted, which was not committed either
                files.write(root / name, name)
    return archive.getvalue()


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
