"""boto3 clients, made when the first call needs one: importing boto3 and making a client takes longer than a search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from aisle.errors import MissingExtra, Unavailable
from aisle.settings import aws_region


@cache
def client(service: str, timeout_s: float = 5.0, attempts: int = 3) -> Any:
    """The client of an AWS service, one a process; `timeout_s` for each of `attempts`. Raises MissingExtra."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as exc:
        raise MissingExtra("boto3", "aws") from exc
    retries = {"total_max_attempts": attempts, "mode": "standard"}
    config = Config(connect_timeout=timeout_s, read_timeout=timeout_s, retries=retries)
    return boto3.client(service, aws_region(), config=config)


@contextmanager
def told(what: str, remedy: str) -> Iterator[None]:
    """Turns what boto3 raises (refused, throttled, no answer, no credentials) into Unavailable; `what` was asked."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as exc:
        raise Unavailable(f"{what}: {exc.response['Error'].get('Code', 'refused')}", remedy) from exc
    except BotoCoreError as exc:
        raise Unavailable(f"{what}: {type(exc).__name__}", remedy) from exc
