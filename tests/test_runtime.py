"""What the wiring asks of the process that it runs in."""

import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
from aisle.runtime import keep_freed_memory
keep_freed_memory()
faults = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.zeros(2_000_000, np.float32).fill(1)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(max(faults[1:]))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc: it keeps memory by rules of its own")
def test_the_memory_of_a_large_array_serves_the_next_one() -> None:
    """8 MB are two thousand pages, each a fault when it is fresh."""
    printed = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert int(printed) < 50
