"""The door of the authorizer: API Gateway asks it whether a call may pass, and keeps the answer for minutes.

What is raised here (the keys cannot be read) lets nobody in either, but as a 500 that API Gateway does not keep. No
header is ever logged.
"""

import logging
import time
from typing import Any

from aisle.access import decide
from aisle.aws.key_parameter import KeyParameter
from aisle.settings import Settings

CACHE_S = 1  # API Gateway keeps a refusal for minutes: a key that was just brought out must not get one
log = logging.getLogger(__name__)
keys = KeyParameter(Settings.from_env().keys_parameter, CACHE_S)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The simple response of payload 2.0."""
    decision = decide(event, keys.at(time.monotonic()))
    if not decision.allowed:
        log.warning("refused: %s", decision.reason)
    return {"isAuthorized": decision.allowed}
