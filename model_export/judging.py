"""How good lists of recommendations are: recall and nDCG of each shopper, and how much of the catalogue they reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_export.interactions import Wanted

Lists = Sequence[NDArray[np.integer[Any]]]  # a shopper's products, best first


def recall(lists: Lists, wanted: Wanted, k: int) -> NDArray[np.float64]:
    """(shoppers,) of the wanted products the share that is among the first k; of more than k wanted, k are all."""
    return np.array(
        [
            np.isin(found[:k], bought).sum() / min(k, len(bought))
            for found, bought in zip(lists, wanted.products, strict=True)
        ]
    )


def ndcg(lists: Lists, wanted: Wanted, k: int) -> NDArray[np.float64]:
    """(shoppers,) nDCG@k of what was wanted or not, with the discount log2(1 + rank) that ir_measures has."""
    discount = 1 / np.log2(np.arange(k) + 2)
    return np.array(
        [
            (np.isin(found[:k], bought) * discount[: len(found[:k])]).sum() / discount[: len(bought)].sum()
            for found, bought in zip(lists, wanted.products, strict=True)
        ]
    )


def coverage(lists: Lists, n_products: int, k: int) -> float:
    """The share of all products that at least one of the lists has among its first k."""
    return len(np.unique(np.concatenate([found[:k] for found in lists]))) / n_products


def novelty(lists: Lists, counts: NDArray[np.integer[Any]], k: int) -> float:
    """The mean of -log2 of a recommended product's share in all acts (Zhou et al., PNAS 2010), in bits.

    `counts`: (products,) acts of each; one that nobody touched counts as one act.
    """
    share = np.maximum(counts, 1) / max(counts.sum(), 1)
    return float(-np.log2(share[np.concatenate([found[:k] for found in lists])]).mean())
