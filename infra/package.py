"""The CloudFormation template of a stage, compiled by osls as a deployment compiles it.

    python -m infra.package dev

osls asks the account which layer was uploaded last, so an empty emulated account answers here: packaging needs neither
credentials nor a network.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.emulated import emulated_aws

ROOT = Path(__file__).parents[1]
OSLS = ROOT / "node_modules/.bin/osls"
NO_IMAGE = f"000000000000.dkr.ecr.us-east-1.amazonaws.com/aisle@sha256:{'0' * 64}"  # stands where none was pushed
ABSENT = {
    "AISLE_IMAGE": NO_IMAGE,
    "AISLE_BATCH_IMAGE": NO_IMAGE,
    "AISLE_HEAVY_IMAGE": NO_IMAGE,
    "AISLE_HEAVY_ID": "0" * 16,
}
TEMPLATE = "cloudformation-template-update-stack.json"


def package(stage: str, folder: Path, environment: Mapping[str, str], *values: str) -> dict[str, Any]:
    """The compiled template, left in `folder` with the archives beside it; AISLE_IMAGE names the image of search.

    Each of `values`, such as "heavy=on", stands in place of what the stage's file says.
    """
    osls("package", stage, environment, "--package", str(folder), *(f"--param={value}" for value in values))
    template: dict[str, Any] = json.loads((folder / TEMPLATE).read_text())
    return template


def osls(command: str, stage: str, environment: Mapping[str, str], *arguments: str) -> str:
    """What `osls command` printed. Raises RuntimeError with it where osls failed."""
    ran = subprocess.run(
        [OSLS, command, "--stage", stage, *arguments],
        cwd=ROOT,
        env={**os.environ, **{name: os.environ.get(name) or none for name, none in ABSENT.items()}, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode:
        raise RuntimeError(f"osls {command} --stage {stage} failed:\n{ran.stdout}")
    return ran.stdout


def main() -> None:
    stage = sys.argv[1]
    folder = ROOT / ".serverless"
    with emulated_aws() as environment:
        template = package(stage, folder, environment)
    archives = ", ".join(f"{archive.name} {archive.stat().st_size:,} bytes" for archive in sorted(folder.glob("*.zip")))
    print(f"{folder / TEMPLATE}: {len(template['Resources'])} resources; {archives}")


if __name__ == "__main__":
    main()
