"""The minute of benchmarks/endpoint_load.py among the slow tests: no score is another pair's, and memory is flat."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_fifty_clients_get_every_score_of_their_own_pairs(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/endpoint_load.py", "--seconds", "60", "--out", str(tmp_path / "load.json")]
    run = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    seen = json.loads((tmp_path / "load.json").read_bytes())
    assert seen["resident_mb"]["end"] <= 1.1 * seen["resident_mb"]["settled"]  # that of second 20
    assert {name: seen[name] for name in ("clients", "lost", "refused", "wrong")} == {
        "clients": 50,
        "lost": 0,
        "refused": 0,
        "wrong": 0,
    }
    assert seen["requests"] > 100
    assert seen["scores_told_apart"] > 0.5  # or a swapped score would not have been seen
