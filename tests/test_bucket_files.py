"""Files under a prefix of the emulated bucket, and an object that is read piece by piece as it was planned."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from loopback import Request, Response, forward, serving

from aisle.aws import bucket_files
from aisle.aws.bucket_files import BucketFiles, S3Source
from aisle.aws.clients import client
from aisle.errors import BadInput, NotFound, Unavailable


@pytest.fixture
def s3(aws: dict[str, str]) -> Any:
    found = boto3.client("s3")
    found.create_bucket(Bucket="files")
    return found


def test_names_are_those_under_the_prefix_and_without_it(s3: Any) -> None:
    s3.put_object(Bucket="files", Key="other/a", Body=b"")
    files = BucketFiles("files", "jobs/one/")
    files.write("parts/a", b"a")
    files.write("parts/b", b"b")
    files.write("plan.json", b"{}")
    assert (files.names("parts/"), files.names("pl"), files.read("parts/a")) == (
        ["parts/a", "parts/b"],
        ["plan.json"],
        b"a",
    )
    assert (BucketFiles("files", "jobs/").folders(), files.key("plan.json")) == (["one"], "jobs/one/plan.json")
    files.remove(["parts/a", "none"])
    assert files.names("") == ["parts/b", "plan.json"]
    with pytest.raises(NotFound, match="parts/a is not in files"):
        files.read("parts/a")


def test_of_many_who_create_one_wins(s3: Any) -> None:
    files = BucketFiles("files", "jobs/")
    contents = [str(number).encode() for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = [*pool.map(lambda content: files.create("a", content), contents)]
    assert won.count(True) == 1
    assert files.read("a") == contents[won.index(True)]


CONFLICT = b"<Error><Code>ConditionalRequestConflict</Code><Message>Another write is under way.</Message></Error>"


@pytest.fixture
def conflicts(aws: dict[str, str], s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Response]]:
    """Answers that S3 gives to the next writes, the first one first."""
    answers: list[Response] = []

    def answer(request: Request) -> Response:
        if request.method == "PUT" and answers:
            return answers.pop(0)
        asked = {"content-type": "application/octet-stream"} | request.headers  # else urllib calls it a form
        found = forward(request._replace(headers=asked), aws["AWS_ENDPOINT_URL"])
        return found._replace(headers={n: v for n, v in found.headers.items() if n.lower() != "content-length"})

    with serving(answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        monkeypatch.setattr(bucket_files, "_PAUSE_S", 0.01)
        client.cache_clear()
        yield answers
    client.cache_clear()


def test_a_write_that_another_one_got_in_the_way_of_is_tried_again(conflicts: list[Response]) -> None:
    """The other one may have failed: taken for a file that is there, both would be missing."""
    refusal = Response(409, {"content-type": "application/xml"}, CONFLICT)
    conflicts += [refusal] * 2
    files = BucketFiles("files")
    assert (files.create("a", b"a"), files.read("a"), files.create("a", b"b")) == (True, b"a", False)
    conflicts += [refusal] * 4
    with pytest.raises(Unavailable, match="the bucket files: ConditionalRequestConflict"):
        files.create("b", b"b")


def test_an_object_is_read_piece_by_piece_as_it_was_planned(s3: Any) -> None:
    s3.put_object(Bucket="files", Key="in/a.csv", Body=b"0123456789")
    source = S3Source("files", "in/", "a.csv")
    assert (source.name, source.size, source.read(2, 5), source.read(8, 99), source.read(10, 12)) == (
        "a.csv",
        10,
        b"234",
        b"89",
        b"",
    )
    again = S3Source("files", "in/", "a.csv", source.version, source.size)
    assert again.read(0, 2) == b"01"
    s3.put_object(Bucket="files", Key="in/a.csv", Body=b"9876543210")
    with pytest.raises(BadInput, match=r"a\.csv has changed since it was cut into chunks"):
        again.read(0, 2)
    s3.delete_object(Bucket="files", Key="in/a.csv")
    with pytest.raises(NotFound, match=r"a\.csv is gone"):
        again.read(0, 2)
    with pytest.raises(NotFound, match=r"a\.csv is gone"):
        S3Source("files", "in/", "a.csv")


def test_a_bucket_that_is_missing_is_nobodys_file(aws: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        BucketFiles("nowhere").create("a", b"a")
    with pytest.raises(Unavailable, match=r"the file a\.csv in nowhere: NoSuchBucket"):
        S3Source("nowhere", "", "a.csv", "etag", 10).read(0, 1)
