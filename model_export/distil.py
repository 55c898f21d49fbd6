"""Students: fewer layers, taught to say what their teacher says.

The bi-encoder student imitates the teacher's vectors and its similarities inside a batch; the cross-encoder student
imitates the teacher's logits over lists of candidates. Both imitate on texts without labels too, so nothing here
needs a judgement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model_export.examples import epochs
from model_export.networks import SCALE, BiEncoder, CrossEncoder
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
    """Teach `student` the teacher's (len(texts), dim) `vectors`: their direction, and who is near whom in a batch."""
    random = np.random.default_rng(seed)

    def loss_of(positions: NDArray[np.int64]) -> Tensor:
        mine = student([texts[i] for i in positions])
        theirs = torch.from_numpy(vectors[positions]).to(mine.device)
        near = nn.functional.log_softmax(SCALE * mine @ mine.T, -1)
        wanted = nn.functional.log_softmax(SCALE * theirs @ theirs.T, -1)
        relation = nn.functional.kl_div(near, wanted, log_target=True, reduction="batchmean")
        direction: Tensor = 1 - (mine * theirs).sum(-1).mean()
        return relation + 10 * direction

    return optimise(student, loss_of, epochs(len(texts), batch, steps, random), rate, "bi-encoder student")


def distil_cross_encoder(
    student: CrossEncoder,
    lists: Sequence[tuple[str, list[str]]],
    logits: NDArray[np.float32],
    steps: int,
    batch: int,
    rate: float,
    seed: int,
) -> Curve:
    """Teach `student` the teacher's (lists, candidates) `logits`: the order in a list (KL), and the level (squares)."""
    random = np.random.default_rng(seed)

    def loss_of(positions: NDArray[np.int64]) -> Tensor:
        pairs = [(lists[i][0], text) for i in positions for text in lists[i][1]]
        mine = student(pairs).view(len(positions), -1)
        theirs = torch.from_numpy(logits[positions]).to(mine.device)
        order = nn.functional.kl_div(
            mine.log_softmax(-1), theirs.log_softmax(-1), log_target=True, reduction="batchmean"
        )
        return order + 0.05 * nn.functional.mse_loss(mine, theirs)

    return optimise(student, loss_of, epochs(len(lists), batch, steps, random), rate, "cross-encoder student")
