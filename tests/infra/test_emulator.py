"""Functions run as in Lambda: in the environment that they are given, one event at a time, until their time is over."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.emulator import Function, FunctionFailed, emulator, started

pytest.importorskip("awslambdaric", reason="runs functions: needs the dev extra")
GIVEN = {
    "AISLE_THREADS": "2",
    "AWS_LAMBDA_FUNCTION_NAME": "aisle-dev-answering",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_ACCESS_KEY_ID": "emulated",
    "PYTHONPATH": "tests/infra",
}
OF_THE_RUNTIME = {  # what the emulator and Python add
    *("AWS_LAMBDA_FUNCTION_TIMEOUT", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_LOG_GROUP_NAME", "_HANDLER"),
    *("AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_RUNTIME_API"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LC_CTYPE", "PATH"),
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "function.log"


@pytest.fixture
def function(log: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    monkeypatch.setenv("AISLE_BUNDLE", "of the caller")
    with started("answering.handler", GIVEN, log, timeout_s=2) as running:
        yield running


def test_a_function_has_the_environment_that_it_is_given_and_no_other(function: Function) -> None:
    answer = function.invoke({})
    given = {name: value for name, value in answer["environment"].items() if name not in OF_THE_RUNTIME}
    assert given == GIVEN
    assert (answer["name"], answer["memory_mb"]) == ("aisle-dev-answering", 512)
    assert 0 < answer["left_ms"] <= 2000


def test_what_it_prints_is_in_the_log(function: Function, log: Path) -> None:
    function.invoke({"say": "红鞋"})
    assert "asked 红鞋\n" in log.read_text(encoding="utf-8")


def test_an_instance_serves_event_after_event_and_one_at_a_time(function: Function) -> None:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(function.invoke({"sleep_s": 0.1}))) for _ in range(3)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun > 0.3
    assert len({answer["pid"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"raise": "no such shoe"}, "ValueError: no such shoe"),
        ({"exit": 3}, "Runtime exited with error: exit status 3"),
        pytest.param({"sleep_s": 3}, r"Task timed out after 2\.00 seconds", marks=pytest.mark.slow),
    ],
)
def test_a_failure_is_told_and_the_next_event_is_answered(function: Function, event: Any, told: str) -> None:
    with pytest.raises(FunctionFailed, match=told):
        function.invoke(event)
    assert function.invoke({})["name"] == "aisle-dev-answering"


def test_a_handler_that_is_not_there_is_told(log: Path) -> None:
    with started("none.handler", GIVEN, log) as function, pytest.raises(FunctionFailed, match="none"):
        function.invoke({})


@pytest.mark.slow
def test_nothing_is_left_running(log: Path) -> None:
    with started("answering.handler", GIVEN, log) as function:
        pid = function.invoke({})["pid"]
    until = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_emulator_is_fetched_once() -> None:
    assert emulator() == emulator()
    assert emulator().stat().st_mode & 0o100
