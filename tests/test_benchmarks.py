"""Every benchmark loads where `make bench` runs it: beside the repository's packages, without those of development."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ABSENT = ["boto3", "botocore", "hypothesis", "jwt", "moto", "mypy", "pytest"]  # nothing of requirements.txt needs them
LOAD = """
import runpy, sys
from pathlib import Path
sys.modules.update(dict.fromkeys({absent!r}))  # a module that is None cannot be imported
sys.path[0] = "benchmarks"  # as for a script
for path in sorted(Path("benchmarks").glob("*.py")):
    runpy.run_path(str(path), run_name="loaded")
    print(path.stem)
"""


@pytest.mark.slow
def test_every_benchmark_loads_without_the_packages_of_development() -> None:
    command, environment = [sys.executable, "-c", LOAD.format(absent=ABSENT)], {"PYTHONPATH": ".", "PATH": "/usr/bin"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert "cold_start" in run.stdout.splitlines()


def test_make_bench_puts_the_repository_on_the_path_of_what_needs_it() -> None:
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "benchmarks/$$benchmark.py" in line)
    assert line.split()[:2] == ["PYTHONPATH=.", ".venv-bench/bin/python"]
