"""What a build tells of its steps while it runs, and keeps for the manifest and the report."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aisle.bundle import Step
from model_export.train import Curve


@dataclass
class Log:
    """The steps so far, told on stderr as they end."""

    steps: list[Step] = field(default_factory=list)
    curves: dict[str, Curve] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Times the block; what it puts into the yielded dict are the step's figures."""
        figures: dict[str, Any] = {}
        started = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        yield figures
        seconds = round(time.perf_counter() - started, 1)
        self.steps.append(Step(name, seconds, figures))
        shown = ", ".join(f"{k} {v}" for k, v in figures.items())
        print(f"  {seconds:.0f} s  {shown}", file=sys.stderr, flush=True)
