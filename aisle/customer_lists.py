"""A list for any customer whose history the bundle carries, without a profile store: what batches are made of.

The log's end counts as now, so a bundle's lists are the same on every day.
"""

from __future__ import annotations

from aisle.bundle import Bundle
from aisle.errors import BundleError
from aisle.filters import Columns
from aisle.histories import Histories
from aisle.history import NOTHING, Acts
from aisle.products import Products
from aisle.recommender import FACTS, Recommender


class Lists:
    """The recommender of a bundle over what is in stock. Raises BundleError where it has none, or a broken one."""

    def __init__(self, bundle: Bundle) -> None:
        folder = bundle.path / "recommender"
        if not bundle.has(f"recommender/{FACTS}"):
            remedy = "build it from a recipe whose data says what shoppers did, such as online-retail"
            raise BundleError(f"bundle {bundle.path} has no recommender", remedy)
        try:
            self.recommender = Recommender.load(folder)
        except Exception as exc:  # numpy, json and onnxruntime each have errors of their own
            raise BundleError(f"{folder} cannot be opened ({exc})", "copy the bundle again or rebuild it") from exc
        self._products, self._in_stock = Products.load(bundle.path), Columns.load(bundle.path / "columns").in_stock

    def suited(self, acts: Acts, end_ms: int, k: int, new: bool) -> list[tuple[str, float]]:
        """At most k (product_id, score in 0..1) in stock, best first, without what was bought where `new`.

        Now is `end_ms`, or the end of the recommender's own log where that is later.
        """
        now_ms = max(end_ms, self.recommender.fitted_at)
        found = self.recommender.for_acts(acts, now_ms, k, new=new, allowed=self._in_stock)
        named = [self._products[row].product_id for row in found.rows.tolist()]
        return list(zip(named, found.scores.tolist(), strict=True))


class CustomerLists:
    """Those of one bundle. Raises BundleError where it lacks recommender or histories, or has one that is broken."""

    def __init__(self, bundle: Bundle) -> None:
        self._lists = Lists(bundle)
        folder = bundle.path / "recommender/shoppers"
        if not bundle.has("recommender/shoppers/keys.npy"):
            remedy = "set histories = true under [recommender] in the recipe and build again"
            raise BundleError(f"bundle {bundle.path} carries no customers' histories", remedy)
        try:
            self._histories = Histories.load(folder)
        except Exception as exc:  # numpy has several
            raise BundleError(f"{folder} cannot be opened ({exc})", "copy the bundle again or rebuild it") from exc

    def suited(self, customer_id: str, k: int, new: bool) -> list[tuple[str, float]]:
        """`Lists.suited` of one customer. Who is unknown gets a stranger's list."""
        return self._lists.suited(self._histories.find(customer_id) or NOTHING, 0, k, new)
