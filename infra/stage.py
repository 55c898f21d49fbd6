"""Single values of infra/stages/<stage>.yml, for what runs before osls reads them all: no YAML library is needed."""

from __future__ import annotations

import re
from pathlib import Path

from aisle.errors import BadInput

STAGES = Path(__file__).with_name("stages")


def one_of(stage: str, name: str, allowed: tuple[str, ...]) -> str:
    """What the stage's file says of `name`. Raises BadInput where it is none of `allowed`, or missing."""
    text = (STAGES / f"{stage}.yml").read_text(encoding="utf-8")
    found = re.search(rf"""^{name}: *["']?(\w+)""", text, re.MULTILINE)
    if not found or found[1] not in allowed:
        says = f"{name} is {found[1]!r}" if found else f"no {name}"
        raise BadInput(f"infra/stages/{stage}.yml says {says}", f"write {' or '.join(allowed)}")
    return found[1]
