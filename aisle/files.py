"""Files by name, in a folder or in a bucket: each is there whole or not at all.

What lies in them is for others to know: the event log, a batch job.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import Protocol

from aisle.errors import NotFound, Unavailable

_OTHER = "make room, or name another folder"


class Files(Protocol):
    """Names are relative paths with slashes. Each call raises Unavailable where nothing answers."""

    def names(self, prefix: str) -> Iterable[str]:
        """Those that begin so, in any order."""

    def read(self, name: str) -> bytes:
        """Raises NotFound."""

    def write(self, name: str, content: bytes) -> None:
        """Whole or not at all, in the place of what was there."""

    def create(self, name: str, content: bytes) -> bool:
        """`write` where there is nothing yet. False, and nothing changes, where there is: of many at once one wins."""

    def remove(self, names: Sequence[str]) -> None:
        """What is not there counts as removed."""


class LocalFiles:
    """Those in a folder of this machine, which is made when something is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, prefix: str) -> list[str]:
        found = (self._folder / prefix.rpartition("/")[0]).rglob("*")
        paths = (p.relative_to(self._folder).as_posix() for p in found if p.is_file() and not p.name.startswith("."))
        return [path for path in paths if path.startswith(prefix)]

    def read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError as exc:
            raise NotFound(f"{name} does not exist", "check the path") from exc
        except OSError as exc:
            raise Unavailable(f"{name} cannot be read ({exc.strerror})", "check who may read it") from exc

    def write(self, name: str, content: bytes) -> None:
        with self._drafted(self._folder / name, content) as draft:
            draft.replace(self._folder / name)
            _sync(draft.parent)

    def create(self, name: str, content: bytes) -> bool:
        with self._drafted(self._folder / name, content) as draft:
            try:
                os.link(draft, self._folder / name)  # a rename would replace what is there
            except FileExistsError:
                return False
            _sync(draft.parent)
        return True

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as exc:
                raise Unavailable(f"{self._folder / name} cannot be removed ({exc.strerror})", _OTHER) from exc

    @contextmanager
    def _drafted(self, target: Path, content: bytes) -> Iterator[Path]:
        """A hidden file beside `target` that holds `content`; it is gone after the block."""
        draft = target.with_name(f".{target.name}.{os.getpid()}-{get_ident()}.draft")  # others may write the same now
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # its name comes after it, also where the power goes
            yield draft
        except OSError as exc:
            raise Unavailable(f"{target} cannot be written ({exc.strerror})", _OTHER) from exc
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)  # nobody would ever look for the forgotten in it


def _sync(folder: Path) -> None:
    """Names in it stay, also where the power goes; not every file system can promise that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
