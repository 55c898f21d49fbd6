"""`aisle serve`: every route of the HTTP table under uvicorn, on a laptop or in a container anywhere.

It is the same application as in Lambda; only the door differs. uvicorn comes with the `server` extra.
"""

import dataclasses
from pathlib import Path

from aisle.errors import MissingExtra
from aisle.http import build_app
from aisle.settings import Settings


def serve(bundle_path: Path, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Answer until interrupted. Raises MissingExtra without uvicorn, BundleError where the bundle cannot be opened."""
    try:
        import uvicorn
    except ImportError as exc:
        raise MissingExtra("uvicorn", "server") from exc
    from aisle.runtime import open_services

    settings = dataclasses.replace(Settings.from_env(), bundle=bundle_path)
    app = build_app(open_services(settings), settings)
    uvicorn.run(app, host=host, port=port, server_header=False, lifespan="off")
