"""A function for tests of the emulator and of the gateway: does as its event says and tells what it was given."""

import os
import sys
import time
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    print("asked", event.get("say", ""))
    if event.get("raise"):
        raise ValueError(event["raise"])
    if event.get("exit"):
        sys.exit(event["exit"])
    asked = event.get("queryStringParameters", event)
    time.sleep(float(asked.get("sleep_s", 0)))
    return {
        "environment": dict(os.environ),
        "name": context.function_name,
        "memory_mb": int(context.memory_limit_in_mb),
        "left_ms": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
    }


def guard(event: dict[str, Any], context: Any) -> Any:
    """Lets everybody in."""
    return {"isAuthorized": True}
