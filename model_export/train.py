"""Fine-tune the teachers: a bi-encoder by contrast, then a cross-encoder by lists, each on the errors of what came
before.

Each loop draws batches with a seeded generator, follows a linear warm-up and decay, and returns its loss curve. The
objective and the data are arguments, so the students of `distil.py` run through the same loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm
from transformers import get_linear_schedule_with_warmup

from aisle.dense import top_rows
from aisle.lexical import Lexical
from model_export.examples import Examples, epochs
from model_export.networks import SCALE, BiEncoder, CrossEncoder

Curve = list[tuple[int, float]]


def optimise(
    network: nn.Module,
    loss_of: Callable[[NDArray[np.int64]], Tensor],
    batches: Sequence[NDArray[np.int64]],
    rate: float,
    name: str,
) -> Curve:
    """Run AdamW over `batches` of positions; the curve has the mean loss of every 20 steps."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01, fused=True)
    schedule = get_linear_schedule_with_warmup(optimiser, len(batches) // 10, len(batches))
    curve: Curve = []
    recent: list[float] = []
    bar = tqdm(batches, desc=name, unit="step", mininterval=2, leave=False, disable=None)
    for step, positions in enumerate(bar, 1):
        loss = loss_of(positions)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        recent.append(loss.item())
        if step % 20 == 0 or step == len(batches):
            curve.append((step, float(np.mean(recent))))
            bar.set_postfix(loss=f"{curve[-1][1]:.3f}")
            recent = []
    network.eval()
    return curve


def train_bi_encoder(
    network: BiEncoder, examples: Examples, steps: int, batch: int, rate: float, hard: int, seed: int
) -> Curve:
    """Contrast each query's answer with the batch's other answers and `hard` mined texts (InfoNCE, van den Oord 2018).

    A text in the batch that answers the query at least as well as the drawn one is no negative and is left out.
    """
    random = np.random.default_rng(seed)
    network.train()

    def loss_of(positions: NDArray[np.int64]) -> Tensor:
        answers = [examples.answer(i, random) for i in positions]
        others = [t for i in positions for t in examples.distractors(i, hard, random)] if hard else []
        texts = answers + others
        vectors = network([examples.queries[i] for i in positions] + [examples.rendering(t, random) for t in texts])
        similarity = SCALE * vectors[: len(positions)] @ vectors[len(positions) :].T  # (batch, batch * (1 + hard))
        own = torch.arange(len(positions), device=similarity.device)
        left_out = torch.from_numpy(as_good(examples, positions, answers, texts)).to(similarity.device)
        left_out[own, own] = False
        forward = nn.functional.cross_entropy(similarity.masked_fill(left_out, -1e4), own)
        square = slice(0, len(positions))
        backward = nn.functional.cross_entropy(similarity[:, square].masked_fill(left_out[:, square], -1e4).T, own)
        return forward + 0.5 * backward

    return optimise(network, loss_of, epochs(len(examples.queries), batch, steps, random), rate, "bi-encoder")


def as_good(
    examples: Examples, positions: NDArray[np.int64], answers: list[int], texts: list[int]
) -> NDArray[np.bool_]:
    """(queries, texts): whether the text answers the query at least as well as the query's drawn answer."""
    rows = []
    for i, answer in zip(positions, answers, strict=True):
        gains = examples.gains[i]
        rows.append([gains.get(t, 0.0) >= gains[answer] for t in texts])
    return np.array(rows)


def train_cross_encoder(
    network: CrossEncoder, examples: Examples, steps: int, batch: int, rate: float, hard: int, seed: int
) -> Curve:
    """Each query's answer must win over `hard` mined texts: cross-entropy with the gains (ListNet, Cao et al. 2007)."""
    random = np.random.default_rng(seed)
    network.train()

    def loss_of(positions: NDArray[np.int64]) -> Tensor:
        lists = [[examples.answer(i, random), *examples.distractors(i, hard, random)] for i in positions]
        pairs = [
            (examples.queries[i], examples.rendering(t, random))
            for i, ts in zip(positions, lists, strict=True)
            for t in ts
        ]
        logits = network(pairs).view(len(lists), -1)
        gains = [[examples.gains[i].get(t, 0.0) for t in ts] for i, ts in zip(positions, lists, strict=True)]
        target = torch.tensor(gains, device=logits.device)
        return nn.functional.cross_entropy(logits, target / target.sum(1, keepdim=True))

    return optimise(network, loss_of, epochs(len(examples.queries), batch, steps, random), rate, "cross-encoder")


def best_by_words(examples: Examples, depth: int) -> list[NDArray[np.int64]]:
    """The `depth` best texts of each query by BM25."""
    lexical = Lexical.build(examples.texts)
    bar = tqdm(examples.queries, desc="BM25", unit="query", mininterval=2, leave=False, disable=None)
    return [top_rows(lexical.match(query).score, depth) for query in bar]


def mine(examples: Examples, by_words: list[NDArray[np.int64]], network: BiEncoder | None, depth: int) -> None:
    """Fill `examples.hard` with what BM25, and `network` with its `depth` nearest, found and is not a best answer.

    A text with a lower gain than the query's best stays in: telling 2 from 3 is worth learning too.
    """
    near = nearest(network, examples, depth) if network else by_words
    examples.hard = []
    for gains, words, vectors in zip(examples.gains, by_words, near, strict=True):
        best, found = max(gains.values()), np.union1d(words, vectors)
        examples.hard.append(np.array([t for t in found.tolist() if gains.get(t, 0.0) < best], np.int64))


def nearest(network: BiEncoder, examples: Examples, depth: int) -> list[NDArray[np.int64]]:
    """The `depth` texts nearest to each query."""
    texts, queries = network.encode(examples.texts), network.encode(examples.queries)
    return [top_rows(row, depth) for at in range(0, len(queries), 256) for row in queries[at : at + 256] @ texts.T]
