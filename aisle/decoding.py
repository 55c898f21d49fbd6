"""What a caller sent, decoded into a struct, or a BadInput that names the value, the rule and the remedy.

msgspec does the validation; this module turns its terse messages into sentences that the caller can act on. It costs
nothing while requests are valid: schemas are built and the input is read again only after an error.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from aisle.errors import BadInput
from aisle.schema import in_words, resolved, schema_at, schemas

T = TypeVar("T")
REPEATABLE = {"filter"}  # parameters that may be given more than once
COMMA_SEPARATED = {"facets", "exclude"}
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_SHOWN_CHARS = 80


def read_json(body: bytes, kind: type[T]) -> T:
    """The struct that a JSON body holds. Raises BadInput, or RecursionError where it nests too deeply to follow."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as exc:
        raise _explained(exc, kind, _any_json(body), "field") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _not_json(exc) from exc


def read_parameters(pairs: Sequence[tuple[str, str]], kind: type[T]) -> T:
    """The struct that path and query parameters hold. Raises BadInput."""
    values: dict[str, Any] = {}
    for name, text in pairs:
        if name in REPEATABLE:
            values.setdefault(name, []).append(text)
        elif name in values:
            raise BadInput(f"parameter {shown(name)} is given more than once", "send it once")
        else:
            values[name] = [part for part in text.split(",") if text] if name in COMMA_SEPARATED else text
    return read_values(values, kind, "parameter", strict=False)


def read_values(values: dict[str, Any], kind: type[T], noun: str, strict: bool = True) -> T:
    """The struct that plain values hold; without `strict`, text may stand for a number or a bool. Raises BadInput."""
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as exc:
        raise _explained(exc, kind, values, noun) from exc


def shown(value: object) -> str:
    """A value as JSON on one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


def nearest(name: str, allowed: Sequence[str]) -> str:
    """The allowed names as a remedy, the one that was probably meant first."""
    from difflib import get_close_matches  # only a mistyped request pays for this import

    meant = get_close_matches(name[:_SHOWN_CHARS], allowed, n=1)
    return (f"did you mean {meant[0]}? " if meant else "") + f"allowed: {', '.join(allowed) or 'none'}"


def _any_json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _not_json(exc) from exc


def _not_json(exc: Exception) -> BadInput:
    return BadInput(f"the body is no JSON that can be read: {exc}", "send one JSON object, encoded as UTF-8")


def _explained(exc: msgspec.ValidationError, kind: type[Any], values: object, noun: str) -> BadInput:
    message, _, path = str(exc).partition(" - at `")
    path = path.removesuffix("`") or "$"
    (root,), named = schemas([kind])
    node = schema_at(path, root, named)
    place = path.removeprefix("$").removeprefix(".")
    inside = f" in {place}" if place else ""
    if unknown := _UNKNOWN.fullmatch(message):
        name = unknown.group(1)
        return BadInput(f"unknown {noun} {shown(name)}{inside}", nearest(name, list(node.get("properties", {}))))
    if missing := _MISSING.fullmatch(message):
        name = missing.group(1)
        rule = in_words(resolved(node.get("properties", {}).get(name, {}), named))
        return BadInput(f"{noun} {name} is missing{inside}", f"send {name}: {rule}")
    rule = in_words(node)
    subject = f"{noun} {place}" if place else "the body"
    return BadInput(f"{subject} is {shown(_value_at(path, values))}, which is not {rule} ({message})", f"send {rule}")


def _value_at(path: str, values: Any) -> object:
    for step in _STEP.finditer(path):
        name, index = step.groups()
        values = values[int(index)] if name is None else values[name]
    return values
