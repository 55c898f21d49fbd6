"""The stack's own resources, made in the emulated account as infra/resources declares them."""

from pathlib import Path
from typing import Any

import boto3
import yaml

RESOURCES = Path(__file__).parents[1] / "infra" / "resources"
_TABLE = ("AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "BillingMode")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads CloudFormation's short forms (!Ref, !Sub) as None: nothing that is made here depends on them."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def resources() -> dict[str, Any]:
    """Logical id -> resource, of all files of infra/resources."""
    found: dict[str, Any] = {}
    for path in sorted(RESOURCES.glob("*.yml")):
        found |= yaml.load(path.read_text(encoding="utf-8"), _Loader).get("Resources", {})
    return found


def overlay_table(name: str = "overlay") -> str:
    """The name of a new table with the keys and indexes of the stack's overlay table."""
    return _table("OverlayTable", name)


def profiles_table(name: str = "profiles") -> str:
    """The name of a new table with the keys of the stack's table of profiles."""
    return _table("ProfilesTable", name)


def _table(logical: str, name: str) -> str:
    declared = resources()[logical]["Properties"]
    made = {key: declared[key] for key in _TABLE if key in declared}
    boto3.client("dynamodb").create_table(TableName=name, **made)
    return name
