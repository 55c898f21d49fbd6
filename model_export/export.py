"""From a trained network to the int8 ONNX that serves: export through optimum, fuse, quantise, compare with the
original.

The int8 scheme cannot saturate: weights keep 7 bits per channel (`reduce_range`), because AVX2 processors without
VNNI add pairs of u8 x s8 products in 16 bits. Lambda promises AVX2 only.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import export as export_onnx
from optimum.exporters.onnx.config import TextEncoderOnnxConfig
from optimum.utils import NormalizedTextConfig
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer

from aisle.encoder import Encoder
from aisle.reranker import CrossEncoder as ServedCrossEncoder
from model_export.networks import BiEncoder, CrossEncoder, Student, Teacher
from model_export.quiet import quiet


def seal_encoder(network: BiEncoder, folder: Path, texts: Sequence[str]) -> dict[str, float]:
    """Write encoder/ and return its parity figures on `texts`: cosine of int8 with torch vectors, smallest and mean."""
    export(network.encoder, network.tokenizer, folder)
    cosines = (Encoder(folder, threads=2).encode(texts) * network.encode(texts)).sum(1)
    return {"cosine_min": float(cosines.min()), "cosine_mean": float(cosines.mean()), "bytes": _bytes(folder)}


def seal_reranker(
    network: CrossEncoder, folder: Path, pairs: Sequence[tuple[str, str]], relevant: Sequence[bool]
) -> dict[str, float]:
    """Write reranker/ and return its parity figures on `pairs`: largest logit difference, correlation with torch.

    The int8 logits are calibrated on these pairs: a list's order does not fix their level, and a score that shops see
    should mean something.
    """
    export(network.encoder, network.tokenizer, folder)
    write_head(network, folder)
    calibrate(network, served_logits(folder, pairs), relevant)
    write_head(network, folder)
    logits = served_logits(folder, pairs)
    torch_logits = network.score_pairs(pairs)
    return {
        "logit_difference_max": float(np.abs(logits - torch_logits).max()),
        "correlation": float(np.corrcoef(logits, torch_logits)[0, 1]),
        "bytes": _bytes(folder),
    }


def calibrate(network: CrossEncoder, logits: NDArray[np.float32], relevant: Sequence[bool]) -> None:
    """Scale the head so that what it says as `logits` becomes the log-odds of `relevant` (Platt, 1999)."""
    platt = LogisticRegression(C=1e6).fit(logits[:, None], relevant)
    scale, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    if scale > 0:  # else nothing was learned, and turning the order round would not mend that
        network.weights.data *= scale
        network.bias.data = network.bias.data * scale + shift


def write_head(network: CrossEncoder, folder: Path) -> None:
    np.save(folder / "head.npy", torch.cat([network.weights, network.bias[None]]).detach().float().cpu().numpy())


def served_logits(folder: Path, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
    """(len(pairs),): each pair by itself, as `aisle score` does it."""
    served = ServedCrossEncoder(folder, threads=2)
    return np.array([served.score(query, [text])[0] for query, text in pairs], np.float32)


class OnnxConfig(TextEncoderOnnxConfig):  # type: ignore[misc]
    """What optimum needs to know of our networks."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        tokens = {0: "batch_size", 1: "sequence_length"}
        return {
            "input_ids": tokens,
            "attention_mask": tokens,
            "sides": {0: "batch_size", 1: "sides", 2: "sequence_length"},
        }

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return {"vectors": {0: "batch_size", 1: "sides"}}

    def generate_dummy_inputs(self, *_: object, **__: object) -> dict[str, torch.Tensor]:
        """What the network is traced with: three inputs of sixteen tokens, two sides each."""
        tokens = torch.ones(3, 16, dtype=torch.int64)
        return {"input_ids": tokens, "attention_mask": tokens, "sides": torch.ones(3, 2, 16)}


def export(model: Teacher | Student, tokenizer: Tokenizer, folder: Path) -> None:
    """model.onnx (int8) and tokenizer.json in a new `folder`."""
    folder.mkdir(parents=True)
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    with quiet(), TemporaryDirectory() as scratch:
        fused = Path(scratch, "fused.onnx")
        export_fused(model, fused)
        quantize_dynamic(
            fused,
            folder / "model.onnx",
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=False)


def export_fused(model: Teacher | Student, path: Path) -> None:
    """The network in float32 at `path`, its operators fused."""
    model = copy.deepcopy(model).cpu().train(False)
    plain = path.with_suffix(".plain.onnx")
    export_onnx(model, OnnxConfig(model.config), plain, opset=17, disable_dynamic_axes_fix=True)
    fusions = FusionOptions("bert")
    fusions.enable_skip_layer_norm = False  # see aisle.onnx.SLOW_FUSIONS
    optimised = optimize_model(
        str(plain),
        "bert",
        num_heads=model.config.num_attention_heads,
        hidden_size=model.config.hidden_size,
        optimization_options=fusions,
    )
    optimised.save_model_to_file(str(path))
    plain.unlink()


def _bytes(folder: Path) -> float:
    return float(sum(f.stat().st_size for f in folder.iterdir()))
