"""Who may call which route: an authorizer event of an HTTP API (payload 2.0) in, a decision out.

API Gateway keeps the decision for minutes under the event's identity sources, so nothing else of the event is read:
what a caller can vary beside them (path, query, other headers) could have a yes kept for somebody else, or a no for
everybody who has the same publishable key. The route is one of the identity sources, or a yes for a public route would
open a secret one. Who is shopping is for the functions behind to tell (`aisle.identity`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aisle.identity import BEARER
from aisle.keys import Keys, Kind, kind_of
from aisle.operations import OPERATIONS

ROUTES = {f"{operation.method} {operation.path}": operation.key for operation in OPERATIONS}
OPENS: dict[Kind, tuple[str, ...]] = {"publishable": ("publishable",), "secret": ("publishable", "secret")}


@dataclass(frozen=True)
class Decision:
    """`reason` names no key and nothing else that a caller sent."""

    allowed: bool
    reason: str


def decide(event: Mapping[str, Any], keys: Keys) -> Decision:
    """Whether this call may pass."""
    route, sources = event.get("routeKey"), event.get("identitySource")
    if not isinstance(route, str) or route not in ROUTES:
        return Decision(False, "no such route")
    if ROUTES[route] == "none":
        return Decision(True, "open to everybody")
    if not isinstance(sources, list) or sources.count(route) != 1:
        return Decision(False, "the route is no identity source")
    credentials = [source for source in sources if source != route]
    bearer = BEARER.fullmatch(credentials[0]) if len(credentials) == 1 and isinstance(credentials[0], str) else None
    if bearer is None:
        return Decision(False, "no single bearer key")
    kind = kind_of(bearer[1], keys)
    if kind is None:
        return Decision(False, "no valid key")
    if ROUTES[route] not in OPENS[kind]:
        return Decision(False, "a publishable key on a secret route")
    return Decision(True, f"a {kind} key")
