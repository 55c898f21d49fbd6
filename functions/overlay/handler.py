"""The door of the overlay function: API Gateway's HTTP events in, changes written to the table. It needs no bundle."""

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from aisle.changes import open_changes
from aisle.http import build_app
from aisle.settings import Settings

settings = Settings.from_env()
handler = Mangum(
    build_app(open_changes(settings), settings, functions=("overlay",)),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],  # else errors leave base64-encoded
)
