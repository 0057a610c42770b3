"""The paper's premise measured: is a class's depth distribution alike in both domains, and only there?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .depth_distribution import DepthDistribution

SAMPLES = 4000


@dataclass(frozen=True)
class Comparison:
    """Jensen-Shannon divergences in bits, 0 (the same) to 1 (nothing in common), by Monte Carlo.

    joint: (C, C) over column, row and inverse depth: rows the source's classes, columns the target's; depth:
    the same over inverse depth alone. NaN where one of both has no pixels.
    """

    joint: NDArray[np.float64]
    depth: NDArray[np.float64]

    def same(self) -> NDArray[np.float64]:
        """(C,) joint divergence of each class between the domains."""
        return np.array(np.diagonal(self.joint), np.float64)

    def different(self) -> NDArray[np.float64]:
        """(C,) joint divergence of each source class from the target's other classes, in the mean."""
        return _from_others(self.joint)

    def nearest(self) -> NDArray[np.int64]:
        """(C,) the target class nearest to each source class; -1 where there is none to compare."""
        filled = np.where(np.isfinite(self.joint), self.joint, np.inf)
        return np.where(np.isfinite(self.same()), filled.argmin(axis=1), -1)


def compare(source: DepthDistribution, target: DepthDistribution, *, seed: int = 0, samples: int = SAMPLES) -> (
    Comparison
):  # fmt: skip
    """Every class of `source` with every class of `target`, `samples` points drawn from each mixture.

    Both have to be fitted on one grid, with one variance floor. The standard error of an entry is below
    0.5 / sqrt(samples) bits. ValueError for distributions of different classes or grids.
    """
    if source.num_classes != target.num_classes or source.grid != target.grid:
        raise ValueError(
            "expected distributions of the same classes on the same grid, got "
            f"{source.num_classes} and {target.num_classes} classes on {source.grid} and {target.grid}"
        )
    rng = np.random.default_rng(seed)
    sides = (source, target)
    drawn = [[_drawn(side, index, samples, rng) for index in range(side.num_classes)] for side in sides]
    maps = []
    for axes in ((0, 1, 2), (2,)):
        matrix = np.full((source.num_classes, source.num_classes), np.nan)
        own = [
            [_log_p(side, index, points, axes) for index, points in enumerate(of_side)]
            for side, of_side in zip(sides, drawn, strict=True)
        ]
        for i, of_source in enumerate(drawn[0]):
            for j, of_target in enumerate(drawn[1]):
                if len(of_source) and len(of_target):
                    near = _to_middle(own[0][i], _log_p(target, j, of_source, axes))
                    far = _to_middle(own[1][j], _log_p(source, i, of_target, axes))
                    matrix[i, j] = (near + far) / 2
        maps.append(np.clip(matrix, 0, 1))
    return Comparison(*maps)


def _to_middle(log_p: NDArray[np.float64], log_q: NDArray[np.float64]) -> float:
    """The divergence of p from (p + q) / 2 in bits, from log densities at points of p."""
    return float(np.mean(1 - np.logaddexp(0, log_q - log_p) / np.log(2)))


def _variances(distribution: DepthDistribution, index: int) -> NDArray[np.float64]:
    """(K, 3), with the floor on inverse depth."""
    variances = np.array(distribution.variances[index], np.float64)
    variances[:, 2] = np.maximum(variances[:, 2], distribution.variance_floor)
    return variances


def _drawn(
    distribution: DepthDistribution, index: int, samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(samples, 3) points of a class's mixture; none for a class without pixels."""
    weights = distribution.weights[index]
    if not weights.sum():
        return np.empty((0, 3))
    component = rng.choice(len(weights), samples, p=weights / weights.sum())
    spread = np.sqrt(_variances(distribution, index)[component])
    noise = spread * rng.standard_normal((samples, 3))
    return np.asarray(distribution.means[index][component] + noise, np.float64)


def _log_p(
    distribution: DepthDistribution, index: int, points: NDArray[np.float64], axes: tuple[int, ...]
) -> NDArray[np.float64]:
    """(N,) log density of a class's mixture over some of the axes x, y, inverse depth at (N, 3) points."""
    chosen = list(axes)
    variances = _variances(distribution, index)[:, chosen]  # (K, axes)
    with np.errstate(divide="ignore"):
        constant = np.log(distribution.weights[index]) - 0.5 * np.log(2 * np.pi * variances).sum(axis=1)
    offset = points[:, None, chosen] - distribution.means[index][:, chosen]  # (N, K, axes)
    terms = constant - 0.5 * (offset**2 / variances).sum(axis=2)
    return np.asarray(np.logaddexp.reduce(terms, axis=1), np.float64)


def _from_others(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C,) the mean of each row without its diagonal; NaN where there is nothing to compare with."""
    others = matrix.copy()
    np.fill_diagonal(others, np.nan)
    known = np.isfinite(others).sum(axis=1)
    sums = np.nansum(others, axis=1)
    return np.array(np.divide(sums, known, out=np.full(len(known), np.nan), where=known > 0), np.float64)


def verdict(comparison: Comparison) -> str:
    """What was measured, in a line: no more than that."""
    same, different, nearest = comparison.same(), comparison.different(), comparison.nearest()
    known = np.isfinite(same) & np.isfinite(different)
    if not known.any():
        return "fewer than two classes have pixels with a depth in both domains: nothing to compare"
    count = int(known.sum())
    own = int((nearest[known] == np.flatnonzero(known)).sum())
    closer = int((same[known] < different[known]).sum())
    depth = np.diagonal(comparison.depth)[known].mean(), _from_others(comparison.depth)[known].mean()
    return (
        f"{count} classes are in both domains: the same class differs by {same[known].mean():.3f} bits in the "
        f"mean, different classes by {different[known].mean():.3f} (by depth alone {depth[0]:.3f} and "
        f"{depth[1]:.3f}). {closer} of {count} are closer to themselves than to the mean of the others, {own} "
        "than to any other."
    )
