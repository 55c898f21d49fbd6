"""Settings are read once from the environment, with the threads that the machine really has."""

import os
from pathlib import Path

import pytest

from aisle.errors import BadInput
from aisle.settings import Settings, aws_region, lambda_memory_mb


def test_an_empty_environment_gives_the_defaults_and_every_core() -> None:
    assert Settings.from_env({}) == Settings(Path("/opt/aisle/bundle"), os.cpu_count() or 1, None, 1_000_000)


def test_what_the_environment_says_wins() -> None:
    environ = {"AISLE_BUNDLE": "/tmp/b", "AISLE_THREADS": "3", "AISLE_DATA": "data", "AISLE_MAX_BODY_BYTES": "500"}
    assert Settings.from_env(environ) == Settings(Path("/tmp/b"), 3, Path("data"), 500)


@pytest.mark.parametrize(("memory_mb", "threads"), [("128", 1), ("1769", 1), ("1770", 2), ("3008", 2), ("10240", 6)])
def test_a_lambda_function_has_a_thread_for_each_of_its_vcpus(memory_mb: str, threads: int) -> None:
    assert Settings.from_env({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory_mb}).threads == threads


def test_a_function_knows_its_memory_and_a_laptop_is_none() -> None:
    assert (lambda_memory_mb({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008"}), lambda_memory_mb({})) == (3008, 0)


def test_where_batches_go_is_named_and_how_wide() -> None:
    names = {"BUCKET": "b", "QUEUE": "https://q", "MACHINE": "arn:aws:states:m", "FANOUT": "7"}
    settings = Settings.from_env({f"AISLE_BATCH_{name}": value for name, value in names.items()})
    assert (settings.batch_bucket, settings.batch_queue) == ("b", "https://q")
    assert (settings.batch_machine, settings.batch_fanout) == ("arn:aws:states:m", 7)
    with pytest.raises(BadInput, match="AISLE_BATCH_FANOUT is '0', which is no whole number from 1"):
        Settings.from_env({"AISLE_BATCH_FANOUT": "0"})


@pytest.mark.parametrize("wrong", ["two", "-1", "1.5", "9" * 5000, "²"])
def test_a_variable_that_is_no_whole_number_is_named(wrong: str) -> None:
    with pytest.raises(BadInput, match="AISLE_THREADS is"):
        Settings.from_env({"AISLE_THREADS": wrong})


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({}, None),
        ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "us-east-1"}, "eu-central-1"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
    ],
)
def test_the_region_is_the_one_that_lambda_and_the_command_line_name(
    environ: dict[str, str], region: str | None
) -> None:
    assert aws_region(environ) == region


@pytest.mark.parametrize(("said", "margin"), [("", None), ("0", 0.0), ("0.25", 0.25), ("1", 1.0)])
def test_the_margin_of_the_heavy_reranker_is_a_share_or_the_bundles(said: str, margin: float | None) -> None:
    assert Settings.from_env({"AISLE_HEAVY_MARGIN": said}).heavy_margin == margin


@pytest.mark.parametrize("wrong", ["much", "-0.1", "1.01", "nan", "inf", "0,5"])
def test_a_variable_that_is_no_share_is_named(wrong: str) -> None:
    with pytest.raises(BadInput, match="AISLE_HEAVY_MARGIN is"):
        Settings.from_env({"AISLE_HEAVY_MARGIN": wrong})
