"""`aisle serve`: every route of the HTTP table and a shop to see it, under uvicorn, on a laptop or in a container.

It is the same application as in Lambda; only the door differs. uvicorn comes with the `server` extra.
"""

import dataclasses
from pathlib import Path

from aisle.errors import MissingExtra
from aisle.http import build_app
from aisle.local_state import open_state
from aisle.settings import Settings
from aisle.shoppers import open_identity, open_shoppers
from aisle.storefront import storefront_routes


def serve(bundle_path: Path, host: str = "127.0.0.1", port: int = 8000, state: Path | None = None) -> None:
    """Answer until interrupted; `state` is a folder of `aisle.local_state`.

    Raises MissingExtra without uvicorn, BundleError where the bundle cannot be opened, BadInput for another folder.
    """
    try:
        import uvicorn
    except ImportError as exc:
        raise MissingExtra("uvicorn", "server") from exc
    from aisle.runtime import open_services

    settings = Settings.from_env()
    settings = dataclasses.replace(settings, bundle=bundle_path, state=state or settings.state)
    local = open_state(settings.state)
    services = open_services(settings, open_shoppers(settings, local))
    app = build_app(services, settings, identify=open_identity(settings, local))
    app.router.routes += storefront_routes(local.secret_key, local.shoppers)
    # Addresses hold what shoppers type, so none is logged.
    uvicorn.run(app, host=host, port=port, server_header=False, access_log=False, lifespan="off")
