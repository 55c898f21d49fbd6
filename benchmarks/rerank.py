"""Fifty products reranked for a query on one core: the bundle's int8 student beside its teacher in other runtimes.

    .venv-bench/bin/python benchmarks/rerank.py .aisle/demo-3000

The peers run a cross-encoder of the base model's six layers over the bundle's own vocabulary: what the student was
distilled from, but for its weights, on which speed does not depend. All get the same (query, text) pairs and do their
own tokenising. The ceiling is what onnxruntime's int8 product reaches on one large matrix in the same run; the
student's share of it counts the operations of real tokens only.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime as ort
from measuring import arguments, asked, milliseconds, one_core, percentiles, side_by_side, write
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from peers import FastEmbed, FlashRank, PlainOnnx, TorchCrossEncoder, write_plain_int8, write_teacher
from tokenizers import Tokenizer

from aisle.bundle import Bundle
from aisle.catalogue import product_text
from aisle.reranker import MAX_TOKENS, Reranker
from aisle.retrieval import RERANKED, Parts, Retrieval
from aisle.runtime import open_search
from aisle.text import fold
from model_export.quiet import quiet

CEILING = 1024  # rows, inner and outer width of the large product
LISTS = 30
Candidates = tuple[str, NDArray[np.int64]]  # a query as read, and rows


def main() -> None:
    given = arguments(__doc__.splitlines()[0]).parse_args()
    one_core()
    bundle = Bundle.open(given.bundle)
    parts = open_search(bundle.path, bundle.manifest.bundle_id, threads=1).parts
    retrieval = Retrieval(parts, clock=lambda: 0.0)
    lists = candidates(retrieval, asked(bundle, given.queries))
    if not lists:
        raise SystemExit(f"no query finds {RERANKED} products in {given.bundle}: choose a larger one")
    texts = [[product_text(parts.products[row]) for row in rows] for _, rows in lists]
    with TemporaryDirectory() as folder, quiet():
        teacher, plain = Path(folder, "teacher"), Path(folder, "plain")
        write_teacher(bundle.path / "reranker" / "tokenizer.json", teacher)
        write_plain_int8(teacher, plain)
        peers: dict[str, Reranker] = {
            "teacher, torch float32 (sentence-transformers)": TorchCrossEncoder(teacher),
            "teacher, plain int8 (onnxruntime)": PlainOnnx(plain),
            "teacher, plain int8 (FlashRank)": FlashRank(plain),
            "teacher, plain int8 (fastembed)": FastEmbed(plain),
        }
        systems: dict[str, Callable[[int], object]] = {
            "aisle": lambda i: retrieval.read_pairs(*lists[i], deadline=np.inf),
            **{name: partial(scored, peer, lists, texts) for name, peer in peers.items()},
        }
        ceiling = int8_ceiling()
        taken = side_by_side(systems, len(lists))
        ceiling = max(ceiling, int8_ceiling())
    tokens = [lengths(parts, bundle.path / "reranker" / "tokenizer.json", *each) for each in lists]
    layers = int(bundle.manifest.models["reranker"]["layers"])
    hidden = len(np.load(bundle.file("reranker/head.npy"))) - 1  # a weight a dimension, and the bias
    done = [operations(n, layers, hidden) / ms * 1000 for n, ms in zip(tokens, taken["aisle"], strict=True)]
    share = float(np.median(done)) / ceiling
    summary = {name: percentiles(times) for name, times in taken.items()}
    ms = {name: row["p50"] for name, row in summary.items()}
    figures = {
        "lists": len(lists),
        "pairs_each": RERANKED,
        "tokens_a_pair": round(float(np.mean(np.concatenate(tokens))), 1),
        "student_layers": layers,
        "milliseconds": summary,
        "times_as_fast_as": {name: round(ms[name] / ms["aisle"], 1) for name in ms if name != "aisle"},
        "int8_ceiling_tops": round(ceiling / 1e12, 3),
        "share_of_ceiling": round(share, 3),
    }
    for name, times in ms.items():
        print(f"{name:50} {times:8.1f} ms   {times / ms['aisle']:5.1f} x")
    print(f"{figures['tokens_a_pair']} tokens a pair; {share:.0%} of the int8 ceiling of {ceiling / 1e12:.2f} TOPS")
    write(given.out or given.bundle.with_name(f"{given.bundle.name}.rerank.json"), figures, bundle)


def candidates(retrieval: Retrieval, queries: list[str]) -> list[Candidates]:
    """(query as read, its RERANKED best rows in the first order) of the first LISTS queries that find so many."""
    lists: list[Candidates] = []
    for query in queries:
        reading = retrieval.read(query)
        evidence = retrieval.retrieve(reading)
        if evidence is None or len(lists) == LISTS:
            continue
        ranked = retrieval.rank(reading, evidence, np.flatnonzero(retrieval.wanted(evidence)))
        if len(ranked.features) >= RERANKED:
            lists.append((reading.text, ranked.rows[:RERANKED]))
    return lists


def scored(peer: Reranker, lists: Sequence[Candidates], texts: Sequence[list[str]], i: int) -> object:
    return peer.score(lists[i][0], texts[i])


def lengths(parts: Parts, tokenizer: Path, query: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(len(rows),) tokens of each pair as the student reads it."""
    wordpiece = Tokenizer.from_file(str(tokenizer))
    wordpiece.enable_truncation(MAX_TOKENS)
    pairs = [(fold(query), fold(product_text(parts.products[row]))) for row in rows]
    return np.array([len(encoding) for encoding in wordpiece.encode_batch(pairs)])


def operations(tokens: NDArray[np.int64], layers: int, hidden: int) -> float:
    """Multiplications and additions of the int8 products of a student over pairs of these lengths.

    A layer multiplies each token by four square matrices and two of the feed-forward block; the last one does so for
    the two pooled vectors of a pair, and needs of the tokens only keys and values.
    """
    full = 4 * hidden * hidden + 2 * hidden * 4 * hidden
    last = tokens.sum() * 2 * hidden * hidden + 2 * len(tokens) * (full - 2 * hidden * hidden)
    return 2.0 * float(tokens.sum() * (layers - 1) * full + last)


def int8_ceiling() -> float:
    """Operations a second of one large int8 product in onnxruntime, on one thread."""
    random = np.random.default_rng(7)
    weights = numpy_helper.from_array(random.integers(-64, 64, (CEILING, CEILING), np.int8), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["inputs", "weights"], ["product"])],
        "ceiling",
        [helper.make_tensor_value_info("inputs", TensorProto.UINT8, [CEILING, CEILING])],
        [helper.make_tensor_value_info("product", TensorProto.INT32, [CEILING, CEILING])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = random.integers(0, 256, (CEILING, CEILING), np.uint8)
    taken = [milliseconds(lambda: session.run(None, {"inputs": inputs})) for _ in range(20)]
    return 2 * CEILING**3 / (float(np.median(taken)) / 1000)


if __name__ == "__main__":
    main()
