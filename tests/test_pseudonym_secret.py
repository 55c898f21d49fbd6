"""The key of the pseudonyms in the emulated Secrets Manager: read rarely, rotated, and used on while nobody answers."""

import logging

import boto3
import pytest

from aisle.aws.pseudonym_secret import CACHE_S, RETRY_S, PseudonymSecret, put_pseudonym_key, read_pseudonyms
from aisle.errors import Unavailable
from aisle.pseudonyms import Pseudonyms

NAME = "aisle/dev/pseudonyms"
ONE, TWO, THREE = "a" * 32, "b" * 32, "c" * 64


@pytest.fixture
def secret(aws: dict[str, str]) -> str:
    boto3.client("secretsmanager").create_secret(Name=NAME, SecretString=ONE)
    return NAME


def known(pseudonyms: Pseudonyms) -> tuple[str, ...]:
    return pseudonyms.all("ann")


def expected(*keys: str) -> tuple[str, ...]:
    return tuple(Pseudonyms(key.encode()).of("ann") for key in keys)


def test_the_first_key_has_none_before_it(secret: str) -> None:
    assert known(read_pseudonyms(secret)) == expected(ONE)


def test_the_newest_key_and_the_one_before_count(secret: str) -> None:
    put_pseudonym_key(secret, TWO)
    assert known(read_pseudonyms(secret)) == expected(TWO, ONE)
    put_pseudonym_key(secret, THREE)
    assert known(read_pseudonyms(secret)) == expected(THREE, TWO)


def test_a_rotation_is_seen_when_what_is_known_is_old(secret: str) -> None:
    pseudonyms = PseudonymSecret(secret)
    assert known(pseudonyms.at(0.0)) == expected(ONE)
    put_pseudonym_key(secret, TWO)
    assert known(pseudonyms.at(CACHE_S - 1)) == expected(ONE)
    assert known(pseudonyms.at(CACHE_S)) == expected(TWO, ONE)


def test_the_old_keys_are_used_while_the_secret_cannot_be_read(secret: str, caplog: pytest.LogCaptureFixture) -> None:
    pseudonyms = PseudonymSecret(secret)
    pseudonyms.at(0.0)
    boto3.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    with caplog.at_level(logging.WARNING):
        assert known(pseudonyms.at(CACHE_S)) == expected(ONE)
        assert known(pseudonyms.at(CACHE_S + RETRY_S - 1)) == expected(ONE)
    assert [record.getMessage() for record in caplog.records] == [
        "the old pseudonym keys are used for now: secret aisle/dev/pseudonyms is missing"
    ]
    boto3.client("secretsmanager").create_secret(Name=NAME, SecretString=TWO)
    assert known(pseudonyms.at(CACHE_S + RETRY_S)) == expected(TWO)


def test_without_a_key_nobody_gets_a_pseudonym(aws: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match="secret aisle/dev/pseudonyms is missing: deploy the stage"):
        PseudonymSecret(NAME).at(0.0)
    with pytest.raises(Unavailable, match="secret aisle/dev/pseudonyms cannot be written: ResourceNotFoundException"):
        put_pseudonym_key(NAME, ONE)


def test_a_key_that_could_be_guessed_is_refused(aws: dict[str, str]) -> None:
    boto3.client("secretsmanager").create_secret(Name=NAME, SecretString="secret")
    with pytest.raises(Unavailable, match=r"has fewer than 32 characters: .*--rotate pseudonym"):
        read_pseudonyms(NAME)
