"""What answers shoppers of a stage: the version behind the alias `live` of its search function, and that one's bundle.

    python -m infra.live --stage dev

asks the version for its bundle and notes both in the bundles bucket, as `bundles/live.json`. The pipeline takes the
models for the next catalogue from there; so this belongs behind whatever moves the alias.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

from aisle.aws.clients import client, told
from aisle.aws.publishing import REMEDY, Live, bucket_of, note_live
from aisle.aws.release import replayed
from aisle.errors import AisleError, BundleError, NotFound

ALIAS = "live"


class Alias(NamedTuple):
    """`version` gets the traffic, less the share of the one that is being tried, if there is one."""

    version: str
    tried: str | None
    revision: str  # changes with each change of the alias


def function(stage: str) -> str:
    return f"aisle-{stage}-search"


def alias(stage: str) -> Alias:
    """What `live` points to. NotFound: the stage is not deployed. Unavailable: Lambda refused."""
    lambda_ = client("lambda")
    with told(f"the alias {ALIAS} of {function(stage)} could not be read", REMEDY):
        try:
            found = lambda_.get_alias(FunctionName=function(stage), Name=ALIAS)
        except lambda_.exceptions.ResourceNotFoundException as exc:
            raise NotFound(
                f"{function(stage)} has no alias {ALIAS} in this account and region", f"make deploy STAGE={stage}"
            ) from exc
    weights = found.get("RoutingConfig", {}).get("AdditionalVersionWeights") or {}
    return Alias(found["FunctionVersion"], next(iter(weights), None), found.get("RevisionId", ""))


def note(stage: str) -> Live:
    """Asks the version that is live for its bundle and writes live.json. BundleError: it does not answer."""
    version = alias(stage).version
    replay = replayed(f"{function(stage)}:{version}")
    if not replay.bundle_id:
        raise BundleError(f"version {version} does not say which bundle it carries ({replay.reason})", "see its log")
    now = Live(replay.bundle_id, version)
    note_live(bucket_of(stage), now)
    return now


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.live", description="Note what is live.")
    parser.add_argument("--stage", default="dev")
    stage = parser.parse_args().stage
    try:
        now = note(stage)
    except AisleError as exc:
        print("live:", exc, file=sys.stderr)
        return 2
    print(f"{stage}: bundle {now.bundle_id} is live, in version {now.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
