"""Whether anything here would let us into an AWS account, asked before hours are spent on an image for it.

    python3 -m infra.credentials dev

Needs nothing but Python: on a fresh clone nothing else is there yet. That what was found is valid, AWS says later.
"""

import os
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

STAGES = Path(__file__).with_name("stages")
_NAMES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}
_METADATA = "http://169.254.169.254/latest/api/token"


def found(environ: Mapping[str, str]) -> bool:
    """Whether the environment, a file of the AWS tools or the machine's own role promises credentials."""
    if any(environ.get(name) for name in _NAMES):
        return True
    if any(Path(environ.get(name) or usual).expanduser().is_file() for name, usual in _FILES.items()):
        return True
    return environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true" and _on_instance()


def _on_instance() -> bool:
    asked = urllib.request.Request(_METADATA, method="PUT", headers={"x-aws-ec2-metadata-token-ttl-seconds": "60"})
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=1).close()
    except OSError:
        return False
    return True


def main() -> int:
    stage = sys.argv[1]
    if not (STAGES / f"{stage}.yml").is_file():
        known = ", ".join(sorted(path.stem for path in STAGES.glob("*.yml")))
        print(
            f"deploy: there is no stage {stage!r}: name one of {known}, or write {STAGES / stage}.yml", file=sys.stderr
        )
        return 2
    if not found(os.environ):
        print(
            "deploy: no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
            " of an account that you may deploy to",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
