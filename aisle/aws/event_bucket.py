"""The event log's files in S3 (`aisle.files.Files`), and the lease of whoever compacts them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aisle.aws.bucket_files import BucketFiles
from aisle.errors import Unavailable

LEASE = "compacting"  # the object that says that somebody does
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")


class EventBucket(BucketFiles):
    """The files of `bucket`."""

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
