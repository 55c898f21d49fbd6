"""Bundles in an emulated S3: written once, whole or not at all, and unpacked only where every byte is as sealed."""

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from aisle.aws.publishing import Live, Published, fetch, live, note_live, publish
from aisle.bundle import Bundle, verify_hashes
from aisle.cli import main
from aisle.errors import BadInput, BundleError, NotFound
from aisle.sealing import sealing

BUCKET = "shop-bundles"


@pytest.fixture
def s3(aws: dict[str, str]) -> Any:
    """The account's S3, with one bucket."""
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def bundle(tmp_path: Path, tiny_bundle: Path) -> Bundle:
    """Two files of the tiny bundle, sealed: publishing does not ask what they mean."""
    return sealed(tiny_bundle, tmp_path / "bundle", {"golden.json": b"{}", "a/deep/array.npy": b"123" * 1000})


def sealed(tiny_bundle: Path, target: Path, files: dict[str, bytes], created_at: str = "2026-11-20T00:00:00") -> Bundle:
    with sealing(target) as draft:
        for name, content in files.items():
            (draft.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (draft.folder / name).write_bytes(content)
        return draft.seal(msgspec.structs.replace(Bundle.open(tiny_bundle).manifest, created_at=created_at))


def keys(s3: Any) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def tar_of(files: dict[str, bytes], **others: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in others.values():
            archive.addfile(member)
    return packed.getvalue()


def test_a_bundle_comes_back_as_it_was_and_publishing_again_writes_nothing(
    s3: Any, bundle: Bundle, tmp_path: Path
) -> None:
    bundle_id = bundle.manifest.bundle_id
    address = f"s3://{BUCKET}/bundles/{bundle_id}"
    assert publish(bundle, BUCKET) == Published(address, was_there=False)
    written = {key: s3.head_object(Bucket=BUCKET, Key=key)["LastModified"] for key in keys(s3)}
    assert publish(bundle, BUCKET) == Published(address, was_there=True)
    assert {key: s3.head_object(Bucket=BUCKET, Key=key)["LastModified"] for key in keys(s3)} == written
    assert [*written] == [f"bundles/{bundle_id}/bundle.tar", f"bundles/{bundle_id}/manifest.json"]

    fetched = fetch(BUCKET, bundle_id, tmp_path / "fetched")
    verify_hashes(fetched)
    assert fetched.manifest == bundle.manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "fetched"]


def test_the_whole_tiny_bundle_answers_after_the_journey(s3: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    publish(bundle, BUCKET)
    fetch(BUCKET, bundle.manifest.bundle_id, tmp_path / "fetched")
    assert main(["verify", str(tmp_path / "fetched")]) == 0


def test_equal_files_make_equal_bytes_whenever_they_were_sealed(s3: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    files = {"b.npy": b"2", "a.npy": b"1"}
    tars = []
    for name, created_at in (("one", "2026-11-20T00:00:00"), ("two", "2026-11-21T00:00:00")):
        bundle = sealed(tiny_bundle, tmp_path / name, dict(sorted(files.items(), reverse=name == "two")), created_at)
        publish(bundle, BUCKET)
        key = f"bundles/{bundle.manifest.bundle_id}"
        tars.append(s3.get_object(Bucket=BUCKET, Key=f"{key}/bundle.tar")["Body"].read())
        for file in ("bundle.tar", "manifest.json"):
            s3.delete_object(Bucket=BUCKET, Key=f"{key}/{file}")
    assert tars[0] == tars[1]


def test_a_large_bundle_goes_in_parts(s3: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = sealed(tiny_bundle, tmp_path / "large", {"vectors.npy": bytes(range(256)) * (20 << 12)})  # 20 MiB
    publish(bundle, BUCKET)
    tag = s3.head_object(Bucket=BUCKET, Key=f"bundles/{bundle.manifest.bundle_id}/bundle.tar")["ETag"]
    assert tag.endswith('-3"')  # S3's mark of an object in three parts
    assert publish(bundle, BUCKET).was_there
    s3.delete_object(Bucket=BUCKET, Key=f"bundles/{bundle.manifest.bundle_id}/manifest.json")
    assert not publish(bundle, BUCKET).was_there  # the tar stayed, and is the same
    assert fetch(BUCKET, bundle.manifest.bundle_id, tmp_path / "back").manifest == bundle.manifest


def test_an_upload_that_broke_off_does_not_count_and_is_finished_by_the_next(
    s3: Any, bundle: Bundle, tmp_path: Path
) -> None:
    bundle_id = bundle.manifest.bundle_id
    publish(bundle, BUCKET)
    s3.delete_object(Bucket=BUCKET, Key=f"bundles/{bundle_id}/manifest.json")
    with pytest.raises(NotFound, match=f"there is no bundle '{bundle_id}' in s3://{BUCKET}/bundles: publish it"):
        fetch(BUCKET, bundle_id, tmp_path / "fetched")
    assert not publish(bundle, BUCKET).was_there
    assert fetch(BUCKET, bundle_id, tmp_path / "fetched").manifest == bundle.manifest


def test_other_bytes_at_the_address_are_refused_not_replaced(s3: Any, bundle: Bundle) -> None:
    key = f"bundles/{bundle.manifest.bundle_id}/bundle.tar"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"someone else's")
    with pytest.raises(BundleError, match="holds other bytes than this bundle"):
        publish(bundle, BUCKET)
    assert keys(s3) == [key]
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"someone else's"


def test_a_changed_bundle_is_not_published(s3: Any, bundle: Bundle) -> None:
    (bundle.path / "golden.json").write_bytes(b"[]")
    with pytest.raises(BundleError, match=r"golden\.json of .* has changed since the bundle was sealed"):
        publish(bundle, BUCKET)
    assert keys(s3) == []


OUTSIDE = {"golden.json": b"{}", "../outside": b"123"}
LINK = tarfile.TarInfo("a/deep/array.npy")
LINK.type, LINK.linkname = tarfile.SYMTYPE, "/etc/passwd"


@pytest.mark.parametrize(
    ("tar", "reason"),
    [
        (tar_of({"golden.json": b"{}"}), "array.npy is missing"),
        (tar_of({"golden.json": b"[]", "a/deep/array.npy": b"123" * 1000}), "golden.json of .* has changed"),
        (tar_of({"golden.json": b"{}", "a/deep/array.npy": b"1"}), "holds 'a/deep/array.npy', which its manifest"),
        (tar_of(OUTSIDE), "holds '../outside', which its manifest does not list"),
        (tar_of({"/etc/aisle": b""}), "holds '/etc/aisle', which its manifest does not list"),
        (tar_of({"golden.json": b"{}"}, link=LINK), "holds 'a/deep/array.npy', which its manifest"),
        (tar_of({"golden.json": b"{}", "a/deep/array.npy": b"123" * 1000})[:2000], "cannot be unpacked"),
        (b"no tar at all" * 100, "cannot be unpacked"),
    ],
)
def test_what_is_not_the_bundle_is_not_put_in_place(
    s3: Any, bundle: Bundle, tmp_path: Path, tar: bytes, reason: str
) -> None:
    bundle_id = bundle.manifest.bundle_id
    publish(bundle, BUCKET)
    s3.put_object(Bucket=BUCKET, Key=f"bundles/{bundle_id}/bundle.tar", Body=tar)
    with pytest.raises(BundleError, match=reason):
        fetch(BUCKET, bundle_id, tmp_path / "place" / "fetched")
    assert [*(tmp_path / "place").iterdir()] == []
    assert not (tmp_path / "outside").exists()


def test_a_manifest_that_names_a_file_outside_is_refused(s3: Any, bundle: Bundle, tmp_path: Path) -> None:
    bundle_id = bundle.manifest.bundle_id
    publish(bundle, BUCKET)
    files = [msgspec.structs.replace(file, path=f"../{file.path}") for file in bundle.manifest.files]
    manifest = msgspec.json.encode(msgspec.structs.replace(bundle.manifest, files=files))
    s3.put_object(Bucket=BUCKET, Key=f"bundles/{bundle_id}/manifest.json", Body=manifest)
    tar = tar_of({"../golden.json": b"{}", "../a/deep/array.npy": b"123" * 1000})
    s3.put_object(Bucket=BUCKET, Key=f"bundles/{bundle_id}/bundle.tar", Body=tar)
    with pytest.raises(BundleError, match="cannot be unpacked"):
        fetch(BUCKET, bundle_id, tmp_path / "place" / "fetched")
    assert [*(tmp_path / "place").iterdir()] == []


def test_a_manifest_of_another_bundle_is_refused(s3: Any, bundle: Bundle, tmp_path: Path) -> None:
    publish(bundle, BUCKET)
    content = (bundle.path / "manifest.json").read_bytes()
    s3.put_object(Bucket=BUCKET, Key="bundles/0123456789abcdef/manifest.json", Body=content)
    s3.put_object(Bucket=BUCKET, Key="bundles/fedcba9876543210/manifest.json", Body=b"{")
    with pytest.raises(BundleError, match=f"the manifest at 0123456789abcdef is that of {bundle.manifest.bundle_id}"):
        fetch(BUCKET, "0123456789abcdef", tmp_path / "fetched")
    with pytest.raises(BundleError, match="the manifest of fedcba9876543210 cannot be read"):
        fetch(BUCKET, "fedcba9876543210", tmp_path / "fetched")


def test_a_folder_of_other_things_is_left_alone(s3: Any, bundle: Bundle, tmp_path: Path) -> None:
    publish(bundle, BUCKET)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(BadInput, match="home exists and is not a bundle"):
        fetch(BUCKET, bundle.manifest.bundle_id, tmp_path / "home")
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"


def test_what_is_live_is_noted_and_overwritten(s3: Any) -> None:
    with pytest.raises(NotFound, match="so no bundle is live: deploy one"):
        live(BUCKET)
    for now in (Live("0123456789abcdef", "4"), Live("fedcba9876543210", "5")):
        note_live(BUCKET, now)
        assert live(BUCKET) == now
    s3.put_object(Bucket=BUCKET, Key="bundles/live.json", Body=b'{"bundle_id": 1}')
    with pytest.raises(BundleError, match=r"live\.json cannot be read"):
        live(BUCKET)


def test_the_command_prints_the_address_in_the_bucket_of_the_stage(
    s3: Any, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    s3.create_bucket(Bucket="aisle-dev-bundles-123456789012")
    address = f"s3://aisle-dev-bundles-123456789012/bundles/{bundle.manifest.bundle_id}"
    assert main(["publish", str(bundle.path)]) == 0
    assert main(["publish", str(bundle.path), "--stage", "dev"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f'{{"address":"{address}","was_there":false}}',
        f'{{"address":"{address}","was_there":true}}',
    ]


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["publish", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_what_stands_in_the_way_is_one_sentence(
    s3: Any, bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = str(bundle.path)
    assert "there is no bucket aisle-prod-bundles-123456789012: deploy" in failed(capsys, path, "--stage", "prod")
    assert "'No Bucket' is no name of a bucket: deploy the stage first" in failed(capsys, path, "--bucket", "No Bucket")
    broken = shutil.copytree(bundle.path, tmp_path / "broken")
    (broken / "golden.json").unlink()
    assert "golden.json is missing from" in failed(capsys, str(broken), "--bucket", BUCKET)


def test_without_credentials_the_way_to_get_them_is_told(
    aws: dict[str, str], bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that it found first
    assert "could not be asked for: NoCredentialsError: check the credentials" in failed(capsys, str(bundle.path))
    assert "cannot be written: NoCredentialsError: check" in failed(capsys, str(bundle.path), "--bucket", BUCKET)


NO_ROOM = """
import resource, signal, sys
from pathlib import Path

from aisle.aws.publishing import fetch, publish
from aisle.bundle import Bundle
from aisle.errors import BundleError

bundle, (bucket, other, target) = Bundle.open(Path(sys.argv[1])), sys.argv[2:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for attempt in (lambda: publish(bundle, other), lambda: fetch(bucket, bundle.manifest.bundle_id, Path(target))):
    try:
        attempt()
    except BundleError as exc:
        print(exc)
"""


def test_a_full_disk_is_named_and_leaves_nothing(s3: Any, bundle: Bundle, tmp_path: Path) -> None:
    publish(bundle, BUCKET)
    s3.create_bucket(Bucket="other-bundles")
    target = tmp_path / "place" / "fetched"
    command = [sys.executable, "-c", NO_ROOM, str(bundle.path), BUCKET, "other-bundles", str(target)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stderr == ""
    packed, fetched = run.stdout.splitlines()
    assert packed.startswith(f"{bundle.path} cannot be packed in {tempfile.gettempdir()} (File too large): free some")
    assert fetched.startswith(f"the disk was full while {target} was being written")
    assert [*target.parent.iterdir()] == []
    assert s3.list_objects_v2(Bucket="other-bundles")["KeyCount"] == 0
