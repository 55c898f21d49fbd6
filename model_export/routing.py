"""Which orders deserve the heavy reranker: those that the student leaves most open.

The margin that `rerank=auto` compares with is a quantile over queries that no network was trained on, so that about
that share of a shop's searches is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aisle.search import Search

SHARE = 0.25  # of the queries that are sent
MOST = 300  # queries looked at


def fit_margin(search: Search, queries: Sequence[str]) -> float:
    """The margin that `SHARE` of the `queries` lie under, 0..1; 0 where there are none."""
    chosen = queries[:: -(-len(queries) // MOST)] if queries else []
    return float(np.quantile([search.margin(query) for query in chosen], SHARE)) if chosen else 0.0
