"""Where a job's files lie: a path that every machine has, or an address of S3 (s3://, and s3a:// as Spark writes it).

What aisle reads and writes itself goes through its own `Files` and `Source`; what Spark writes goes to Spark as named.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from aisle.batch_source import LocalSource, Source
from aisle.errors import BadInput
from aisle.files import Files, LocalFiles

_SCHEMES = ("s3://", "s3a://")


class Address(NamedTuple):
    bucket: str
    key: str


def address(place: str) -> Address | None:
    """The bucket and key that `place` names; None for a path. Raises BadInput for an address without a bucket."""
    scheme = next((scheme for scheme in _SCHEMES if place.startswith(scheme)), None)
    if scheme is None:
        return None
    bucket, _, key = place[len(scheme) :].partition("/")
    if not bucket:
        raise BadInput(f"{place} names no bucket", "write s3://BUCKET/FOLDER")
    return Address(bucket, key.rstrip("/"))


def files_at(folder: str) -> Files:
    """Raises MissingExtra for S3 without boto3."""
    if found := address(folder):
        from aisle.aws.bucket_files import BucketFiles

        return BucketFiles(found.bucket, f"{found.key}/" if found.key else "")
    return LocalFiles(Path(folder))


def source_at(file: str) -> Source:
    """Raises NotFound, BadInput, Unavailable, and MissingExtra for S3 without boto3."""
    if found := address(file):
        from aisle.aws.bucket_files import S3Source

        folder, slash, name = found.key.rpartition("/")
        return S3Source(found.bucket, folder + slash, name)
    return LocalSource(Path(file))
