"""Prints what a demo store holds: rows by table, queries by kind and split, and the share with held-out words."""

import argparse
from collections import Counter

from model_export.demo_store import Store, generate
from model_export.demo_store.queries import HELD_OUT_KINDS, SHARES, SPLITS


def report(store: Store) -> str:
    """A table of queries by kind and split between the sizes of the tables and the held-out shares."""
    count = Counter((q["kind"], q["split"]) for q in store.queries)
    lines = [f"{len(store.products)} products, {len(store.qrels)} labels, {len(store.events)} events", ""]
    lines.append("kind       " + "".join(f"{split:>8}" for split in SPLITS))
    lines += [f"{kind:<11}" + "".join(f"{count[kind, split]:>8}" for split in SPLITS) for kind in SHARES]
    lines.append("all        " + "".join(f"{sum(count[k, split] for k in SHARES):>8}" for split in SPLITS))
    for split in ("dev", "test"):
        asked = [q for q in store.queries if q["split"] == split and q["kind"] in HELD_OUT_KINDS]
        held = sum(bool(q["held_out"]) for q in asked)
        lines += [
            "",
            f"{split}: {held} of {len(asked)} {', '.join(HELD_OUT_KINDS)} queries use a word unseen in training",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m model_export.demo_store", description=__doc__)
    parser.add_argument("--products", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    print(report(generate(arguments.products, seed=arguments.seed)))


if __name__ == "__main__":
    main()
