"""Who is calling: a request's two credentials in, a Caller out.

The key says whether it is the shop's own server that speaks, the shopper token who is shopping. A token that is
missing, forged, expired or another shop's makes a stranger and no error: who follows a link that is a day old wants to
see the shop. Keys are only read where a token or a secret key came along. The authorizer cannot do this in advance:
API Gateway refuses calls that lack one of an authorizer's identity sources, and most shoppers have no token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aisle.errors import Unavailable
from aisle.keys import PREFIXES, Keys, kind_of, verify_shopper
from aisle.pseudonyms import Pseudonyms

TOKEN_HEADER = "x-shopper-token"
BEARER = re.compile("bearer +(.*)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Caller:
    """`shoppers`: the pseudonyms of whom a valid token names, the current one first; empty for a stranger.

    `trusted`: the shop's own server speaks. `unread`: a token came along and could not be checked at the moment.
    """

    request_id: str
    shoppers: tuple[str, ...] = ()
    raw_shopper: str | None = None  # as the token has it; to be kept nowhere
    trusted: bool = False
    unread: bool = False


NOBODY = Caller("")  # where nobody calls: the command line, a benchmark
Identify = Callable[[Mapping[str, str], str], Caller]  # headers by their names in lower case, request id


def stranger(headers: Mapping[str, str], request_id: str) -> Caller:
    """For a door whose answers are nobody's own."""
    return Caller(request_id)


class Identity:
    """Tells callers apart by `keys` and `pseudonyms`, both asked when they are needed; `now_s`: since 1970."""

    def __init__(self, keys: Callable[[], Keys], pseudonyms: Callable[[], Pseudonyms], now_s: Callable[[], float]):
        self._keys, self._pseudonyms, self._now_s = keys, pseudonyms, now_s

    def __call__(self, headers: Mapping[str, str], request_id: str) -> Caller:
        token, bearer = headers.get(TOKEN_HEADER, ""), BEARER.fullmatch(headers.get("authorization", ""))
        key = bearer[1] if bearer and bearer[1].startswith(PREFIXES["secret"]) else ""
        if not token and not key:
            return Caller(request_id)
        try:
            keys = self._keys()
            trusted = kind_of(key, keys) == "secret"
            shopper = verify_shopper(token, keys, self._now_s())
            shoppers = self._pseudonyms().all(shopper) if shopper else ()
        except Unavailable:
            return Caller(request_id, unread=True)
        return Caller(request_id, shoppers, shopper, trusted)
