"""A list that is more than the same thing ten times: relevance against likeness to what stands above it.

Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the next product is the one with the largest
`(1 - diversity) * relevance - diversity * likeness`, where relevance is its score as a share of the best one, and
likeness the largest one to a product chosen before: half cosine of the content vectors, half being of one category.
"""

import numpy as np
from numpy.typing import NDArray


def diversified(
    scores: NDArray[np.float32],
    vectors: NDArray[np.float32],
    categories: NDArray[np.int32],
    k: int,
    diversity: float,
) -> list[int]:
    """The positions of the k products to show, in their order; all of them where there are fewer.

    `scores`: (m,) of 0..1, falling. `vectors`: (m, dim) unit rows. `categories`: (m,) codes, -1 for none. `diversity`:
    0 takes the first k as they are, 1 starts with the best one and looks only at likeness.
    """
    if not diversity or not len(scores):
        return list(range(min(k, len(scores))))
    relevance = scores / max(float(scores.max()), 1e-12)
    chosen: list[int] = []
    likeness = np.zeros(len(scores), np.float32)
    left = np.ones(len(scores), bool)
    at = 0
    while True:
        chosen.append(at)
        left[at] = False
        if len(chosen) == min(k, len(scores)):
            return chosen
        same = (categories == categories[at]) & (categories >= 0)
        likeness = np.maximum(likeness, (np.maximum(vectors @ vectors[at], 0) + same) / 2)  # (m,)
        worth = (1 - diversity) * relevance - diversity * likeness
        at = int(np.where(left, worth, -np.inf).argmax())
