"""Whose call it is, told from its two headers alone: nobody's word counts but the shop's own server's."""

import jwt
import pytest

from aisle.errors import Unavailable
from aisle.identity import Caller, Identity, stranger
from aisle.keys import Keys, make_key, retired, sign_shopper, signing_key, with_key
from aisle.pseudonyms import Pseudonyms

NOW = 1_800_000_000
PK, SK, OTHER = (
    make_key(*made) for made in (("publishable", b"\1" * 32), ("secret", b"\2" * 32), ("secret", b"\3" * 32))
)
KEYS = with_key(with_key(Keys(), PK, "2026-11-01"), SK, "2026-11-01")
PSEUDONYMS = Pseudonyms(b"\7" * 32, b"\6" * 32)
ANN = PSEUDONYMS.all("ann")


def caller(keys: Keys = KEYS, now_s: float = NOW, **headers: str) -> Caller:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Identity(lambda: keys, lambda: PSEUDONYMS, lambda: now_s)(named, "r1")


def test_a_shopper_is_known_by_the_pseudonyms_of_both_keys() -> None:
    token = sign_shopper("ann", SK, NOW)
    assert caller(x_shopper_token=token) == Caller("r1", ANN, "ann")
    assert (PSEUDONYMS.of("ann"), Pseudonyms(b"\6" * 32).of("ann")) == ANN


def test_who_says_nothing_is_a_stranger_and_no_key_is_read() -> None:
    def unreadable() -> Keys:
        raise AssertionError("the keys were read")

    identity = Identity(unreadable, lambda: PSEUDONYMS, lambda: NOW)
    assert identity({}, "r1") == identity({"authorization": f"Bearer {PK}"}, "r1") == Caller("r1")
    assert stranger({"x-shopper-token": "whatever"}, "r1") == Caller("r1")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(sign_shopper("ann", OTHER, NOW), id="another shop's"),
        pytest.param(sign_shopper("ann", SK, NOW - 901), id="expired"),
        pytest.param(sign_shopper("ann", SK, NOW + 120), id="of the future"),
        pytest.param(sign_shopper("ann", SK, NOW, 86_400), id="one that lives too long"),
        pytest.param(sign_shopper("", SK, NOW), id="nobody's"),
        pytest.param(sign_shopper("ann", SK, NOW)[:-2] + "AA", id="one with a forged signature"),
        pytest.param(
            jwt.encode({"sub": "ann", "iat": NOW, "exp": NOW + 60, "aud": "aisle"}, "", "none"), id="an unsigned one"
        ),
        pytest.param(
            jwt.encode({"sub": "ann", "iat": NOW, "exp": NOW + 60, "aud": "other"}, signing_key(SK), "HS256"),
            id="one for somebody else",
        ),
        pytest.param(PK, id="a key"),
        pytest.param("ann", id="a bare id"),
        pytest.param("é" * 10, id="letters that no token has"),
        pytest.param("a" * 5000, id="a long text"),
    ],
)
def test_any_other_token_makes_a_stranger(token: str) -> None:
    assert caller(x_shopper_token=token) == Caller("r1")


def test_a_token_ends_with_the_secret_key_that_signed_it() -> None:
    token = sign_shopper("ann", SK, NOW)
    both = with_key(KEYS, OTHER, "2026-11-02")
    assert caller(both, x_shopper_token=token).raw_shopper == "ann"
    assert caller(retired(both, "secret"), x_shopper_token=token) == Caller("r1")


def test_the_shops_own_server_is_told_by_its_secret_key() -> None:
    assert caller(authorization=f"Bearer {SK}") == Caller("r1", trusted=True)
    assert caller(authorization=f"bearer  {SK}") == Caller("r1", trusted=True)
    for wrong in (OTHER, SK[:-1], f"{SK} ", ""):
        assert caller(authorization=f"Bearer {wrong}") == Caller("r1")
    assert caller(authorization=SK) == Caller("r1")
    token = sign_shopper("ann", SK, NOW)
    assert caller(authorization=f"Bearer {SK}", x_shopper_token=token) == Caller("r1", ANN, "ann", trusted=True)


def test_where_keys_or_pseudonyms_cannot_be_read_it_is_said_that_nobody_knows() -> None:
    def silent() -> Keys:
        raise Unavailable("no answer", "wait")

    def no_pseudonyms() -> Pseudonyms:
        raise Unavailable("no answer", "wait")

    token = {"x-shopper-token": sign_shopper("ann", SK, NOW)}
    assert Identity(silent, lambda: PSEUDONYMS, lambda: NOW)(token, "r1") == Caller("r1", unread=True)
    assert Identity(lambda: KEYS, no_pseudonyms, lambda: NOW)(token, "r1") == Caller("r1", unread=True)
