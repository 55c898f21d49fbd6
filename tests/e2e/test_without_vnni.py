"""The same scores on a processor without VNNI, which Lambda does not promise: int8 products must not saturate there.

qemu stands in for such a processor (AVX2, no AVX512), hundreds of times slower than a real one; hence so few pairs.
"""

import json
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

QUERIES = ["red running shoes", "白色运动鞋", "64gb phone", "a warm coat for the winter under 100"]
TEXTS = [
    *("Strivo Running Shoes - Lightweight, Red", "Strivo 休闲白色运动鞋", "Velorun Trail Shoes, Black", "运动鞋 黑色"),
    *("Nordholm Sofa, Three Seats, Grey", "Kettle 1.7 l Stainless Steel", "Phone 64GB Dual SIM Black", "Phone 128 GB"),
    *("Winter Coat, Down, Navy", "Rain Jacket Yellow Size L", "", "USB-C cable 2 m", "Desk Lamp LED 9W", "白色台灯"),
    *("Wool Scarf", "Garden hose 25 m with a very long name that goes on to say what nobody needs to know about it"),
]
SCRIPT = """
import json, sys
from pathlib import Path
from aisle.bundle import Bundle
from aisle.runtime import Services
services = Services(Bundle.open(Path(sys.argv[1])), threads=1)
print(json.dumps([services.rerank(query, [text])[0] for query, text in json.load(sys.stdin)]))
"""


def scores(bundle: Path, *emulator: str) -> np.ndarray:
    pairs = json.dumps(list(product(QUERIES, TEXTS)))
    command = [*emulator, sys.executable, "-c", SCRIPT, str(bundle)]
    printed = subprocess.run(command, input=pairs, capture_output=True, text=True, check=True, timeout=600).stdout
    return np.array(json.loads(printed))


@pytest.fixture
def haswell() -> list[str]:
    """The command that runs a program on a processor with AVX2 alone."""
    if not shutil.which("qemu-x86_64"):
        pytest.skip("needs qemu-x86_64 (Debian's qemu-user)")
    return ["qemu-x86_64", "-cpu", "Haswell"]


def test_64_pairs_score_alike_and_in_the_same_order_without_vnni(tiny_bundle: Path, haswell: list[str]) -> None:
    native, emulated = scores(tiny_bundle), scores(tiny_bundle, *haswell)
    assert len(native) == 64
    assert np.abs(native - emulated).max() < 1e-3
    assert np.argsort(native).tolist() == np.argsort(emulated).tolist()
