"""Students: fewer layers, taught to say what their teacher says.

The bi-encoder student imitates the teacher's vectors and its similarities inside a batch; the cross-encoder student
imitates the vectors that the teacher has of a pair's two sides and its order of candidates. Both learn with the
rounding of int8 and without dropout, which would only blur what they imitate. Nothing here needs a judgement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model_export.examples import epochs
from model_export.networks import SCALE, BiEncoder, CrossEncoder
from model_export.rounding import rounding
from model_export.train import Curve, optimise


def distil_bi_encoder(
    student: BiEncoder,
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    steps: int,
    batch: int,
    rate: float,
    seed: int,
) -> Curve:
    """Teach `student` the teacher's (len(texts), dim) `vectors`."""
    order = epochs(len(texts), batch, steps, np.random.default_rng(seed))
    with rounding(student):
        return optimise(student, imitation(student, texts, vectors), order, rate, "bi-encoder student")


def imitation(
    student: BiEncoder, texts: Sequence[str], vectors: NDArray[np.float32]
) -> Callable[[NDArray[np.int64]], Tensor]:
    """The loss of a batch of `texts`, by position: the direction of its `vectors`, and who is near whom among them."""

    def loss_of(positions: NDArray[np.int64]) -> Tensor:
        mine = student([texts[i] for i in positions])
        theirs = torch.from_numpy(vectors[positions]).to(mine.device)
        near = nn.functional.log_softmax(SCALE * mine @ mine.T, -1)
        wanted = nn.functional.log_softmax(SCALE * theirs @ theirs.T, -1)
        relation = nn.functional.kl_div(near, wanted, log_target=True, reduction="batchmean")
        direction: Tensor = 1 - (mine * theirs).sum(-1).mean()
        return relation + 10 * direction

    return loss_of


def distil_cross_encoder(
    student: CrossEncoder,
    teacher: CrossEncoder,
    lists: Sequence[tuple[str, list[str]]],
    steps: int,
    batch: int,
    rate: float,
    seed: int,
) -> Curve:
    """Teach `student` what `teacher` makes of each pair: the vectors of both sides, and the order within a list.

    Hundreds of numbers a pair teach faster than one logit: `docs/log.md` has the comparison.
    """
    random = np.random.default_rng(seed)
    pairs = [(query, text) for query, texts in lists for text in texts]
    sides = torch.from_numpy(teacher.encode_pairs(pairs)).view(len(lists), -1, 2, student.encoder.config.hidden_size)

    def loss_of(positions: NDArray[np.int64]) -> Tensor:
        mine = student.sides([(lists[i][0], text) for i in positions for text in lists[i][1]])
        theirs = sides[positions].flatten(0, 1).to(mine.device)
        direction = 1 - (mine * theirs).sum(-1).mean()
        logits, wanted = (n.logits(v).view(len(positions), -1) for n, v in ((student, mine), (teacher, theirs)))
        order = nn.functional.kl_div(
            logits.log_softmax(-1), wanted.detach().log_softmax(-1), log_target=True, reduction="batchmean"
        )
        return 10 * direction + order

    with rounding(student):
        return optimise(student, loss_of, epochs(len(lists), batch, steps, random), rate, "cross-encoder student")
