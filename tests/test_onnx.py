"""How inputs become batches, and what the sealed models promise of their outputs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aisle.encoder import Encoder
from aisle.onnx import batches
from aisle.reranker import CrossEncoder


def test_batches_go_by_length_and_hold_the_token_budget() -> None:
    lengths = [5, 400, 7, 600, 5, 300]
    assert list(batches(lengths, 1200)) == [[0, 4, 2, 5], [1, 3]]
    assert list(batches(lengths, 1000)) == [[0, 4, 2], [5, 1], [3]]


def test_an_input_longer_than_the_budget_stands_alone() -> None:
    assert list(batches([3, 257], 256)) == [[0], [1]]
    assert list(batches([], 256)) == []


def test_vectors_are_unit_rows_in_the_order_of_the_texts(tiny_bundle: Path) -> None:
    encoder = Encoder(tiny_bundle / "encoder")
    texts = ["red shoes", "a much longer text about a kettle", "运动鞋", ""]
    vectors = encoder.encode(texts)
    assert vectors.shape == (4, encoder.dim)
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1] * 4, abs=1e-5)
    assert (vectors @ encoder.encode(["运动鞋"])[0]).argmax() == 2


def test_width_and_case_make_no_difference_to_a_model(tiny_bundle: Path) -> None:
    plain, wide = (
        Encoder(tiny_bundle / "encoder").encode(["red shoes 64"])[0],
        Encoder(tiny_bundle / "encoder").encode(["ＲＥＤ Shoes ６４"])[0],
    )
    assert plain.tolist() == wide.tolist()


def test_scores_are_in_the_order_of_the_texts(tiny_bundle: Path) -> None:
    reranker = CrossEncoder(tiny_bundle / "reranker")
    texts = ["a kettle of steel with a very long title indeed", "shoes", ""]
    alone = [float(reranker.score("red shoes", [text])[0]) for text in texts]
    assert np.argsort(reranker.score("red shoes", texts)).tolist() == np.argsort(alone).tolist()


def test_onnxruntime_reports_to_nobody(tiny_bundle: Path, tmp_path: Path) -> None:
    """Left alone, its wheels write an identifier into the home folder and send it with what they see."""
    program = (
        "import sys, pathlib, aisle.encoder; aisle.encoder.Encoder(pathlib.Path(sys.argv[1])).encode(['red shoes'])"
    )
    command = [sys.executable, "-c", program, str(tiny_bundle / "encoder")]
    run = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True)
    assert (run.returncode, run.stderr, list(tmp_path.rglob("*"))) == (0, "", [])
