"""The event log's files in S3 (`aisle.event_log.Files`), and the lease of whoever compacts them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from aisle.aws.clients import client, told
from aisle.errors import NotFound, Unavailable

LEASE = "compacting"  # the object that says that somebody does
MOST_REMOVED = 1000  # objects of one call
_TIMEOUT_S = 10.0  # of a call; a large file comes in many reads
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")


class EventBucket:
    """The files of `bucket`. Each call raises Unavailable where the bucket is missing, refuses or does not answer."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def names(self, prefix: str) -> list[str]:
        with self._told():
            pages = self._s3().get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, name: str) -> bytes:
        """Raises NotFound, also where somebody has removed it since it was listed."""
        with self._told():
            s3 = self._s3()
            try:
                content: bytes = s3.get_object(Bucket=self._bucket, Key=name)["Body"].read()
            except s3.exceptions.NoSuchKey as exc:
                raise NotFound(f"{name} is not in {self._bucket}", "list its files again") from exc
        return content

    def write(self, name: str, content: bytes) -> None:
        with self._told():
            self._s3().put_object(Bucket=self._bucket, Key=name, Body=content)

    def remove(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), MOST_REMOVED):
            objects = [{"Key": name} for name in names[start : start + MOST_REMOVED]]
            with self._told():
                answer = self._s3().delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
            if failed := answer.get("Errors"):
                kept = f"{len(failed)} files of {self._bucket} could not be removed: {failed[0]['Code']}"
                raise Unavailable(kept, "check the right to remove them, and try again")

    @contextmanager
    def leased(self, lease_s: float) -> Iterator[None]:
        """Nobody else is inside such a block, unless this one lasts longer than `lease_s`, or stopped without a word.

        Raises Unavailable while somebody else is.
        """
        now = time.time()
        rule: dict[str, Any] = {"IfNoneMatch": "*"}
        with self._told():
            s3 = self._s3()
            found = s3.list_objects_v2(Bucket=self._bucket, Prefix=LEASE).get("Contents", [])
            for lease in (lease for lease in found if lease["Key"] == LEASE):
                if now - lease["LastModified"].timestamp() < lease_s:
                    raise Unavailable(f"somebody else compacts {self._bucket}", "wait until it is done")
                rule = {"IfMatch": lease["ETag"]}  # of one who broke off
            try:
                # What it holds differs each time, or a second who takes over would match the first one's.
                own = s3.put_object(Bucket=self._bucket, Key=LEASE, Body=str(time.time_ns()).encode(), **rule)["ETag"]
            except s3.exceptions.ClientError as exc:
                if exc.response["Error"]["Code"] not in _TAKEN:
                    raise
                raise Unavailable(f"somebody else compacts {self._bucket}", "wait until it is done") from exc
        try:
            yield
        finally:
            with self._told():
                s3.delete_object(Bucket=self._bucket, Key=LEASE, IfMatch=own)

    def _told(self) -> AbstractContextManager[None]:
        return told(f"the event log {self._bucket}", "try again; what comes twice counts once")

    @staticmethod
    def _s3() -> Any:
        return client("s3", timeout_s=_TIMEOUT_S)
