"""The endpoint's limits as one frozen value, read from one TOML file in which every field stands and is explained.

There are no defaults in code: `config.toml` beside this module is the one place that says what holds.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from aisle.decoding import read_values
from aisle.errors import BadInput
from aisle.types import MAX_DOCUMENTS

DEFAULT = Path(__file__).with_name("config.toml")
Count = Annotated[int, Meta(ge=1)]


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What config.toml says, where units and effects are written."""

    max_body_bytes: Count
    body_seconds: Annotated[float, Meta(gt=0, le=60)]
    max_documents: Annotated[int, Meta(ge=1, le=MAX_DOCUMENTS)]
    max_request_tokens: Count
    max_batch_tokens: Annotated[int, Meta(ge=16)]
    max_queue_tokens: Count
    max_requests: Count
    tokeniser_threads: Annotated[int, Meta(ge=1, le=64)]
    drain_seconds: Annotated[float, Meta(ge=0, le=3600)]


def read_config(path: Path = DEFAULT) -> Config:
    """Raises BadInput for a file that cannot be read, a field that is unknown, missing or of another type or range."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise BadInput(f"{path} cannot be read ({exc.strerror})", "name a TOML file with --config") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise BadInput(f"{path} is not TOML: {exc}", f"compare it with {DEFAULT}") from exc
    try:
        config = read_values(values, Config, "field")
    except BadInput as exc:
        raise BadInput(f"{path}: {exc.detail}", exc.remedy) from exc
    if config.max_request_tokens > config.max_queue_tokens:
        raise BadInput(
            f"{path}: max_request_tokens is {config.max_request_tokens}, more than max_queue_tokens, "
            f"{config.max_queue_tokens}: the largest requests would never be taken",
            "raise max_queue_tokens or lower max_request_tokens",
        )
    return config
