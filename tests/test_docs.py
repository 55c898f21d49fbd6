"""What can be typed or set is documented: a command, an option or a variable that no page names fails here."""

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from aisle.cli import COMMANDS, GROUP, main
from aisle.errors import BadInput
from aisle.merchandising import Rules
from aisle.settings import Settings
from model_export.datasets import load

ROOT = Path(__file__).parent.parent
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if path.exists()]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
REGISTERED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]


@pytest.mark.parametrize("command", [*COMMANDS, *REGISTERED])
def test_every_command_is_documented_with_all_its_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}
    table = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    lines = [line for line in table.splitlines() if line.startswith(f"| `aisle {command} ")]
    assert re.search(rf"\baisle {command}\b", TEXT)
    assert lines
    assert sorted(option for option in options if not any(option in line for line in lines)) == []


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_is_documented(field: str) -> None:
    assert f"`AISLE_{field.upper()}`" in TEXT


def test_every_shipped_recipe_is_documented() -> None:
    recipes = [path.stem for path in sorted((ROOT / "model_export" / "recipes").glob("*.toml"))]
    assert [name for name in recipes if f"`{name}`" not in TEXT] == []


def test_the_merchandising_example_is_read_as_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "merchandising.toml"
    path.write_text(example, encoding="utf-8")
    assert Rules.read(path, ["p1", "p2", "p3"]) == Rules(
        synonyms=[["sneakers", "trainers", "运动鞋"]],
        pin={"running shoes": ["p2", "p1"]},
        bury={"shoes": ["p3"]},
        redirects={"returns": "/help/returns"},
    )


def test_the_example_tables_lack_nothing_but_rows(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    tables = dict(re.findall(r"`(\w+\.csv)`.*?```csv\n(.*?)```", page, re.DOTALL))
    for name, text in tables.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert list(tables) == ["catalogue.csv", "queries.csv", "qrels.csv"]
    with pytest.raises(BadInput, match=r"qrels\.csv has 2 train queries with a rating above 0, at least 20"):
        load("shop", tmp_path)
