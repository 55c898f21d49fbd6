"""What a row of the table of operations is: a request struct, a plain function and a response struct."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

from aisle.parameters import NoParameters


@dataclass(frozen=True)
class Operation:
    """`answer(services, asked, caller)` gets the decoded parameters or body, and whose call it is."""

    method: str
    path: str
    function: str  # which Lambda function answers it
    summary: str
    answer: Callable[[Any, Any, Any], object]
    response: Any  # what answer returns, for the document
    key: Literal["none", "publishable", "secret"] = "publishable"  # what a deployed service asks for
    token: Literal["", "optional", "required"] = ""  # whether a shopper token makes a difference
    parameters: type[Struct] = NoParameters
    body: Any = None  # the type of a JSON body
    status: int = 200  # of an answer
