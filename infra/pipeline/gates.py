"""Whether a bundle over a new catalogue may take the place of the one that is live: three gates, each with a number.

A catalogue that was cut off on its way has too few products; one whose texts broke answers the live bundle's golden
queries with other products, or with none; and where the shop keeps judgements, they must come out about as well.
Products that only one of the two bundles has are left out of both comparisons: coming and going is what catalogues do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aisle.assessment import untied
from aisle.bundle import Bundle
from aisle.evaluation import Gains, evaluate
from aisle.golden import Golden, K
from aisle.products import Products
from aisle.runtime import Services

MAX_DROPPED = 0.2  # share of the live bundle's products that may be missing from the new one
MIN_OVERLAP = 0.7  # mean over golden queries of overlap@10 among the products that both have
MAX_EMPTIED = 0.05  # share of golden queries that found such products and find none any more
TOLERANCE = 0.02  # of nDCG@10, in 0..1; what the new bundle may lose on judged queries
MEASURE = "nDCG@10"
_DEPTH = 100  # hits that are looked through for products that both have


@dataclass(frozen=True)
class Gate:
    """`reason` says the figure and its limit, passed or not."""

    name: str
    passed: bool
    reason: str


def gates(
    old: Bundle, new: Bundle, threads: int, judgements: tuple[Sequence[tuple[str, str]], Gains] | None = None
) -> list[Gate]:
    """Every gate, in the order of its cost. `judgements`: the queries and the gains of a shop, if it keeps any."""
    before, after = product_ids(old), product_ids(new)
    both = before & after
    found = [_dropped(len(before), len(before - after))]
    if both:
        first, second = Services(old, threads), Services(new, threads)
        found.append(_golden(Golden.load(old.file("golden.json")), first, second, both))
        if judgements:
            found.append(_judged(*judgements, first, second, both))
    return found


def product_ids(bundle: Bundle) -> set[str]:
    products = Products.load(bundle.path)
    return {products[row].product_id for row in range(len(products))}


def _dropped(n_before: int, n_gone: int) -> Gate:
    share = n_gone / max(n_before, 1)
    reason = f"{n_gone} of {n_before} products are gone ({share:.1%}; at most {MAX_DROPPED:.0%})"
    return Gate("products", share <= MAX_DROPPED, reason)


def _golden(golden: Golden, old: Services, new: Services, both: set[str]) -> Gate:
    """The first ten of each query, both bundles asked now and on this processor."""
    overlaps, emptied = [], []
    for query in (golden_query.query for golden_query in golden.queries):
        before, now = (_first(services, query, both) for services in (old, new))
        if before:
            overlaps.append(len({*before} & {*now}) / max(len(before), len(now)))
            emptied += [query] * (not now)
    if not overlaps:
        return Gate("golden queries", True, "no golden query finds a product that both bundles have")
    overlap, share = float(np.mean(overlaps)), len(emptied) / len(overlaps)
    reason = f"mean overlap@{K} over {len(overlaps)} golden queries is {overlap:.3f} (at least {MIN_OVERLAP})"
    named = f", the first is {emptied[0]!r}" if emptied else ""
    reason += f"; {len(emptied)} find nothing any more ({share:.1%}; at most {MAX_EMPTIED:.0%}){named}"
    return Gate("golden queries", overlap >= MIN_OVERLAP and share <= MAX_EMPTIED, reason)


def _judged(queries: Sequence[tuple[str, str]], gains: Gains, old: Services, new: Services, both: set[str]) -> Gate:
    kept = {query_id: {p: gain for p, gain in judged.items() if p in both} for query_id, judged in gains.items()}
    asked = [(query_id, query) for query_id, query in queries if any(kept.get(query_id, {}).values())]
    if not asked:
        return Gate("judgements", True, "no judged product is in both bundles")
    wanted = {query_id: kept[query_id] for query_id, _ in asked}
    means = []
    for services in (old, new):
        runs = {query_id: untied(_ranking(services, query, both)) for query_id, query in asked}
        means.append(evaluate(runs, wanted, [MEASURE]).mean[MEASURE])
    lost = means[0] - means[1]
    reason = f"{MEASURE} over {len(asked)} judged queries goes from {means[0]:.4f} to {means[1]:.4f}"
    return Gate("judgements", lost <= TOLERANCE, f"{reason} (may lose {TOLERANCE})")


def _first(services: Services, query: str, both: set[str]) -> list[str]:
    return [product_id for product_id, _ in _ranking(services, query, both)[:K]]


def _ranking(services: Services, query: str, both: set[str]) -> list[tuple[str, float]]:
    return [hit for hit in services.ranking(query, _DEPTH) if hit[0] in both]
