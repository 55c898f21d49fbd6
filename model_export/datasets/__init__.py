"""The data sets that recipes name, each read from its own files into one shape, a Corpus."""

from collections.abc import Callable
from pathlib import Path

from aisle.errors import BadInput, NotFound
from model_export.datasets.corpus import MIN_TRAIN, Corpus, JudgedPair, LabelledQueries, split_of
from model_export.datasets.esci import load_esci, load_esci_pairs
from model_export.datasets.icecat import load_icecat
from model_export.datasets.online_retail import load_online_retail
from model_export.datasets.own import load_shop
from model_export.datasets.pricerunner import load_pricerunner
from model_export.datasets.shops import load_demo, load_livostyle, load_retail_demo
from model_export.datasets.wands import load_wands
from model_export.datasets.wishes import load_shopping_queries

__all__ = ["EVALUATION_ONLY", "LOADERS", "MIN_TRAIN", "Corpus", "JudgedPair", "LabelledQueries", "load", "split_of"]

LOADERS: dict[str, Callable[[Path], Corpus]] = {
    "pricerunner": load_pricerunner,
    "esci-pairs": load_esci_pairs,
    "retail-demo": load_retail_demo,
    "livostyle": load_livostyle,
    "shopping-queries": load_shopping_queries,
    "icecat": load_icecat,
    "wands": load_wands,
    "online-retail": load_online_retail,
    "esci": load_esci,
    "shop": load_shop,
}
EVALUATION_ONLY = frozenset({"icecat"})  # a recipe must not train on these


def load(name: str, data: Path | None, *, demo_products: int = 3000) -> Corpus:
    """The named data set from the folder `data`; "demo" is made up and needs none.

    Raises NotFound for an unknown name or a missing folder, BadInput where `data` is not given or a file is broken.
    """
    if name == "demo":
        return load_demo(demo_products)
    if name not in LOADERS:
        raise NotFound(f"no data set is called {name!r}", f"choose from demo, {', '.join(LOADERS)}")
    if data is None:
        raise BadInput(f"{name} is read from a data folder, and none is named", "give --data DIR or set AISLE_DATA")
    return LOADERS[name](data)
