"""`aisle batch` on this machine over the tiny bundle: its parts hold what the single commands print, and it goes on
where it was stopped.
"""

import json
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from aisle import batch_job
from aisle.catalogue import product_text, row_product
from aisle.cli import main
from aisle.encoder import Encoder
from aisle.files import LocalFiles

Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, *argv: object) -> str:
    assert main([str(argument) for argument in argv]) == 0
    return capsys.readouterr().out


def ran(capsys: Capture, bundle: Path, file: Path, *options: str) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The status printed, and the lines of all parts."""
    out = file.with_name(f"{file.stem}-out")
    status = json.loads(printed(capsys, "batch", "run", bundle, file, "--out", out, *options))
    return status, [row for part in sorted(out.glob("parts/*")) for row in pq.read_table(part).to_pylist()]


def failed(capsys: Capture, *argv: object) -> str:
    assert main([str(argument) for argument in argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = [f"p{n},{'red shoes' if n % 2 else 'lamp'},Red shoe number {n},Acme" for n in range(30)]
    return written(tmp_path / "pairs.csv", "pair_id,query,title,brand", *rows)


def many_pairs(folder: Path, count: int) -> Path:
    rows = [f"p{n},red shoes {n % 7},Red shoe number {n}" for n in range(count)]
    return written(folder / "many.csv", "pair_id,query,title", *rows)


def test_pairs_get_the_scores_that_aisle_score_prints(capsys: Capture, tiny_bundle: Path, pairs: Path) -> None:
    status, lines = ran(capsys, tiny_bundle, pairs)
    assert re.fullmatch(r"pairs-[0-9a-f]{10}", str(status.pop("job")))
    assert status.pop("seconds")
    expected = {"kind": "score", "state": "finished", "rows": 30, "done": 30, "rejected": 0, "reason": ""}
    assert status == expected
    told = [line.split("\t") for line in printed(capsys, "score", tiny_bundle, pairs).splitlines()]
    assert [[row["pair_id"], f"{row['score']:.9g}"] for row in lines] == told


def test_queries_get_the_ranking_of_aisle_run(capsys: Capture, tiny_bundle: Path, tmp_path: Path) -> None:
    queries = written(tmp_path / "queries.tsv", "query_id\tquery", "1\tred shoes", "2\t", "3\twhite lamp under 40")
    status, lines = ran(capsys, tiny_bundle, queries, "--k", "5")
    assert (status["done"], status["rejected"]) == (3, 1)
    told = [line.split() for line in printed(capsys, "run", tiny_bundle, queries, "--k", "5").splitlines()]
    assert [[r["query_id"], "Q0", r["product_id"], str(r["rank"]), repr(r["score"]), "aisle"] for r in lines] == told
    rejects = (tmp_path / "queries-out" / "rejects" / "chunk-00000.jsonl").read_text()
    assert json.loads(rejects) == {
        "row": 2,
        "reason": "query '' is no text",
        "remedy": "give what a shopper would type",
    }


def test_customers_get_the_list_of_aisle_recommend(capsys: Capture, tiny_bundle: Path, tmp_path: Path) -> None:
    customers = written(tmp_path / "customers.csv", "customer_id", "S000001", "nobody")
    _, lines = ran(capsys, tiny_bundle, customers, "--new")
    told = printed(capsys, "recommend", tiny_bundle, customers, "--new").splitlines()
    assert [f"{r['customer_id']}\t{r['product_id']}\t{r['rank']}\t{r['score']:.9g}" for r in lines] == told
    assert len(told) == 40


def test_products_get_the_vectors_of_the_encoder(capsys: Capture, tiny_bundle: Path, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.jsonl"
    catalogue.write_bytes((tiny_bundle / "products.jsonl").read_bytes())
    rows = [json.loads(line) for line in catalogue.read_bytes().splitlines()]
    _, lines = ran(capsys, tiny_bundle, catalogue)
    encoder = Encoder(tiny_bundle / "encoder")
    vectors = [encoder.encode([product_text(row_product(row))])[0].tolist() for row in rows]
    assert [(line["product_id"], line["vector"]) for line in lines] == [
        (row["product_id"], vector) for row, vector in zip(rows, vectors, strict=True)
    ]


def test_a_job_file_says_what_columns_do_not(capsys: Capture, tiny_bundle: Path, tmp_path: Path) -> None:
    both = written(tmp_path / "both.csv", "customer_id,query_id,query", "nobody,1,shoes")
    assert "tell several kinds: search, recommend" in failed(
        capsys, "batch", "run", tiny_bundle, both, "--out", tmp_path / "o"
    )
    (tmp_path / "both.csv.job.json").write_text('{"kind": "recommend", "k": 3}')
    assert len(ran(capsys, tiny_bundle, both)[1]) == 3
    again = tmp_path / "again"
    main(["batch", "run", str(tiny_bundle), str(both), "--out", str(again), "--kind", "search", "--k", "2"])
    assert json.loads(capsys.readouterr().out)["kind"] == "search"
    (tmp_path / "both.csv.job.json").write_text('{"kinds": "recommend"}')
    assert "unknown field `kinds`" in failed(capsys, "batch", "run", tiny_bundle, both, "--out", tmp_path / "o")


def test_a_second_run_finds_the_job_done(capsys: Capture, tiny_bundle: Path, pairs: Path) -> None:
    first, _ = ran(capsys, tiny_bundle, pairs)
    out = pairs.with_name("pairs-out")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert ran(capsys, tiny_bundle, pairs)[0] == first
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert json.loads(printed(capsys, "batch", "status", out)) == first


def test_a_folder_with_something_else_is_left_alone(
    capsys: Capture, tiny_bundle: Path, pairs: Path, tmp_path: Path
) -> None:
    ran(capsys, tiny_bundle, pairs)
    out = pairs.with_name("pairs-out")
    told = failed(capsys, "batch", "run", tiny_bundle, pairs, "--out", out, "--kind", "score")
    assert f"{out}: the job here is pairs-" in told
    assert "name another place" in told
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.png").touch()
    told = failed(capsys, "batch", "run", tiny_bundle, pairs, "--out", other)
    assert f"{other} has cat.png but no batch job: name a new folder with --out" in told


def test_neither_the_out_folder_nor_a_job_file_may_be_something_else(
    capsys: Capture, tiny_bundle: Path, pairs: Path
) -> None:
    told = failed(capsys, "batch", "run", tiny_bundle, pairs, "--out", pairs)
    assert f"{pairs} is no folder: name a new folder with --out" in told
    pairs.with_name(pairs.name + ".job.json").mkdir()
    told = failed(capsys, "batch", "run", tiny_bundle, pairs, "--out", pairs.with_name("out"))
    assert f"{pairs}.job.json cannot be read (Is a directory): it is the job file: write it anew" in told


def test_a_bad_file_fails_until_it_is_mended(capsys: Capture, tiny_bundle: Path, tmp_path: Path) -> None:
    file, out = written(tmp_path / "t.csv", "title,price", "a,1"), tmp_path / "out"
    assert "tell no kind of job" in failed(capsys, "batch", "run", tiny_bundle, file, "--out", out)
    status = json.loads(printed(capsys, "batch", "status", out))
    assert (status["state"], status["reason"]) == ("failed", "the columns title, price tell no kind of job")
    written(file, "product_id,title", "1,a")
    assert json.loads(printed(capsys, "batch", "run", tiny_bundle, file, "--out", out))["state"] == "finished"


@pytest.mark.slow
def test_cancelled_from_elsewhere_it_stops_and_the_same_command_goes_on(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(batch_job, "CHUNK_ROWS", {"score": 20})
    file, out = many_pairs(tmp_path, 4000), tmp_path / "out"

    def cancel_soon() -> None:
        while not [*out.glob("receipts/*")]:
            time.sleep(0.001)
        batch_job.cancel(LocalFiles(out), "by the boss")

    with ThreadPoolExecutor(1) as pool:
        cancelled = pool.submit(cancel_soon)
        told = failed(capsys, "batch", "run", tiny_bundle, file, "--out", out)
        cancelled.result()
    assert "was cancelled: by the boss: run the same command to go on" in told
    status = json.loads(printed(capsys, "batch", "cancel", out))
    assert (status["state"], status["reason"]) == ("cancelled", "by `aisle batch cancel`")
    assert 0 < status["done"] < 4000
    assert json.loads(printed(capsys, "batch", "run", tiny_bundle, file, "--out", out))["done"] == 4000
    assert "has finished" in failed(capsys, "batch", "cancel", out)


@pytest.mark.slow
def test_interrupted_it_can_be_gone_on_with(capsys: Capture, tiny_bundle: Path, tmp_path: Path) -> None:
    """Interrupted at moments nobody chose, in a process of its own."""
    file, out = many_pairs(tmp_path, 16_000), tmp_path / "out"
    argv = [sys.executable, "-m", "aisle", "batch", "run", str(tiny_bundle), str(file), "--out", str(out)]
    for _ in range(2):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        there = len([*out.glob("receipts/*")])
        while process.poll() is None and len([*out.glob("receipts/*")]) == there:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == b""
        assert process.returncode == 130
    status = json.loads(printed(capsys, "batch", "status", out))
    assert status["state"] == "running"
    assert 0 < status["done"] < 16_000
    finished = subprocess.run(argv, capture_output=True, check=True)
    assert json.loads(finished.stdout)["done"] == 16_000
    found = (
        duckdb.connect().execute(f"select count(*), count(distinct pair_id) from '{out}/parts/*.parquet'").fetchall()
    )
    assert found == [(16_000, 16_000)]
    assert [path for path in out.rglob("*") if path.name.startswith(".")] == []


def test_a_person_sees_a_table(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path, pairs: Path
) -> None:
    ran(capsys, tiny_bundle, pairs)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    header, line = printed(capsys, "batch", "status", pairs.with_name("pairs-out")).splitlines()
    assert header.split() == ["job", "kind", "state", "rows", "done", "rejected", "seconds", "reason"]
    assert line.split()[1:6] == ["score", "finished", "30", "30", "0"]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ("batch run f.csv", "BUNDLE and --out are not both given"),
        ("batch run b f.csv", "BUNDLE and --out are not both given"),
        ("batch run b f.csv --stage dev", "--stage stands beside BUNDLE or --out"),
        ("batch run b f.csv --out o", "f.csv does not exist"),
        ("batch status", "no job is named"),
        ("batch status nowhere", "nowhere is no folder of a batch job"),
        ("batch cancel nowhere", "nowhere is no folder of a batch job"),
        ("batch resume out", "the following arguments are required: --stage"),
        ("batch run b f.csv --kind sing", "invalid choice: 'sing'"),
        ("batch", "the following arguments are required: ACTION"),
    ],
)
def test_what_cannot_be_done_is_told(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argv: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in failed(capsys, *argv.split())


def test_every_option_of_an_action_is_documented(capsys: Capture) -> None:
    table = (Path(__file__).parent.parent / "docs" / "command-line.md").read_text(encoding="utf-8")
    for action in ("run", "status", "cancel", "resume"):
        with pytest.raises(SystemExit):
            main(["batch", action, "--help"])
        options = {*re.findall(r"--[a-z]+", capsys.readouterr().out)} - {"--help"}
        lines = [line for line in table.splitlines() if line.startswith(f"| `aisle batch {action} ")]
        assert [sorted(option for option in options if option not in line) for line in lines] == [[]]
