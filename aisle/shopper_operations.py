"""The rows of the table that shoppers bring to life: recommendations, events in, and what is known of whom."""

from __future__ import annotations

import uuid
from typing import Protocol

from aisle.errors import NotIdentified, Unavailable
from aisle.identity import Caller
from aisle.operation import Operation
from aisle.parameters import NeighbourParameters, NoParameters, RecommendationParameters
from aisle.shopping import (
    EventsRequest,
    EventsResponse,
    ForgetResponse,
    NeighbourRequest,
    ProfileResponse,
    RecommendationRequest,
    RecommendationResponse,
)


class RecommendServices(Protocol):
    """What the door of recommendations needs; each raises NotFound for a product that is not there."""

    def recommend(self, request: RecommendationRequest, query_id: str, caller: Caller) -> RecommendationResponse: ...
    def similar(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse: ...
    def together(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse: ...


class ShopperServices(Protocol):
    """What the doors of events and of the profile need."""

    def events(self, request: EventsRequest, caller: Caller) -> EventsResponse: ...
    def profile(self, caller: Caller) -> ProfileResponse: ...
    def forget(self, caller: Caller) -> ForgetResponse: ...


def _recommend(services: RecommendServices, asked: RecommendationRequest, caller: Caller) -> RecommendationResponse:
    return services.recommend(asked, uuid.uuid4().hex, caller)


def _recommend_link(
    services: RecommendServices, asked: RecommendationParameters, caller: Caller
) -> RecommendationResponse:
    return _recommend(services, asked.to_request(), caller)


def _similar(services: RecommendServices, asked: NeighbourParameters, caller: Caller) -> RecommendationResponse:
    return services.similar(asked.to_request(), uuid.uuid4().hex)


def _together(services: RecommendServices, asked: NeighbourParameters, caller: Caller) -> RecommendationResponse:
    return services.together(asked.to_request(), uuid.uuid4().hex)


def _events(services: ShopperServices, asked: EventsRequest, caller: Caller) -> EventsResponse:
    if caller.unread:
        raise Unavailable("a shopper token could not be checked", "send the events again")
    return services.events(asked, caller)


def _profile(services: ShopperServices, asked: NoParameters, caller: Caller) -> ProfileResponse:
    return services.profile(_known(caller))


def _forget(services: ShopperServices, asked: NoParameters, caller: Caller) -> ForgetResponse:
    return services.forget(_known(caller))


def _known(caller: Caller) -> Caller:
    """Raises NotIdentified for a stranger, Unavailable where it cannot be said whether it is one."""
    if caller.unread:
        raise Unavailable("a shopper token could not be checked", "ask again")
    if not caller.shoppers:
        raise NotIdentified(
            "there is no valid shopper token in the header x-shopper-token",
            "send one that the shop's server signed within the last 15 minutes",
        )
    return caller


SHOPPER_OPERATIONS = (
    Operation(
        "GET",
        "/v1/recommendations",
        "recommend",
        "What this shopper may like, as a link; without a shopper token, what many like",
        _recommend_link,
        RecommendationResponse,
        token="optional",
        parameters=RecommendationParameters,
    ),
    Operation(
        "POST",
        "/v1/recommendations",
        "recommend",
        "What this shopper may like, with what they did a moment ago in the body",
        _recommend,
        RecommendationResponse,
        token="optional",
        body=RecommendationRequest,
    ),
    Operation(
        "GET",
        "/v1/products/{id}/similar",
        "recommend",
        "Products like this one",
        _similar,
        RecommendationResponse,
        parameters=NeighbourParameters,
    ),
    Operation(
        "GET",
        "/v1/products/{id}/together",
        "recommend",
        "Products that are bought together with this one",
        _together,
        RecommendationResponse,
        parameters=NeighbourParameters,
    ),
    Operation(
        "POST",
        "/v1/events",
        "events",
        "Tell what shoppers did, in the form of UBI 1.3; may be sent twice",
        _events,
        EventsResponse,
        token="optional",
        body=EventsRequest,
        status=202,
    ),
    Operation(
        "GET",
        "/v1/profile",
        "profile",
        "The profile of this shopper: what answers to them rest on",
        _profile,
        ProfileResponse,
        token="required",
    ),
    Operation(
        "DELETE",
        "/v1/profile",
        "profile",
        "Forget this shopper",
        _forget,
        ForgetResponse,
        token="required",
    ),
)
