"""Published models: their files in a folder of this machine, wherever they lie so far."""

from __future__ import annotations

from pathlib import Path

from aisle.errors import NotFound


def model_folder(model: str, wanted: list[str]) -> Path:
    """The folder `model`, or one with the files of that Hugging Face id that match `wanted`. Raises NotFound."""
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as exc:
        raise NotFound(
            f"{model!r} is no folder and was not found on the hub ({type(exc).__name__})",
            "name a local folder, or a hub id that can be reached from here",
        ) from exc
