"""Which key opens which route, decided by what API Gateway keeps the decision under and by nothing else."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.access import ROUTES, Decision, decide
from aisle.keys import Keys, make_key, sign_shopper, with_key

EVENT = json.loads((Path(__file__).parent / "events" / "authorizer_get_search.json").read_text(encoding="utf-8"))
PK, SK, OTHER = (
    make_key(*made) for made in (("publishable", b"\1" * 32), ("secret", b"\2" * 32), ("secret", b"\3" * 32))
)
KEYS = with_key(with_key(Keys(), PK, "2026-11-01"), SK, "2026-11-01")
PUBLIC, SECRET, OPEN = "GET /v1/search", "PUT /v1/overlay", "GET /v1/health"
NO_KEY, NO_BEARER, NO_ROUTE = "no valid key", "no single bearer key", "no such route"


def asked(route: str, *credentials: Any, **changes: Any) -> Decision:
    """The decision for a route whose identity sources are the route and these credentials."""
    event = copy.deepcopy(EVENT) | {"routeKey": route, "identitySource": [*credentials, route]} | changes
    return decide(event, KEYS)


def test_the_event_of_the_documentation_is_let_in() -> None:
    assert decide(EVENT, KEYS) == Decision(True, "a publishable key")


@pytest.mark.parametrize(
    ("route", "key", "decision"),
    [
        (PUBLIC, PK, Decision(True, "a publishable key")),
        (PUBLIC, SK, Decision(True, "a secret key")),
        (SECRET, SK, Decision(True, "a secret key")),
        (SECRET, PK, Decision(False, "a publishable key on a secret route")),
        (PUBLIC, OTHER, Decision(False, NO_KEY)),
        (SECRET, OTHER, Decision(False, NO_KEY)),
        (OPEN, OTHER, Decision(True, "open to everybody")),
    ],
)
def test_a_publishable_key_opens_public_routes_and_a_secret_key_all(route: str, key: str, decision: Decision) -> None:
    assert asked(route, f"Bearer {key}") == decision


def test_every_operation_has_a_row() -> None:
    assert {ROUTES[route] for route in (PUBLIC, SECRET, OPEN)} == {"publishable", "secret", "none"}
    for route, key in ROUTES.items():
        assert asked(route, f"Bearer {PK}").allowed == (key != "secret")
        assert asked(route, f"Bearer {SK}").allowed


@pytest.mark.parametrize(
    "route",
    [
        "$default",
        "ANY /v1/search",
        "ANY /{proxy+}",
        "get /v1/search",
        "GET /v1/search/",
        "GET /v1//search",
        "GET /v1/search?q=1",
        "GET  /v1/search",
        "GET /V1/search",
        "GET /dev/v1/search",
        "GET /v1%2Fsearch",
        "GET /v1/products/../overlay",
        "GET /v1/overlay",
        "DELETE /v1/search",
        "GET /v1/search\n",
        "ＧET /v1/search",
        "",
        None,
        7,
        ["GET /v1/search"],
        {"GET /v1/search": 1},
    ],
)
def test_an_unknown_route_is_shut_for_every_key(route: Any) -> None:
    assert asked(route, f"Bearer {SK}") == Decision(False, NO_ROUTE)


@pytest.mark.parametrize(
    "source",
    [
        "",
        PK,
        "Bearer",
        "Bearer ",
        f"Bearer{PK}",
        f"Bearer\t{PK}",
        f"Bearer\u00a0{PK}",
        f" Bearer {PK}",
        f"Basic {PK}",
        f"Bearer\n{PK}",
        f"Ｂearer {PK}",
        "Bearer " * 100_000,
        PUBLIC,
        SECRET,
        None,
        7,
        [f"Bearer {PK}"],
        {"Bearer": PK},
    ],
)
def test_what_is_no_bearer_key_is_refused(source: Any) -> None:
    assert asked(PUBLIC, source).allowed is False
    assert asked(PUBLIC, source, f"Bearer {OTHER}").allowed is False


@pytest.mark.parametrize(
    "credential",
    [
        f"Bearer {PK} ",
        f"Bearer {PK},",
        f"Bearer {PK}, Bearer {PK}",  # how API Gateway joins a header sent twice
        f"Bearer {PK},Bearer {SK}",
        f"Bearer {OTHER}, Bearer {SK}",
        f"Bearer {SK}\x00",
        f"Bearer {PK.lower()}",
        f"Bearer {PK}é",
        "Bearer \ud800",
        "Bearer sk_" + "é" * 43,
        "Bearer ../../etc/passwd",
        "Bearer ' OR 1=1 --",
        "Bearer " + "a" * 1_000_000,
        f"Bearer Bearer {PK}",
    ],
)
def test_what_is_nearly_a_key_is_refused(credential: str) -> None:
    assert asked(PUBLIC, credential) == Decision(False, NO_KEY)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_has_no_case(scheme: str) -> None:
    assert asked(SECRET, f"{scheme} {SK}").allowed


@pytest.mark.parametrize(
    "sources",
    [
        None,
        [],
        "Bearer",
        f"Bearer {SK}",
        [f"Bearer {SK}"],
        [f"Bearer {SK}", "GET /v1/suggest"],
        {"0": SECRET},
        [SECRET],
    ],
)
def test_a_decision_that_would_be_kept_for_other_routes_too_is_a_no(sources: Any) -> None:
    assert asked(SECRET, identitySource=sources).allowed is False


@pytest.mark.parametrize("first", [f"Bearer {SK}", f"Bearer {PK}", f"Bearer {OTHER}"])
def test_two_keys_are_not_chosen_from(first: str) -> None:
    assert asked(SECRET, first, f"Bearer {SK}") == Decision(False, NO_BEARER)


def test_nothing_but_the_identity_sources_changes_a_decision() -> None:
    """Else whoever has the publishable key could have a no kept for everybody, or a yes for a secret route."""
    hostile = {
        "headers": {"authorization": f"Bearer {SK}", "Authorization": "Bearer", "x-shopper-token": PUBLIC},
        "rawPath": "/v1/products/..%2f..%2foverlay",
        "rawQueryString": f"authorization=Bearer%20{SK}",
        "queryStringParameters": {"routeKey": SECRET},
        "pathParameters": {"id": "../overlay"},
        "requestContext": {"routeKey": SECRET, "stage": "prod", "http": {"method": "PUT", "path": "/v1/overlay"}},
        "stageVariables": {"key": SK},
        "cookies": [f"authorization=Bearer {SK}"],
    }
    for route, allowed in ((PUBLIC, True), (SECRET, False)):
        assert asked(route, f"Bearer {PK}", **hostile) == asked(route, f"Bearer {PK}")
        assert asked(route, f"Bearer {PK}", **hostile).allowed is allowed


def test_a_shopper_token_opens_nothing() -> None:
    token = sign_shopper("ann", SK, 1_800_000_000)
    assert asked(PUBLIC, token) == Decision(False, NO_BEARER)
    assert asked(PUBLIC, f"Bearer {token}") == Decision(False, NO_KEY)
    assert asked(PUBLIC, f"Bearer {PK}", token) == Decision(False, NO_BEARER)


def test_without_keys_nobody_is_let_in() -> None:
    event = EVENT | {"identitySource": [f"Bearer {PK}", PUBLIC]}
    assert decide(event, Keys()) == Decision(False, NO_KEY)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from([PUBLIC, SECRET, "Bearer ", f"Bearer {PK}"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional={"routeKey": st.just(SECRET) | ANYTHING, "identitySource": ANYTHING}))
def test_no_event_opens_a_secret_route_without_the_secret_key(event: dict[str, Any]) -> None:
    decision = decide(event, KEYS)
    assert not decision.allowed or (event["routeKey"] == PUBLIC and f"Bearer {PK}" in event["identitySource"])
