"""/docs: the OpenAPI document as one static page, without scripts and without anything fetched from elsewhere.

Its content security policy allows exactly the style sheet that it carries, by hash.
"""

import base64
import hashlib
import json
from functools import cache
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from aisle.decoding import COMMA_SEPARATED
from aisle.openapi import EXAMPLES, document
from aisle.schema import Schema, in_words

_STYLE = Path(__file__).with_name("docs.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def page() -> str:
    """The whole page as HTML."""
    described = document()
    operations = [
        (method.upper(), path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    named = described["components"]["schemas"]
    index = "".join(_index_row(*row) for row in operations)
    sections = "".join(_section(*row) for row in operations)
    types = "".join(_type(name, schema) for name, schema in sorted(named.items()))
    title = f"{described['info']['title']} {described['info']['version']}"
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
<main>
<h1>{escape(title)}</h1>
<p>{escape(described["info"]["description"])} The same as <a href="openapi.json">OpenAPI 3.1</a>.</p>
<p>Errors are <code>application/problem+json</code> with a <code>detail</code> and a <code>remedy</code>; every response
carries an <code>x-request-id</code>.</p>
<table class="index">{index}</table>
{sections}
<h2 id="types">Types</h2>
{types}
</main>
</html>
"""


def example_url(method: str, path: str) -> str:
    """Path and query of the example request of an operation."""
    if method != "GET":
        return path
    example = dict(EXAMPLES[method, path])
    for name in [name for name in example if "{" + name + "}" in path]:
        path = path.replace("{" + name + "}", quote(str(example.pop(name)), safe=""))
    spelled = {name: _spelled(name, value) for name, value in example.items()}
    query = urlencode(spelled, doseq=True, safe=":.,|")
    return f"{path}?{query}" if query else path


def _spelled(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if name in COMMA_SEPARATED else value


def _anchor(operation: Schema) -> str:
    return escape(operation["operationId"])


def _index_row(method: str, path: str, operation: Schema) -> str:
    route = f'<a href="#{_anchor(operation)}"><b>{method}</b> <code>{escape(path)}</code></a>'
    return f"<tr><td>{route}</td><td>{escape(operation['summary'])}</td></tr>"


def _section(method: str, path: str, operation: Schema) -> str:
    done, *errors = operation["responses"]
    failing = ", ".join(errors)
    answer = operation["responses"][done]["content"]["application/json"]
    return (
        f'<section id="{_anchor(operation)}"><h2><b>{method}</b> <code>{escape(path)}</code></h2>'
        f"<p>{escape(operation['summary'])}.</p>"
        + _parameters(operation["parameters"])
        + _request(method, path, operation)
        + f"<h3>Answer: {_rule(answer['schema'])}</h3><pre>{_json(answer['example'])}</pre>"
        f"<p>Errors: {failing}</p></section>"
    )


def _parameters(parameters: list[Schema]) -> str:
    if not parameters:
        return ""
    rows = "".join(_row(item["name"], item["schema"], item["required"], item["description"]) for item in parameters)
    return f"<h3>Parameters</h3><table>{rows}</table>"


def _request(method: str, path: str, operation: Schema) -> str:
    verb = "" if method in ("GET", "POST") else f"-X {method} "  # what curl sends by itself
    line = f"curl {verb}'http://localhost:8000{example_url(method, path)}'"
    if any(item["in"] == "header" and item["required"] for item in operation["parameters"]):
        line += " -H 'x-shopper-token: ...'"
    if "requestBody" not in operation:
        return f"<h3>Request</h3><pre>{escape(line)}</pre>"
    content = operation["requestBody"]["content"]["application/json"]
    line += " -H 'content-type: application/json' -d '" + json.dumps(content["example"], ensure_ascii=False) + "'"
    return f"<h3>Request: {_rule(content['schema'])}</h3><pre>{escape(line)}</pre>"


def _type(name: str, schema: Schema) -> str:
    rows = "".join(
        _row(field, rule, field in schema.get("required", []), rule.get("description", ""))
        for field, rule in schema.get("properties", {}).items()
    )
    about = escape(schema.get("description", ""))
    return f'<section id="type-{escape(name)}"><h3>{escape(name)}</h3><p>{about}</p><table>{rows}</table></section>'


def _row(name: str, schema: Schema, required: bool, description: str) -> str:
    default = "required" if required else _default(schema)
    return (
        f"<tr><td><code>{escape(name)}</code></td><td>{_rule(schema)}</td>"
        f"<td>{escape(default)}</td><td>{escape(description)}</td></tr>"
    )


def _default(schema: Schema) -> str:
    return json.dumps(schema["default"], ensure_ascii=False) if "default" in schema else ""


def _rule(schema: Schema) -> str:
    """The rule in words; a struct is a link to its table."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#type-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_rule(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        return f"a list, each {_rule(schema['items'])}" if "$ref" in schema["items"] else escape(in_words(schema))
    return escape(in_words(schema))


def _json(value: Any) -> str:
    return escape(json.dumps(value, ensure_ascii=False, indent=2), quote=False)
