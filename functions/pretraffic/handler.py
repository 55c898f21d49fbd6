"""The door of the pre-traffic hook: CodeDeploy calls it before a new version of search gets its first shopper.

CodeDeploy waits for an hour for a verdict that does not come, so each doubt is told as a failure at once.
"""

import logging
from typing import Any

from aisle.aws.release import allow_traffic, replayed
from aisle.settings import Settings

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
settings = Settings.from_env()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What was found; CodeDeploy itself reads the verdict that is put beside it."""
    replay = replayed(settings.search_version)
    word = "agreed to" if replay.ok else "refused"
    log.log(logging.INFO if replay.ok else logging.ERROR, "%s %s: %s", word, settings.search_version, replay.reason)
    allow_traffic(event["DeploymentId"], event["LifecycleEventHookExecutionId"], replay.ok)
    return {"ok": replay.ok, "reason": replay.reason, "bundle_id": replay.bundle_id}
