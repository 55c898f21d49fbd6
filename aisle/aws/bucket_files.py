"""Files in S3 (`aisle.files.Files`), all of a bucket or those under a prefix, and one of them read piece by piece.

S3 decides who was first: `create` is a write on condition that nothing is there, and a file that is read piece by piece
is asked for by its ETag, so that one that was replaced meanwhile is told and never mixed with what it was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from aisle.aws.clients import client, told
from aisle.errors import BadInput, NotFound, Unavailable

MOST_REMOVED = 1000  # objects of one call
_TIMEOUT_S = 10.0  # of a call; a large file comes in many reads
_TRIES, _PAUSE_S = 4, 0.2  # of a write that another one got in the way of
_THERE, _CONFLICT = "PreconditionFailed", "ConditionalRequestConflict"
_AGAIN = "try again; what comes twice counts once"


class BucketFiles:
    """The files of `bucket` under `prefix`, without which they are named.

    Each call raises Unavailable where the bucket is missing, refuses or does not answer.
    """

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self._bucket, self._prefix = bucket, prefix

    def names(self, prefix: str) -> list[str]:
        with self._told():
            listing = self._s3().get_paginator("list_objects_v2")
            pages = listing.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
            found = [row["Key"] for page in pages for row in page.get("Contents", [])]
        return [name.removeprefix(self._prefix) for name in found]

    def folders(self) -> list[str]:
        """First parts of the names of files that lie in folders, each once."""
        with self._told():
            listing = self._s3().get_paginator("list_objects_v2")
            pages = listing.paginate(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/")
            found = [row["Prefix"] for page in pages for row in page.get("CommonPrefixes", [])]
        return [name.removeprefix(self._prefix).rstrip("/") for name in found]

    def read(self, name: str) -> bytes:
        """Raises NotFound, also where somebody has removed it since it was listed."""
        with self._told():
            s3 = self._s3()
            try:
                content: bytes = s3.get_object(**self._named(name))["Body"].read()
            except s3.exceptions.NoSuchKey as exc:
                raise NotFound(f"{name} is not in {self._bucket}", "list its files again") from exc
        return content

    def write(self, name: str, content: bytes) -> None:
        with self._told():
            self._s3().put_object(**self._named(name), Body=content)

    def create(self, name: str, content: bytes) -> bool:
        with self._told():
            s3 = self._s3()
            for attempt in range(_TRIES):
                try:
                    s3.put_object(**self._named(name), Body=content, IfNoneMatch="*")
                    return True
                except s3.exceptions.ClientError as exc:
                    if exc.response["Error"]["Code"] == _THERE:
                        return False
                    # Another write was under way; it may have failed, so only a second try tells who was first.
                    if exc.response["Error"]["Code"] != _CONFLICT or attempt == _TRIES - 1:
                        raise
                    time.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError("the last try returns or raises")

    def remove(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), MOST_REMOVED):
            objects = [{"Key": self.key(name)} for name in names[start : start + MOST_REMOVED]]
            with self._told():
                answer = self._s3().delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
            if failed := answer.get("Errors"):
                kept = f"{len(failed)} files of {self._bucket} could not be removed: {failed[0]['Code']}"
                raise Unavailable(kept, "check the right to remove them, and try again")

    def key(self, name: str) -> str:
        """Its key in the bucket."""
        return self._prefix + name

    def _named(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self.key(name)}

    def _told(self) -> AbstractContextManager[None]:
        return told(f"the bucket {self._bucket}", _AGAIN)

    @staticmethod
    def _s3() -> Any:
        return client("s3", timeout_s=_TIMEOUT_S)


class S3Source:
    """The object `prefix` + `name` as it is now, or as the `version` (ETag) of `size` bytes (`batch_source.Source`).

    Raises NotFound where there is none, Unavailable.
    """

    def __init__(self, bucket: str, prefix: str, name: str, version: str = "", size: int = 0) -> None:
        self._object, self.name = {"Bucket": bucket, "Key": prefix + name}, name
        self.version, self.size = version, size
        if not version:
            with self._told():
                s3 = self._s3()
                try:
                    found = s3.head_object(**self._object)
                except s3.exceptions.ClientError as exc:
                    if exc.response["Error"]["Code"] not in ("404", "NoSuchKey"):
                        raise
                    raise self._gone() from exc
            self.version, self.size = found["ETag"].strip('"'), found["ContentLength"]

    def read(self, start: int, stop: int) -> bytes:
        stop = min(stop, self.size)
        if start >= stop:
            return b""
        with self._told():
            s3 = self._s3()
            try:
                piece = {"Range": f"bytes={start}-{stop - 1}", "IfMatch": f'"{self.version}"'}
                content: bytes = s3.get_object(**self._object, **piece)["Body"].read()
            except s3.exceptions.NoSuchKey as exc:
                raise self._gone() from exc
            except s3.exceptions.ClientError as exc:
                if exc.response["Error"]["Code"] not in (_THERE, "412"):
                    raise
                raise BadInput(
                    f"{self.name} has changed since it was cut into chunks", "the new one is its own job"
                ) from exc
        return content

    def _gone(self) -> NotFound:
        return NotFound(f"{self.name} is gone", "put it back, or score another file")

    def _told(self) -> AbstractContextManager[None]:
        return told(f"the file {self.name} in {self._object['Bucket']}", _AGAIN)

    @staticmethod
    def _s3() -> Any:
        return client("s3", timeout_s=_TIMEOUT_S)
