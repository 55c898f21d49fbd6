"""The keys of a stage in AWS: one encrypted parameter of Systems Manager, which holds hashes and no key.

CloudFormation cannot make an encrypted parameter, so `aisle keys` does, before a stage is deployed. A function reads it
at most every few seconds. While it cannot be read nobody is let in: an old answer is not used again.
"""

from __future__ import annotations

import msgspec

from aisle.aws.clients import client, told
from aisle.errors import Unavailable
from aisle.keys import Keys

TIMEOUT_S, ATTEMPTS = 2.0, 2  # the authorizer has to answer within seconds
_RIGHTS = "check AWS credentials, AWS_DEFAULT_REGION, and the right to use this parameter"


def parameter_name(stage: str) -> str:
    """Where the keys of a stage are kept."""
    return f"/aisle/{stage}/keys"


def read_keys(name: str) -> Keys | None:
    """The keys kept under this name, None where nothing is. Raises Unavailable."""
    with told(f"parameter {name} cannot be read", _RIGHTS):
        ssm = client("ssm", TIMEOUT_S, ATTEMPTS)
        try:
            text = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        except ssm.exceptions.ParameterNotFound:
            return None
    try:
        return msgspec.json.decode(text, type=Keys)
    except msgspec.MsgspecError as exc:
        raise Unavailable(f"parameter {name} does not hold keys", "delete it and run `aisle keys`") from exc


def write_keys(name: str, keys: Keys, replacing: bool) -> None:
    """Keeps the keys under this name, which must be free unless they replace others. Raises Unavailable."""
    with told(f"parameter {name} cannot be written", _RIGHTS):
        client("ssm", TIMEOUT_S, ATTEMPTS).put_parameter(
            Name=name,
            Description="Hashes of aisle's API keys; `aisle keys` makes, rotates and retires them",
            Value=msgspec.json.encode(keys).decode(),
            Type="SecureString",
            Overwrite=replacing,
        )


class KeyParameter:
    """The keys under `name`, read again when what is known is `cache_s` seconds old."""

    def __init__(self, name: str, cache_s: float) -> None:
        self.name, self.cache_s = name, cache_s
        self._keys, self._read_at_s = Keys(), float("-inf")

    def at(self, now_s: float) -> Keys:
        """The keys at this time of a clock that only goes forward. Raises Unavailable."""
        if not now_s - self._read_at_s < self.cache_s:
            keys = read_keys(self.name) if self.name else None
            if keys is None:
                missing = f"parameter {self.name} is missing" if self.name else "AISLE_KEYS_PARAMETER is not set"
                raise Unavailable(missing, "make it by `aisle keys --stage STAGE`")
            self._keys, self._read_at_s = keys, now_s
        return self._keys
