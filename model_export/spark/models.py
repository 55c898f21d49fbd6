"""What a Python process of an executor has open: one bundle, loaded by its first task and kept for the next ones.

Spark starts a process for every task that runs at once and uses it again, so a core has one onnxruntime session, of
one thread. A bundle is named by its path, which has to be the same on every machine: in the image, or unpacked there.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import Bundle
from aisle.encoder import Encoder
from aisle.errors import BundleError
from aisle.filters import Columns
from aisle.products import Products
from aisle.recommender import FACTS, Recommender
from aisle.runtime import Services


class Recommending(NamedTuple):
    """`in_stock`: (n,) of the catalogue's rows."""

    recommender: Recommender
    products: Products
    in_stock: NDArray[np.bool_]


def opened(bundle: str) -> Bundle:
    """Raises BundleError."""
    return Bundle.open(Path(bundle))


@lru_cache(maxsize=1)
def services(bundle: str) -> Services:
    """What answers from the bundle at this path. Raises BundleError."""
    return Services(opened(bundle), threads=1)


@lru_cache(maxsize=1)
def encoder(bundle: str) -> Encoder:
    """The bundle's encoder alone. Raises BundleError."""
    return Encoder(opened(bundle).file("encoder/model.onnx").parent, threads=1)


@lru_cache(maxsize=1)
def recommending(bundle: str) -> Recommending:
    """What recommends from the bundle. Raises BundleError, also where it has no recommender."""
    found = opened(bundle)
    if not found.has(f"recommender/{FACTS}"):
        remedy = "build it from a recipe whose data says what shoppers did, such as online-retail"
        raise BundleError(f"bundle {bundle} has no recommender", remedy)
    recommender = Recommender.load(found.path / "recommender")
    return Recommending(recommender, Products.load(found.path), Columns.load(found.path / "columns").in_stock)
