"""Fitting the class-wise mixtures: an even sample of each class in one pass, then scikit-learn's EM."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.taxonomy import IGNORE

if TYPE_CHECKING:
    from .depth_distribution import DepthDistribution

Points = NDArray[np.float64]
# The least variance that EM gives a component, as in the published mixtures.
LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Sampled:
    """An even sample of each class: (n, 3) points (x, y, z) each, all pixels' counts, and the grid (h, w)."""

    points: list[Points]
    counts: NDArray[np.int64]
    grid: tuple[int, int]


class _Reservoir:
    """The points with the smallest random keys of all that were offered: an even sample of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._limit = math.inf
        self._keys: list[NDArray[np.float64]] = []
        self._points: list[Points] = []
        self._held = 0

    def offer(self, keys: NDArray[np.float64], points: Points) -> None:
        kept = keys < self._limit
        self._keys.append(keys[kept])
        self._points.append(points[kept])
        self._held += int(kept.sum())
        if self._held > 2 * self._size:
            self._shrink()

    def points(self) -> Points:
        if self._held > self._size:
            self._shrink()
        return np.concatenate(self._points) if self._points else np.empty((0, 3))

    def _shrink(self) -> None:
        keys, points = np.concatenate(self._keys), np.concatenate(self._points)
        smallest = np.argpartition(keys, self._size - 1)[: self._size]
        smallest.sort()
        self._keys, self._points = [keys[smallest]], [points[smallest]]
        self._limit, self._held = float(keys[smallest].max()), self._size


def sample_classes(pairs: Iterable[tuple[Any, Any]], num_classes: int, per_class: int, seed: int) -> Sampled:
    """Up to `per_class` points of each class from (labels, inverse_depth) grids, in one pass over them.

    Raises ValueError for no pairs, grids of unequal sizes, or labels that are not among the classes.
    """
    if per_class < 1 or num_classes < 1:
        raise ValueError(f"expected at least one class and one pixel of each, got {num_classes}, {per_class}")
    rng = np.random.default_rng(seed)
    reservoirs = [_Reservoir(per_class) for _ in range(num_classes)]
    counts = np.zeros(num_classes, np.int64)
    grid: tuple[int, int] | None = None
    for pair in pairs:
        labels, inverse_depth = (np.asarray(of) for of in pair)
        if labels.shape != inverse_depth.shape or labels.ndim not in (2, 3):
            raise ValueError(
                f"labels and inverse depth are grids of one shape, got {labels.shape}, {inverse_depth.shape}"
            )
        if grid is not None and labels.shape[-2:] != grid:
            raise ValueError(f"all grids have one size; got {labels.shape[-2:]} after {grid}")
        grid = (labels.shape[-2], labels.shape[-1])
        _offer(labels.reshape(-1), inverse_depth.reshape(-1), grid, rng, reservoirs, counts)
    if grid is None:
        raise ValueError("no (labels, inverse_depth) pair to fit a distribution to")
    return Sampled([reservoir.points() for reservoir in reservoirs], counts, grid)


def _offer(
    labels: NDArray[Any],
    z: NDArray[Any],
    grid: tuple[int, int],
    rng: np.random.Generator,
    reservoirs: list[_Reservoir],
    counts: NDArray[np.int64],
) -> None:
    """Offer each class the pixels that it has in one pair of flat maps."""
    keys = rng.random(labels.size)
    usable = np.flatnonzero((labels != IGNORE) & np.isfinite(z) & (z > 0))
    order = usable[np.argsort(labels[usable], kind="stable")]
    present, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    if present.size and not 0 <= present[0] <= present[-1] < len(reservoirs):
        raise ValueError(f"labels are 0..{len(reservoirs) - 1} or {IGNORE}, got {present[0]}..{present[-1]}")
    for index, start, size in zip(present, starts, sizes, strict=True):
        pixels = order[start : start + size]
        cells = pixels % (grid[0] * grid[1])
        points = np.stack((cells % grid[1], cells // grid[1], z[pixels]), axis=1).astype(np.float64)
        reservoirs[index].offer(keys[pixels], points)
        counts[index] += size


def fit_mixtures(
    points: list[Points], components: int, seed: int
) -> tuple[NDArray[np.float64], Points, Points]:
    """(weights (C, K), means (C, K, 3), variances (C, K, 3)) of each class's points.

    A class with fewer points than components gets a single component, one with no point weights of 0.
    """
    if components < 1:
        raise ValueError(f"a mixture has at least one component, got {components}")
    shape = (len(points), components)
    weights, means, variances = np.zeros(shape), np.zeros((*shape, 3)), np.ones((*shape, 3))
    for index, of_class in enumerate(points):
        if len(of_class) >= max(components, 2):
            weights[index], means[index], variances[index] = _fit(of_class, components, seed)
        elif len(of_class):
            weights[index, 0], means[index, 0] = 1.0, of_class.mean(axis=0)
            variances[index, 0] = np.maximum(of_class.var(axis=0), LEAST_VARIANCE)
    return weights, means, variances


def _fit(points: Points, components: int, seed: int) -> tuple[NDArray[np.float64], Points, Points]:
    # Float32 is faster, but its variance is a difference of squares: around the centre it resolves sky's
    # needle, and where it cannot resolve one far from there, float64 does.
    centre = np.median(points, axis=0)
    centred = points - centre
    for dtype in (np.float32, np.float64):
        try:
            weights, means, variances = _expectation_maximisation(centred.astype(dtype), components, seed)
        except ValueError:
            if dtype is np.float64:
                raise
            continue
        resolved = 64 * np.finfo(dtype).eps * means**2
        if dtype is np.float64 or (variances[..., 2] > resolved[..., 2]).all():
            break
    return weights / weights.sum(), means + centre, np.maximum(variances, LEAST_VARIANCE)


def _expectation_maximisation(
    points: NDArray[Any], components: int, seed: int
) -> tuple[NDArray[np.float64], Points, Points]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        components, covariance_type="diag", init_params="kmeans", reg_covar=LEAST_VARIANCE, random_state=seed
    )
    with warnings.catch_warnings():
        # The likelihood of 100,000 points still creeps after 100 rounds; the density no longer changes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(points)
    return (
        mixture.weights_.astype(np.float64),
        mixture.means_.astype(np.float64),
        mixture.covariances_.astype(np.float64),
    )


def data_scale(distribution: DepthDistribution, sampled: Sampled) -> float:
    """The scale at which the median pixel's density is half of the map's range: ln 2 / median p."""
    log_p, shares = [], []
    for index, points in enumerate(sampled.points):
        if len(points):
            log_p.append(distribution.log_p(np.full(len(points), index), points))
            shares.append(np.full(len(points), sampled.counts[index] / len(points)))
    if not log_p:
        raise ValueError("no labelled pixel with a depth: no scale can be taken from the data")
    values, weights = np.concatenate(log_p), np.concatenate(shares)
    order = np.argsort(values)
    middle = order[np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)]
    return math.log(2) / math.exp(values[middle])
