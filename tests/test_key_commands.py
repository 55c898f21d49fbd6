"""`aisle keys` over an emulated AWS account: what is printed, what is kept, what is said when nothing answers."""

import json
import sys
from pathlib import Path

import boto3
import msgspec
import pytest

from aisle.aws.clients import client
from aisle.aws.key_parameter import KeyParameter, read_keys, write_keys
from aisle.aws.pseudonym_secret import read_pseudonyms
from aisle.cli import COMMANDS, main
from aisle.errors import Unavailable
from aisle.keys import Keys, kind_of, make_key, with_key

Capture = pytest.CaptureFixture[str]
PK = make_key("publishable", bytes(32))
ONE = with_key(Keys(), PK, "2026-11-01")


def ran(capsys: Capture, *argv: str) -> tuple[list[dict[str, str]], str]:
    """The JSON lines on stdout, and stderr."""
    assert main(["keys", "--stage", "dev", *argv]) == 0
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err


def failed(capsys: Capture, *argv: str) -> str:
    assert main(["keys", *argv]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err.removeprefix("aisle: ").rstrip("\n")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine that knows no AWS account."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers credentials
    client.cache_clear()
    return monkeypatch


def test_the_first_keys_are_printed_once_and_kept_as_hashes(aws: dict[str, str], capsys: Capture) -> None:
    made, told = ran(capsys)
    assert [line["kind"] for line in made] == ["publishable", "secret"]
    assert told == "shown this once: aisle keeps only hashes\n"

    listed, _ = ran(capsys)
    kept = read_keys("/aisle/dev/keys")
    assert kept is not None
    assert [kind_of(line["key"], kept) for line in made] == ["publishable", "secret"]
    assert listed == [
        {"kind": "publishable", "created_at": kept.publishable[0].created_at, "sha256": kept.publishable[0].sha256},
        {"kind": "secret", "created_at": kept.secret[0].created_at, "sha256": kept.secret[0].sha256},
    ]
    parameter = boto3.client("ssm").get_parameter(Name="/aisle/dev/keys", WithDecryption=True)["Parameter"]
    assert parameter["Type"] == "SecureString"
    assert [line["key"] in parameter["Value"] for line in made] == [False, False]


def test_keys_rotate_without_a_moment_in_which_none_is_valid(aws: dict[str, str], capsys: Capture) -> None:
    old = ran(capsys)[0][1]["key"]
    (brought_out,), told = ran(capsys, "--rotate", "secret")
    between = read_keys("/aisle/dev/keys") or Keys()
    left, retired = ran(capsys, "--retire", "secret")
    after = read_keys("/aisle/dev/keys") or Keys()

    assert [kind_of(key, between) for key in (old, brought_out["key"])] == ["secret", "secret"]
    assert [kind_of(key, after) for key in (old, brought_out["key"])] == [None, "secret"]
    assert "the older one stays valid until `aisle keys --stage dev --retire secret`" in told
    assert retired == "retired; who used it in the last five minutes may be let in until they are over\n"
    assert [line["sha256"] for line in left] == [after.publishable[0].sha256, after.secret[0].sha256]


def test_a_terminal_shows_whole_keys_however_narrow_it_is(
    aws: dict[str, str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["keys", "--stage", "dev"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [(line[:13].strip(), len(line.split()[1])) for line in lines] == [("publishable", 46), ("secret", 46)]
    assert main(["keys", "--stage", "dev"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["kind", "created", "sha256"]


def test_the_example_in_the_help_works(aws: dict[str, str], capsys: Capture) -> None:
    assert main(COMMANDS["keys"][1].split()[1:]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_key_of_the_pseudonyms_is_rotated_and_never_printed(aws: dict[str, str], capsys: Capture) -> None:
    assert failed(capsys, "--stage", "dev", "--rotate", "pseudonym").startswith(
        "secret aisle/dev/pseudonyms cannot be written: ResourceNotFoundException"
    )
    boto3.client("secretsmanager").create_secret(Name="aisle/dev/pseudonyms", SecretString="a" * 64)
    before = read_pseudonyms("aisle/dev/pseudonyms")
    assert ran(capsys, "--rotate", "pseudonym") == (
        [],
        "rotated; functions use it within five minutes, and find what the key before it wrote\n",
    )
    after = read_pseudonyms("aisle/dev/pseudonyms")
    assert after.all("ann") == (after.of("ann"), before.of("ann"))
    assert after.of("ann") != before.of("ann")


def test_stages_have_keys_of_their_own(aws: dict[str, str], capsys: Capture) -> None:
    ran(capsys)
    assert failed(capsys, "--stage", "prod", "--rotate", "secret") == (
        "stage prod has no keys yet: make them by `aisle keys --stage prod`"
    )


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--stage", "dev", "--retire", "secret"], "the only secret key cannot be retired"),
        (["--stage", "dev", "--retire", "public"], "argument --retire: invalid choice: 'public'"),
        (["--stage", "dev", "--rotate", "secret", "--retire", "secret"], "argument --retire: not allowed with"),
        (["--stage", "../prod"], "argument --stage: '../prod' is no stage"),
        ([], "the following arguments are required: --stage"),
    ],
)
def test_a_mistake_is_one_sentence(aws: dict[str, str], capsys: Capture, argv: list[str], sentence: str) -> None:
    ran(capsys)
    assert failed(capsys, *argv).startswith(sentence)


def test_a_third_key_waits_for_the_oldest_to_be_retired(aws: dict[str, str], capsys: Capture) -> None:
    ran(capsys)
    ran(capsys, "--rotate", "publishable")
    assert failed(capsys, "--stage", "dev", "--rotate", "publishable") == (
        "two publishable keys are valid already, the most there may be: --retire publishable takes the older"
    )


def test_without_an_account_one_sentence_says_what_to_check(nowhere: pytest.MonkeyPatch, capsys: Capture) -> None:
    remedy = "check AWS credentials, AWS_DEFAULT_REGION, and the right to use this parameter"
    assert failed(capsys, "--stage", "dev") == f"parameter /aisle/dev/keys cannot be read: NoRegionError: {remedy}"
    nowhere.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert failed(capsys, "--stage", "dev") == f"parameter /aisle/dev/keys cannot be read: NoCredentialsError: {remedy}"
    client.cache_clear()


def test_a_parameter_is_read_again_after_some_seconds(aws: dict[str, str]) -> None:
    write_keys("/aisle/dev/keys", ONE, replacing=False)
    parameter = KeyParameter("/aisle/dev/keys", cache_s=5)
    assert parameter.at(100.0) == ONE
    write_keys("/aisle/dev/keys", Keys(), replacing=True)
    assert [parameter.at(now_s) for now_s in (104.9, 105.0)] == [ONE, Keys()]


def test_what_was_read_is_not_used_once_the_parameter_is_gone(aws: dict[str, str]) -> None:
    write_keys("/aisle/dev/keys", ONE, replacing=False)
    parameter = KeyParameter("/aisle/dev/keys", cache_s=5)
    parameter.at(100.0)
    boto3.client("ssm").delete_parameter(Name="/aisle/dev/keys")
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"parameter /aisle/dev/keys is missing: make it by `aisle keys"):
            parameter.at(105.0)


def test_without_a_name_there_are_no_keys() -> None:
    with pytest.raises(Unavailable, match="AISLE_KEYS_PARAMETER is not set"):
        KeyParameter("", cache_s=5).at(0.0)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"publishable": "all"}', '{"secret": [{"sha256": ""}]}', "null"])
def test_a_parameter_that_holds_something_else_lets_nobody_in(aws: dict[str, str], text: str) -> None:
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="/aisle/dev/keys", Value=text or " ", Type="SecureString")
    with pytest.raises(Unavailable, match=r"parameter /aisle/dev/keys does not hold keys"):
        KeyParameter("/aisle/dev/keys", cache_s=5).at(0.0)


def test_keys_are_never_replaced_by_first_ones(aws: dict[str, str]) -> None:
    write_keys("/aisle/dev/keys", ONE, replacing=False)
    with pytest.raises(Unavailable, match="ParameterAlreadyExists"):
        write_keys("/aisle/dev/keys", Keys(), replacing=False)
    assert read_keys("/aisle/dev/keys") == ONE


def test_the_most_keys_there_may_be_fit_into_a_parameter() -> None:
    keys = Keys()
    for n in range(2):
        keys = with_key(keys, make_key("publishable", bytes([n]) * 32), "2026-11-01T00:00:00+00:00")
        keys = with_key(keys, make_key("secret", bytes([n]) * 32), "2026-11-01T00:00:00+00:00")
    assert len(msgspec.json.encode(keys)) < 4096
