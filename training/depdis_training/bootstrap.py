"""Confidence intervals of a data set's figures: what other pictures of the same kind would have given.

A bootstrap over pictures draws each of them so often in each replicate. With counts that are Poisson of mean 1,
instead of those of a draw of fixed length, the sums of all replicates grow picture by picture, so that memory
does not depend on their number (Chamandy et al., Estimating uncertainty for massive data streams, 2012).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPLICATES, LEVEL = 1000, 0.95
# Of fewer pictures some replicates hold hardly one, and an interval would promise what nobody can know.
LEAST_PICTURES = 8


@lru_cache(maxsize=4)  # all models see a picture before the next
def counts(index: int, replicates: int = REPLICATES, seed: int = 0) -> NDArray[np.int64]:
    """(R,) how often picture number `index` is in each replicate; the same for every model and figure."""
    drawn = np.random.default_rng([seed, index]).poisson(1.0, replicates)
    drawn.flags.writeable = False  # all rows are given the same array
    return drawn


class Replicates:
    """Sums of one kind over the pictures of each replicate, such as confusion matrices."""

    def __init__(self, shape: tuple[int, ...], replicates: int = REPLICATES) -> None:
        self.sums = np.zeros((replicates, *shape))

    def add(self, weights: NDArray[np.int64], value: NDArray[Any]) -> None:
        """A picture's value, of `shape`, as often as its `counts` say."""
        self.sums += np.multiply.outer(weights, np.asarray(value, np.float64))


def interval(values: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float] | None:
    """The middle `level` of the replicates' figures; None where most of them are no number."""
    known = values[np.isfinite(values)]
    if len(known) < len(values) / 2:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
