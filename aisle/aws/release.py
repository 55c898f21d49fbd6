"""Whether a version of the search function may be given traffic: it is asked for its replay of the golden queries.

Whatever goes wrong on the way (no such version, a timeout, an answer that cannot be read) is an answer too: no.
"""

from __future__ import annotations

import msgspec

from aisle.aws.clients import client, told
from aisle.errors import Unavailable

_TIMEOUT_S = 50.0  # of one try: search is cut off after 29 s, a slow start takes some ten before that
_TRIES = 2  # where Lambda refused or did not answer; both fit into the 120 s of the pre-traffic function


class Replayed(msgspec.Struct, frozen=True):
    """What a version answers to {"aisle": "replay"}; `bundle_id` is "" where it gave no answer."""

    ok: bool
    reason: str
    bundle_id: str


def replayed(version: str) -> Replayed:
    """The replay of a version of search, named by its ARN or as function:version. Never raises for what it met."""
    try:
        with told("the version could not be asked", "look at the function and its role"):
            answer = client("lambda", _TIMEOUT_S, _TRIES).invoke(FunctionName=version, Payload=b'{"aisle": "replay"}')
            said = answer["Payload"].read()
    except Unavailable as exc:
        return Replayed(False, exc.detail, "")
    if "FunctionError" in answer:
        return Replayed(False, f"the version failed: {said[:500].decode(errors='replace')}", "")
    try:
        return msgspec.json.decode(said, type=Replayed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Replayed(False, f"the version answered what is no replay: {said[:500].decode(errors='replace')}", "")


def allow_traffic(deployment_id: str, execution_id: str, ok: bool) -> None:
    """Tells CodeDeploy the verdict of its hook. Raises Unavailable."""
    with told("CodeDeploy could not be told", "stop the deployment by hand"):
        client("codedeploy").put_lifecycle_event_hook_execution_status(
            deploymentId=deployment_id,
            lifecycleEventHookExecutionId=execution_id,
            status="Succeeded" if ok else "Failed",
        )
