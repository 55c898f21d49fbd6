"""The door of the profile function: shows shoppers what is known of them, and forgets it. It needs no bundle."""

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from aisle.http import build_app
from aisle.settings import Settings
from aisle.shoppers import open_identity, open_shoppers

settings = Settings.from_env()
handler = Mangum(
    build_app(open_shoppers(settings), settings, ("profile",), open_identity(settings, newest=True)),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],  # else errors leave base64-encoded
)
