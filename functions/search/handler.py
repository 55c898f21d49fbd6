"""The door of the search function: API Gateway's HTTP events in, its responses out.

The bundle is opened at import, so that a cold start pays for it once, inside Lambda's initialisation.
"""

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from aisle.http import build_app
from aisle.runtime import open_services
from aisle.settings import Settings

settings = Settings.from_env()
handler = Mangum(
    build_app(open_services(settings), settings, functions=("search",)),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],  # else errors leave base64-encoded
)
