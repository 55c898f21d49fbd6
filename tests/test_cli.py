"""The command line as scripts meet it: exact formats, exit codes, one sentence for each mistake."""

import io
import json
import math
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import boto3
import msgspec
import pytest

from aisle import __version__, cli
from aisle.bundle import Bundle
from aisle.cli import COMMANDS, main
from aisle.golden import Golden, GoldenQuery
from aisle.runtime import open_services
from aisle.sealing import sealing
from aisle.settings import Settings
from aisle.types import Product

Capture = pytest.CaptureFixture[str]


def products_of(bundle: Path) -> list[Product]:
    return [msgspec.json.decode(line, type=Product) for line in (bundle / "products.jsonl").read_bytes().splitlines()]


def titles(bundle: Path, count: int) -> list[str]:
    """Different titles, each of which finds its own product."""
    return list(dict.fromkeys(product.title for product in products_of(bundle)))[:count]


def failed(capsys: Capture, *argv: object) -> str:
    """What a command that must fail with 2 says on stderr; it prints nothing on stdout."""
    assert main([str(argument) for argument in argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("aisle: ")
    assert err.count("\n") == 1
    return err.removeprefix("aisle: ").rstrip("\n")


def stdout_of(capsys: Capture, *argv: object) -> str:
    assert main([str(argument) for argument in argv]) == 0
    return capsys.readouterr().out


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def resealed(bundle: Path, target: Path, golden: Golden) -> Path:
    """`bundle` with other golden answers, properly sealed."""
    with sealing(target) as draft:
        for file in Bundle.open(bundle).manifest.files:
            (draft.folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            (draft.folder / file.path).write_bytes((bundle / file.path).read_bytes())
        golden.save(draft.folder / "golden.json")
        draft.seal(Bundle.open(bundle).manifest)
    return target


# What can be typed


def test_help_lists_every_command_and_those_of_the_workshop(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--help"])

    listed = re.findall(r"^    (\w+)\b", capsys.readouterr().out, flags=re.MULTILINE)
    assert (exited.value.code, listed) == (0, [*COMMANDS, "build", "demo", "heavy", "release"])


def test_help_loads_none_of_what_serving_needs() -> None:
    code = (
        "import sys, aisle.cli\ntry: aisle.cli.main(['--help'])\n"
        "except SystemExit: print(sorted({'numpy', 'msgspec', 'onnxruntime'} & set(sys.modules)))"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.splitlines()[-1] == "[]"


def test_version_is_printed_by_the_module_too() -> None:
    answer = subprocess.run([sys.executable, "-m", "aisle", "--version"], capture_output=True, text=True, check=True)

    assert answer.stdout == f"aisle {__version__}\n"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("serve", "keys", "recommend")])
def test_the_example_in_each_help_works(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_bundle: Path, aws: dict[str, str], name: str
) -> None:
    boto3.client("s3").create_bucket(Bucket="aisle-dev-bundles-123456789012")
    product = products_of(tiny_bundle)[0]
    (tmp_path / "bundle").symlink_to(tiny_bundle)
    (tmp_path / "catalogue.csv").write_text("product_id,title\n7,red shoe\n", encoding="utf-8")
    (tmp_path / "queries.tsv").write_text(f"query_id\tquery\n1\t{product.title}\n", encoding="utf-8")
    (tmp_path / "qrels.txt").write_text(f"1 0 {product.product_id} 1\n", encoding="utf-8")
    (tmp_path / "pairs.csv").write_text("pair_id,query,title\n1,red,red shoe\n", encoding="utf-8")
    (tmp_path / "customers.csv").write_text("customer_id\nS000001\n", encoding="utf-8")
    (tmp_path / "orders.csv").write_text("customer_id,product_id,date\nanna,7,2026-01-31\n", encoding="utf-8")
    (tmp_path / "events.jsonl").write_text(
        '{"action_name": "view", "timestamp": "2026-01-31T09:30:00Z", "user_id": "anna"}\n', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main([name, "--help"])
    example = capsys.readouterr().out.partition("example:\n")[2].strip()

    assert shlex.split(example)[:2] == ["aisle", name]
    assert main(shlex.split(example)[1:]) == 0


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "the following arguments are required: COMMAND: `aisle --help` shows an example"),
        (["run", "b"], "the following arguments are required: QUERIES: `aisle run --help` shows an example"),
        (
            ["run", "b", "q.tsv", "--k", "1001"],
            "argument --k: '1001' is no whole number from 1 to 1000: `aisle run --help` shows an example",
        ),
        (
            ["search", "b", "shoe", "--k", "0"],
            "argument --k: '0' is no whole number from 1 to 200: `aisle search --help` shows an example",
        ),
        (["verify", "b", "--js"], "unrecognized arguments: --js: `aisle --help` shows an example"),
        (["run", "b", "none.tsv"], "none.tsv does not exist: check the path"),
        (["run", "b", "q.txt"], "q.txt ends in .txt: name it for its format: .parquet, .csv, .tsv, .jsonl"),
        (["score", "b", "none.csv"], "none.csv does not exist: check the path"),
        (
            ["evaluate", "b", "--queries", "q.tsv", "--qrels", "l.txt", "--report", "none/r.html"],
            "none is not a folder: choose another --report file",
        ),
        (
            ["evaluate", "b", "--queries", "q.tsv", "--qrels", "l.txt", "--measures", "shine@10"],
            "'shine@10' is no measure of ir_measures: name one such as nDCG@10, RR@10, R@100, P@10, Judged@10",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_what_to_try_next(capsys: Capture, argv: list[str], sentence: str) -> None:
    assert failed(capsys, *argv) == sentence


def test_an_unknown_command_is_told_the_known_ones(capsys: Capture) -> None:
    assert "invalid choice: 'inspec' (choose from 'index', 'search'" in failed(capsys, "inspec", "bundle")


@pytest.mark.parametrize(
    "argv",
    [
        ["inspect", "BUNDLE"],
        ["verify", "BUNDLE"],
        ["search", "BUNDLE", "shoe"],
        ["index", "BUNDLE", "c.csv", "--out", "o"],
        ["serve", "BUNDLE"],
    ],
)
def test_a_folder_that_is_no_bundle_is_named(capsys: Capture, tmp_path: Path, argv: list[str]) -> None:
    sentence = failed(capsys, *(tmp_path if argument == "BUNDLE" else argument for argument in argv))

    assert sentence.startswith(f"{tmp_path} has no readable manifest.json")


# Commands of other packages


def registers(monkeypatch: pytest.MonkeyPatch, function: object) -> None:
    point = SimpleNamespace(name="build", module="workshop.commands", load=lambda: function)
    monkeypatch.setattr(cli, "entry_points", lambda group: [point] if group == "aisle.commands" else [])


def test_a_registered_command_gets_the_remaining_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    registers(monkeypatch, seen.append)

    assert (main(["build", "demo", "--out", "x"]), seen) == (0, [["demo", "--out", "x"]])


@pytest.mark.parametrize("arguments", [["build", "demo", "--out", "bundle"], ["demo", "--check"]])
def test_without_the_export_extra_the_command_names_it(tmp_path: Path, arguments: list[str]) -> None:
    code = f"import sys; sys.modules['torch'] = None; import aisle.cli; sys.exit(aisle.cli.main({arguments}))"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)

    sentence = "aisle: torch is not installed: pip install 'aisle[export]'\n"
    assert (answer.returncode, answer.stdout, answer.stderr) == (2, "", sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["torch", "transformers.utils", "workshop"])
def test_a_missing_package_of_a_command_is_named_with_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, package: str
) -> None:
    def build(arguments: list[str]) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    registers(monkeypatch, build)

    assert failed(capsys, "build") == f"{package} is not installed: pip install 'aisle[export]'"


def test_a_fault_in_a_command_s_own_modules_is_not_called_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(arguments: list[str]) -> None:
        raise ImportError("cannot import name 'Ranker'", name="workshop.ranking")

    registers(monkeypatch, build)

    with pytest.raises(ImportError, match="cannot import name"):
        main(["build"])


def test_interruption_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    registers(monkeypatch, build)

    assert main(["build"]) == 130


# search


def test_search_prints_one_hit_a_line_to_a_pipe(capsys: Capture, tiny_bundle: Path) -> None:
    title = titles(tiny_bundle, 1)[0]
    whole = json.loads(stdout_of(capsys, "search", tiny_bundle, title, "--k", 3, "--json"))

    lines = stdout_of(capsys, "search", tiny_bundle, title, "--k", 3).splitlines()

    assert [json.loads(line) for line in lines] == whole["hits"]
    assert 1 <= len(lines) <= 3
    assert whole["bundle_id"] == Bundle.open(tiny_bundle).manifest.bundle_id
    assert whole["degraded"] == []


def test_search_prints_a_table_to_a_terminal(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    title = titles(tiny_bundle, 1)[0]
    hits = [json.loads(line) for line in stdout_of(capsys, "search", tiny_bundle, title, "--k", 3).splitlines()]
    on_a_terminal(monkeypatch)

    lines = stdout_of(capsys, "search", tiny_bundle, title, "--k", 3).splitlines()

    head = next(n for n, line in enumerate(lines) if line.split()[:2] == ["rank", "score"])
    assert lines[head].split() == ["rank", "score", "price", "product_id", "title"]
    assert re.match(rf"{len(hits)} of \d+ articles, \d+ ms", lines[head - 1])
    for rank, (line, hit) in enumerate(zip(lines[head + 1 :], hits, strict=True), start=1):
        assert line.split()[:2] == [str(rank), f"{hit['score']:.3f}"]
        assert hit["product_id"] in line
        assert line.endswith(hit["title"])


def test_search_refuses_a_language_that_is_none_and_a_query_that_is_too_long(
    capsys: Capture, tiny_bundle: Path
) -> None:
    assert failed(capsys, "search", tiny_bundle, "shoe", "--lang", "English").startswith('argument lang is "English"')
    assert failed(capsys, "search", tiny_bundle, "x" * 1001).startswith("argument query is ")


# run


def test_run_prints_a_trec_run_with_ids_as_read(capsys: Capture, tmp_path: Path, tiny_bundle: Path) -> None:
    first, second, third = titles(tiny_bundle, 3)
    table = tmp_path / "queries.csv"
    rows = [("007", first), ("1e5", second), ("3.0", "¿!"), ("q", third)]
    table.write_text(
        "query_id,kind,query\n" + "".join(f"{i},x,{json.dumps(q, ensure_ascii=False)}\n" for i, q in rows),
        encoding="utf-8",
    )
    services = open_services(Settings(bundle=tiny_bundle))

    lines = [line.split(" ") for line in stdout_of(capsys, "run", tiny_bundle, table, "--k", 5).splitlines()]

    expected = [
        [query_id, "Q0", product_id, str(rank), "aisle"]
        for query_id, query in rows
        for rank, (product_id, _) in enumerate(services.ranking(query, 5), start=1)
    ]
    assert [[*line[:4], line[5]] for line in lines] == expected
    assert {line[0] for line in lines} == {"007", "1e5", "q"}


def test_scores_of_a_run_fall_strictly_within_each_query(capsys: Capture, tmp_path: Path, tiny_bundle: Path) -> None:
    (tmp_path / "q.jsonl").write_text(
        "".join(json.dumps({"query_id": n, "query": t}) + "\n" for n, t in enumerate(titles(tiny_bundle, 4)))
    )

    lines = [
        line.split() for line in stdout_of(capsys, "run", tiny_bundle, tmp_path / "q.jsonl", "--k", 1000).splitlines()
    ]

    for query_id in "0123":
        scores = [msgspec.json.decode(line[4], type=float) for line in lines if line[0] == query_id]
        assert scores
        assert all(low < high for high, low in pairwise(scores))


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl", "parquet", "-"])
def test_every_format_of_queries_gives_the_same_run(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_bundle: Path, ending: str
) -> None:
    title = titles(tiny_bundle, 1)[0].replace(",", " ")
    (tmp_path / "expected.csv").write_text(f"query_id,query\n007,{title}\n", encoding="utf-8")
    expected = stdout_of(capsys, "run", tiny_bundle, tmp_path / "expected.csv", "--k", 2)
    table: Path | str = tmp_path / f"queries.{ending}"
    if ending == "parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"query_id": ["007"], "query": [title]}), table)
    elif ending == "jsonl":
        Path(table).write_text(json.dumps({"query_id": "007", "query": title}), encoding="utf-8")
    elif ending == "-":
        table = "-"
        type_in(monkeypatch, f"query_id\tquery\n007\t{title}\n")
    else:
        between = "," if ending == "csv" else "\t"
        Path(table).write_text(f"query_id{between}query\n007{between}{title}\n", encoding="utf-8")

    assert stdout_of(capsys, "run", tiny_bundle, table, "--k", 2) == expected
    assert expected.startswith("007 Q0 ")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,query\n1,a\n", "has no column query_id; it has id, query: add or rename the column"),
        ("query_id,query\n1,a\n1,b\n", ", row 2: query_id 1 occurs twice: give each query its own id"),
        ("query_id,query\n1,a,b\n", ", line 2: 3 cells where the header has 2: give every row one cell a column"),
        ("", " is empty: give a table with a header and rows"),
    ],
)
def test_queries_that_break_a_rule_are_refused(
    capsys: Capture, tmp_path: Path, tiny_bundle: Path, text: str, sentence: str
) -> None:
    (tmp_path / "q.csv").write_text(text)

    assert sentence in failed(capsys, "run", tiny_bundle, tmp_path / "q.csv")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, tiny_bundle: Path) -> None:
    rows = "".join(f"{n}\t{title}\n" for n, title in enumerate(titles(tiny_bundle, 4) * 100))
    (tmp_path / "q.tsv").write_text("query_id\tquery\n" + rows, encoding="utf-8")
    command = [sys.executable, "-m", "aisle", "run", str(tiny_bundle), str(tmp_path / "q.tsv")]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        first = running.stdout.readline()
        running.stdout.close()
        complaints = running.stderr.read()

    assert (first[:5], complaints, running.returncode) == ("0 Q0 ", "", 141)


# score


def test_score_depends_on_each_pair_alone(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_bundle: Path
) -> None:
    first, second = titles(tiny_bundle, 2)
    both = f"pair_id\tquery\ttitle\tbrand\n007\t{first}\t{first}\t\n1e5\t{first}\t{second}\tNo name\n"
    (tmp_path / "pairs.tsv").write_text(both, encoding="utf-8")
    services = open_services(Settings(bundle=tiny_bundle))

    lines = stdout_of(capsys, "score", tiny_bundle, tmp_path / "pairs.tsv").splitlines()
    type_in(monkeypatch, "".join(both.splitlines(keepends=True)[::2]))
    alone = stdout_of(capsys, "score", tiny_bundle, "-").splitlines()

    left, right = services.rerank(first, [first, f"{second} No name"])
    assert lines == [f"007\t{left:.9g}", f"1e5\t{right:.9g}"]
    assert alone == lines[1:]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"pair_id": 1, "query": "a"}], "has no column title"),
        (
            [{"pair_id": 1, "query": "a", "title": "b"}] * 2,
            ", row 2: pair_id 1 occurs twice: give each pair its own id",
        ),
        (
            [{"pair_id": 1, "query": "a", "title": ["b"]}],
            ", row 1: title ['b'] is not text: write title as text",
        ),
        ([{"pair_id": 1.5, "query": "a", "title": "b"}], ", row 1, pair_id: 1.5 is no id"),
    ],
)
def test_pairs_that_break_a_rule_are_refused(
    capsys: Capture, tmp_path: Path, tiny_bundle: Path, rows: list[dict[str, object]], sentence: str
) -> None:
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert sentence in failed(capsys, "score", tiny_bundle, tmp_path / "pairs.jsonl")


# evaluate


def judged(folder: Path, bundle: Path, qrels: str) -> list[str]:
    """The arguments for two queries, 007 and 8, that ask for the first two titles."""
    first, second = titles(bundle, 2)
    (folder / "queries.tsv").write_text(f"query_id\tquery\n007\t{first}\n8\t{second}\n", encoding="utf-8")
    (folder / "qrels.txt").write_text(qrels, encoding="utf-8")
    return [str(bundle), "--queries", str(folder / "queries.tsv"), "--qrels", str(folder / "qrels.txt")]


def test_evaluate_measures_what_run_prints(capsys: Capture, tmp_path: Path, tiny_bundle: Path) -> None:
    ranking = [p for p, _ in open_services(Settings(bundle=tiny_bundle)).ranking(titles(tiny_bundle, 1)[0], 10)]
    arguments = judged(tmp_path, tiny_bundle, f"007 0 {ranking[1]} 1\n")

    assert main(["evaluate", *arguments, "--measures", "RR@10", "nDCG@10", "R@100"]) == 0

    out, err = capsys.readouterr()
    *measures, latency = [json.loads(line) for line in out.splitlines()]
    assert measures == [
        {"measure": name, "mean": value, "low": value, "high": value, "queries": 1}
        for name, value in (("RR@10", 0.5), ("nDCG@10", pytest.approx(1 / math.log2(3))), ("R@100", 1.0))
    ]
    assert (latency["measure"], latency["queries"]) == ("latency_ms", 1)
    assert 0 < latency["median"] <= latency["p95"]
    assert err == "1 of 2 queries have no judgements and are skipped\n"


def test_evaluate_prints_a_table_to_a_terminal(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_bundle: Path
) -> None:
    ranking = [p for p, _ in open_services(Settings(bundle=tiny_bundle)).ranking(titles(tiny_bundle, 1)[0], 10)]
    arguments = judged(tmp_path, tiny_bundle, f"007 0 {ranking[0]} 1\n")
    on_a_terminal(monkeypatch)

    lines = stdout_of(capsys, "evaluate", *arguments, "--measures", "RR@10").splitlines()

    assert lines[:2] == ["measure    mean     95 % interval", "RR@10    1.0000  1.0000 to 1.0000"]
    assert re.fullmatch(r"1 queries; a search takes [\d.]+ ms \(median\), [\d.]+ ms \(p95\)", lines[2])


def test_evaluate_writes_a_report_with_every_section(capsys: Capture, tmp_path: Path, tiny_bundle: Path) -> None:
    ids = [product.product_id for product in products_of(tiny_bundle)[:2]]
    arguments = judged(tmp_path, tiny_bundle, f"007 0 {ids[0]} 2\n8 0 {ids[1]} 1\n8 0 {ids[0]} 0\n")

    stdout_of(capsys, "evaluate", *arguments, "--report", tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.findall("<h2>(.*?)</h2>", page) == [
        "Notes", "Measures", "Scores", "Latency", "Where it does worst", "Bundle",
    ]  # fmt: skip
    assert all(title in page for title in titles(tiny_bundle, 2))


@pytest.mark.parametrize(
    ("qrels", "sentence"),
    [
        (
            "007 0 no-such-1 1\n007 0 no-such-2 1\n",
            "the judgements name 2 unknown products, the first is 'no-such-1': "
            "evaluate on the catalogue that was judged, or leave them out of --qrels",
        ),
        ("9 0 x 1\n", "the judgements name 1 unknown queries, the first is '9': add them to --queries"),
    ],
)
def test_judgements_of_what_is_not_there_are_refused(
    capsys: Capture, tmp_path: Path, tiny_bundle: Path, qrels: str, sentence: str
) -> None:
    assert failed(capsys, "evaluate", *judged(tmp_path, tiny_bundle, qrels)) == sentence


# index, verify, inspect


@pytest.mark.parametrize("source", ["catalogue.csv", "-"])
def test_index_seals_the_same_models_over_a_new_catalogue(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_bundle: Path, source: str
) -> None:
    (tmp_path / "catalogue.csv").write_text("product_id,title,shelf\n007,violet teapot,4\n8,green lamp,5\n")
    type_in(monkeypatch, "product_id\ttitle\tshelf\n007\tviolet teapot\t4\n8\tgreen lamp\t5\n")
    monkeypatch.chdir(tmp_path)

    assert main(["index", str(tiny_bundle), source, "--out", "fresh"]) == 0

    out, err = capsys.readouterr()
    manifest = Bundle.open(tmp_path / "fresh").manifest
    assert json.loads(out) == {"bundle_id": manifest.bundle_id, "n_products": 2, "path": "fresh"}
    assert "columns ignored: shelf" in err
    assert json.loads(stdout_of(capsys, "search", "fresh", "violet teapot").splitlines()[0])["product_id"] == "007"


def test_index_refuses_a_catalogue_with_its_rows(capsys: Capture, tmp_path: Path, tiny_bundle: Path) -> None:
    (tmp_path / "c.csv").write_text("product_id,title\n7,\n7,hat\n")

    assert failed(capsys, "index", tiny_bundle, tmp_path / "c.csv", "--out", tmp_path / "fresh") == (
        f"{tmp_path}/c.csv: row 1: title is empty; row 2: product_id 7 is also in row 1: "
        "correct these rows and try again"
    )
    assert not (tmp_path / "fresh").exists()


def test_verify_says_ok(capsys: Capture, tiny_bundle: Path) -> None:
    files = len(Bundle.open(tiny_bundle).manifest.files)

    assert stdout_of(capsys, "verify", tiny_bundle).startswith(
        f"ok: {files} files are as they were sealed, mean overlap"
    )


def test_verify_exits_with_1_where_the_answers_differ(capsys: Capture, tmp_path: Path, tiny_bundle: Path) -> None:
    title = titles(tiny_bundle, 1)[0]
    other = resealed(tiny_bundle, tmp_path / "other", Golden([GoldenQuery(title, [("another", 0.9), ("x", 0.1)])]))

    assert main(["verify", str(other)]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"aisle: bundle {Bundle.open(other).manifest.bundle_id} answers differently here: "
        f"another first hit, where the first was ahead by more than 0.02, for {title!r}.\n"
    )


def test_verify_names_a_file_that_changed(capsys: Capture, tmp_path: Path, tiny_bundle: Path) -> None:
    damaged = resealed(tiny_bundle, tmp_path / "damaged", Golden.load(tiny_bundle / "golden.json"))
    model = damaged / "encoder" / "model.onnx"
    model.write_bytes(
        model.read_bytes()[:-1] + b"\0" if not model.read_bytes().endswith(b"\0") else model.read_bytes()[:-1] + b"\1"
    )

    assert failed(capsys, "verify", damaged).startswith("encoder/model.onnx of ")


def test_inspect_prints_the_manifest_to_a_pipe(capsys: Capture, tiny_bundle: Path) -> None:
    assert json.loads(stdout_of(capsys, "inspect", tiny_bundle)) == json.loads(
        (tiny_bundle / "manifest.json").read_text()
    )


def test_inspect_prints_facts_and_sizes_to_a_terminal(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    on_a_terminal(monkeypatch)

    printed = stdout_of(capsys, "inspect", tiny_bundle)

    manifest = Bundle.open(tiny_bundle).manifest
    assert re.search(rf"^bundle_id +{manifest.bundle_id}$", printed, flags=re.MULTILINE)
    assert re.search(rf"^n_products +{manifest.n_products}$", printed, flags=re.MULTILINE)
    assert re.search(r"^ +[\d.]+  encoder$", printed, flags=re.MULTILINE)
