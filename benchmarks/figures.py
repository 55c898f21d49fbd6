"""Put the figures of results/*.json into the READMEs, so that no number there was typed.

    .venv/bin/python benchmarks/figures.py [--check]

With --check nothing is written, and the exit code is 1 where a README says otherwise than the results. A table stands
between `<!-- figures: NAME -->` and `<!-- end -->`, NAME being a file of results/ without its ending.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
BLOCK = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

WORDS = {
    "en": {
        "gain": "gain [95 %]",
        "cross": "nDCG@10, across languages",
        "synonym": 'nDCG@10, synonyms ("couch" for sofa)',
        "misspelt": "nDCG@10, misspelt",
        "ms": "median, ms",
        "p99": "p99, ms",
        "times": "times aisle's time",
        "start": "process start to first answer",
        "resident": "memory resident then",
        "cost": "dollars per million searches",
        "function": "the function alone",
        "products": "products",
        "index": "`aisle index`, min",
        "bundle": "bundle, MB",
        "memory": "memory after 320 searches, MB",
        "recall": "vectors' recall@100 of exact",
        "total": "with gateway, logs, traces and a table read",
        "anything": "anything",
        "new": "new to them",
        "coverage": "of the catalogue shown",
        "pairs": "pairs a second",
        "held": "`aisle batch run`, times theirs",
    },
    "zh": {
        "gain": "提升 [95 %]",
        "cross": "nDCG@10，跨语言",
        "synonym": "nDCG@10，同义词（用 couch 搜 sofa）",
        "misspelt": "nDCG@10，拼写错误",
        "ms": "中位数，毫秒",
        "p99": "p99，毫秒",
        "times": "是 aisle 的几倍",
        "start": "从进程启动到第一个回答",
        "resident": "此时的常驻内存",
        "cost": "每百万次搜索的美元",
        "function": "仅函数",
        "products": "商品数",
        "index": "`aisle index`，分钟",
        "bundle": "bundle，MB",
        "memory": "320 次搜索后的内存，MB",
        "recall": "向量检索相对精确检索的 recall@100",
        "total": "加上网关、日志、追踪与一次表读取",
        "anything": "任意商品",
        "new": "未买过的",
        "coverage": "展示到的目录比例",
        "pairs": "每秒打分对数",
        "held": "`aisle batch run` 是其几倍",
    },
}
Words = Mapping[str, str]


def main() -> int:
    stale = 0
    for language, path in READMES.items():
        page = path.read_text(encoding="utf-8")
        renewed = filled(page, language)
        if renewed != page and "--check" in sys.argv:
            stale = 1
            print(f"{path.name} differs from benchmarks/results/: run benchmarks/figures.py", file=sys.stderr)
        elif renewed != page:
            path.write_text(renewed, encoding="utf-8")
    return stale


def filled(page: str, language: str) -> str:
    """`page` with each block's table as the results have it. Raises FileNotFoundError for a name without a file."""

    def block(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        figures = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        return start + "\n".join(TABLES[name.rpartition(".")[2]](figures, WORDS[language])) + "\n" + end

    return BLOCK.sub(block, page)


def quality(figures: Mapping[str, Any], words: Words) -> list[str]:
    named = dict(figures["measures"])
    named |= {words[kind]: row for kind, row in figures["by_kind"].items() if kind in words}
    rows = []
    for name, row in named.items():
        low, high = row["interval"]
        gain = f"{row['gain']:+.3f} [{low:.3f}, {high:.3f}]"
        rows.append((name.replace("R@100", "recall@100"), f"{row['bundle']:.3f}", f"{row['BM25']:.3f}", gain))
    return table(("", "aisle", "BM25", words["gain"]), rows)


def timed(figures: Mapping[str, Any], words: Words) -> list[str]:
    taken = figures["milliseconds"]
    own = taken["aisle"]["p50"]
    rows = [
        (name, f"{row['p50']:.1f}", f"{row['p99']:.1f}", f"{row['p50'] / own:.1f}")
        for name, row in sorted(taken.items(), key=lambda item: float(item[1]["p50"]))
    ]
    return table(("", words["ms"], words["p99"], words["times"]), rows)


def cold_start(figures: Mapping[str, Any], words: Words) -> list[str]:
    rows = [
        (words["start"], f"{figures['first_answer_s']:.2f} s"),
        (words["resident"], f"{figures['resident_mb']} MB"),
    ]
    return table(("", ""), rows)


def cost(figures: Mapping[str, Any], words: Words) -> list[str]:
    rows = [(name, f"{row['function']:.2f}", f"{row['total']:.2f}") for name, row in figures["dollars"].items()]
    return table((words["cost"], words["function"], words["total"]), rows)


def growth(figures: Mapping[str, Any], words: Words) -> list[str]:
    rows = [
        (
            f"{row['products']:,}",
            f"{row['index_s'] / 60:.1f}",
            f"{row['bundle_mb']:,}",
            f"{row['resident_mb']:,}",
            f"{row['milliseconds']['p50']:.1f}",
            f"{row['milliseconds']['p99']:.1f}",
            f"{row['recall']['100']:.3f}",
        )
        for row in figures["sizes"]
    ]
    head = [words[name] for name in ("products", "index", "bundle", "memory", "ms", "p99", "recall")]
    return table(head, rows)


def recommend(figures: Mapping[str, Any], words: Words) -> list[str]:
    rows = []
    for name, tasks in figures["systems"].items():
        measured = [tasks[task][measure] for task in ("anything", "new") for measure in ("recall@20", "nDCG@20")]
        cells = [f"{mean:.3f} [{low:.3f}, {high:.3f}]" for mean, low, high in measured]
        rows.append((name, *cells, f"{tasks['new']['coverage']:.2f}"))
    head = [f"{measure}, {words[task]}" for task in ("anything", "new") for measure in ("recall@20", "nDCG@20")]
    return table(("", *head, words["coverage"]), rows)


def batch(figures: Mapping[str, Any], words: Words) -> list[str]:
    own = figures["batch"]["rows_a_second"]
    rows = [
        (name, f"{rate:,}", f"{own / rate:.2f}")
        for name, rate in {"`aisle batch run`": own, **figures["pairs_a_second"]}.items()
    ]
    return table(("", words["pairs"], words["held"]), rows)


TABLES: dict[str, Callable[[Mapping[str, Any], Words], list[str]]] = {
    "quality": quality,
    "rerank": timed,
    "search": timed,
    "cold_start": cold_start,
    "cost": cost,
    "growth": growth,
    "recommend": recommend,
    "batch": batch,
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown lines."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


if __name__ == "__main__":
    sys.exit(main())
