"""A batch job: each row is in one part or one file of rejects, once, wherever workers die and however often begun."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import Clock
from world_batch import Letters, pairs_file

from aisle import batch_job, batch_part
from aisle.batch_job import (
    Job,
    Manifest,
    Part,
    Plan,
    Receipt,
    SourceFacts,
    Status,
    cancel,
    job_id,
    missing,
    plan,
    read_plan,
    resume,
    status,
)
from aisle.batch_kinds import Options
from aisle.batch_source import Chunk, LocalSource
from aisle.errors import BadInput, NotFound, Unavailable
from aisle.files import Files, LocalFiles


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_job, "CHUNK_ROWS", dict.fromkeys(batch_job.CHUNK_ROWS, 4))


class DyingFiles:
    """Files whose worker dies before its write number `dies_at`, or right after it where `late`."""

    def __init__(self, files: Files, dies_at: int, late: bool) -> None:
        self.files, self.left, self.late = files, dies_at, late
        self.names, self.read, self.write, self.remove = files.names, files.read, files.write, files.remove

    def create(self, name: str, content: bytes) -> bool:
        self.left -= 1
        if self.left == 0 and not self.late:
            raise KeyboardInterrupt
        made = self.files.create(name, content)
        if self.left == 0:
            raise KeyboardInterrupt
        return made


def planned(files: Files, path: Path, options: Options = Options()) -> Plan:  # noqa: B008
    return plan(files, LocalSource(path), options, "bundle", Clock(1.0))


def worker(files: Files, path: Path, threads: int = 1) -> Job:
    return Job(files, LocalSource(path), Letters(), threads, Clock(1.0))


def run_all(files: Files, path: Path, order: Sequence[int] | None = None) -> Manifest | None:
    made, job = planned(files, path), worker(files, path)
    for number in range(len(made.chunks)) if order is None else order:
        job.run_chunk(made, number)
    return job.finish(made)


def scores(folder: Path) -> list[tuple[str, float]]:
    """All lines of all parts, in the order of their names."""
    parts = sorted((folder / "parts").glob("*.parquet"))
    return [(row["pair_id"], round(row["score"], 4)) for part in parts for row in pq.read_table(part).to_pylist()]


def rejected(folder: Path) -> list[int]:
    files = sorted((folder / "rejects").glob("*.jsonl"))
    return [json.loads(line)["row"] for file in files for line in file.read_text().splitlines()]


def expected(count: int) -> list[tuple[str, float]]:
    kept = [n for n in range(1, count + 1) if n % 5]
    return [(f"p{n}", round(n % 7 + 1 + len(f"title {n}") / 1000, 4)) for n in kept]


def test_a_job_is_planned_once_and_scored_chunk_by_chunk(tmp_path: Path) -> None:
    path, files = pairs_file(tmp_path, 6), LocalFiles(tmp_path / "out")
    source = LocalSource(path)
    made = planned(files, path)
    facts = SourceFacts("pairs.csv", source.size, source.version)
    chunks = [Chunk(0, 1, 4, 20, 82), Chunk(1, 5, 2, 82, 117)]
    job = job_id(source, Options(), "bundle")
    assert made == Plan(job, "score", Options(), "bundle", facts, ["pair_id", "query", "title"], 1.0, chunks)
    assert job.startswith("pairs-")
    assert planned(files, path) == read_plan(files) == made
    assert status(files) == Status(job, "score", "planned", 6, 0, 0, 0.0)
    at_work = worker(files, path)
    receipt = at_work.run_chunk(made, 1)
    assert receipt
    part = tmp_path / "out" / "parts" / "chunk-00001.parquet"
    assert msgspec.structs.replace(receipt, memory_mb=0) == Receipt(1, 2, 1, 1, 1, part.stat().st_size, 1.0, 0, 2.0)
    assert 10 < receipt.memory_mb < 100_000
    assert at_work.run_chunk(made, 1) is None
    assert at_work.finish(made) is None
    assert (missing(files, made), status(files)) == ([0], Status(job, "score", "running", 6, 2, 1, 1.0))
    assert at_work.run_chunk(made, 0)
    manifest = at_work.finish(made)
    assert manifest
    sizes = [(tmp_path / "out" / "parts" / f"chunk-0000{n}.parquet").stat().st_size for n in (0, 1)]
    parts = [Part("parts/chunk-00000.parquet", 4, sizes[0]), Part("parts/chunk-00001.parquet", 1, sizes[1])]
    assert msgspec.structs.replace(manifest, memory_mb=0) == Manifest(
        job, "score", Options(), "bundle", facts, 6, 5, 1, 2.0, 3.0, 2.0, 0, 0.0, parts, ["rejects/chunk-00001.jsonl"]
    )
    assert at_work.finish(made) == manifest
    assert status(files) == Status(job, "score", "finished", 6, 6, 1, 2.0)
    assert (scores(tmp_path / "out"), rejected(tmp_path / "out")) == (expected(6), [5])


def test_parts_are_read_by_duckdb(tmp_path: Path) -> None:
    path = pairs_file(tmp_path, 40)
    run_all(LocalFiles(tmp_path / "out"), path)
    found = (
        duckdb.connect()
        .execute(f"select count(*), count(distinct pair_id) from '{tmp_path}/out/parts/*.parquet'")
        .fetchall()
    )
    assert found == [(32, 32)]
    codecs = (
        pq.ParquetFile(tmp_path / "out" / "parts" / "chunk-00000.parquet").metadata.row_group(0).column(0).compression
    )
    assert codecs == "ZSTD"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seed=st.integers(0, 10**6))
def test_workers_that_die_anywhere_lose_and_double_nothing(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance, folder = random.Random(seed), tmp_path_factory.mktemp("job")
    path, files = pairs_file(folder, 23), LocalFiles(folder / "out")
    for _ in range(10):
        order = [*range(6), *range(6)]
        chance.shuffle(order)
        dying = DyingFiles(files, chance.randint(1, 12), chance.random() < 0.5)
        try:
            run_all(dying, path, order)
        except KeyboardInterrupt:
            continue
    manifest = run_all(files, path)
    assert manifest
    assert (manifest.rows, manifest.scored, manifest.rejected) == (23, 19, 4)
    assert (scores(folder / "out"), rejected(folder / "out")) == (expected(23), [5, 10, 15, 20])
    assert [part.bytes for part in manifest.parts] == [
        (folder / "out" / part.name).stat().st_size for part in manifest.parts
    ]
    assert sum(part.rows for part in manifest.parts) == 19


def test_parts_do_not_depend_on_order_threads_or_how_often(tmp_path: Path) -> None:
    path = pairs_file(tmp_path, 23)
    one, two = LocalFiles(tmp_path / "one"), LocalFiles(tmp_path / "two")
    run_all(one, path)
    made = planned(two, path)
    for number in (5, 3, 3, 0, 1, 4, 2, 5):
        worker(two, path, threads=3).run_chunk(made, number)
    same = [name for name in one.names("") if name.startswith(("parts/", "rejects/"))]
    assert sorted(same) == sorted(name for name in two.names("") if name.startswith(("parts/", "rejects/")))
    assert [name for name in same if one.read(name) != two.read(name)] == []


def test_a_job_id_follows_from_file_bundle_and_what_is_asked(tmp_path: Path) -> None:
    source = LocalSource(pairs_file(tmp_path, 3, "Our pairs (1).csv"))
    asked = [(Options(), "a"), (Options(), "b"), (Options("score"), "a")]
    ids = [job_id(source, options, bundle) for options, bundle in asked]
    assert len({*ids}) == 3
    assert ids[0] == job_id(source, Options(), "a")
    assert {name.rpartition("-")[0] for name in ids} == {"our-pairs-1"}
    assert job_id(LocalSource(pairs_file(tmp_path, 4, "Our pairs (1).csv")), Options(), "a") != ids[0]
    assert job_id(LocalSource(pairs_file(tmp_path, 4, "帽.csv")), Options(), "a").startswith("job-")


def test_another_job_does_not_mix_with_the_one_that_is_there(tmp_path: Path) -> None:
    path, files = pairs_file(tmp_path, 3), LocalFiles(tmp_path / "out")
    planned(files, path)
    with pytest.raises(BadInput, match="the job here is pairs-"):
        planned(files, path, Options("score"))


def test_of_two_jobs_planned_at_once_in_one_folder_one_is_refused(tmp_path: Path) -> None:
    class Slow(LocalFiles):
        """Somebody else's plan is written first."""

        def create(self, name: str, content: bytes) -> bool:
            planned(LocalFiles(tmp_path / "out"), path, Options("score"))
            return super().create(name, content)

    path = pairs_file(tmp_path, 3)
    with pytest.raises(BadInput, match="name another place for this one"):
        planned(Slow(tmp_path / "out"), path)
    assert read_plan(LocalFiles(tmp_path / "out")).options == Options("score")


def test_a_receipt_that_is_broken_is_named(tmp_path: Path) -> None:
    path, files = pairs_file(tmp_path, 3), LocalFiles(tmp_path / "out")
    run_all(files, path)
    files.remove(["manifest.json"])
    files.write("receipts/chunk-00000.json", b"")
    with pytest.raises(BadInput, match=r"receipts/chunk-00000\.json is not what this version of aisle writes"):
        status(files)


def test_a_cancelled_job_begins_no_chunk_until_it_is_resumed(tmp_path: Path) -> None:
    path, files = pairs_file(tmp_path, 10), LocalFiles(tmp_path / "out")
    made, at_work = planned(files, path), worker(files, path)
    at_work.run_chunk(made, 0)
    cancel(files, "too dear")
    assert at_work.run_chunk(made, 1) is None
    assert status(files) == Status(made.job, "score", "cancelled", 10, 4, 0, 1.0, "too dear")
    assert resume(files) == [1, 2]
    assert status(files).state == "running"
    assert run_all(files, path)
    assert resume(files) == []
    with pytest.raises(BadInput, match="has finished"):
        cancel(files, "too late")


def test_where_there_is_no_job_it_is_said(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    for call in (status, resume, read_plan, lambda files: cancel(files, "")):
        with pytest.raises(NotFound):
            call(files)


def test_a_file_that_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    path, files = tmp_path / "pairs.csv", LocalFiles(tmp_path / "out")
    path.write_text("title,price\n")
    for _ in range(2):
        with pytest.raises(BadInput, match="tell no kind of job"):
            planned(files, path)
    found = status(files)
    assert (found.state, found.reason) == ("failed", "the columns title, price tell no kind of job")
    assert files.names("") == ["failed.json"]


def test_a_file_that_goes_in_mid_job_fails_it(tmp_path: Path) -> None:
    path, files = pairs_file(tmp_path, 10), LocalFiles(tmp_path / "out")
    made, at_work = planned(files, path), worker(files, path)
    at_work.run_chunk(made, 0)
    path.unlink()
    with pytest.raises(NotFound, match=r"pairs\.csv is gone"):
        at_work.run_chunk(made, 1)
    assert at_work.run_chunk(made, 2) is None
    assert status(files) == Status(made.job, "score", "failed", 10, 4, 0, 1.0, "pairs.csv is gone")


def test_a_chunk_that_takes_too_long_leaves_nothing(tmp_path: Path) -> None:
    path, files = pairs_file(tmp_path, 10), LocalFiles(tmp_path / "out")
    made = planned(files, path)
    left = iter([True, False])
    with pytest.raises(Unavailable, match="takes too long"):
        Job(files, LocalSource(path), Letters(), 2, Clock(), lambda: next(left)).run_chunk(made, 0)
    assert files.names("") == ["plan.json"]


def test_work_has_its_price(tmp_path: Path) -> None:
    path, files = pairs_file(tmp_path, 10), LocalFiles(tmp_path / "out")
    made = planned(files, path)
    at_work = Job(files, LocalSource(path), Letters(), 1, Clock(1.0), usd_per_second=0.25)
    for number in range(3):
        at_work.run_chunk(made, number)
    manifest = at_work.finish(made)
    assert manifest
    assert (manifest.seconds, manifest.cost_usd) == (3.0, 0.75)


def test_a_table_without_rows_is_a_finished_job(tmp_path: Path) -> None:
    manifest = run_all(LocalFiles(tmp_path / "out"), pairs_file(tmp_path, 0))
    assert manifest
    assert (manifest.rows, manifest.parts, manifest.rows_per_second) == (0, [], 0.0)


@pytest.mark.parametrize(
    ("kind", "table", "lines"),
    [
        ("search", "query_id,query\n1,hat\n2,zz\n", [{"query_id": "1", "rank": 1, "product_id": "hat", "score": 3.0}]),
        (
            "recommend",
            "customer_id\nanna\n",
            [{"customer_id": "anna", "rank": 1, "product_id": "hat", "score": 0.5}],
        ),
    ],
)
def test_lists_are_lines_of_a_part(tmp_path: Path, kind: str, table: str, lines: list[dict[str, object]]) -> None:
    path, files = tmp_path / "asked.csv", LocalFiles(tmp_path / "out")
    path.write_text(table)
    made = planned(files, path, Options(k=1))
    assert made.kind == kind
    worker(files, path).run_chunk(made, 0)
    assert pq.read_table(tmp_path / "out" / "parts" / "chunk-00000.parquet").to_pylist() == lines


def test_vectors_are_lists_of_one_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_part, "LINES", 2)
    path, files = tmp_path / "products.jsonl", LocalFiles(tmp_path / "out")
    path.write_text("\n".join(json.dumps({"product_id": n, "title": "a" * n}) for n in range(4)))
    worker(files, path).run_chunk(planned(files, path), 0)
    table = pq.read_table(tmp_path / "out" / "parts" / "chunk-00000.parquet")
    assert table.to_pylist() == [{"product_id": str(n), "vector": [n, n, 1]} for n in (1, 2, 3)]
    assert str(table.schema.field("vector").type) == "fixed_size_list<element: float>[3]"
    assert rejected(tmp_path / "out") == [1]
