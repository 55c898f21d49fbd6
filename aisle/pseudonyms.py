"""What stands for a shopper, a browser, a session or a query wherever something is kept: a keyed hash of the raw id.

Without the key nobody can tell who is meant, not even by trying all ids there are. When the key is rotated the new one
writes and both are read. Each purpose has hashes of its own: a session id that equals a shopper id joins nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Literal

Purpose = Literal["shopper", "anonymous", "session", "query"]
PATTERN = r"k[A-Za-z0-9_-]{22}"  # of every pseudonym
_HASH_BYTES = 16  # of HMAC-SHA256: two of a billion ids meet with a chance of 1e-21


class Pseudonyms:
    """Made with `current`; `previous` is the key before it, where there is one. Keys are random, 16 bytes at least."""

    def __init__(self, current: bytes, previous: bytes | None = None) -> None:
        self._current, self._previous = current, previous

    def of(self, raw: str, purpose: Purpose = "shopper") -> str:
        """The pseudonym under the current key: k and 22 characters of base64url."""
        return _hashed(self._current, raw, purpose)

    def all(self, raw: str) -> tuple[str, ...]:
        """Every pseudonym that the shopper may be known under, the current one first."""
        keys = (self._current, self._previous) if self._previous else (self._current,)
        return tuple(dict.fromkeys(_hashed(key, raw, "shopper") for key in keys))


def _hashed(key: bytes, raw: str, purpose: str) -> str:
    told = f"{purpose}\0{raw}".encode(errors="surrogatepass")  # half a character of UTF-16 is an id like any other
    return "k" + short_base64(hmac.digest(key, told, hashlib.sha256))


def short_base64(digest: bytes) -> str:
    """The first 16 bytes of a digest as 22 characters that need no escaping anywhere."""
    return urlsafe_b64encode(digest[:_HASH_BYTES]).decode().rstrip("=")
