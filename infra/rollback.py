"""Back to a version of search that answered well: what `make rollback` does.

    python -m infra.rollback --stage dev [--to BUNDLE_ID|VERSION]

A deployment that runs is stopped first and its share of the traffic taken away. Without --to the version before is
asked for its golden queries, then the one before that, until one agrees: a version that was refused by the pre-traffic
hook never served, and must not serve now. What --to names serves whatever it answers. Recommendations get the image of
that version, since both answer from one bundle. No image is built, and the stack does not change.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from aisle.aws.clients import client, told
from aisle.aws.publishing import REMEDY, Live, bucket_of, note_live
from aisle.aws.release import Replayed, replayed
from aisle.errors import AisleError, BadInput, NotFound, Unavailable
from infra.live import ALIAS, alias, function

RUNNING = ["Created", "Queued", "InProgress", "Baking", "Ready"]
_STOP_S = 60
_POLL_S = 1.0
Tell = Callable[[str], None]


def roll_back(stage: str, to: str | None, tell: Tell) -> Live:
    """What is live then; each step is told. NotFound, BadInput and Unavailable leave the alias as it is."""
    before = alias(stage)
    target, replay = _named(stage, to, tell) if to else _agreeing(stage, before.version, before.tried, tell)
    _stop_deployments(stage, tell)
    now = alias(stage)
    if (now.version, now.tried) == (target, None):
        tell(f"version {target} has all of the traffic already")
    else:
        with told(f"the alias {ALIAS} of {function(stage)} could not be moved", "try again"):
            client("lambda").update_alias(
                FunctionName=function(stage),
                Name=ALIAS,
                FunctionVersion=target,
                RoutingConfig={"AdditionalVersionWeights": {}},
                RevisionId=now.revision,
            )
        was = now.version + (f" and {now.tried}" if now.tried else "")
        tell(f"version {target} has all of the traffic now; it was with version {was}")
    _recommend_from(stage, target, tell)
    live = Live(replay.bundle_id, target)
    if live.bundle_id:
        note_live(bucket_of(stage), live)
        tell(f"bundle {live.bundle_id} is noted as live")
    else:
        tell(f"live.json stays as it is: version {target} does not say which bundle it carries ({replay.reason})")
    return live


def _named(stage: str, to: str, tell: Tell) -> tuple[str, Replayed]:
    """The version with that number, or the newest one that carries that bundle."""
    versions = _versions(stage)
    if to in versions:
        return to, replayed(f"{function(stage)}:{to}")
    if not (len(to) == 16 and set(to) <= set("0123456789abcdef")):
        known = ", ".join(versions) or "none"
        raise BadInput(f"{to!r} is neither a bundle id nor a version of {function(stage)}", f"versions are {known}")
    for version in versions:
        replay = replayed(f"{function(stage)}:{version}")
        tell(f"version {version} carries bundle {replay.bundle_id or f'unknown: {replay.reason}'}")
        if replay.bundle_id == to:
            return version, replay
    raise NotFound(f"no version of {function(stage)} carries bundle {to}", "deploy it: make deploy")


def _agreeing(stage: str, version: str, tried: str | None, tell: Tell) -> tuple[str, Replayed]:
    """The version that a running canary would replace, else the newest one before `version` that answers well."""
    if tried:
        return version, replayed(f"{function(stage)}:{version}")
    for older in _versions(stage):
        if int(older) < int(version):
            replay = replayed(f"{function(stage)}:{older}")
            if replay.ok:
                return older, replay
            tell(f"version {older} is passed over: {replay.reason}")
    raise BadInput(f"{function(stage)} has no version before {version} that answers well", "name one with --to")


def _recommend_from(stage: str, version: str, tell: Tell) -> None:
    """Gives the function of recommendations the image of that version of search."""
    lambda_, name = client("lambda"), f"aisle-{stage}-recommend"
    with told(f"{name} could not be given the image of version {version}", "try again"):
        image = lambda_.get_function(FunctionName=function(stage), Qualifier=version)["Code"]["ImageUri"]
        try:
            lambda_.update_function_code(FunctionName=name, ImageUri=image)
        except lambda_.exceptions.ResourceNotFoundException:  # a stack of an aisle that recommended nothing
            return
    tell(f"{name} has the image of version {version}")


def _versions(stage: str) -> list[str]:
    """Published versions, the newest first."""
    lambda_ = client("lambda")
    with told(f"the versions of {function(stage)} could not be listed", REMEDY):
        pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName=function(stage))
        found = [version["Version"] for page in pages for version in page["Versions"]]
    return sorted((version for version in found if version.isdecimal()), key=int, reverse=True)


def _stop_deployments(stage: str, tell: Tell) -> None:
    """Stops what CodeDeploy is at, without its own way back, which would move the alias after us."""
    codedeploy = client("codedeploy")
    with told("the running deployment could not be stopped", REMEDY):
        try:
            running = codedeploy.list_deployments(
                applicationName=f"aisle-{stage}",
                deploymentGroupName=f"aisle-{stage}-search",
                includeOnlyStatuses=RUNNING,
            )["deployments"]
        except codedeploy.exceptions.ApplicationDoesNotExistException:
            return
        for deployment in running:
            codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=False)
            until = time.monotonic() + _STOP_S
            while codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]["status"] in RUNNING:
                if time.monotonic() > until:
                    raise Unavailable(f"deployment {deployment} does not stop", "stop it in CodeDeploy, then try again")
                time.sleep(_POLL_S)
            tell(f"deployment {deployment} is stopped")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.rollback", description="Go back to an older version.")
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--to", metavar="BUNDLE_ID|VERSION", help="default: the newest before that answers well")
    asked = parser.parse_args()
    try:
        roll_back(asked.stage, asked.to, print)
    except AisleError as exc:
        print("rollback:", " ".join(str(exc).split()), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
