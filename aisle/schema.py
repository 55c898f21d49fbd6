"""JSON Schemas of the structs, and the same rules in words: "a whole number from 1 to 200".

The OpenAPI document shows the schemas, the /docs page and the error messages show the words, so the three cannot
disagree. It knows structs only, no HTTP.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

Schema = dict[str, Any]
REF = "#/components/schemas/"
_READABLE_CHARS = 40  # a longer pattern tells a person nothing; its parameter's description shows examples
_STEP = re.compile(r"\.([^.\[\]]+)|\[(?:\d+|\.\.\.)\]")


def schemas(types: Sequence[object]) -> tuple[list[Schema], dict[str, Schema]]:
    """One schema per type, in order, and the named schemas that they refer to. `object` allows any JSON value."""
    roots, named = msgspec.json.schema_components(types, schema_hook=_any_value, ref_template=REF + "{name}")
    return list(roots), named


def _any_value(kind: type) -> Schema:
    return {"description": "any JSON value"} if kind is object else {}


def schema_at(path: str, root: Schema, named: dict[str, Schema]) -> Schema:
    """The schema of the value at a msgspec path such as `$.filters.price.lte`; {} where nothing is declared."""
    node = resolved(root, named)
    for step in _STEP.finditer(path):
        name = step.group(1)
        children = (_child(option, name) for option in node.get("anyOf", [node]))
        node = resolved(next((child for child in children if child), {}), named)
    return node


def _child(node: Schema, name: str | None) -> Schema:
    child = node.get("items") if name is None else node.get("properties", {}).get(name)
    return child if isinstance(child, dict) else {}


def resolved(node: Schema, named: dict[str, Schema]) -> Schema:
    """The schema behind a `$ref`, which may be null or not, or the schema itself."""
    options = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1 and "$ref" in options[0]:
        node = options[0]
    return named[node["$ref"].removeprefix(REF)] if "$ref" in node else node


def in_words(node: Schema) -> str:
    """The rule a value must obey, as the end of the sentence "send ..."."""
    if "$ref" in node:
        return f"an object ({node['$ref'].removeprefix(REF)})"
    if "enum" in node:
        return "one of " + ", ".join(str(value) for value in node["enum"])
    if "anyOf" in node:
        return " or ".join(in_words(option) for option in node["anyOf"])
    match node.get("type"):
        case "integer":
            return "a whole number" + _between(node, "minimum", "maximum", "")
        case "number":
            return "a number" + _between(node, "minimum", "maximum", "")
        case "string":
            short = len(node.get("pattern", "")) <= _READABLE_CHARS
            pattern = f" matching {node['pattern']}" if "pattern" in node and short else ""
            return "text" + _between(node, "minLength", "maxLength", " characters") + pattern
        case "array":
            return "a list" + _between(node, "minItems", "maxItems", " entries") + f", each {in_words(node['items'])}"
        case "boolean":
            return "true or false"
        case "object":
            names = ", ".join(node.get("properties", ()))
            return f"an object with any of {names}" if names else "an object"
        case "null":
            return "null"
    return "any JSON value"


def _between(node: Schema, low: str, high: str, unit: str) -> str:
    if low in node and high in node:
        return f" {'of' if unit else 'from'} {node[low]} to {node[high]}{unit}"
    if low in node:
        return f" of at least {node[low]}{unit}"
    return f" of at most {node[high]}{unit}" if high in node else ""
