"""The OpenAPI 3.1 document, made from the table of operations and the structs that decode the requests.

Since the same structs validate and document, the document cannot promise what the service refuses, except for rules
across fields (`page * k`), which descriptions state. The examples are requests that the tests send.
"""

from functools import cache
from typing import Any

from aisle import __version__
from aisle.access import OPENS
from aisle.decoding import COMMA_SEPARATED
from aisle.identity import TOKEN_HEADER
from aisle.operation import Operation
from aisle.operations import OPERATIONS
from aisle.schema import REF, Schema, schemas
from aisle.types import Problem

EXAMPLES: dict[tuple[str, str], Any] = {  # parameters or body by operation
    ("GET", "/v1/search"): {"q": "red shoes", "k": 2, "filter": ["price:..50", "in_stock:true"], "facets": ["brand"]},
    ("POST", "/v1/search"): {"query": "red shoes", "k": 2, "filters": {"price": {"lte": 50}}, "facets": ["brand"]},
    ("GET", "/v1/suggest"): {"q": "sho", "k": 3},
    ("GET", "/v1/products/{id}"): {"id": "shoe-red-42"},
    ("POST", "/v1/rerank"): {"query": "red shoes", "documents": ["a blue hat", "red shoes"], "top_n": 1},
    ("PUT", "/v1/overlay"): {
        "changes": [{"product_id": "shoe-red-42", "price": 29.9, "stock": 3}, {"product_id": "mug", "hidden": True}],
        "products": [{"product_id": "shoe-new", "title": "Orange running shoes", "price": 49.0}],
    },
    ("GET", "/v1/health"): {},
    ("GET", "/v1/recommendations"): {"k": 2, "filter": ["in_stock:true"], "exclude": ["mug"], "explain": True},
    ("POST", "/v1/recommendations"): {"events": [{"product_id": "shoe-blue", "action": "view"}], "k": 2},
    ("GET", "/v1/products/{id}/similar"): {"id": "shoe-red-42", "k": 2},
    ("GET", "/v1/products/{id}/together"): {"id": "shoe-red-42", "k": 2},
    ("POST", "/v1/events"): {
        "queries": [
            {
                "query_id": "5f0c1e0a9a6b4f0e8d1c2b3a49586776",
                "client_id": "0b3ad6e2",
                "user_query": "red shoes",
                "timestamp": "2026-01-31T12:00:00Z",
                "query_response_hit_ids": ["shoe-red-42", "shoe-red-43"],
            }
        ],
        "events": [
            {
                "action_name": "click",
                "query_id": "5f0c1e0a9a6b4f0e8d1c2b3a49586776",
                "client_id": "0b3ad6e2",
                "session_id": "a1",
                "timestamp": "2026-01-31T12:00:04Z",
                "event_attributes": {"object": {"object_id": "shoe-red-42"}, "position": {"ordinal": 1}},
            }
        ],
    },
    ("GET", "/v1/profile"): {},
    ("DELETE", "/v1/profile"): {},
}
_HIT = {
    "product_id": "shoe-red-42",
    "score": 0.93,
    "title": "Red running shoes",
    "in_stock": True,
    "price": 39.9,
    "currency": "USD",
    "brand": "Acme",
}
_FOUND = {
    "query_id": "5f0c1e0a9a6b4f0e8d1c2b3a49586776",
    "bundle_id": "3b1f6a",
    "total": 1,
    "understood": {"category": "shoes", "color": "red"},
    "relaxed": [],
    "degraded": [],
    "facets": {"brand": [{"value": "Acme", "count": 1}]},
    "hits": [_HIT],
    "timings_ms": {"lexical": 1.1, "dense": 2.3, "rerank": 21.0, "total": 25.6},
    "redirect": None,
}
_RECOMMENDED = {
    "query_id": "5f0c1e0a9a6b4f0e8d1c2b3a49586776",
    "bundle_id": "3b1f6a",
    "route": "content",
    "degraded": [],
    "hits": [
        {
            "hit": _HIT,
            "because": {"kind": "like_seen", "text": "Because you looked at Blue shoes", "products": ["shoe-blue"]},
        }
    ],
    "timings_ms": {"recommend": 1.9, "total": 2.4},
}
ANSWERS: dict[tuple[str, str], Any] = {  # what such a request is answered with
    ("GET", "/v1/search"): _FOUND,
    ("POST", "/v1/search"): _FOUND,
    ("GET", "/v1/suggest"): {"suggestions": [{"text": "shoes", "kind": "category"}]},
    ("GET", "/v1/products/{id}"): {
        "product": {"product_id": "shoe-red-42", "title": "Red running shoes", "price": 39.9, "currency": "USD"},
        "variants": ["shoe-red-43"],
    },
    ("POST", "/v1/rerank"): {"id": "5f0c1e0a", "results": [{"index": 1, "relevance_score": 0.98}]},
    ("PUT", "/v1/overlay"): {"changed": 3, "changed_at": "2026-01-31T12:00:00.000+00:00"},
    ("GET", "/v1/health"): {"status": "ok", "version": __version__, "bundle_id": "3b1f6a", "products": 1200},
    ("GET", "/v1/recommendations"): _RECOMMENDED,
    ("POST", "/v1/recommendations"): _RECOMMENDED,
    ("GET", "/v1/products/{id}/similar"): _RECOMMENDED,
    ("GET", "/v1/products/{id}/together"): _RECOMMENDED,
    ("POST", "/v1/events"): {"accepted": 2, "rejected": []},
    ("GET", "/v1/profile"): {
        "acts": [{"product_id": "shoe-red-42", "action": "click", "at": "2026-01-31T12:00:04.000Z"}],
        "kept_until": "2027-03-07T12:00:04.000Z",
        "used_for": ["recommendations"],
    },
    ("DELETE", "/v1/profile"): {"forgotten_at": "2026-01-31T12:05:00.000Z"},
}
_ERRORS = {
    400: ("BadRequest", "A value breaks a rule; detail names both, remedy says what to send."),
    401: ("Unauthorized", "There is no key in the header authorization, or no valid token in x-shopper-token."),
    403: ("Forbidden", "A deployed service: the key is not known, or not for this."),
    404: ("NotFound", "There is no such product or path."),
    405: ("MethodNotAllowed", "The path takes other methods; Allow lists them."),
    413: ("TooLarge", "The body has more bytes than are taken."),
    415: ("UnsupportedMediaType", "The body is not declared as application/json."),
    500: ("Failed", "A defect of the service; the request id finds it in the log."),
    503: ("Unavailable", "The bundle cannot answer at the moment."),
}

_KEYS = {
    "publishable": "authorization: Bearer pk_..., which a shop's page may show. A laptop asks for none.",
    "secret": "authorization: Bearer sk_..., which stays on the shop's own server. A laptop asks for none.",
}


@cache
def document() -> Schema:
    """The whole document; do not change it, every caller gets the same one."""
    types: list[Any] = [Problem]
    for operation in OPERATIONS:
        types += [operation.response, operation.parameters, operation.body or Problem]
    roots, named = schemas(types)
    paths: dict[str, Schema] = {}
    for row, operation in enumerate(OPERATIONS):
        response, parameters, body = roots[1 + 3 * row : 4 + 3 * row]
        described = _operation(operation, response, named[parameters["$ref"].removeprefix(REF)], body)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    spelled_out = {operation.parameters.__name__ for operation in OPERATIONS}  # listed where they are used
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aisle",
            "version": __version__,
            "description": "AI search for an online shop. Changes under /v1 only add.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in named.items() if name not in spelled_out},
            "responses": {name: _problem(text, status) for status, (name, text) in _ERRORS.items()},
            "headers": {"x-request-id": _header("names this request in the log", "string")},
            "securitySchemes": {key: _scheme(text) for key, text in _KEYS.items()},
        },
    }


def _operation(operation: Operation, response: Schema, parameters: Schema, body: Schema) -> Schema:
    key = operation.method, operation.path
    errors = [400, 404, 405, 500, 503]
    described: Schema = {
        "operationId": operation.answer.__name__.lstrip("_"),
        "summary": operation.summary,
        "tags": [operation.function],
        "parameters": [_parameter(name, operation, parameters) for name in parameters["properties"]],
    }
    opened_by = [kind for kind, opens in OPENS.items() if operation.key in opens]
    described["security"] = [{kind: []} for kind in opened_by] + [{}]  # {}: by nothing, on a laptop
    if operation.key != "none":
        errors += [401, 403]
    if operation.token:
        described["parameters"].append(_token(operation))
    if operation.body is not None:
        errors += [413, 415]
        content = {"application/json": {"schema": body, "example": EXAMPLES[key]}}
        described["requestBody"] = {"required": True, "content": content}
    described["responses"] = {str(operation.status): _answer(response, ANSWERS[key])}
    for status in sorted(errors):
        described["responses"][str(status)] = {"$ref": f"#/components/responses/{_ERRORS[status][0]}"}
    return described


def _parameter(name: str, operation: Operation, parameters: Schema) -> Schema:
    schema = dict(parameters["properties"][name])
    in_path = "{" + name + "}" in operation.path
    described: Schema = {
        "name": name,
        "in": "path" if in_path else "query",
        "required": in_path or name in parameters["required"],
        "description": schema.pop("description", ""),
        "schema": schema,
    }
    if schema.get("type") == "array":
        described |= {"style": "form", "explode": name not in COMMA_SEPARATED}
    example = EXAMPLES[operation.method, operation.path].get(name)
    return described if example is None else described | {"example": example}


def _token(operation: Operation) -> Schema:
    described: Schema = {"name": TOKEN_HEADER, "in": "header", "required": operation.token == "required"}
    described["description"] = "who is shopping: a JWT that the shop's server signed, valid for 15 minutes at most"
    return described | {"schema": {"type": "string"}}


def _answer(schema: Schema, example: Schema) -> Schema:
    headers: Schema = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}
    if "timings_ms" in example:
        headers["server-timing"] = _header("milliseconds of each stage", "string", required=False)
    content = {"application/json": {"schema": schema, "example": example}}
    return {"description": "The answer", "headers": headers, "content": content}


def _problem(description: str, status: int) -> Schema:
    headers: Schema = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}
    if status == 405:
        headers["allow"] = _header("the methods of this path", "string")
    content = {"application/problem+json": {"schema": {"$ref": REF + "Problem"}}}
    return {"description": description, "headers": headers, "content": content}


def _scheme(description: str) -> Schema:
    return {"type": "http", "scheme": "bearer", "description": description}


def _header(description: str, kind: str, required: bool = True) -> Schema:
    return {"description": description, "required": required, "schema": {"type": kind}}
