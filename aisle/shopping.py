"""The nouns of what shoppers do: acts and how they are told (events in), what becomes of them (recommendations out, the
profile shown).

Events have the form of UBI 1.3 (https://github.com/o19s/ubi). It is open: unknown fields are allowed there, and dropped
here, because what nobody named may hold what nobody should keep. This module knows no index, no model and no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from aisle.types import MAX_K, Filters, Hit

Kind = Literal["impression", "view", "click", "cart", "purchase"]
KINDS: tuple[Kind, ...] = ("impression", "view", "click", "cart", "purchase")
MAX_EVENTS = 500  # events and queries of one request
MAX_EXCLUDED = 500
MAX_SESSION = 50  # events that a stranger may send to be recommended from

ProductId = Annotated[str, Meta(min_length=1, max_length=256)]
Language = Annotated[str, Meta(pattern="^[a-z]{2,3}$")]


class Act(Struct, frozen=True, array_like=True, order=True):
    """One thing that one shopper did to one product, as a profile and the workshop know it; ordered by time."""

    at_ms: int  # since 1970
    event_id: str
    kind: Kind
    product_id: str


History = Callable[[], Sequence[Act] | None]  # a shopper's acts; None where they could not be read in time


class Listed(Struct, frozen=True, array_like=True):
    """A product that was chosen for a shopper, its score in 0..1, and what the choice rests on."""

    product_id: str
    score: float
    route: str


class Suggested(Struct, frozen=True, array_like=True):
    """What a bundle chose for a shopper by all that was known at `made_at_ms` since 1970, best first."""

    bundle_id: str
    made_at_ms: int
    products: tuple[Listed, ...]


class EventsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """UBI events and UBI queries; each is checked by itself, so that one bad one does not cost its neighbours."""

    events: list[dict[str, object]] = []
    queries: list[dict[str, object]] = []


class Rejected(Struct, frozen=True):
    """`index` in `events` or `queries`, and why it was not taken."""

    kind: Literal["events", "queries"]
    index: int
    reason: str


class EventsResponse(Struct, frozen=True):
    accepted: int
    rejected: list[Rejected]


class SessionEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """What a stranger did a moment ago, the oldest first in its list."""

    product_id: ProductId
    action: Literal["view", "click", "cart", "purchase"] = "click"


class RecommendationRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`events`: what is known only to the caller, beside the profile of whose token comes along.

    `new`: only what the shopper has not bought. `diversity`: 0 the best ones, 1 as different as may be.
    """

    events: Annotated[list[SessionEvent], Meta(max_length=MAX_SESSION)] = []
    k: Annotated[int, Meta(ge=1, le=MAX_K)] = 10
    lang: Language | None = None
    filters: Filters = Filters()
    exclude: Annotated[list[ProductId], Meta(max_length=MAX_EXCLUDED)] = []
    new: bool = False
    diversity: Annotated[float, Meta(ge=0, le=1)] = 0.3
    personal: bool = True
    explain: bool = False


class NeighbourRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Products beside the one that a page shows."""

    product_id: ProductId
    k: Annotated[int, Meta(ge=1, le=MAX_K)] = 10
    lang: Language | None = None
    filters: Filters = Filters()
    exclude: Annotated[list[ProductId], Meta(max_length=MAX_EXCLUDED)] = []
    explain: bool = False


Reason = Literal[
    "bought",
    "bought_again",
    "seen",
    "in_cart",
    "like_bought",
    "like_seen",
    "with",
    "similar",
    "popular",
    "rated",
    "new",
]
Route = Literal["behaviour", "content", "popular"]


class Because(Struct, frozen=True, omit_defaults=True):
    """Why a product is recommended, from facts alone: `text` in the language asked for."""

    kind: Reason
    text: str
    products: list[str] = []  # of the shopper's history, or the product asked about


class Recommendation(Struct, frozen=True, omit_defaults=True):
    """A product of the answer; `because` where explain was asked for and something true can be said."""

    hit: Hit
    because: Because | None = None


class RecommendationResponse(Struct, frozen=True):
    """`route`: what it rests on: this shopper's "behaviour", the "content" of what they saw, or what is "popular"."""

    query_id: str
    bundle_id: str
    route: Route
    degraded: list[str]  # "profile": it could not be read in time; "overlay": as in a search
    hits: list[Recommendation]
    timings_ms: dict[str, float]


class KnownAct(Struct, frozen=True):
    """One act as a shopper is shown it; `at` in ISO 8601."""

    product_id: str
    action: Kind
    at: str


class ProfileResponse(Struct, frozen=True):
    """The profile of a shopper, until when it is kept, and what it is used for."""

    acts: list[KnownAct]  # newest first
    kept_until: str | None  # ISO 8601; None where nothing is kept
    used_for: list[str]


class ForgetResponse(Struct, frozen=True):
    """`forgotten_at` (ISO 8601): nothing told before it will be kept or learned from again."""

    forgotten_at: str
