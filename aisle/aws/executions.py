"""Executions of a Step Functions state machine, one a name."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from aisle.aws.clients import client, told

MOST_NAME = 80  # characters


def start(machine: str, name: str, asked: dict[str, Any]) -> bool:
    """True where an execution of that name runs now. False where one has ended: a name counts once in 90 days.

    Raises Unavailable.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)[-MOST_NAME:]
    with told(f"the state machine {machine}", "send the same again; an execution that runs is not started twice"):
        states = client("stepfunctions")
        try:
            states.start_execution(stateMachineArn=machine, name=plain, input=msgspec.json.encode(asked).decode())
        except states.exceptions.ExecutionAlreadyExists:
            return False
    return True
