"""Golden queries: what the exporter saw for some queries, and whether this machine sees the same.

int8 kernels differ between CPUs (AVX512-VNNI, AVX2, arm64), so bytes and scores are never compared, only what a shopper
would notice: another first hit where the first was clearly ahead, or many other hits. The search is handed in.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from aisle.errors import BadInput, BundleError

K = 10
MIN_MARGIN = 0.02  # of scores in 0..1; two hits that are closer may change places
MIN_OVERLAP = 0.95

Search = Callable[[str], list[tuple[str, float]]]  # query -> (product_id, score), best first


class GoldenQuery(Struct, frozen=True):
    """`hits`: at most 10 (product_id, score), best first."""

    query: str
    hits: list[tuple[str, float]]

    @property
    def margin(self) -> float:
        """How far the first hit is ahead of the second; a hit that stands alone is ahead by all of its score."""
        scores = [score for _, score in self.hits[:2]] + [0.0, 0.0]
        return scores[0] - scores[1]


class Golden(Struct, frozen=True):
    """What one machine answered, to compare another with."""

    queries: list[GoldenQuery]

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> "Golden":
        """What `save` wrote. BundleError where it cannot be read."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise BundleError(f"{path} cannot be read ({exc})", "copy the bundle again or rebuild it") from exc


@dataclass(frozen=True)
class Replay:
    """How this machine's answers compare with the exporter's."""

    mean_overlap: float  # 0..1, of the top 10
    changed_tops: list[str]  # queries whose first hit changed although it was clearly ahead

    @property
    def ok(self) -> bool:
        return not self.changed_tops and self.mean_overlap >= MIN_OVERLAP - 1e-9  # a mean of tenths is not exact

    @property
    def reason(self) -> str:
        """One sentence for a person."""
        if self.changed_tops:
            named = ", ".join(repr(query) for query in self.changed_tops[:3])
            more = f" and {len(self.changed_tops) - 3} more" if len(self.changed_tops) > 3 else ""
            return f"another first hit, where the first was ahead by more than {MIN_MARGIN}, for {named}{more}."
        compared = "not under" if self.ok else "under"
        return f"mean overlap@{K} with the exporter's hits is {self.mean_overlap:.3f}, {compared} {MIN_OVERLAP}."


def record(search: Search, queries: Iterable[str]) -> Golden:
    """The answers to `queries` as this machine gives them. BadInput: no query, or none that finds anything."""
    seen = [GoldenQuery(query, [(product, float(score)) for product, score in search(query)[:K]]) for query in queries]
    if not any(golden.hits for golden in seen):
        raise BadInput(
            f"none of {len(seen)} golden queries finds a product", "choose queries that the catalogue can answer"
        )
    return Golden(seen)


def replay(golden: Golden, search: Search) -> Replay:
    """Searches every golden query again. A top hit counts as changed where its margin was above 0.02."""
    overlaps, changed_tops = [], []
    for query in golden.queries:
        before = [product for product, _ in query.hits]
        now = [product for product, _ in search(query.query)[:K]]
        overlaps.append(len({*before} & {*now}) / max(len(before), len(now), 1) if before or now else 1.0)
        if before[:1] != now[:1] and query.margin > MIN_MARGIN:
            changed_tops.append(query.query)
    return Replay(float(np.mean(overlaps)) if overlaps else 1.0, changed_tops)
