"""`aisle build` and `aisle demo`: what is wrong is told before anything is trained."""

from pathlib import Path

import pytest

from aisle.cli import main

TINY = Path(__file__).parent.parent / "tiny.toml"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["demo", "--port", "99999"], "'99999' is no whole number from 0 to 65535: `aisle demo --help` shows"),
        (["demo", "--products", "0"], "'0' is no whole number from 1 to 1000000"),
        (["demo", "--prod", "60"], "unrecognized arguments: --prod 60"),
        (["build", "dmeo", "--out", "bundle"], "no recipe is called 'dmeo': choose demo, "),
        (["build", "demo"], "the following arguments are required: --out: `aisle build --help` shows"),
        (
            ["build", str(TINY), "--out", "bundle", "--report", "no/r.html"],
            "no is not a folder: choose another --report",
        ),
        (
            ["build", str(TINY), "--out", "bundle", "--heavy", "bundle/heavy"],
            "bundle/heavy and bundle lie in one another: choose another --heavy",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")  # the exporters' own, where they are loaded here first
def test_a_mistake_is_told_at_once(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 2
    assert told in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []
