"""What stands for a raw id: the published construction, one key a stage, one domain a purpose."""

import base64
import hashlib
import hmac
import re

from hypothesis import given
from hypothesis import strategies as st

from aisle.pseudonyms import PATTERN, Pseudonyms

KEY, OLD = bytes(range(32)), bytes(range(32, 64))


def test_a_pseudonym_is_half_an_hmac_in_base64url() -> None:
    digest = hmac.new(KEY, b"shopper\0anna@example.org", hashlib.sha256).digest()
    expected = "k" + base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
    assert Pseudonyms(KEY).of("anna@example.org") == expected
    assert Pseudonyms(KEY).of("anna@example.org", "shopper") == expected
    assert len(expected) == 23


def test_keys_ids_and_purposes_have_pseudonyms_of_their_own() -> None:
    told = [
        Pseudonyms(KEY).of("anna"),
        Pseudonyms(KEY).of("Anna"),
        Pseudonyms(KEY).of("anna "),
        Pseudonyms(KEY).of("anna", "anonymous"),
        Pseudonyms(KEY).of("anna", "session"),
        Pseudonyms(KEY).of("anna", "query"),
        Pseudonyms(OLD).of("anna"),
    ]
    assert len({*told}) == len(told)


def test_a_rotated_key_is_read_after_the_new_one() -> None:
    rotated = Pseudonyms(KEY, OLD)
    assert rotated.of("anna") == Pseudonyms(KEY).of("anna")
    assert rotated.all("anna") == (Pseudonyms(KEY).of("anna"), Pseudonyms(OLD).of("anna"))
    assert Pseudonyms(KEY).all("anna") == (Pseudonyms(KEY).of("anna"),)
    assert Pseudonyms(KEY, KEY).all("anna") == (Pseudonyms(KEY).of("anna"),)


@given(raw=st.text() | st.characters(categories=["Cs"]))
def test_whatever_was_sent_has_a_pseudonym(raw: str) -> None:
    assert re.fullmatch(PATTERN, Pseudonyms(KEY).of(raw))
