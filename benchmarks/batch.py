"""A file of pairs scored by `aisle batch run` on all cores, beside ceilings and a loop over sentence-transformers.

    .venv-bench/bin/python benchmarks/batch.py .aisle/bench-35000 --rows 1000000

Three ceilings are measured before and after, by as many threads as there are cores: one large int8 product in
onnxruntime (operations of real tokens count against it); the student reading the same pairs from memory one by one, as
a pair's score may depend on that pair alone; and the student reading all of a query's pairs in batches of like length,
as search does with fifty.
The peer is sentence-transformers' CrossEncoder with the six layers of the student's teacher, its own batches of 32 and
all cores.
"""

import json
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from batch_rows import Pairs, write_pairs
from measuring import write
from peers import LONGEST, write_teacher
from rerank import int8_ceiling, operations
from sentence_transformers import CrossEncoder as SentenceTransformer
from tokenizers import Tokenizer

from aisle.bundle import Bundle
from aisle.reranker import MAX_TOKENS, CrossEncoder
from aisle.runtime import keep_freed_memory
from aisle.text import fold
from model_export.quiet import quiet

PEERS_SAMPLE, BATCH = 2_000, 32


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    keep_freed_memory()
    bundle, cores = Bundle.open(given.bundle), os.cpu_count() or 1
    student = CrossEncoder(bundle.path / "reranker")
    with TemporaryDirectory() as folder, quiet():
        file, teacher = Path(folder, "pairs.parquet"), Path(folder, "teacher")
        pairs = write_pairs(bundle, file, given.rows)
        write_teacher(bundle.path / "reranker" / "tokenizer.json", teacher)
        before = ceilings(student, pairs, cores)
        batch = run_batch(bundle.path, file, Path(folder, "job"))
        after = ceilings(student, pairs, cores)
        peer = plain_loop(teacher, pairs[:PEERS_SAMPLE], cores)
    best = {name: max(before[name], after[name]) for name in before}
    tokens = lengths(bundle.path / "reranker" / "tokenizer.json", pairs)
    layers = int(bundle.manifest.models["reranker"]["layers"])
    hidden = len(np.load(bundle.file("reranker/head.npy"))) - 1
    each = operations(tokens, layers, hidden) / len(tokens)
    rate = given.rows / batch["seconds"]
    figures: dict[str, Any] = {
        "rows": given.rows,
        "cores": cores,
        "tokens_a_pair": round(float(tokens.mean()), 1),
        "batch": {**batch, "rows_a_second": round(rate)},
        "pairs_a_second": {
            "student from memory, pair by pair": round(best["alone"]),
            "student from memory, in batches": round(best["batched"]),
            "sentence-transformers, six layers in float32": round(peer),
        },
        "int8_product_tops": round(best["product"] / 1e12, 3),
        "share_of_student_alone": round(rate / best["alone"], 3),
        "share_of_student_batched": round(rate / best["batched"], 3),
        "share_of_int8_product": round(rate * each / best["product"], 3),
        "times_sentence_transformers": round(rate / peer, 1),
    }
    print(f"{rate:,.0f} rows a second, {batch['memory_mb']:.0f} MB; sentence-transformers {peer:,.0f} rows a second")
    for name, value in figures.items():
        if name.startswith("share"):
            print(f"{name.replace('_', ' ')}: {value:.0%}")
    write(given.out or given.bundle.with_name(f"{given.bundle.name}.batch.json"), figures, bundle)


def run_batch(bundle: Path, file: Path, out: Path) -> dict[str, float]:
    """Seconds of the command itself, models opened and file planned included, and the most memory that it held."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "aisle", "batch", "run", bundle, file, "--out", out], check=True)
    seconds = time.perf_counter() - start
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert manifest["rejected"] == 0, manifest
    return {
        "seconds": round(seconds, 1),
        "memory_mb": round(manifest["memory_mb"]),
        "chunks": len(manifest["parts"]),
        "output_bytes": sum(part["bytes"] for part in manifest["parts"]),
    }


def ceilings(student: CrossEncoder, pairs: Pairs, threads: int) -> dict[str, float]:
    """Operations a second of the large product, pairs a second of the student one by one and in batches."""
    texts: dict[str, list[str]] = {}
    for query, text in pairs:
        texts.setdefault(query, []).append(text)

    def alone(thread: int) -> None:
        for query, text in pairs[thread::threads]:
            student.score(query, [text])

    def batched(thread: int) -> None:
        for query in [*texts][thread::threads]:
            student.score(query, texts[query])

    product = sum(at_once(lambda _: int8_ceiling(), threads))
    return {
        "product": product,
        "alone": len(pairs) / timed(alone, threads),
        "batched": len(pairs) / timed(batched, threads),
    }


def at_once(work: Callable[[int], Any], threads: int) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return [*pool.map(work, range(threads))]


def timed(work: Callable[[int], None], threads: int) -> float:
    """Seconds."""
    start = time.perf_counter()
    at_once(work, threads)
    return time.perf_counter() - start


def plain_loop(teacher: Path, pairs: Pairs, threads: int) -> float:
    """Pairs a second."""
    torch.set_num_threads(threads)
    model = SentenceTransformer(str(teacher), device="cpu", max_length=LONGEST)
    model.predict(pairs[:BATCH], show_progress_bar=False)
    start = time.perf_counter()
    for at in range(0, len(pairs), BATCH):
        model.predict(pairs[at : at + BATCH], batch_size=BATCH, show_progress_bar=False)
    return len(pairs) / (time.perf_counter() - start)


def lengths(tokenizer: Path, pairs: Pairs) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(len(pairs),) tokens of each as the student reads it."""
    wordpiece = Tokenizer.from_file(str(tokenizer))
    wordpiece.enable_truncation(MAX_TOKENS)
    return np.array([len(found) for found in wordpiece.encode_batch([(fold(q), fold(t)) for q, t in pairs])])


if __name__ == "__main__":
    main()
