"""Other ways to run the same cross-encoder on the same device, at their best settings: requests in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

Request = tuple[str, list[str]]
MAX_TOKENS = 512  # of a pair
PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


class Scorer(Protocol):
    def __call__(self, requests: Sequence[Request], batch_size: int) -> NDArray[np.float32]:
        """All pairs' logits, `batch_size` pairs at a time."""


def pairs_of(requests: Sequence[Request]) -> list[tuple[str, str]]:
    return [(query, text) for query, texts in requests for text in texts]


def sentence_transformers_scorer(model: Path, device: str) -> Scorer | None:
    """CrossEncoder, bfloat16 on a GPU, which sorts by length itself. None where it is not installed."""
    try:
        from sentence_transformers import CrossEncoder
    except ImportError:
        return None
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    network = CrossEncoder(str(model), device=device, max_length=MAX_TOKENS, model_kwargs={"dtype": dtype})
    raw = torch.nn.Identity()

    def score(requests: Sequence[Request], batch_size: int) -> NDArray[np.float32]:
        found = network.predict(
            pairs_of(requests),
            batch_size=batch_size,
            activation_fn=raw,
            convert_to_tensor=True,
            show_progress_bar=False,
        )
        logits: NDArray[np.float32] = found.float().cpu().numpy()
        return logits

    return score


def onnx_scorer(model: Path, heads: int, width: int, device: str) -> Scorer | None:
    """onnxruntime, operators fused, float16 on a GPU, sorted by length. None where it has nothing for the device."""
    import onnxruntime as ort

    if PROVIDERS[device] not in ort.get_available_providers():
        return None
    from onnxruntime.transformers.optimizer import optimize_model
    from optimum.exporters.onnx import main_export

    from model_export.quiet import quiet

    with quiet():
        main_export(str(model), model / "onnx", task="text-classification", no_post_process=True)
        fused = optimize_model(
            str(model / "onnx" / "model.onnx"), "bert", num_heads=heads, hidden_size=width, use_gpu=device == "cuda"
        )
        if device == "cuda":
            fused.convert_float_to_float16(keep_io_types=True)
        fused.save_model_to_file(str(model / "fused.onnx"), use_external_data_format=True)
    session = ort.InferenceSession(str(model / "fused.onnx"), providers=[PROVIDERS[device]])
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()

    def score(requests: Sequence[Request], batch_size: int) -> NDArray[np.float32]:
        encodings = tokenizer.encode_batch_fast(pairs_of(requests))
        order = np.argsort([len(encoding) for encoding in encodings])
        logits = np.empty(len(encodings), np.float32)
        for at in range(0, len(order), batch_size):
            chosen = order[at : at + batch_size]
            feed = padded([encodings[i] for i in chosen.tolist()])
            logits[chosen] = session.run(None, feed)[0][:, 0]
        return logits

    return score


def padded(encodings: Sequence[Any]) -> dict[str, NDArray[np.int64]]:
    block = np.zeros((3, len(encodings), max(len(encoding) for encoding in encodings)), np.int64)
    for row, encoding in enumerate(encodings):
        block[0, row, : len(encoding)], block[1, row, : len(encoding)] = encoding.ids, encoding.type_ids
        block[2, row, : len(encoding)] = 1
    return dict(zip(("input_ids", "token_type_ids", "attention_mask"), block, strict=True))
