"""A generated catalogue of any size, for benchmarks that need no labels.

    .venv/bin/python benchmarks/catalogue.py 35000 catalogue.jsonl

The same on every machine, and each a prefix of any longer one.
"""

import sys
from pathlib import Path

import msgspec
from tqdm import tqdm

from model_export.demo_store import iter_products


def main() -> None:
    count, out = int(sys.argv[1]), Path(sys.argv[2])
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        for product in tqdm(iter_products(count), "products", total=count, mininterval=2):
            file.write(msgspec.json.encode(product) + b"\n")


if __name__ == "__main__":
    main()
