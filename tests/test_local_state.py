"""What a shop of one machine keeps between its runs: made once, private, the same ever after."""

import stat
from pathlib import Path

import pytest

from aisle.errors import BadInput
from aisle.keys import kind_of
from aisle.local_state import open_state


def test_a_state_is_made_once_and_is_the_same_ever_after(tmp_path: Path) -> None:
    made = open_state(tmp_path / "a" / "state")
    again = open_state(tmp_path / "a" / "state")
    assert (again.secret_key, again.pseudonyms.of("ann"), again.events) == (
        made.secret_key,
        made.pseudonyms.of("ann"),
        tmp_path / "a" / "state" / "events",
    )
    assert kind_of(made.secret_key, again.keys) == "secret"
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a" / "state").iterdir() if p.is_file()}
    assert modes == {"secret.key": 0o600, "pseudonym.key": 0o600}


def test_without_a_folder_every_run_has_keys_of_its_own_and_nothing_is_written() -> None:
    one, two = open_state(None), open_state(None)
    assert one.events is two.events is None
    assert one.secret_key != two.secret_key
    assert one.pseudonyms.of("ann") != two.pseudonyms.of("ann")


@pytest.mark.parametrize(("name", "text"), [("secret.key", "sk_short"), ("pseudonym.key", "xyz"), ("secret.key", "")])
def test_a_key_that_is_none_is_refused_with_what_to_do(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=str(tmp_path)):
        open_state(tmp_path)


def test_a_file_is_no_state_folder(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(BadInput, match="name another one"):
        open_state(tmp_path / "state")
