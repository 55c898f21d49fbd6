"""What `aisle serve` keeps between its runs: the keys of a shop of one machine, and the events that it was told.

    DIR/secret.key       signs shopper tokens, as a shop's own server does in an account
    DIR/pseudonym.key    hashes the ids of shoppers
    DIR/events/          an event log (`aisle.event_log`)
    DIR/shoppers.txt     whom one can be in the storefront, one a line; made up, as whoever sees the page can be each

Keys are made when they are missing, and readable by their owner alone. Without a folder they live as long as the
process.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aisle.errors import BadInput
from aisle.keys import RANDOM_BYTES, Keys, kind_of, make_key, with_key
from aisle.pseudonyms import Pseudonyms

SECRET_KEY, PSEUDONYM_KEY, EVENTS, SHOPPERS = "secret.key", "pseudonym.key", "events", "shoppers.txt"
GUESTS = ("guest-1", "guest-2", "guest-3")


@dataclass(frozen=True)
class LocalState:
    """`events`: the folder of the log, None where nothing is kept. `shoppers`: of the storefront."""

    secret_key: str
    pseudonyms: Pseudonyms
    events: Path | None = None
    shoppers: list[str] = field(default_factory=lambda: [*GUESTS])

    @property
    def keys(self) -> Keys:
        """What an account would keep of the secret key."""
        return with_key(Keys(), self.secret_key, datetime.now(UTC).isoformat(timespec="seconds"))


def open_state(folder: Path | None) -> LocalState:
    """The state in `folder`, which is made where it is missing. Raises BadInput for a folder or a key that is none."""
    secret, pseudonym = make_key("secret", secrets.token_bytes(RANDOM_BYTES)), secrets.token_hex(RANDOM_BYTES)
    if folder is None:
        return LocalState(secret, Pseudonyms(bytes.fromhex(pseudonym)))
    try:
        (folder / EVENTS).mkdir(parents=True, exist_ok=True)
        secret, pseudonym = _kept(folder / SECRET_KEY, secret), _kept(folder / PSEUDONYM_KEY, pseudonym)
        key = bytes.fromhex(pseudonym)
        listed = folder / SHOPPERS
        shoppers = listed.read_text(encoding="utf-8").split() if listed.exists() else [*GUESTS]
    except (OSError, ValueError) as exc:
        raise BadInput(f"{folder} cannot be used as a state folder ({exc})", "name another one, or a new one") from exc
    if kind_of(secret, with_key(Keys(), secret, "")) != "secret" or len(key) != RANDOM_BYTES:
        raise BadInput(f"{folder} holds a key that is none", f"remove {SECRET_KEY} and {PSEUDONYM_KEY} to start anew")
    return LocalState(secret, Pseudonyms(key), folder / EVENTS, shoppers)


def _kept(path: Path, made: str) -> str:
    """What the file holds; where there is none, `made`, which it holds from now on."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(made)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    return made
