"""What a million searches cost: an estimate from times that benchmarks/search.py measured and list prices.

    .venv/bin/python benchmarks/cost.py benchmarks/results/demo.search.json

The core is the measuring machine's, not Lambda's, and arm64 differs in its price only: an estimate, not a bill.
"""

import argparse
import json
from pathlib import Path

from measuring import write

GB = 1769 / 1024  # memory of one vCPU
PER_GB_SECOND = {"x86_64": 0.0000166667, "arm64": 0.0000133334}  # dollars, us-east-1, November 2026
PER_MILLION = {
    "invocations": 0.20,
    "HTTP API": 1.00,
    "logs, 1 KB each": 0.50,
    "traces, one in twenty": 0.25,
    "one table read each": 0.125,
}
GPU_ENDPOINT_A_MONTH = 822.0  # ml.g6.xlarge, always on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("search", type=Path, help="JSON file of benchmarks/search.py")
    parser.add_argument("--out", type=Path, help="JSON file to write (default: beside it)")
    given = parser.parse_args()
    measured = json.loads(given.search.read_text(encoding="utf-8"))
    beside = sum(PER_MILLION.values()) - PER_MILLION["invocations"]
    dollars = {}
    for name, row in measured["milliseconds"].items():
        for processor, price in PER_GB_SECOND.items():
            function = row["mean"] * 1000 * GB * price + PER_MILLION["invocations"]
            dollars[f"{name}, {processor}"] = {"function": round(function, 2), "total": round(function + beside, 2)}
    cheapest = dollars["aisle, reranked, arm64"]["function"]
    figures = {
        "measured": measured["machine"],
        "assumed": {"memory_mb": 1769, "dollars_per_gb_second": PER_GB_SECOND, "dollars_per_million": PER_MILLION},
        "dollars": dollars,
        "gpu_endpoint": {
            "dollars_a_month": GPU_ENDPOINT_A_MONTH,
            "million_reranked_searches_for_it": round(GPU_ENDPOINT_A_MONTH / cheapest),
        },
    }
    for name, row in dollars.items():
        print(f"{name:65} {row['function']:8.2f} {row['total']:8.2f}")
    write(given.out or given.search.with_name(given.search.name.replace(".search.", ".cost.")), figures)


if __name__ == "__main__":
    main()
