"""The HTTP API that a compiled CloudFormation template describes: routes, authorizers, functions, limits, CORS.

What CloudFormation would fill in (Ref, Fn::GetAtt, Fn::Sub, Fn::Join) is looked up among the values of the deployed
stack; a template that refers to anything else, to a function that is not there, or to one that API Gateway may not
invoke, is refused here, as a deployment or its first call would fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Template = Mapping[str, Any]
_PLACE = re.compile(r"\$\{(?P<literal>!)?(?P<name>[^}]+)\}")
_FUNCTION_ARN = re.compile(r"arn:[^/]*:function:(?P<name>[\w-]+)(?::(?P<alias>[\w-]+))?")


@dataclass(frozen=True)
class Function:
    """A Lambda function as declared; `handler` is empty where the image alone says which it is."""

    name: str
    handler: str
    environment: dict[str, str]
    memory_mb: int
    timeout_s: int


@dataclass(frozen=True)
class Authorizer:
    """A Lambda authorizer of payload 2.0 with simple responses, whose answers are kept for `ttl_s`."""

    function: str
    sources: tuple[str, ...]
    ttl_s: float


@dataclass(frozen=True)
class Route:
    """`key` such as GET /v1/products/{id}; `rate` a second on average and `burst` at once."""

    key: str
    function: str
    timeout_s: float
    rate: float
    burst: int
    authorizer: Authorizer | None


@dataclass(frozen=True)
class Cors:
    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    max_age_s: int


@dataclass(frozen=True)
class Api:
    """One HTTP API with the functions behind it, by name."""

    stage: str
    routes: tuple[Route, ...]
    functions: dict[str, Function]
    cors: Cors | None
    log_format: str


def read_api(template: Template, values: Mapping[str, str]) -> Api:
    """The template's only HTTP API. Raises ValueError where the template does not hold together."""
    stack = _Stack(template["Resources"], values)
    targets = _Targets(stack)
    authorizers = {
        stack.id_of(logical): Authorizer(
            targets.invoked(authorizer["AuthorizerUri"]),
            tuple(authorizer["IdentitySource"]),
            authorizer["AuthorizerResultTtlInSeconds"],
        )
        for logical, authorizer in stack.of("AWS::ApiGatewayV2::Authorizer", _SIMPLE).items()
    }
    integrations = {stack.id_of(n): found for n, found in stack.of("AWS::ApiGatewayV2::Integration", _PROXY).items()}
    (stage,) = stack.of("AWS::ApiGatewayV2::Stage").values()
    (api,) = stack.of("AWS::ApiGatewayV2::Api").values()
    routes = []
    for logical, route in stack.of("AWS::ApiGatewayV2::Route").items():
        if (route.get("AuthorizationType", "NONE") == "CUSTOM") != ("AuthorizerId" in route):
            raise ValueError(f"{logical} has either an AuthorizationType or an AuthorizerId, not both")
        integration = integrations[route["Target"].removeprefix("integrations/")]
        limits = stage.get("DefaultRouteSettings", {}) | stage.get("RouteSettings", {}).get(route["RouteKey"], {})
        routes.append(
            Route(
                route["RouteKey"],
                targets.invoked(integration["IntegrationUri"]),
                integration["TimeoutInMillis"] / 1000,
                limits["ThrottlingRateLimit"],
                limits["ThrottlingBurstLimit"],
                authorizers[route["AuthorizerId"]] if "AuthorizerId" in route else None,
            )
        )
    unrouted = stage.get("RouteSettings", {}).keys() - {route.key for route in routes}
    if unrouted:
        raise ValueError(f"the stage has settings for routes that are not there: {sorted(unrouted)}")
    log_format = stage.get("AccessLogSettings", {}).get("Format", "")
    return Api(stage["StageName"], tuple(routes), targets.functions, _cors(api.get("CorsConfiguration")), log_format)


_SIMPLE = {"AuthorizerType": "REQUEST", "AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": True}
_GATEWAY = "apigateway.amazonaws.com"
_PROXY = {"IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0"}


class _Stack:
    """The resources with their intrinsic functions worked out."""

    def __init__(self, resources: Template, values: Mapping[str, str]) -> None:
        self.resources, self.values = resources, values

    def of(self, kind: str, agreeing: Mapping[str, object] | None = None) -> dict[str, dict[str, Any]]:
        """Logical id -> properties of all resources of this type, which must agree with what is given."""
        found = {n: self.resolved(r.get("Properties", {})) for n, r in self.resources.items() if r["Type"] == kind}
        for name, properties in found.items():
            for key, value in (agreeing or {}).items():
                if properties.get(key) != value:
                    raise ValueError(f"{name} has {key} {properties.get(key)!r}, not {value!r}")
        return found

    def id_of(self, logical: str) -> str:
        """What a reference to this resource gives."""
        return self._value(logical)

    def resolved(self, value: Any) -> Any:
        """`value` without intrinsic functions."""
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        match list(value.items()):
            case [("Ref", name)]:
                return self._value(name)
            case [("Fn::GetAtt", attribute)]:
                return self._value(attribute if isinstance(attribute, str) else ".".join(attribute))
            case [("Fn::Join", [between, parts])]:
                return between.join(map(str, self.resolved(parts)))
            case [("Fn::Sub", text)]:
                return self._substituted(text, {})
            case [("Fn::Select", [index, items])]:
                return self.resolved(items)[int(index)]
        return {key: self.resolved(item) for key, item in value.items()}

    def _substituted(self, text: Any, own: Mapping[str, Any]) -> str:
        if isinstance(text, list):
            return self._substituted(text[0], self.resolved(text[1]))

        def put(place: re.Match[str]) -> str:
            name = place["name"]
            return "${" + name + "}" if place["literal"] else str(own[name] if name in own else self._value(name))

        return _PLACE.sub(put, text)

    def _value(self, name: str) -> str:
        if name not in self.values:
            raise ValueError(f"the template refers to {name}, which the deployed stack does not have")
        return self.values[name]


def _function(properties: Mapping[str, Any]) -> Function:
    (command,) = properties.get("ImageConfig", {}).get("Command", [""])
    return Function(
        properties["FunctionName"],
        properties.get("Handler", command),
        {name: str(value) for name, value in properties.get("Environment", {}).get("Variables", {}).items()},
        properties["MemorySize"],
        properties["Timeout"],
    )


class _Targets:
    """The functions, and which of them (or which alias) API Gateway may invoke."""

    def __init__(self, stack: _Stack) -> None:
        self.functions = {f.name: f for f in map(_function, stack.of("AWS::Lambda::Function").values())}
        permissions = stack.of("AWS::Lambda::Permission").values()
        self._invokable = {_target(p["FunctionName"]) for p in permissions if p["Principal"] == _GATEWAY}

    def invoked(self, uri: str) -> str:
        """The name of the function that is called. Raises ValueError where that would fail."""
        target = _target(uri)
        if target[0] not in self.functions:
            raise ValueError(f"{uri} is no function of the template")
        if target not in self._invokable:
            raise ValueError(f"API Gateway may not invoke {':'.join(filter(None, target))}: it has no permission")
        return target[0]


def _target(uri: str) -> tuple[str, str]:
    """(function, alias or "") of an ARN, of an invocation URI that holds one, or of a bare name."""
    found = _FUNCTION_ARN.search(uri)
    return (found["name"], found["alias"] or "") if found else (uri, "")


def _cors(declared: Mapping[str, Any] | None) -> Cors | None:
    if declared is None:
        return None
    names = ("AllowOrigins", "AllowMethods", "AllowHeaders", "ExposeHeaders")
    origins, methods, headers, exposed = (tuple(declared.get(name, ())) for name in names)
    return Cors(origins, methods, headers, exposed, declared.get("MaxAge", 0))
