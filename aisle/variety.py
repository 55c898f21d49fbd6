"""More than one colour on a page: where the shopper named none, an article counts a little less for each better one of
its colour (maximal marginal relevance, Carbonell and Goldstein 1998). What is clearly better stays ahead.
"""

import numpy as np
from numpy.typing import NDArray

VARIED = 50  # articles that may change places: a page of ten and four more
STEP = 0.002  # of scores in 0..1, for each article of the same colour that comes before


def varied(scores: NDArray[np.float32], colors: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The new order of articles and their scores in it, both (n,), best first, from falling `scores` and colour codes.

    Only the first VARIED change places; those behind keep their order, and score no more than the last of them.
    """
    order, falling = np.arange(len(scores)), scores.copy()
    left = scores[:VARIED].copy()
    for place in range(len(left)):
        at = int(left.argmax())
        order[place], falling[place] = at, left[at]
        left[colors[: len(left)] == colors[at]] -= STEP
        left[at] = -np.inf
    falling[len(left) :] = np.minimum(falling[len(left) :], falling[: len(left)].min(initial=1))
    return order, falling
