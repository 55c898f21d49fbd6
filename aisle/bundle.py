"""The bundle: everything serving needs in one immutable folder, with a manifest of what lies in it and its origin.

Opening checks format, paths and sizes, which a cold start can afford; hashes are for `aisle verify`. Nothing here
writes: `sealing.py` makes bundles. Neither knows what the files mean, since each index and model reads its own.
"""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from aisle.errors import BundleError

FORMAT = 3
MANIFEST = "manifest.json"
_COPY = "copy the bundle again or rebuild it"


class Step(Struct, frozen=True):
    """One step of the recipe that built the bundle, with what it measured."""

    name: str
    seconds: float
    figures: dict[str, Any] = {}


class SealedFile(Struct, frozen=True):
    """`path` is relative to the bundle, with forward slashes on every system."""

    path: str
    bytes: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Facts(Struct, frozen=True, kw_only=True):
    """What the builder knows about a bundle; the rest of the manifest follows from the files."""

    created_at: str  # ISO 8601; when its catalogue was read
    aisle_version: str
    recipe: str
    languages: list[str]
    currency: str
    n_products: Annotated[int, Meta(ge=0)]
    dim: Annotated[int, Meta(ge=0)]
    data: dict[str, str] = {}  # input file -> sha256
    models: dict[str, dict[str, str | int | float | bool]] = {}  # role -> name, licence, layers, ...
    steps: list[Step] = []
    evaluation: dict[str, Any] = {}


class Manifest(Facts, frozen=True, kw_only=True):
    """`bundle_id` is a hash of the files' hashes: equal content has an equal id, whenever it was sealed."""

    format: Annotated[int, Meta(ge=1)]
    bundle_id: str
    files: list[SealedFile]


class _Head(Struct, frozen=True):
    """The one field that every format, older or newer, has."""

    format: Annotated[int, Meta(ge=1)]


@dataclass(frozen=True)
class Bundle:
    """A folder that was complete when it was opened."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> "Bundle":
        """The bundle at `path`, every file present with its size. BundleError where it is anything less."""
        manifest = read_manifest(path)
        root = path.resolve()
        for file in manifest.files:
            _check_inside(root, file.path)
            _check_size(root, file)
        return cls(path, manifest)

    def has(self, name: str) -> bool:
        return any(file.path == name for file in self.manifest.files)

    def file(self, name: str) -> Path:
        """The path of the file listed as `name`, such as "lexical/title/start.npy". BundleError: not listed."""
        if not self.has(name):
            raise BundleError(f"bundle {self.path} has no file {name}", "rebuild it with this version of aisle")
        return self.path / name


def read_manifest(path: Path) -> Manifest:
    """The manifest in the folder `path`, whether or not its files are there.

    BundleError: there is none, it is damaged, or of another format.
    """
    if not path.is_dir():
        raise BundleError(f"{path} is not a folder", "name the folder that `aisle build` wrote with --out")
    try:
        written = (path / MANIFEST).read_bytes()
    except OSError as exc:
        raise BundleError(f"{path} has no readable {MANIFEST} ({exc.strerror}), so it is no bundle", _COPY) from exc
    try:
        # The format alone first: another format's manifest may have another shape, and is not to be called broken.
        found = msgspec.json.decode(written, type=_Head).format
        if found == FORMAT:
            return msgspec.json.decode(written, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BundleError(f"{path / MANIFEST} cannot be read ({exc})", _COPY) from exc
    if found > FORMAT:
        raise BundleError(f"bundle format {found} is newer than this code ({FORMAT})", "deploy a newer aisle")
    raise BundleError(f"bundle format {found} is older than this code ({FORMAT})", "build the bundle again")


def verify_hashes(bundle: Bundle) -> None:
    """Reads every byte. BundleError names the first file that is not what was sealed."""
    for file in bundle.manifest.files:
        try:
            seen = sha256(bundle.path / file.path)
        except OSError as exc:
            raise BundleError(f"{file.path} of {bundle.path} cannot be read ({exc.strerror})", _COPY) from exc
        if seen != file.sha256:
            raise BundleError(f"{file.path} of {bundle.path} has changed since the bundle was sealed", _COPY)
    if bundle_id(bundle.manifest.files) != bundle.manifest.bundle_id:
        raise BundleError(
            f"{MANIFEST} of {bundle.path} was edited: its bundle_id does not follow from its files", _COPY
        )


def bundle_id(files: list[SealedFile]) -> str:
    """16 hex digits of the sha256 over the sorted lines "path sha256"."""
    lines = sorted(f"{file.path} {file.sha256}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def _check_inside(root: Path, name: str) -> None:
    """BundleError where `name` leads out of the (resolved) folder `root`, by its words or by a link."""
    words = PurePosixPath(name)
    inside = bool(words.parts) and not words.is_absolute() and ".." not in words.parts and "\\" not in name
    try:
        inside = inside and (root / name).resolve().is_relative_to(root)
    except (OSError, ValueError, RuntimeError):  # too long, a NUL character, links in a circle
        inside = False
    if not inside:
        raise BundleError(f"{MANIFEST} of {root} names {name!r}, which lies outside the bundle", _COPY)


def _check_size(root: Path, file: SealedFile) -> None:
    try:
        found = (root / file.path).stat()
    except OSError as exc:
        raise BundleError(f"{file.path} is missing from {root} ({exc.strerror})", _COPY) from exc
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{file.path} of {root} is not a file", _COPY)
    if found.st_size != file.bytes:
        raise BundleError(f"{file.path} of {root} has {found.st_size} bytes, the manifest says {file.bytes}", _COPY)


def sha256(path: Path) -> str:
    """64 hex digits over the bytes of one file. OSError where it cannot be read."""
    with path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()
