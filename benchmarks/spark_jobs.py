"""The Spark jobs on this machine's cores beside the commands that do the same without Spark.

    .venv/bin/python benchmarks/spark_jobs.py .aisle/bench-35000

Pairs scored: `spark batch` and `aisle batch run`. A catalogue indexed: `spark index` and `merge`, and `aisle index`.
Each time is that of the whole command, the start of Java and the models among it.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from batch_rows import write_pairs
from measuring import arguments, write

from aisle.bundle import Bundle

SPARK = "model_export.spark"
RUNS = 3


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000, help="pairs (default: %(default)s)")
    parser.add_argument("--products", type=int, default=35_000, help="generated products (default: %(default)s)")
    given = parser.parse_args()
    bundle, cores = Bundle.open(given.bundle), str(os.cpu_count() or 1)
    with TemporaryDirectory() as name:
        folder = Path(name)
        pairs, catalogue = folder / "pairs.parquet", folder / "catalogue.jsonl"
        write_pairs(bundle, pairs, given.rows)
        generator = Path(__file__).with_name("catalogue.py")
        subprocess.run([sys.executable, str(generator), str(given.products), str(catalogue)], check=True)
        seconds: dict[str, list[float]] = {}
        for run in range(RUNS):
            for way, commands in ways(bundle.path, pairs, catalogue, folder / str(run), cores).items():
                seconds.setdefault(way, []).append(sum(map(taken, commands)))
                print(f"{way}: {seconds[way][-1]:.1f} s", flush=True)
    figures: dict[str, Any] = {"cores": int(cores), "runs": RUNS, "pairs": given.rows, "products": given.products}
    for way, times in seconds.items():
        middle, rows = median(times), given.rows if way.startswith("batch") else given.products
        figures[way] = {"seconds": round(middle, 1), "rows_a_second": round(rows / middle)}
    for job in ("batch", "index"):
        share = figures[f"{job}, Spark"]["rows_a_second"] / figures[f"{job}, one process"]["rows_a_second"]
        figures[f"{job}, share that Spark keeps"] = round(share, 2)
    print(figures)
    write(given.out or given.bundle.with_name(f"{given.bundle.name}.spark.json"), figures, bundle)


def ways(bundle: Path, pairs: Path, catalogue: Path, out: Path, cores: str) -> dict[str, list[list[str | Path]]]:
    """The commands of each way, that write into `out`."""
    return {
        "batch, Spark": [[SPARK, "batch", bundle, pairs, "--out", out / "spark", "--cores", cores]],
        "batch, one process": [["aisle", "batch", "run", bundle, pairs, "--out", out / "batch"]],
        "index, Spark": [
            [SPARK, "index", bundle, catalogue, "--out", out / "shards", "--cores", cores],
            [SPARK, "merge", bundle, out / "shards", "--out", out / "merged"],
        ],
        "index, one process": [["aisle", "index", bundle, catalogue, "--out", out / "indexed"]],
    }


def taken(command: list[str | Path]) -> float:
    """Seconds of `python -m` this. CalledProcessError, and its errors on stderr, where it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    elapsed = time.perf_counter() - start
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    done.check_returncode()
    return elapsed


if __name__ == "__main__":
    main()
