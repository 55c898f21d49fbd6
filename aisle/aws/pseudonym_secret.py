"""The key that shopper ids are hashed with, in Secrets Manager: the current one, and the one before while there is one.

The stack makes the secret with its first value; `aisle keys --rotate pseudonym` puts a new one, and Secrets Manager
itself keeps the one before as AWSPREVIOUS. A function reads both at most every few minutes.
"""

from __future__ import annotations

import logging

from aisle.aws.clients import client, told
from aisle.errors import Unavailable
from aisle.pseudonyms import Pseudonyms

CACHE_S, RETRY_S = 300.0, 15.0  # how long both keys are used; how long the old ones while they cannot be read
LEAST_BYTES = 32
_TIMEOUT_S, _ATTEMPTS = 2.0, 2
_RIGHTS = "check AWS credentials, AWS_DEFAULT_REGION, and the right to use this secret"
log = logging.getLogger(__name__)


def secret_name(stage: str) -> str:
    """Where a stage keeps the key."""
    return f"aisle/{stage}/pseudonyms"


def read_pseudonyms(name: str) -> Pseudonyms:
    """Of the two keys under this name. Raises Unavailable where there is none or one that is too short to be one."""
    current, previous = _value(name, "AWSCURRENT"), _value(name, "AWSPREVIOUS")
    if current is None:
        raise Unavailable(f"secret {name} is missing", "deploy the stage, which makes it")
    if len(current) < LEAST_BYTES:
        raise Unavailable(f"secret {name} has fewer than {LEAST_BYTES} characters", "`aisle keys --rotate pseudonym`")
    return Pseudonyms(current, previous if previous and previous != current else None)


def put_pseudonym_key(name: str, key: str) -> None:
    """Makes `key` the current one and the current one the previous. Raises Unavailable, also where nothing is there."""
    with told(f"secret {name} cannot be written", _RIGHTS):
        client("secretsmanager", _TIMEOUT_S, _ATTEMPTS).put_secret_value(SecretId=name, SecretString=key)


def _value(name: str, stage: str) -> bytes | None:
    with told(f"secret {name} cannot be read", _RIGHTS):
        secrets = client("secretsmanager", _TIMEOUT_S, _ATTEMPTS)
        try:
            text: str = secrets.get_secret_value(SecretId=name, VersionStage=stage)["SecretString"]
        except secrets.exceptions.ResourceNotFoundException:
            return None
    return text.encode()


class PseudonymSecret:
    """The pseudonyms of the secret `name`, read again when what is known is `cache_s` seconds old."""

    def __init__(self, name: str, cache_s: float = CACHE_S) -> None:
        self._name, self._cache_s = name, cache_s
        self._known: Pseudonyms | None = None
        self._good_until_s = float("-inf")

    def at(self, now_s: float) -> Pseudonyms:
        """At this time of a clock that only goes forward. Raises Unavailable where the secret was never read.

        An old answer is used again while the secret cannot be read: the key that was the current one opens nothing, and
        what is written under it is found under the previous one.
        """
        if now_s >= self._good_until_s:
            try:
                self._known, self._good_until_s = read_pseudonyms(self._name), now_s + self._cache_s
            except Unavailable as exc:
                if self._known is None:
                    raise
                log.warning("the old pseudonym keys are used for now: %s", exc.detail)
                self._good_until_s = now_s + RETRY_S
        assert self._known is not None
        return self._known
