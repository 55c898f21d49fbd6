"""The endpoint's server as a real process: with a scorer that does arithmetic for what must be exact in time and
number, and with a tiny cross-encoder for what a model does.
"""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from http.client import HTTPResponse
from pathlib import Path

import pytest
from rerank_server import END_S, ROOT, Endpoint, config_file, endpoint, wait_until

from infra.emulated import free_port
from infra.reranker_endpoint.config import DEFAULT, Config

LIMITS = {
    "max_body_bytes": 100_000,
    "body_seconds": 1,
    "max_documents": 200,
    "max_request_tokens": 1000,
    "max_batch_tokens": 64,
    "max_queue_tokens": 1200,
    "max_requests": 64,
    "drain_seconds": 5,
}
TIMED = re.compile("_bucket|_created|seconds_sum")  # samples that differ from run to run
THREE = {"query": "a b", "texts": ["one", "one two three", "one two"], "raw_scores": True}
RIGHT = [(1, 1.75), (2, 0.5), (0, -0.75)]


def texts(sent: list[str]) -> bytes:
    return json.dumps({"query": "a", "texts": sent}).encode()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """An endpoint that does arithmetic, warm, for the tests that leave it as it was."""
    with arithmetic(tmp_path_factory.mktemp("served"), max_queue_tokens=100_000) as running:
        running.wait_for("/ping", 200)
        yield running


def arithmetic(folder: Path, **fields: float) -> AbstractContextManager[Endpoint]:
    port = free_port()
    config = config_file(folder, **{**LIMITS, **fields})
    return endpoint(
        [str(ROOT / "tests/infra/arithmetic_endpoint.py"), str(folder), str(port), str(config)], port, folder / "log"
    )


@pytest.mark.parametrize("path", ["/invocations", "/rerank", "/endpoints/aisle-dev-heavy/invocations"])
def test_texts_are_scored_in_the_form_of_tei_with_the_models_own_logits(served: Endpoint, path: str) -> None:
    assert served.ask(THREE, path).scores == RIGHT


def test_documents_are_ranked_in_the_form_of_cohere_and_jina(served: Endpoint) -> None:
    body = {"query": "a", "documents": ["", {"text": "one two", "sku": 7}, "one"], "top_n": 2, "return_documents": True}
    answer = served.send(json.dumps(body).encode(), headers={"content-type": "application/json", "x-request-id": "t-1"})
    assert (answer.status, answer.headers["x-request-id"]) == (200, "t-1")
    assert answer.body == {
        "id": "t-1",
        "results": [
            {"index": 1, "relevance_score": pytest.approx(0.81757448), "document": {"text": "one two", "sku": 7}},
            {"index": 2, "relevance_score": pytest.approx(0.56217651), "document": {"text": "one"}},
        ],
    }


def test_equal_scores_keep_the_order_they_were_sent_in(served: Endpoint) -> None:
    rows = served.ask({"query": "a", "texts": ["one", "two words", "uno", "eins", ""], "return_text": True}).body
    assert [row["text"] for row in rows] == ["two words", "one", "uno", "eins", ""]


@pytest.mark.parametrize(
    ("body", "status", "detail", "remedy"),
    [
        (b"{", 400, "the body is no JSON that can be read", "send one JSON object"),
        (b"\xff\xfe", 400, "the body is no JSON that can be read", "send one JSON object"),
        (b"[]", 400, "the body is [], which is not an object", "send an object"),
        (b'{"texts": ["a"]}', 400, "field query is missing", "send query: text of 1 to 1000 characters"),
        (b'{"query": "", "texts": ["a"]}', 400, 'field query is ""', "send text of 1 to 1000 characters"),
        (b'{"query": "a", "texts": []}', 400, "field texts is []", "send a list of 1 to 1000 entries, each text"),
        (b'{"query": "a", "texts": [7]}', 400, "field texts[0] is 7, which is not text", "send text"),
        (b'{"query": "a", "texts": ["b"], "topn": 1}', 400, 'unknown field "topn"', "did you mean top_n?"),
        (b'{"query": "a", "texts": ["b"], "top_n": 0}', 400, "field top_n is 0", "send a whole number of at least 1"),
        (b'{"query": "a", "texts": ["b"], "truncate": false}', 400, "truncate is false", "leave truncate out"),
        (b'{"query": "a"}', 400, "the body has neither documents nor texts", "send documents for results"),
        (b'{"query": "a", "documents": [{"x": 1}]}', 400, 'documents[0] has no "text"', "send each document as text"),
        (b'{"query": "a", "documents": ' + b"[" * 5000, 400, "the body nests too deeply", "send a flat object"),
        (texts(["b"] * 201), 413, "the request has 201 texts, more than 200", "send them in several requests"),
        (texts(["b " * 99] * 20), 413, "the request has 1320 tokens, more than 1000", "send the texts in several"),
        (b'{"query": "a", "texts": ["' + b"b" * 100_000, 413, "bytes, more than 100000", "send fewer or shorter texts"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_value_rule_and_remedy(
    served: Endpoint, body: bytes, status: int, detail: str, remedy: str
) -> None:
    refused = served.send(body)
    assert (refused.status, refused.headers["content-type"]) == (status, "application/problem+json")
    assert refused.body["status"] == status
    assert detail in refused.body["detail"]
    assert remedy in refused.body["remedy"]


def test_what_is_not_declared_as_json_or_sent_elsewhere_is_told_where_to_go(served: Endpoint) -> None:
    assert served.send(b"{}", headers={"content-type": "text/plain"}).status == 415
    assert served.ask({}, "/rerank/").body["remedy"] == "POST /rerank or /invocations; GET /ping or /metrics"
    refused = served.get("/rerank")
    assert (refused.status, refused.headers["allow"], refused.body["remedy"]) == (405, "POST", "use POST")


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "\u202e\u0301 \ufeff", "🧦" * 400, "\\", '"', "<script>", "a" * 9000]
)
def test_odd_texts_are_only_texts(served: Endpoint, text: str) -> None:
    body = {"query": text[:1000] or "a", "texts": [text, "one two"], "return_text": True, "raw_scores": True}
    words, query = len(text.split()), len((text[:1000] or "a").split())
    rows = {row["index"]: (row["score"], row["text"]) for row in served.ask(body).body}
    assert rows == {0: (words * 1.25 - query, text), 1: (2.5 - query, "one two")}


def test_a_lone_surrogate_is_refused_or_scored_but_breaks_nothing(served: Endpoint) -> None:
    assert served.send(b'{"query": "a", "texts": ["\\ud800"]}').status in (200, 400)
    assert served.ask(THREE).scores == RIGHT


def test_no_score_is_a_defect_and_never_a_number_that_json_lacks(served: Endpoint) -> None:
    failed = served.ask({"query": "a", "texts": ["one", "nan"]})
    assert (failed.status, failed.body["detail"]) == (500, "this service failed; the request may be fine")
    last = served.log()[-1]
    assert (last["level"], last["logger"]) == ("ERROR", "aisle.problems")
    assert "the model gave no finite score for 1 of 2 pairs" in last["message"]


def test_a_batch_that_breaks_is_a_500_and_the_next_is_served(served: Endpoint) -> None:
    assert served.ask({"query": "a", "texts": ["boom"]}).status == 500
    assert "RuntimeError: the device broke" in served.log()[-1]["stackTrace"]
    assert served.ask(THREE).scores == RIGHT


def test_a_device_that_breaks_again_and_again_is_unwell_by_ping(tmp_path: Path) -> None:
    with arithmetic(tmp_path) as running:
        running.wait_for("/ping", 200)
        assert [running.ask({"query": "a", "texts": ["boom"]}).status for _ in range(4)] == [500] * 4
        assert running.ask(THREE).scores == RIGHT  # it was the texts
        (tmp_path / "broken").touch()
        assert [running.ask(THREE).status for _ in range(3)] == [500] * 3
        running.wait_for("/ping", 503)
        assert running.ask(THREE).status == 503


def test_ping_is_503_until_the_model_is_warm(tmp_path: Path) -> None:
    (tmp_path / "cold").touch()
    with arithmetic(tmp_path) as running:
        for refused in (running.get("/ping"), running.ask(THREE)):
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert refused.body["detail"] == "the model is not loaded and warm yet"
        (tmp_path / "cold").unlink()
        running.wait_for("/ping", 200)
        assert running.ask(THREE).scores == RIGHT


def test_concurrent_requests_of_all_lengths_get_their_own_scores(served: Endpoint) -> None:
    def ask(number: int) -> bool:
        words = [(number * 7 + row * 3) % 40 for row in range(1 + number % 12)]
        body = {"query": "q " * (1 + number % 5), "texts": ["w " * count for count in words], "raw_scores": True}
        right = {row: count * 1.25 - (1 + number % 5) for row, count in enumerate(words)}
        return dict(served.ask(body).scores) == right

    with ThreadPoolExecutor(16) as clients:
        assert all(clients.map(ask, range(300)))


def test_a_full_queue_is_429_with_a_time_to_come_back(tmp_path: Path) -> None:
    with arithmetic(tmp_path) as running, ThreadPoolExecutor(8) as clients:
        running.wait_for("/ping", 200)
        (tmp_path / "held").touch()
        large = {"query": "a", "texts": ["w " * 30] * 15, "raw_scores": True}  # 480 tokens, of 1200 that may wait
        taken = [clients.submit(running.ask, large) for _ in range(2)]
        # Two batches of two pairs each are with the device, 26 pairs wait.
        wait_until(lambda: running.metrics()["reranker_queue_tokens"] == 26 * 32)
        refused = running.ask(large)
        assert (refused.status, refused.headers["content-type"]) == (429, "application/problem+json")
        assert refused.body["detail"] == "832 tokens wait already, and 480 more are over 1200"
        assert int(refused.headers["retry-after"]) >= 1
        small = clients.submit(running.ask, THREE)  # still fits
        wait_until(lambda: running.metrics()["reranker_queue_tokens"] > 26 * 32)
        (tmp_path / "held").unlink()
        assert [job.result().scores for job in taken] == [[(row, 36.5) for row in range(15)]] * 2
        assert small.result().scores == RIGHT
        wait_until(lambda: running.metrics()["reranker_queue_tokens"] == 0)


def test_too_many_requests_at_once_are_429(tmp_path: Path) -> None:
    with arithmetic(tmp_path, max_requests=2) as running, ThreadPoolExecutor(8) as clients:
        running.wait_for("/ping", 200)
        (tmp_path / "held").touch()
        taken = [clients.submit(running.ask, THREE) for _ in range(2)]
        wait_until(lambda: running.metrics()["reranker_under_way"] == 2)
        refused = running.ask(THREE)
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert refused.body["detail"] == "2 requests are under way"
        (tmp_path / "held").unlink()
        assert [job.result().scores for job in taken] == [RIGHT] * 2


def test_who_went_away_is_not_scored(tmp_path: Path) -> None:
    with arithmetic(tmp_path) as running, ThreadPoolExecutor(8) as clients:
        running.wait_for("/ping", 200)
        many = texts(["w " * 10] * 30)  # 12 tokens each
        (tmp_path / "held").touch()
        first = clients.submit(running.ask, {"query": "a", "texts": ["w " * 60], "raw_scores": True})
        wait_until(lambda: running.metrics()["reranker_wait_seconds_count"] == 1)
        with socket.create_connection(("127.0.0.1", running.port)) as leaving:
            leaving.sendall(head(many) + many)
            wait_until(lambda: running.metrics()["reranker_queue_tokens"] == 25 * 12)  # a batch of five is launched
        wait_until(lambda: running.metrics()["reranker_queue_tokens"] == 0)
        (tmp_path / "held").unlink()
        assert first.result().scores == [(0, 74.0)]
        assert running.metrics()['reranker_requests_total{status="499"}'] == 1
        assert running.metrics()["reranker_pairs_total"] == 1 + 5  # of 31


def head(content: bytes, path: str = "/rerank") -> bytes:
    kind = f"content-type: application/json\r\ncontent-length: {len(content)}"
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{kind}\r\n\r\n".encode()


def test_a_body_that_never_ends_or_lies_about_its_length_holds_up_nobody(served: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(
            b"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
        )
        assert served.ask(THREE).scores == RIGHT


def test_slow_bodies_give_their_places_back(tmp_path: Path) -> None:
    with arithmetic(tmp_path, max_requests=2) as running:
        running.wait_for("/ping", 200)
        head = b"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
        with socket.create_connection(("127.0.0.1", running.port)) as one:
            one.sendall(head)
            with socket.create_connection(("127.0.0.1", running.port)) as other:
                other.sendall(head)
                wait_until(lambda: running.metrics()["reranker_under_way"] == 2)
                assert running.ask(THREE).status == 429
                told = HTTPResponse(one)
                told.begin()
                assert (told.status, json.load(told)["detail"]) == (408, "the body did not arrive within 1 s")
        wait_until(lambda: running.metrics()["reranker_under_way"] == 0)
        assert running.ask(THREE).scores == RIGHT


def test_a_model_that_cannot_warm_up_ends_it_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with arithmetic(tmp_path) as running:
        assert running.process.wait(END_S) == 2
        told = running.log_file.read_text().splitlines()[-1]
    assert told == (
        "reranker: the model failed before it answered anything (the device broke): "
        "where memory ran out, lower max_batch_tokens or take a larger GPU"
    )


def test_sigterm_lets_what_was_accepted_be_answered_and_refuses_the_rest(tmp_path: Path) -> None:
    with arithmetic(tmp_path) as running, ThreadPoolExecutor(8) as clients:
        running.wait_for("/ping", 200)
        (tmp_path / "held").touch()
        taken = [clients.submit(running.ask, THREE) for _ in range(6)]
        wait_until(lambda: running.metrics()["reranker_under_way"] == 6)
        running.process.send_signal(signal.SIGTERM)
        wait_until(lambda: running.get("/ping").status == 503)
        refused = running.ask(THREE)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.body["detail"] == "this instance is ending"
        assert running.process.poll() is None
        (tmp_path / "held").unlink()
        assert [job.result().scores for job in taken] == [RIGHT] * 6
        assert running.process.wait(END_S) == 0


def test_a_drain_ends_in_time_even_where_the_device_never_does(tmp_path: Path) -> None:
    with arithmetic(tmp_path, drain_seconds=0.3) as running, ThreadPoolExecutor(8) as clients:
        running.wait_for("/ping", 200)
        (tmp_path / "held").touch()
        taken = clients.submit(running.ask, {"query": "a", "texts": ["w " * 30] * 15})
        wait_until(lambda: running.metrics()["reranker_queue_tokens"] > 0)
        running.process.send_signal(signal.SIGTERM)
        refused = taken.result()
        assert (refused.status, refused.body["detail"]) == (503, "scoring has ended here")
        assert running.process.wait(END_S) == 0


def test_a_signal_before_the_model_is_open_ends_it_too(tmp_path: Path) -> None:
    (tmp_path / "cold").touch()
    with arithmetic(tmp_path) as running:
        assert running.get("/ping").status == 503
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(END_S) == 0


def test_metrics_count_what_was_done_and_logs_hold_no_text(tmp_path: Path) -> None:
    with arithmetic(tmp_path) as running:
        running.wait_for("/ping", 200)
        running.ask(THREE)
        running.ask({"query": "a", "texts": ["geheim"], "typo": 1})
        running.ask({"query": "geheim", "texts": ["nan"]})
        seen = running.metrics()
        assert {
            name: value for name, value in seen.items() if name.startswith("reranker_") and not TIMED.search(name)
        } == {
            'reranker_requests_total{status="200"}': 1,
            'reranker_requests_total{status="400"}': 1,
            'reranker_requests_total{status="500"}': 1,
            "reranker_pairs_total": 4,
            "reranker_tokens_total": 15,
            "reranker_queue_tokens": 0,
            "reranker_under_way": 0,
            "reranker_batch_tokens_count": 2,
            "reranker_batch_tokens_sum": 15,
            "reranker_wait_seconds_count": 2,
            "reranker_compute_seconds_count": 2,
            "reranker_request_seconds_count": 3,
        }
        assert seen["process_resident_memory_bytes"] > 1e6
        assert {"timestamp", "level", "logger", "message"} <= running.log()[0].keys()
        assert "geheim" not in running.log_file.read_text()


def refused(*arguments: str) -> str:
    """What the command says on stderr when it exits with 2."""
    command = [sys.executable, "-m", "infra.reranker_endpoint", *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2, run.stderr
    return run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("max_batch_token = 5", 'unknown field "max_batch_token": did you mean max_batch_tokens? allowed: '),
        ('max_documents = "many"', 'field max_documents is "many", which is not a whole number from 1 to 1000'),
        ("max_documents = 1001", "field max_documents is 1001, which is not a whole number from 1 to 1000"),
        ("drain_seconds = -1", "field drain_seconds is -1, which is not a number from 0 to 3600"),
        ("max_queue_tokens = 5", "max_request_tokens is 131072, more than max_queue_tokens, 5: the largest requests"),
        ("max_requests =", "is not TOML: "),
    ],
)
def test_a_wrong_configuration_is_refused_with_a_remedy(tmp_path: Path, line: str, said: str) -> None:
    name = line.partition(" ")[0]
    kept = [row for row in DEFAULT.read_text().splitlines() if not row.startswith(f"{name} = ")]
    (tmp_path / "config.toml").write_text("\n".join([*kept, line]))
    assert said in refused("--config", str(tmp_path / "config.toml"))


def test_what_cannot_be_served_is_refused_with_a_remedy(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory): name a TOML file" in refused("--config", str(tmp_path / "none"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused("--host", "127.0.0.1", "--port", port, "--model", str(tmp_path))
        assert f"reranker: 127.0.0.1:{port} cannot be listened on" in said


def test_every_field_of_the_configuration_is_explained_above_it() -> None:
    lines = DEFAULT.read_text().splitlines()
    fields = {line.partition(" = ")[0]: lines[at - 1] for at, line in enumerate(lines) if re.match(r"\w+ = ", line)}
    assert fields.keys() == {*Config.__struct_fields__}
    assert [name for name, above in fields.items() if not above.startswith("# ")] == []
