"""How a bundle comes to be: filled as a draft beside its target, hashed, given its manifest last, renamed into place.

What stands at the target is therefore always whole: the old bundle, the new one, or nothing. A failure of any kind, a
full disk or Ctrl-C among them, takes the draft with it.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from aisle.bundle import FORMAT, MANIFEST, Bundle, Facts, Manifest, SealedFile, bundle_id, read_manifest, sha256
from aisle.errors import AisleError, BadInput, BundleError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_BYTES = 1 << 20  # less free than this counts as a full disk
_OUT = "choose another --out"


@dataclass(frozen=True)
class Draft:
    """A bundle in the making: fill `folder`, then `seal`."""

    folder: Path
    target: Path

    def seal(self, facts: Facts) -> Bundle:
        """The finished bundle. A Manifest may stand for its facts: what follows from the files is computed anew."""
        _refuse_foreign(self.target)  # once more: an hour of training may lie between
        files = [_sealed(self.folder, path) for path in sorted(self.folder.rglob("*")) if _belongs(self.folder, path)]
        known = {name: getattr(facts, name) for name in Facts.__struct_fields__}
        manifest = Manifest(format=FORMAT, bundle_id=bundle_id(files), files=files, **known)
        written = msgspec.json.format(msgspec.json.encode(manifest, enc_hook=_plain_number), indent=2)
        msgspec.json.decode(
            written, type=Manifest
        )  # facts that no one could open again fail before anything is replaced
        with (self.folder / MANIFEST).open("wb") as out:
            out.write(written)
            out.flush()
            os.fsync(out.fileno())
        _sync_folders(self.folder)
        _put_in_place(self.folder, self.target)
        return Bundle.open(self.target)


@contextmanager
def sealing(target: Path) -> Iterator[Draft]:
    """A draft for `target`, which may be free, an empty folder, or an older bundle (replaced when the draft is sealed).

    Whatever ends the block early leaves the target as it was and no draft behind. BadInput: the target is something
    else, or its folder cannot be written. BundleError: the disk is full.
    """
    target = target.resolve()  # a link to a bundle stays a link; the folder that it names is replaced
    _refuse_foreign(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.draft-", dir=target.parent))
    except OSError as exc:
        raise BadInput(f"{target.parent} cannot be written ({exc.strerror})", _OUT) from exc
    try:
        yield Draft(folder, target)
    except Exception as exc:
        if _disk_is_full(exc, target.parent):
            raise BundleError(
                f"the disk was full while {target} was being written; what was there before is unchanged",
                f"free some space or {_OUT}",
            ) from exc
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_foreign(target: Path) -> None:
    """BadInput where putting a bundle at `target` would remove anything but a bundle."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        listed = {file.path for file in read_manifest(target).files}
    except BundleError as exc:
        raise BadInput(f"{target} exists and is not a bundle", _OUT) from exc
    present = (path for path in sorted(target.rglob("*")) if _belongs(target, path))
    foreign = [name for path in present if (name := path.relative_to(target).as_posix()) not in listed]
    if foreign:
        raise BadInput(f"{target} holds files that are not of the bundle ({foreign[0]})", f"move them away or {_OUT}")


def _belongs(folder: Path, path: Path) -> bool:
    """Whether a manifest lists `path`: everything but folders and the manifest itself."""
    return path != folder / MANIFEST and (path.is_symlink() or not path.is_dir())


def _sealed(folder: Path, path: Path) -> SealedFile:
    """`path` as the manifest lists it, on the disk and readable by whom serving runs as."""
    name = path.relative_to(folder).as_posix()
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{name} of the draft is a link or no plain file", "copy the file itself into the draft")
    path.chmod(0o644)  # Lambda runs as another user than the one who built the image
    with path.open("rb") as written:
        os.fsync(written.fileno())
        size = os.fstat(written.fileno()).st_size
    return SealedFile(name, size, sha256(path))


def _sync_folders(folder: Path) -> None:
    for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        inner.chmod(0o755)  # mkdtemp makes 0700
        _sync_folder(inner)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_in_place(folder: Path, target: Path) -> None:
    """The old bundle aside, the new one in, and back again if that fails: no rename replaces a folder with files."""
    aside = folder.with_name(f"{folder.name}.old")
    try:
        if target.exists():
            os.rename(target, aside)
        os.rename(folder, target)
    except OSError as exc:
        raise BundleError(f"{target} cannot be replaced ({exc.strerror})", _OUT) from exc
    finally:
        if aside.exists() and not target.exists():
            os.rename(aside, target)
    _sync_folder(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _plain_number(value: object) -> object:
    """Figures come from numpy as often as not."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} in a manifest is neither text nor number")


def _disk_is_full(exc: Exception, folder: Path) -> bool:
    """numpy, torch and tokenizers report a failed write in their own ways, without errno: then the disk is asked."""
    if isinstance(exc, AisleError):
        return False
    return (isinstance(exc, OSError) and exc.errno in _FULL) or shutil.disk_usage(folder).free < _FULL_BYTES
