"""API keys and shopper tokens: made, kept as hashes, compared, rotated.

A shop has publishable keys (`pk_`, in its pages) and secret ones (`sk_`, on its server), two of each valid at once, so
that a new one can be brought out before the old one is retired. What is kept of a key is its SHA-256, which is enough
for 256 random bits. A shopper token says who is shopping: a JWT that the shop's own server signs for some minutes, with
a key that both sides derive from the secret key. It knows nothing of HTTP nor of where keys are kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from aisle.errors import BadInput

Kind = Literal["publishable", "secret"]
KINDS: tuple[Kind, ...] = ("publishable", "secret")
PREFIXES: dict[Kind, str] = {"publishable": "pk_", "secret": "sk_"}
RANDOM_BYTES = 32
MOST_VALID = 2  # of a kind
AUDIENCE = "aisle"
LONGEST_S = 15 * 60  # seconds from `iat` to `exp` of a shopper token
SKEW_S = 60  # seconds that the clock of the shop's server may be ahead of ours
LONGEST_TOKEN, LONGEST_SHOPPER = 2048, 128  # characters
_KEY = re.compile(r"[ps]k_[A-Za-z0-9_-]{43}")
_PURPOSE = b"aisle shopper tokens"  # what the derived key is for; the shop's server writes the same


class PublishableKey(Struct, frozen=True):
    """What is kept of a publishable key: the hexadecimal SHA-256 of its text, and when it was made (ISO 8601)."""

    sha256: str
    created_at: str


class SecretKey(PublishableKey, frozen=True):
    """As of a publishable key; `signing` (base64url) verifies shopper tokens and opens nothing else."""

    signing: str


class Keys(Struct, frozen=True):
    """The valid keys of one stage, the older first."""

    publishable: list[PublishableKey] = []
    secret: list[SecretKey] = []


def make_key(kind: Kind, randomness: bytes) -> str:
    """A key of this kind from RANDOM_BYTES random bytes."""
    assert len(randomness) == RANDOM_BYTES
    return PREFIXES[kind] + _base64url(randomness)


def with_key(keys: Keys, key: str, created_at: str) -> Keys:
    """`keys` and `key` beside them. Raises BadInput where two of its kind are valid already."""
    kind = _kind(key)
    kept: list[Any] = getattr(keys, kind)
    if len(kept) >= MOST_VALID:
        raise BadInput(f"two {kind} keys are valid already, the most there may be", f"--retire {kind} takes the older")
    made = PublishableKey(_sha256(key), created_at)
    if kind == "secret":
        made = SecretKey(made.sha256, created_at, _base64url(signing_key(key)))
    return replace(keys, **{kind: [*kept, made]})


def retired(keys: Keys, kind: Kind) -> Keys:
    """`keys` without the older one of this kind. Raises BadInput where it is the only one."""
    kept: list[Any] = getattr(keys, kind)
    if len(kept) < MOST_VALID:
        raise BadInput(f"the only {kind} key cannot be retired", f"bring out a new one first: --rotate {kind}")
    return replace(keys, **{kind: kept[1:]})


def kind_of(presented: str, keys: Keys) -> Kind | None:
    """Which kind of valid key this is, or None. Every kept hash is compared, in constant time."""
    if not _KEY.fullmatch(presented):
        return None
    digest, kind = _sha256(presented), _kind(presented)
    same = [hmac.compare_digest(digest, kept.sha256) for kept in getattr(keys, kind)]
    return kind if True in same else None


def signing_key(secret_key: str) -> bytes:
    """The 32 bytes that sign shopper tokens: HMAC-SHA256 of b"aisle shopper tokens" under the secret key."""
    return hmac.digest(secret_key.encode("ascii"), _PURPOSE, "sha256")


def sign_shopper(shopper: str, secret_key: str, now_s: int, lifetime_s: int = LONGEST_S) -> str:
    """The token that the shop's server gives to a shopper who is logged in."""
    import jwt

    claims = {"sub": shopper, "iat": now_s, "exp": now_s + lifetime_s, "aud": AUDIENCE}
    return jwt.encode(claims, signing_key(secret_key), algorithm="HS256")


def verify_shopper(token: str, keys: Keys, now_s: float) -> str | None:
    """The shopper of a token that a valid secret key signed and that is valid now, else None."""
    if not (token.isascii() and len(token) <= LONGEST_TOKEN):
        return None
    signed = [claims for kept in keys.secret if (claims := _signed(token, _unbase64url(kept.signing)))]
    return _current(signed[0], now_s) if signed else None


def _signed(token: str, key: bytes) -> dict[str, Any] | None:
    """The claims of a token for us that this key signed by HS256; its times are not looked at."""
    import jwt

    # The clock is the caller's, so PyJWT is not to compare times with its own.
    timeless: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    rules = timeless | {"strict_aud": True, "require": ["sub", "iat", "exp", "aud"]}
    try:
        claims: dict[str, Any] = jwt.decode(token, key, ["HS256"], rules, audience=AUDIENCE)
    except jwt.PyJWTError:
        return None
    return claims


def _current(claims: dict[str, Any], now_s: float) -> str | None:
    shopper, iat, exp = claims["sub"], claims["iat"], claims["exp"]
    whole = type(iat) is int and type(exp) is int  # a bool is an int, and a float may be NaN
    if not whole or not (exp - LONGEST_S <= iat <= now_s + SKEW_S and now_s < exp):
        return None
    known = isinstance(shopper, str) and shopper.isprintable() and 0 < len(shopper) <= LONGEST_SHOPPER
    return shopper if known else None


def _kind(key: str) -> Kind:
    return "secret" if key.startswith(PREFIXES["secret"]) else "publishable"


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode("ascii")).hexdigest()


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
