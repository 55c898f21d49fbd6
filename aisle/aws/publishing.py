"""Bundles in S3: `bundles/<bundle_id>/bundle.tar` with the files, `manifest.json` beside it, and neither ever changes.

The tar follows from the files alone (sorted names, no times, no owners), so one bundle id has one sequence of bytes
wherever it was sealed. Every write is conditional on nothing being there, and the manifest goes last: without it an
address does not count, so an upload that broke off is finished by publishing again. `live.json` alone is overwritten.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from aisle.aws.clients import client, told
from aisle.bundle import MANIFEST, Bundle, Manifest, SealedFile, sha256, verify_hashes
from aisle.errors import BadInput, BundleError, NotFound
from aisle.sealing import sealing

PREFIX = "bundles"
TAR = "bundle.tar"
_TIMEOUT_S = 60.0  # of one part on its way; API calls elsewhere are small
REMEDY = "check the credentials (`aws sts get-caller-identity`), the region and what their role allows"
_AGAIN = "delete the bundle in S3 and publish it again"
_WRITES = ("PutObject", "CompleteMultipartUpload")


@dataclass(frozen=True)
class Published:
    """`address` is s3://bucket/bundles/<bundle_id>; `was_there`: nothing had to be written."""

    address: str
    was_there: bool


class Live(msgspec.Struct, frozen=True):
    """What `live.json` says: the bundle that answers, and the version of the search function that carries it."""

    bundle_id: str
    version: str


def bucket_of(stage: str) -> str:
    """The bundles bucket of a stage in the account whose credentials are in use. Raises Unavailable, MissingExtra."""
    with _asked("the account's number could not be asked for"):
        return f"aisle-{stage}-bundles-{client('sts').get_caller_identity()['Account']}"


def publish(bundle: Bundle, bucket: str) -> Published:
    """Writes the bundle to its address unless it is there.

    BundleError: a file is not what was sealed, or the disk is full. NotFound: no such bucket. Unavailable: refused.
    """
    verify_hashes(bundle)
    name = f"{PREFIX}/{bundle.manifest.bundle_id}"
    address = f"s3://{bucket}/{name}"
    with _asked(f"{address} cannot be written"), _in_bucket(bucket):
        s3 = client("s3", _TIMEOUT_S)
        if _read(s3, bucket, f"{name}/{MANIFEST}") is not None:
            return Published(address, was_there=True)
        with _packed(bundle) as tar, _write_once(s3):
            _put_tar(s3, bucket, f"{name}/{TAR}", tar)
            _put(s3, bucket, f"{name}/{MANIFEST}", (bundle.path / MANIFEST).read_bytes())
    return Published(address, was_there=False)


def fetch(bucket: str, bundle_id: str, target: Path) -> Bundle:
    """The published bundle in the folder `target`: every hash checked, then put in place whole or not at all.

    NotFound: it is not there. BundleError: it is not what its id says, or the disk is full. BadInput: `target` is
    something else than free or a bundle. Unavailable: refused.
    """
    name = f"{PREFIX}/{bundle_id}"
    with _asked(f"s3://{bucket}/{name} cannot be read"), _in_bucket(bucket):
        s3 = client("s3", _TIMEOUT_S)
        written = _read(s3, bucket, f"{name}/{MANIFEST}")
        if written is None:
            raise NotFound(
                f"there is no bundle {bundle_id!r} in s3://{bucket}/{PREFIX}", "publish it with `aisle publish`"
            )
        manifest = _manifest(written, bundle_id)
        with sealing(target) as draft:
            body = s3.get_object(Bucket=bucket, Key=f"{name}/{TAR}")["Body"]
            _unpack(body, draft.folder, {file.path: file for file in manifest.files})
            (draft.folder / MANIFEST).write_bytes(written)
            verify_hashes(Bundle.open(draft.folder))
            return draft.seal(manifest)


def live(bucket: str) -> Live:
    """What answers now, by `live.json`. NotFound: nothing was noted. BundleError: the note cannot be read."""
    key = f"{PREFIX}/live.json"
    with _asked(f"s3://{bucket}/{key} cannot be read"), _in_bucket(bucket):
        written = _read(client("s3", _TIMEOUT_S), bucket, key)
    if written is None:
        raise NotFound(f"s3://{bucket}/{key} is not there, so no bundle is live", "deploy one: make deploy BUNDLE=...")
    try:
        return msgspec.json.decode(written, type=Live)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BundleError(
            f"s3://{bucket}/{key} cannot be read ({exc})",
            "deploy a bundle, which writes it anew: make deploy BUNDLE=...",
        ) from exc


def note_live(bucket: str, now: Live) -> None:
    """Overwrites `live.json`. NotFound: no such bucket. Unavailable: refused."""
    key = f"{PREFIX}/live.json"
    with _asked(f"s3://{bucket}/{key} cannot be written"), _in_bucket(bucket):
        _put(client("s3", _TIMEOUT_S), bucket, key, msgspec.json.encode(now))


@contextmanager
def _packed(bundle: Bundle) -> Iterator[Path]:
    """The bundle's files as one tar, which goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="aisle-") as folder:
        tar = Path(folder) / TAR
        try:
            with tarfile.open(tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
                for file in sorted(bundle.manifest.files, key=lambda file: file.path):
                    _add(archive, bundle.path, file)
        except OSError as exc:
            raise BundleError(
                f"{bundle.path} cannot be packed in {tempfile.gettempdir()} ({exc.strerror or exc})",
                "free some space or name another folder in TMPDIR",
            ) from exc
        yield tar


def _add(archive: tarfile.TarFile, root: Path, file: SealedFile) -> None:
    member = tarfile.TarInfo(file.path)  # no owner, no time
    member.size, member.mode = file.bytes, 0o644
    with (root / file.path).open("rb") as content:
        archive.addfile(member, content)


def _put_tar(s3: Any, bucket: str, key: str, tar: Path) -> None:
    """Uploads in parts. What is there already must be the same, as an earlier publishing that broke off left it."""
    digest = sha256(tar)
    try:
        with tar.open("rb") as content:
            s3.upload_fileobj(content, bucket, key, ExtraArgs={"Metadata": {"sha256": digest}})
    except s3.exceptions.ClientError as exc:
        if not _is_there(exc):
            raise
        found = s3.head_object(Bucket=bucket, Key=key)
        if (found["ContentLength"], found["Metadata"].get("sha256")) != (tar.stat().st_size, digest):
            raise BundleError(f"s3://{bucket}/{key} holds other bytes than this bundle", _AGAIN) from exc


def _read(s3: Any, bucket: str, key: str) -> bytes | None:
    """What a small object holds; None where there is none."""
    try:
        content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return content


def _is_there(exc: Any) -> bool:
    """Whether S3 refused a conditional write because the object exists."""
    return bool(exc.response["Error"].get("Code") == "PreconditionFailed")


def _put(s3: Any, bucket: str, key: str, content: bytes) -> None:
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/json")
    except s3.exceptions.ClientError as exc:
        if not _is_there(exc):  # else another publisher of the same bundle was quicker
            raise


@contextmanager
def _write_once(s3: Any) -> Iterator[None]:
    """Inside, no write of this client replaces anything: boto3's transfer has no argument for that."""

    def condition(params: dict[str, Any], **_: object) -> None:
        params["IfNoneMatch"] = "*"

    events = [f"provide-client-params.s3.{operation}" for operation in _WRITES]
    for event in events:
        s3.meta.events.register(event, condition)
    try:
        yield
    finally:
        for event in events:
            s3.meta.events.unregister(event, condition)


def _manifest(written: bytes, bundle_id: str) -> Manifest:
    try:
        manifest = msgspec.json.decode(written, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BundleError(
            f"the manifest of {bundle_id} cannot be read ({exc})", "publish it with this version of aisle"
        ) from exc
    if manifest.bundle_id != bundle_id:
        raise BundleError(f"the manifest at {bundle_id} is that of {manifest.bundle_id}", _AGAIN)
    return manifest


def _unpack(tar: Any, folder: Path, listed: dict[str, SealedFile]) -> None:
    """Plain files that the manifest lists, of its sizes, and nothing that leads out of `folder`."""
    try:
        with tarfile.open(fileobj=tar, mode="r|") as archive:
            for member in archive:
                file = listed.get(member.name)
                if file is None or not member.isreg() or member.size != file.bytes:
                    raise BundleError(f"{TAR} holds {member.name!r}, which its manifest does not list", _AGAIN)
                archive.extract(member, folder, filter="data")
    except tarfile.TarError as exc:
        raise BundleError(f"{TAR} cannot be unpacked ({exc})", _AGAIN) from exc


@contextmanager
def _asked(what: str) -> Iterator[None]:
    with told(what, REMEDY):
        yield


@contextmanager
def _in_bucket(bucket: str) -> Iterator[None]:
    """NotFound where the bucket is missing, which boto3 says in several ways."""
    from botocore.exceptions import ClientError, ParamValidationError

    remedy = "deploy the stage first (make deploy), or name a bucket with --bucket"
    try:
        yield
    except ClientError as exc:
        if exc.response["Error"].get("Code") == "NoSuchBucket":
            raise NotFound(f"there is no bucket {bucket}", remedy) from exc
        raise
    except ParamValidationError as exc:
        raise BadInput(f"{bucket!r} is no name of a bucket", remedy) from exc
