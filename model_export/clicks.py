"""What shoppers searched for, were shown and clicked, joined from events: what a personal order is learned from.

A log that keeps no query texts cannot be joined to rankings; the demo store's has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.shopping import KINDS
from model_export.interactions import stamp_ms


@dataclass(frozen=True)
class Clicks:
    """Searches in order of time, and what was shown; s searches, n products shown, a acts.

    queries: texts by number.  query, shopper: (s,) numbers.  at_ms: (s,) since 1970.  search: (n,) which of them.
    product: (n,) product ids.  position: (n,) from 1 on.  clicked: (n,).  The acts, oldest first, all (a,):
    act_shopper, act_product, act_kind (number of KINDS), act_at_ms.
    """

    queries: Sequence[str]
    query: NDArray[np.int64]
    shopper: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    search: NDArray[np.int64]
    product: NDArray[np.str_]
    position: NDArray[np.int64]
    clicked: NDArray[np.bool_]
    act_shopper: NDArray[np.int64]
    act_product: NDArray[np.str_]
    act_kind: NDArray[np.int64]
    act_at_ms: NDArray[np.int64]


def from_store(events: Sequence[dict[str, object]], queries: Sequence[dict[str, object]]) -> Clicks:
    """Of the demo store's tables: a search begins where something is shown at the first position of a session."""
    texts = {str(row["query_id"]): str(row["query"]) for row in queries}
    numbers = {query_id: number for number, query_id in enumerate(texts)}
    shoppers: dict[str, int] = {}
    searches: list[tuple[int, int, int]] = []
    current: dict[str, tuple[int, dict[int, int]]] = {}  # session -> its last search, and place shown by position
    shown: list[tuple[int, str, int]] = []
    clicked: set[int] = set()
    acts: list[tuple[int, str, int, int]] = []
    for row in events:
        session, position, product = str(row["session_id"]), int(str(row["position"])), str(row["product_id"])
        shopper = shoppers.setdefault(str(row["shopper_id"]), len(shoppers))
        kind, at_ms = KINDS.index(row["action"]), stamp_ms(str(row["timestamp"]))
        if kind == KINDS.index("impression"):
            if position == 1:
                current[session] = (len(searches), {})
                searches.append((numbers[str(row["query_id"])], shopper, at_ms))
            search, places = current[session]
            places[position] = len(shown)
            shown.append((search, product, position))
        else:
            acts.append((shopper, product, kind, at_ms))
            if kind == KINDS.index("click"):
                clicked.add(current[session][1][position])
    query, shopper_of, at = (np.array([row[i] for row in searches], np.int64) for i in range(3))
    return Clicks(
        queries=list(texts.values()),
        query=query,
        shopper=shopper_of,
        at_ms=at,
        search=np.array([row[0] for row in shown], np.int64),
        product=np.array([row[1] for row in shown], str),
        position=np.array([row[2] for row in shown], np.int64),
        clicked=np.isin(np.arange(len(shown)), [*clicked]),
        act_shopper=np.array([row[0] for row in acts], np.int64),
        act_product=np.array([row[1] for row in acts], str),
        act_kind=np.array([row[2] for row in acts], np.int64),
        act_at_ms=np.array([row[3] for row in acts], np.int64),
    )
