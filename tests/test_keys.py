"""Keys open what they are for, are kept as hashes and rotate; a shopper token counts only where all of it is right."""

import base64
import hashlib
import hmac
import itertools
import json
import re
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.errors import BadInput
from aisle.keys import (
    Keys,
    PublishableKey,
    SecretKey,
    kind_of,
    make_key,
    retired,
    sign_shopper,
    signing_key,
    verify_shopper,
    with_key,
)

PK, PK2, PK3 = (make_key("publishable", bytes([n]) * 32) for n in (1, 2, 3))
SK, SK2, SK3 = (make_key("secret", bytes([n]) * 32) for n in (4, 5, 6))
KEYS = with_key(with_key(Keys(), PK, "2026-11-01"), SK, "2026-11-02")
NOW = 1_800_000_000
SIGNING = signing_key(SK)


def signed(key: Any = SIGNING, algorithm: str = "HS256", headers: Any = None, **claims: Any) -> str:
    """A good token of ann's but for what is given; a claim of None is left out."""
    all_claims = {"sub": "ann", "iat": NOW, "exp": NOW + 900, "aud": "aisle"} | claims
    kept = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers=headers)


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_key_is_its_kind_and_32_random_bytes() -> None:
    assert make_key("publishable", bytes(range(32))) == "pk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert make_key("secret", b"\xff" * 32) == "sk_" + "_" * 42 + "8"


def test_hashes_alone_are_kept_and_a_derived_key_that_verifies_tokens() -> None:
    derived = hmac.digest(SK.encode(), b"aisle shopper tokens", "sha256")
    assert msgspec.to_builtins(KEYS) == {
        "publishable": [{"sha256": hashlib.sha256(PK.encode()).hexdigest(), "created_at": "2026-11-01"}],
        "secret": [
            {
                "sha256": hashlib.sha256(SK.encode()).hexdigest(),
                "created_at": "2026-11-02",
                "signing": base64.urlsafe_b64encode(derived).decode().rstrip("="),
            }
        ],
    }


def test_the_kind_of_a_valid_key_is_known_and_no_other_key() -> None:
    assert [kind_of(key, KEYS) for key in (PK, SK, PK2, SK2)] == ["publishable", "secret", None, None]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "pk_",
        PK[:-1],
        PK + "A",
        PK + "\n",
        " " + PK,
        PK.upper(),
        "sk" + PK[2:],  # a publishable key that calls itself secret
        "pk" + SK[2:],
        KEYS.publishable[0].sha256,
        "pk_" + KEYS.publishable[0].sha256[:43],
        "pk_" + "é" * 43,
        "pk_" + "\ud800" * 43,
        "ｐk" + PK[2:],
        PK + "," + SK,
        "pk_" + "A" * 1_000_000,
    ],
)
def test_what_is_not_exactly_a_key_is_none(wrong: str) -> None:
    assert kind_of(wrong, KEYS) is None


@given(st.text())
def test_no_text_is_a_key_by_chance(text: str) -> None:
    assert kind_of(text, KEYS) is None
    assert verify_shopper(text, KEYS, NOW) is None


def test_two_of_a_kind_are_valid_while_one_is_brought_out() -> None:
    both = with_key(with_key(KEYS, PK2, "2026-11-03"), SK2, "2026-11-04")
    assert [kind_of(key, both) for key in (PK, PK2, SK, SK2)] == ["publishable"] * 2 + ["secret"] * 2
    assert [verify_shopper(sign_shopper("ann", key, NOW), both, NOW) for key in (SK, SK2, SK3)] == ["ann", "ann", None]


def test_a_third_of_a_kind_is_refused() -> None:
    both = with_key(with_key(KEYS, PK2, "2026-11-03"), SK2, "2026-11-04")
    for key, kind in ((PK3, "publishable"), (SK3, "secret")):
        with pytest.raises(BadInput, match=f"two {kind} keys are valid already.*--retire {kind}"):
            with_key(both, key, "2026-11-05")


def test_the_older_is_retired_and_what_it_signed_counts_no_longer() -> None:
    left = retired(with_key(KEYS, SK2, "2026-11-04"), "secret")
    assert [kind_of(key, left) for key in (PK, SK, SK2)] == ["publishable", None, "secret"]
    assert [verify_shopper(sign_shopper("ann", key, NOW), left, NOW) for key in (SK, SK2)] == [None, "ann"]
    assert left.secret[0].created_at == "2026-11-04"


def test_the_only_key_of_a_kind_is_not_retired() -> None:
    with pytest.raises(BadInput, match=r"the only publishable key cannot be retired.*--rotate publishable"):
        retired(with_key(KEYS, SK2, "2026-11-04"), "publishable")


def test_every_kept_hash_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def counting(left: str, right: str) -> bool:
        compared.append(right)
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", counting)
    both = with_key(KEYS, PK2, "2026-11-03")
    assert kind_of(PK, both) == "publishable"
    assert compared == [kept.sha256 for kept in both.publishable]


def test_keys_survive_their_parameter() -> None:
    text = msgspec.json.encode(KEYS)
    assert msgspec.json.decode(text, type=Keys) == KEYS
    assert (PK.encode() in text, SK.encode() in text) == (False, False)
    assert [type(kept) for kept in (*KEYS.publishable, *KEYS.secret)] == [PublishableKey, SecretKey]


def test_a_token_names_its_shopper_until_it_ends() -> None:
    token = sign_shopper("客户-7", SK, NOW, lifetime_s=60)
    seen = [verify_shopper(token, KEYS, NOW + after) for after in (-60, 0, 59.9, 60, 3600)]
    assert seen == ["客户-7", "客户-7", "客户-7", None, None]


@pytest.mark.parametrize(
    "token",
    [
        signed(key=signing_key(SK2)),
        signed(key=SK.encode()),  # the secret key itself instead of the derived one
        signed(key=KEYS.secret[0].sha256.encode()),  # what a leaked parameter holds besides
        signed(key=KEYS.secret[0].signing.encode()),
        signed(algorithm="HS384", key=signing_key(SK) + bytes(32)),
        signed(algorithm="none", key=None),
        f"{part({'alg': 'none'})}.{signed().split('.')[1]}.",
        f"{part({'alg': 'None'})}.{signed().split('.')[1]}.{signed().split('.')[2]}",
        f"{part({'typ': 'JWT'})}.{signed().split('.')[1]}.{signed().split('.')[2]}",
        f"{signed().split('.')[0]}.{signed(sub='eve').split('.')[1]}.{signed().split('.')[2]}",
        signed(exp=NOW),  # ended
        signed(exp=NOW + 901),  # lives too long
        signed(iat=NOW + 61, exp=NOW + 61 + 900),  # from the future
        signed(exp=2**70),
        signed(exp=float("inf")),
        signed(exp=float("nan")),
        signed(exp=str(NOW + 60)),
        signed(exp=NOW + 60.5),
        signed(iat=True),
        signed(iat=NOW - 3600, exp=NOW + 900),
        signed(aud="other"),
        signed(aud=["aisle", "other"]),
        signed(aud=None),
        signed(sub=None),
        signed(iat=None),
        signed(exp=None),
        signed(sub=""),
        signed(sub="a\nb"),
        signed(sub="a" * 129),
        signed(headers={"crit": ["exp"]}),
        signed() + "\n",
        " " + signed(),
        f"Bearer {signed()}",
        signed() + ".",
        signed().replace(".", ".."),
        "..",
        "a.b.c",
        part(b"[" * 1500) + "..AA",
        "\ud800",
        "é.é.é",
        signed(padding="a" * 2048),
    ],
    ids=itertools.count(),
)
def test_a_token_that_is_not_quite_right_names_nobody(token: str) -> None:
    assert verify_shopper(token, KEYS, NOW) is None


def test_without_a_secret_key_no_token_counts() -> None:
    assert verify_shopper(signed(), Keys(publishable=KEYS.publishable), NOW) is None


def test_the_documentation_signs_tokens_as_the_service_verifies_them() -> None:
    page = (Path(__file__).parents[1] / "docs" / "keys.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"secret_key": SK, "shopper_id": "客户-7"}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)
    assert verify_shopper(names["token"], KEYS, names["now"]) == "客户-7"
