"""What to show this shopper: candidates with their signals, put in order by boosted trees, each with who spoke for it.

One order serves all: the trees were fitted on shoppers whose later purchases were held back, some with a long past and
some with hardly any, so they know when a past is worth following and when texts or popularity say more. What stands
beside a row is what was found and nothing else: the products of the past that are linked to it, and by which route.
"""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.dense import top_rows
from aisle.history import Acts, History, history
from aisle.item_ids import ItemIds
from aisle.knowledge import BEHAVIOUR, SPEAKERS, Knowledge
from aisle.neighbours import Neighbours
from aisle.onnx import open_session
from aisle.reranker import sigmoid
from aisle.shopping import KINDS, Act, Route

FACTS = "recommender.json"  # rows: of the catalogue; fitted_at: the end of the log, in ms since 1970
SPOKE = 3  # products of a past that are named beside a recommendation, at most
CONTENT_SHARE = 0.5  # of texts in what is similar, beside the same shoppers


class Order(Protocol):
    """The seam: (c,) scores in 0..1 from (c, signals)."""

    def __call__(self, signals: NDArray[np.float32]) -> NDArray[np.float32]: ...


class Trees:
    """The seam over an ONNX tree ensemble."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, threads=1)

    def __call__(self, signals: NDArray[np.float32]) -> NDArray[np.float32]:
        return sigmoid(self._session.run(None, {"features": signals})[0][:, 0])


class Evidence(NamedTuple):
    """`rows`: products of the past that spoke for a product, the strongest first; itself where it was bought before."""

    route: Route
    rows: tuple[int, ...] = ()


class Recommended(NamedTuple):
    """Best first. rows: (k,) rows of the catalogue.   scores: (k,) float32 in 0..1."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    evidence: list[Evidence]


class Recommender:
    """`rows`: how many the catalogue has. `fitted_at`: the end of the log (ms since 1970), which popularity is of."""

    def __init__(self, ids: ItemIds, knowledge: Knowledge, order: Order, rows: int, fitted_at: int) -> None:
        self.ids, self.knowledge, self.fitted_at = ids, knowledge, fitted_at
        self._order, self._sold = order, ids.row >= 0
        self._item_of = ids.items(rows)

    @classmethod
    def load(cls, folder: Path) -> Recommender:
        facts = json.loads((folder / FACTS).read_bytes())
        ids = ItemIds.load(folder / "ids")
        return cls(
            ids,
            Knowledge.load(folder / "knowledge"),
            Trees(folder / "order.onnx"),
            facts["rows"],
            facts["fitted_at"],
        )

    def acts(self, told: Sequence[Act]) -> Acts:
        """`told` by items; products that nothing is known of are left out."""
        item = self.ids.find([act.product_id for act in told])
        known = item >= 0
        kind = np.array([KINDS.index(act.kind) for act in told], np.uint8)
        at_ms = np.array([act.at_ms for act in told], np.int64)
        return Acts(item[known], kind[known], at_ms[known])

    def recommend(
        self,
        told: Sequence[Act],
        now_ms: int,
        k: int,
        *,
        new: bool,
        allowed: NDArray[np.bool_] | None = None,
        exclude: Set[int] = frozenset(),
    ) -> Recommended:
        """The k best for a shopper of whom `told` is known; none of them bought before where `new`.

        `allowed`: (rows,) or longer, what may be shown; None for all. `exclude`: rows that may not.
        """
        return self.for_acts(self.acts(told), now_ms, k, new=new, allowed=allowed, exclude=exclude)

    def for_acts(
        self,
        acts: Acts,
        now_ms: int,
        k: int,
        *,
        new: bool,
        allowed: NDArray[np.bool_] | None = None,
        exclude: Set[int] = frozenset(),
    ) -> Recommended:
        """`recommend`, of acts by items."""
        past = history(acts, now_ms)
        may = self._may(allowed, exclude)
        if new:
            may[past.item[past.bought > 0]] = False
        pool = self.knowledge.pool(past, may)
        scores = self._order(pool.signals)
        best = top_rows(scores, k)
        items = pool.items[best]
        return Recommended(self.ids.row[items].astype(np.int64), scores[best], self._evidence(past, items))

    def similar(
        self, row: int, k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows, scores in 0..1): alike in text, or had by the same shoppers."""
        weights = ((self.knowledge.content, CONTENT_SHARE), (self.knowledge.shoppers, 1 - CONTENT_SHARE))
        return self._near(row, k, allowed, weights)

    def together(
        self, row: int, k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows, scores in 0..1): what lay in the same basket; nothing where nothing did."""
        return self._near(row, k, allowed, ((self.knowledge.baskets, 1.0),))

    def _may(self, allowed: NDArray[np.bool_] | None, exclude: Set[int]) -> NDArray[np.bool_]:
        """(items,) what is sold, allowed and not excluded."""
        may = self._sold.copy()
        if allowed is not None:
            may[self._sold] = allowed[self.ids.row[self._sold]]
        inside = [row for row in exclude if row < len(self._item_of)]
        may[self._item_of[inside]] = False
        return may

    def _near(
        self, row: int, k: int, allowed: NDArray[np.bool_] | None, weights: Sequence[tuple[Neighbours, float]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        item = self._item_of[row : row + 1] if row < len(self._item_of) else np.zeros(0, np.int32)
        scores = np.zeros(len(self.ids), np.float32)
        for relation, weight in weights:
            links = relation.links(item)
            scores[links.member] += weight * links.weight
        scores[~self._may(allowed, {row})] = 0
        best = top_rows(scores, k)
        best = best[scores[best] > 0]
        return self.ids.row[best].astype(np.int64), scores[best].clip(max=1.0)

    def _evidence(self, past: History, items: NDArray[np.int32]) -> list[Evidence]:
        """What of the past is linked to each of `items`: by behaviour where anything is, else by texts."""
        bought = {*past.item[past.bought > 0].tolist()}
        behaviour, content = (self._told(past, items, relations) for relations in (BEHAVIOUR, ("content",)))
        evidence = []
        for item, acted, alike in zip(items.tolist(), behaviour, content, strict=True):
            if item in bought:
                evidence.append(Evidence("behaviour", (int(self.ids.row[item]),)))
            elif acted:
                evidence.append(Evidence("behaviour", acted))
            else:
                evidence.append(Evidence("content", alike) if alike else Evidence("popular"))
        return evidence

    def _told(self, past: History, items: NDArray[np.int32], relations: Sequence[str]) -> list[tuple[int, ...]]:
        """For each of `items` the rows of the past that the relations link to it, the SPOKE strongest."""
        speakers, fresh = past.item[:SPEAKERS], past.fresh[:SPEAKERS]
        rows, count = self.ids.row[speakers], len(speakers)
        place = np.full(len(self.ids), -1, np.int32)
        place[items] = np.arange(len(items))
        spoken = np.zeros(len(items) * count)
        for relation in relations:
            links = getattr(self.knowledge, relation).links(speakers)
            at = place[links.member]
            inside = (at >= 0) & (rows[links.source] >= 0)
            where = at[inside] * count + links.source[inside]
            spoken += np.bincount(where, links.weight[inside] * fresh[links.source[inside]], len(spoken))
        told = []
        for row in spoken.reshape(len(items), count):
            strongest = np.argsort(-row, kind="stable")[:SPOKE]
            told.append(tuple(rows[strongest[row[strongest] > 0]].tolist()))
        return told
