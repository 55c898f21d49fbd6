"""How likely a shopper looks at position p of a list, from clicks alone: what stands first is clicked more, liked or
not.

The position-based model says that a click takes looking and liking: P(click) is examined[p] times the attraction of the
product under the query. The same pair stands now here, now there, so both factors can be told apart without an
experiment (intervention harvesting, Agarwal et al., WSDM 2019). They are fitted as a Poisson model with a factor for
each pair and each position, whose likelihood has one maximum and no bias from the many pairs (Hausman, Hall and
Griliches, 1984), by fitting the two margins in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 500
_CLOSE = 1e-6  # change of every propensity at which the rounds end
TRUSTED_CLICKS = 20  # of a position; a deeper one with fewer counts as the last that has them


@dataclass(frozen=True)
class Propensities:
    """`examined`: (positions,) how likely position p + 1 is looked at, the first as 1."""

    examined: NDArray[np.float64]

    @classmethod
    def none(cls) -> Propensities:
        """Every position is looked at: where nothing is known."""
        return cls(np.ones(1))

    def of(self, position: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Of positions from 1 on; 1 for 0, which is unknown; deeper ones than any seen count as the last."""
        at = np.clip(position, 1, len(self.examined)) - 1
        return np.where(position > 0, self.examined[at], 1.0)

    @property
    def eta(self) -> float:
        """The exponent of p ** -eta that comes nearest, by least squares of the logs; 0 for a single position."""
        logs = np.log(np.arange(1, len(self.examined) + 1))
        return float(-(logs @ np.log(self.examined)) / max(logs @ logs, 1e-12)) or 0.0


def fit_propensities(
    pair: NDArray[np.integer[Any]], position: NDArray[np.integer[Any]], clicked: NDArray[np.bool_]
) -> Propensities:
    """From impressions, all (n,): number of the (query, product) pair, position from 1 on, and whether it was clicked.

    Where nothing was clicked, every position counts as looked at.
    """
    clicks_at = np.bincount(position, clicked)[1:]
    trusted = np.flatnonzero(clicks_at >= TRUSTED_CLICKS)
    if not len(trusted) or clicks_at[0] < TRUSTED_CLICKS:
        return Propensities.none()
    positions = int(trusted.max()) + 1
    inside = position <= positions
    numbers, at = np.unique(pair[inside], return_inverse=True)
    where, hit = position[inside].astype(np.int64) - 1, clicked[inside].astype(np.float64)
    clicks_of, clicks_at = np.bincount(at, hit), np.bincount(where, hit, positions)
    examined = np.ones(positions)
    for _ in range(ROUNDS):
        attraction = clicks_of / np.bincount(at, examined[where], len(numbers))
        fitted = clicks_at / np.maximum(np.bincount(where, attraction[at], positions), 1e-12)
        fitted /= fitted[0]
        moved = float(np.abs(fitted - examined).max())
        examined = np.maximum(fitted, 1e-3)
        if moved < _CLOSE:
            break
    return Propensities(examined)
