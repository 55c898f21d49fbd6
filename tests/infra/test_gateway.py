"""The gateway for tests does what API Gateway documents, over a template of two functions and an authorizer."""

import base64
import copy
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from infra.compiled import Api, read_api
from infra.emulator import FunctionFailed
from infra.gateway import Gateway, functions, serving
from infra.http_events import Request

VALUES = {
    **{name: name for name in ("Api", "Proxy", "ProxyLive", "Door")},
    **{
        f"{name}Function.Arn": f"arn:aws:lambda:us-east-1:1:function:{name.lower()}"
        for name in ("Shop", "Guard", "Rest")
    },
    "ShopLive": "arn:aws:lambda:us-east-1:1:function:shop:live",
    "AWS::Region": "us-east-1",
    "Table": "shop-table",
}


def function(name: str, **properties: Any) -> dict[str, Any]:
    own = {"FunctionName": name, "Handler": "answering.handler", "MemorySize": 256, "Timeout": 2}
    return {"Type": "AWS::Lambda::Function", "Properties": own | properties}


def permission(function: object) -> dict[str, Any]:
    properties = {"FunctionName": function, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"}
    return {"Type": "AWS::Lambda::Permission", "Properties": properties}


def integration(uri: object, timeout_ms: int = 30_000) -> dict[str, Any]:
    own = {"IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0", "TimeoutInMillis": timeout_ms}
    return {"Type": "AWS::ApiGatewayV2::Integration", "Properties": own | {"IntegrationUri": uri}}


def route(key: str, integration: str, guarded: bool = False) -> dict[str, Any]:
    properties = {"RouteKey": key, "Target": {"Fn::Join": ["/", ["integrations", {"Ref": integration}]]}}
    by_key = {"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": "Door"}} if guarded else {}
    return {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties | by_key}


TEMPLATE: dict[str, Any] = {
    "Resources": {
        "ShopFunction": function(
            "shop", Environment={"Variables": {"TABLE": {"Ref": "Table"}, "AT": {"Fn::Sub": "${AWS::Region}/${!x}"}}}
        ),
        "GuardFunction": function("guard"),
        "RestFunction": function("rest"),
        "ShopMay": permission({"Ref": "ShopLive"}),
        "RestMay": permission({"Fn::GetAtt": ["RestFunction", "Arn"]}),
        "GuardMay": permission({"Fn::GetAtt": ["GuardFunction", "Arn"]}),
        "Door": {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "AuthorizerType": "REQUEST",
                "AuthorizerPayloadFormatVersion": "2.0",
                "EnableSimpleResponses": True,
                "AuthorizerResultTtlInSeconds": 300,
                "IdentitySource": ["$request.header.Authorization", "$context.routeKey"],
                "AuthorizerUri": {
                    "Fn::Join": ["", ["arn:x:", {"Fn::GetAtt": ["GuardFunction", "Arn"]}, "/invocations"]]
                },
            },
        },
        "ProxyLive": integration({"Ref": "ShopLive"}, 500),
        "Proxy": integration({"Fn::GetAtt": ["RestFunction", "Arn"]}),
        "List": route("GET /things", "ProxyLive", guarded=True),
        "One": route("GET /things/{id}", "ProxyLive", guarded=True),
        "New": route("POST /things", "ProxyLive"),
        "Best": route("GET /things/best", "Proxy"),
        "Api": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {
                "CorsConfiguration": {
                    "AllowOrigins": ["https://shop.example"],
                    "AllowMethods": ["GET", "POST"],
                    "AllowHeaders": ["authorization"],
                    "ExposeHeaders": ["apigw-requestid"],
                    "MaxAge": 60,
                }
            },
        },
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {
                "StageName": "$default",
                "DefaultRouteSettings": {"ThrottlingRateLimit": 10, "ThrottlingBurstLimit": 20},
                "RouteSettings": {"POST /things": {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 2}},
                "AccessLogSettings": {"Format": "$context.routeKey $context.status $context.error.message"},
            },
        },
    }
}
ORIGIN = ("origin", "https://shop.example")
KEY = ("Authorization", "Bearer good")


class World:
    """A gateway whose functions answer at once and write down what they were asked."""

    def __init__(self) -> None:
        self.now, self.asked = 0.0, list[tuple[str, Any]]()
        self.says: Any = {"statusCode": 201, "headers": {"X-Of": "shop"}, "body": "made"}
        self.gateway = Gateway(read_api(TEMPLATE, VALUES), self.invoke, lambda: self.now)

    def invoke(self, name: str, event: Any) -> Any:
        self.asked.append((name, event))
        if name == "guard":
            return {"isAuthorized": event["identitySource"][0] == KEY[1], "context": {"shopper": "ann"}}
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def answer(self, method: str, path: str, *headers: tuple[str, str], **more: Any) -> tuple[int, bytes]:
        response = self.gateway.answer(Request(method, path, headers=headers, **more))
        return response.status, response.body

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


@pytest.fixture
def world() -> World:
    return World()


def changed(logical: str, **properties: Any) -> dict[str, Any]:
    template = copy.deepcopy(TEMPLATE)
    template["Resources"][logical]["Properties"] |= properties
    return template


def test_the_template_is_read_with_what_the_stack_has() -> None:
    api = read_api(TEMPLATE, VALUES)
    assert [(r.key, r.function, r.timeout_s, r.rate, r.burst, r.authorizer is not None) for r in api.routes] == [
        ("GET /things", "shop", 0.5, 10, 20, True),
        ("GET /things/{id}", "shop", 0.5, 10, 20, True),
        ("POST /things", "shop", 0.5, 1, 2, False),
        ("GET /things/best", "rest", 30.0, 10, 20, False),
    ]
    assert api.functions["shop"].environment == {"TABLE": "shop-table", "AT": "us-east-1/${x}"}


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (changed("ShopMay", FunctionName="arn:aws:lambda:us-east-1:1:function:shop"), "may not invoke shop:live"),
        (changed("GuardMay", Principal="s3.amazonaws.com"), "may not invoke guard"),
        (changed("Proxy", IntegrationUri="arn:aws:lambda:us-east-1:1:function:gone"), "is no function"),
        (changed("Proxy", PayloadFormatVersion="1.0"), "Proxy has PayloadFormatVersion '1.0', not '2.0'"),
        (changed("Door", EnableSimpleResponses=False), "Door has EnableSimpleResponses False"),
        (changed("List", AuthorizationType="NONE"), "List has either"),
        (changed("ShopFunction", Environment={"Variables": {"T": {"Ref": "Gone"}}}), "refers to Gone"),
        (changed("Stage", RouteSettings={"GET /gone": {}}), r"routes that are not there: \['GET /gone'\]"),
    ],
)
def test_a_template_that_does_not_hold_together_is_refused(template: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_api(template, VALUES)


def test_the_most_literal_route_answers_and_its_function_is_told_everything(world: World) -> None:
    headers = (("Cookie", "a=1; b=2"), ("X-Many", "1"), ("x-many", "2"), KEY, ("Content-Type", "text/plain"))
    sent = Request("GET", "/things/a%20%E7%BA%A2", "q=red%20hat&q=%E7%BA%A2&x=", headers, "红".encode())
    response = world.gateway.answer(sent)
    (_, guard), (name, event) = world.asked
    assert (response.status, response.body, response.headers[0]) == (201, b"made", ("x-of", "shop"))
    context = event.pop("requestContext")
    assert (name, event) == (
        "shop",
        {
            "version": "2.0",
            "routeKey": "GET /things/{id}",
            "rawPath": "/things/a 红",
            "rawQueryString": "q=red%20hat&q=%E7%BA%A2&x=",
            "cookies": ["a=1", "b=2"],
            "headers": {"x-many": "1,2", "authorization": "Bearer good", "content-type": "text/plain"},
            "queryStringParameters": {"q": "red hat,红", "x": ""},
            "pathParameters": {"id": "a 红"},
            "body": "红",
            "isBase64Encoded": False,
        },
    )
    assert (context["authorizer"], context["routeKey"]) == ({"lambda": {"shopper": "ann"}}, "GET /things/{id}")
    assert context["requestId"] == dict(response.headers)["apigw-requestid"]
    assert (guard["identitySource"], guard["type"]) == (["Bearer good", "GET /things/{id}"], "REQUEST")
    world.answer("GET", "/things/best")
    assert world.names() == ["guard", "shop", "rest"]


@pytest.mark.parametrize("path", ["/thing", "/things/", "/things/a/b", "/THINGS", "/things//", "/"])
def test_other_paths_and_methods_are_not_found(world: World, path: str) -> None:
    assert world.answer("GET", path, KEY) == (404, b'{"message": "Not Found"}')
    assert world.answer("PATCH", "/things", KEY) == (404, b'{"message": "Not Found"}')
    assert world.asked == []


def test_without_a_key_nobody_is_asked_and_a_wrong_one_is_forbidden(world: World) -> None:
    assert world.answer("GET", "/things") == (401, b'{"message": "Unauthorized"}')
    assert world.answer("GET", "/things", ("authorization", "")) == (401, b'{"message": "Unauthorized"}')
    assert world.asked == []
    assert world.answer("GET", "/things", ("authorization", "Bearer bad")) == (403, b'{"message": "Forbidden"}')
    assert world.names() == ["guard"]


def test_an_answer_of_the_authorizer_is_kept_for_its_key_and_route_and_time(world: World) -> None:
    for path in ("/things", "/things", "/things/a", "/things/b"):
        world.answer("GET", path, KEY)
    assert world.names() == ["guard", "shop", "shop", "guard", "shop", "shop"]
    world.now = 300.0
    world.answer("GET", "/things", KEY)
    assert world.names()[6:] == ["guard", "shop"]


def test_an_authorizer_that_fails_lets_nobody_in_and_is_asked_again(world: World) -> None:
    told: list[Any] = [FunctionFailed("no keys"), {"isAuthorized": "yes"}, None, {"isAuthorized": True}]

    def invoke(name: str, event: Any) -> Any:
        if name == "shop":
            return "in"
        answer = told.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    gateway = Gateway(read_api(TEMPLATE, VALUES), invoke)
    assert [gateway.answer(Request("GET", "/things", "", (KEY,))).status for _ in range(4)] == [500, 500, 500, 200]


def test_a_route_takes_its_burst_and_then_its_rate(world: World) -> None:
    assert [world.answer("POST", "/things")[0] for _ in range(3)] == [201, 201, 429]
    world.now = 1.0
    assert [world.answer("POST", "/things")[0] for _ in range(2)] == [201, 429]
    assert world.answer("GET", "/things/best")[0] == 201


def test_a_preflight_needs_no_key_and_an_answer_says_who_may_read_it(world: World) -> None:
    asks = ("access-control-request-method", "GET")
    preflight = world.gateway.answer(Request("OPTIONS", "/things", "", (ORIGIN, asks)))
    assert (preflight.status, sorted(preflight.headers)[1:]) == (
        204,
        [
            ("access-control-allow-methods", "GET,POST"),
            ("access-control-allow-origin", "https://shop.example"),
            ("access-control-expose-headers", "apigw-requestid"),
            ("access-control-max-age", "60"),
            ("apigw-requestid", dict(preflight.headers)["apigw-requestid"]),
        ],
    )
    world.says = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}, "body": ""}
    for origin, allowed in ((ORIGIN, "https://shop.example"), (("origin", "https://evil.example"), None)):
        headers = world.gateway.answer(Request("GET", "/things/best", "", (origin,))).headers
        assert dict(headers).get("access-control-allow-origin") == allowed
    assert (
        world.gateway.answer(Request("OPTIONS", "/things", "", (("origin", "https://evil.example"), asks))).status
        == 204
    )
    assert world.answer("OPTIONS", "/things")[0] == 404


def test_what_is_no_text_travels_as_base64_both_ways(world: World) -> None:
    world.says = {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\xff\x00").decode()}
    assert world.answer("POST", "/things", ("content-type", "image/png"), body=b"\x89PNG") == (200, b"\xff\x00")
    assert world.answer("POST", "/things", ("content-type", "application/json"), body=b"\xff")[0] == 200
    bodies = [(event["body"], event["isBase64Encoded"]) for _, event in world.asked]
    assert bodies == [(base64.b64encode(b"\x89PNG").decode(), True), ("/w==", True)]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (Request("POST", "/things", body=b"a" * 10_000_001), 413),
        (Request("POST", "/things", body=b"a" * 6_000_001), 413),
        (Request("POST", "/things", body=b"a" * 4_000_000), 201),
        (Request("POST", "/things", headers=(("x", "a" * 10_240),)), 431),
    ],
)
def test_what_is_too_large_never_reaches_a_function(world: World, sent: Request, status: int) -> None:
    assert world.gateway.answer(sent).status == status
    assert len(world.asked) == (status == 201)


@pytest.mark.parametrize(
    "says", [FunctionFailed("boo"), {"statusCode": "many"}, {"statusCode": 200, "body": "a" * 6_000_000}]
)
def test_a_function_that_fails_is_a_500_without_its_reason(world: World, says: Any) -> None:
    world.says = says
    assert world.answer("POST", "/things") == (500, b'{"message": "Internal Server Error"}')


def test_an_answer_without_a_status_is_its_json(world: World) -> None:
    world.says = {"ok": True}
    assert world.answer("POST", "/things") == (200, b'{"ok": true}')


def test_the_access_log_has_the_templates_own_format(world: World) -> None:
    world.answer("GET", "/things", ("authorization", "Bearer bad"))
    world.answer("GET", "/nothing", query="key=secret")
    assert world.gateway.access_log == ["GET /things 403 -", "- 404 -"]


@pytest.fixture
def api() -> Api:
    return read_api(changed("GuardFunction", Handler="answering.guard"), VALUES)


def test_functions_run_in_the_templates_environment_and_answer_over_http(api: Api, tmp_path: Path) -> None:
    around = {name: {"PYTHONPATH": "tests/infra"} for name in api.functions}
    with functions(api, around, tmp_path / "log") as invoke, serving(Gateway(api, invoke)) as url:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/things", headers=dict([KEY]))) as response:
            answer = json.load(response)
        with pytest.raises(urllib.error.HTTPError) as slow:
            urllib.request.urlopen(f"{url}/things?sleep_s=1", b"")
        with slow.value:
            assert slow.value.code == 503  # after half a second, the integration's limit
    assert (answer["name"], answer["memory_mb"]) == ("shop", 256)
    assert (answer["environment"]["TABLE"], answer["environment"].get("HOME")) == ("shop-table", None)
