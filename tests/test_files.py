"""Files in a folder: whole or not at all, and of many that create one it is one that wins."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier

import pytest

from aisle.errors import NotFound, Unavailable
from aisle.files import LocalFiles


def test_names_begin_with_any_prefix(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path / "made when needed")
    assert files.names("a/") == []
    for name in ("plan.json", "a/1", "a/12", "ab/1"):
        files.write(name, b"x")
    assert sorted(files.names("")) == ["a/1", "a/12", "ab/1", "plan.json"]
    assert (sorted(files.names("a/1")), files.names("a/12"), files.names("pl")) == (
        ["a/1", "a/12"],
        ["a/12"],
        ["plan.json"],
    )
    assert sorted(files.names("a")) == ["a/1", "a/12", "ab/1"]


def test_what_was_created_stays(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    assert files.create("a/1", b"first")
    assert not files.create("a/1", b"second")
    assert (files.read("a/1"), files.names("")) == (b"first", ["a/1"])
    files.write("a/1", b"third")
    assert files.read("a/1") == b"third"
    files.remove(["a/1", "a/2"])
    with pytest.raises(NotFound):
        files.read("a/1")
    assert files.create("a/1", b"fourth")


def test_of_many_at_once_one_creates(tmp_path: Path) -> None:
    files, start = LocalFiles(tmp_path), Barrier(8)

    def create(number: int) -> tuple[bool, bytes]:
        start.wait()
        return files.create("x", str(number).encode() * 10_000), files.read("x")

    with ThreadPoolExecutor(8) as pool:
        done = [*pool.map(create, range(8))]
    (winner,) = [number for number, (won, _) in enumerate(done) if won]
    assert {content for _, content in done} == {str(winner).encode() * 10_000}


@pytest.mark.parametrize("put", [LocalFiles.write, LocalFiles.create])
def test_what_cannot_be_written_leaves_no_draft(
    tmp_path: Path, put: Callable[[LocalFiles, str, bytes], object]
) -> None:
    (tmp_path / "a").write_bytes(b"a file where a folder should be")
    with pytest.raises(Unavailable, match=r"a/1 cannot be written"):
        put(LocalFiles(tmp_path), "a/1", b"x")
    (tmp_path / "b" / "1").mkdir(parents=True)
    with suppress(Unavailable):  # to a folder `create` says that there is something
        put(LocalFiles(tmp_path), "b/1", b"x")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["1", "a", "b"]
