"""The READMEs' tables are the benchmarks' own figures."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def check(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/figures.py", "--check"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def test_the_readmes_say_what_was_measured() -> None:
    assert check(ROOT).stderr == ""
    for name in ("README.md", "README.zh-CN.md"):
        assert "<!-- figures: " in (ROOT / name).read_text(encoding="utf-8")


def test_a_figure_that_was_typed_over_is_told(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "README.zh-CN.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    readme = tmp_path / "README.md"
    page = readme.read_text(encoding="utf-8")
    at = page.index("0.", page.index("-->", page.index("<!-- figures: ")))
    readme.write_text(f"{page[:at]}1.{page[at + 2 :]}", encoding="utf-8")
    checked = check(tmp_path)
    assert checked.returncode == 1
    assert checked.stderr == "README.md differs from benchmarks/results/: run benchmarks/figures.py\n"
