"""Class-wise depth distributions: where and how far a class usually is (section 3.3, eq. 5)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from depdis_deploy.files import written_whole
from depdis_deploy.json_files import parse_json, read_text, shortened, shown
from depdis_deploy.taxonomy import IGNORE

DEFAULT_SCALE = 1e6
# What was published with the paper, fitted by its authors on SYNTHIA.
PUBLISHED = {
    "synthia-cityscapes-16": "synthia_16.json",
    "synthia-cityscapes-7": "synthia_7.json",
    "synthia-cityscapes-7-small": "synthia_7_small.json",
}
_LOG_2_PI = math.log(2 * math.pi)


class DepthDistribution:
    """A mixture of K Gaussians with diagonal covariance per class, over (x, y, z).

    x, y: column and row on the feature grid, from 0; z: inverse depth 65536 / (centimetres + 1).

    weights: (C, K), each class summing to 1, or all 0 for a class that was never seen (its density is 0).
    means, variances: (C, K, 3), axes x, y, z.
    grid: (h, w) that x and y refer to; maps of another size are scaled onto it. None: every map's own grid.
    scale: of the exponent in the release's mapping from p (eq. 5) to the map D. Its 1e6 belongs to a 161 x 96
        grid.
    variance_floor: least variance along z. Without one (0, the paper's) a component whose depth is constant,
        as sky's, is a needle: a depth predicted 1 % off has density 0.
    Raises ValueError for parameters that do not fit together or are no distribution.
    """

    def __init__(
        self,
        weights: ArrayLike,
        means: ArrayLike,
        variances: ArrayLike,
        *,
        grid: tuple[int, int] | None = None,
        scale: float = DEFAULT_SCALE,
        variance_floor: float = 0.0,
    ) -> None:
        self.weights = np.asarray(weights, np.float64)
        self.means = np.asarray(means, np.float64)
        self.variances = np.asarray(variances, np.float64)
        self.grid = None if grid is None else (int(grid[0]), int(grid[1]))
        self.scale = float(scale)
        self.variance_floor = float(variance_floor)
        self._check()
        self._floored = self.variances.copy()
        self._floored[..., 2] = np.maximum(self._floored[..., 2], self.variance_floor)
        # By the map's size and device, which do not change between batches.
        self._tables: dict[tuple[int, int, torch.device], tuple[Tensor, ...]] = {}

    @property
    def num_classes(self) -> int:
        return int(self.weights.shape[0])

    @property
    def components(self) -> int:
        return int(self.weights.shape[1])

    @property
    def unseen(self) -> tuple[int, ...]:
        """The classes of which the fit saw no pixel."""
        return tuple(int(index) for index in np.flatnonzero(self.weights.sum(axis=1) == 0))

    @classmethod
    def fit(
        cls,
        pairs: Iterable[tuple[Any, Any]],
        num_classes: int,
        components: int = 5,
        per_class: int = 100_000,
        seed: int = 0,
        scale: float | str = DEFAULT_SCALE,
        variance_floor: float = 0.0,
    ) -> DepthDistribution:
        """Fit the mixtures to source pictures by expectation maximisation (see `mixture_fit`).

        pairs: (labels, inverse_depth) grids of one size, each (h, w) or (B, h, w), arrays or tensors; labels
            255 and depths that are not finite or not positive are left out. Read once, in order.
        per_class: pixels kept of each class, drawn evenly from all its pixels.
        scale: a number, or "data": such that the median pixel has density 127.5 of 255.
        A class without a pixel gets density 0 everywhere (`unseen` names it). The same pairs, in the same
        order, and seed give the same result. Raises ValueError for empty or ill-shaped pairs.
        """
        from .mixture_fit import data_scale, fit_mixtures, sample_classes

        if isinstance(scale, str) and scale != "data":
            raise ValueError(f"scale is a number or 'data', got {scale!r}")
        sampled = sample_classes(pairs, num_classes, per_class, seed)
        weights, means, variances = fit_mixtures(sampled.points, components, seed)
        options: dict[str, Any] = {"grid": sampled.grid, "variance_floor": variance_floor}
        if isinstance(scale, str):
            unscaled = cls(weights, means, variances, **options)
            scale = data_scale(unscaled, sampled)
        return cls(weights, means, variances, scale=scale, **options)

    @torch.no_grad()
    def density(self, labels: Tensor, inverse_depth: Tensor, *, zero_invalid: bool = True) -> Tensor:
        """The map D = (1 - exp(-scale p)) 255 of p (eq. 5), the release's mapping; a constant for the gradient.

        labels: (B, h, w) integers, 255 unlabelled; inverse_depth: (B, h, w) on the same device. Returns
        (B, h, w) float32 in 0..255, 0 where the label is 255.
        zero_invalid: 0 too where inverse depth is not positive; the release's source maps need False.
        Raises ValueError when shapes differ and, on a CPU, where looking costs no wait, when a label is none
        of the classes.
        """
        if labels.shape != inverse_depth.shape or labels.ndim != 3:
            raise ValueError(
                f"expected labels and inverse depth of one shape (B, h, w), got {tuple(labels.shape)} "
                f"and {tuple(inverse_depth.shape)}"
            )
        labelled = labels != IGNORE
        classes = labels.long().masked_fill(~labelled, 0).flatten()  # (N,)
        if labels.device.type == "cpu" and classes.numel() and int(classes.max()) >= self.num_classes:
            raise ValueError(f"labels are 0..{self.num_classes - 1} or {IGNORE}, got {int(classes.max())}")
        rows, columns = labels.shape[1:]
        across, down, mean, mean_rest, precision = self._on_grid(rows, columns, labels.device)
        pixel = torch.arange(labels.numel(), device=labels.device)
        z = inverse_depth.float().flatten()
        # (K, N): the class's terms of each pixel's column and row, then of its depth.
        log_p = across[:, classes * columns + pixel % columns]
        log_p = log_p + down[:, classes * rows + pixel // columns % rows]
        offset = (z - mean[:, classes]) - mean_rest[:, classes]
        log_p = torch.addcmul(log_p, offset.square(), precision[:, classes], value=-0.5)
        density = torch.expm1(-torch.exp(torch.logsumexp(log_p, dim=0))) * -255.0
        valid = labelled.flatten() & (z > 0) if zero_invalid else labelled.flatten()
        return torch.where(valid, density, 0.0).reshape(labels.shape)

    def expected(self, probabilities: Tensor, inverse_depth: Tensor) -> Tensor:
        """The map D that a prediction leads to expect: sum over classes of P_c D_c, with gradients.

        probabilities: (B, C, h, w), each pixel's summing to 1; inverse_depth: (B, h, w) on the same device.
        Returns (B, h, w) float32 in 0..255, 0 where inverse depth is not positive. Where one class is certain
        it is what `density` gives of it. Raises ValueError when shapes do not fit.
        """
        batch, _, rows, columns = probabilities.shape if probabilities.ndim == 4 else (0, 0, 0, 0)
        if probabilities.shape != (batch, self.num_classes, rows, columns) or (
            inverse_depth.shape != (batch, rows, columns)
        ):
            raise ValueError(
                f"expected probabilities (B, {self.num_classes}, h, w) and inverse depth (B, h, w), got "
                f"{tuple(probabilities.shape)} and {tuple(inverse_depth.shape)}"
            )
        across, down, *depth = self._on_grid(rows, columns, probabilities.device)
        # (K, 1, C, h or 1, w or 1)
        across = across.view(self.components, 1, self.num_classes, 1, columns)
        down = down.view(self.components, 1, self.num_classes, rows, 1)
        mean, mean_rest, precision = (table[:, None, :, None, None] for table in depth)
        z = inverse_depth.float()[:, None]  # (B, 1, h, w)
        offset = (z - mean) - mean_rest  # (K, B, C, h, w)
        terms = across + down - 0.5 * offset.square() * precision
        # Of a class that was never seen all are -inf, and beyond e^10 the density is 255 to the last bit: there
        # the gradient would be 0 times infinity.
        log_p = torch.logsumexp(terms.clamp(min=-100.0), dim=0).clamp(max=10.0)
        density = torch.expm1(-torch.exp(log_p)) * -255.0  # (B, C, h, w)
        return ((probabilities.float() * density).sum(dim=1)).masked_fill(z[:, 0] <= 0, 0.0)

    def _on_grid(self, rows: int, columns: int, device: torch.device) -> tuple[Tensor, ...]:
        key = (rows, columns, device)
        if key not in self._tables:
            self._tables[key] = self._make_tables(*key)
        return self._tables[key]

    def log_p(self, labels: NDArray[Any], points: NDArray[Any]) -> NDArray[np.float64]:
        """log p of (N, 3) points (x, y on this grid, z) under their classes' mixtures; float64, exact."""
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        constant = log_weights - 0.5 * (np.log(self._floored).sum(-1) + 3 * _LOG_2_PI)  # (C, K)
        offset = np.asarray(points, np.float64)[:, None] - self.means[labels]  # (N, K, 3)
        terms = constant[labels] - 0.5 * (offset**2 / self._floored[labels]).sum(-1)
        return np.asarray(np.logaddexp.reduce(terms, axis=1), np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a manifest keeps them; `from_dict` reads them back."""
        return {
            "weights": self.weights.tolist(),
            "means": self.means.tolist(),
            "variances": self.variances.tolist(),
            "grid": None if self.grid is None else list(self.grid),
            "scale": self.scale,
            "variance_floor": self.variance_floor,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> DepthDistribution:
        """The inverse of `to_dict`; ValueError names what is missing."""
        missing = [key for key in ("weights", "means", "variances") if key not in fields]
        if missing:
            raise ValueError(f"a depth distribution needs weights, means and variances; missing: {missing}")
        grid = fields.get("grid")
        if grid is not None and not (
            isinstance(grid, list | tuple) and [type(side) for side in grid] == [int, int]
        ):
            raise ValueError(f"a grid is (h, w) of whole cells, got {shown(grid)}")
        scale, floor = fields.get("scale", DEFAULT_SCALE), fields.get("variance_floor", 0.0)
        if not all(type(number) in (int, float) for number in (scale, floor)):
            raise ValueError(f"scale and variance_floor are numbers, got {shown(scale)} and {shown(floor)}")
        try:
            return cls(
                fields["weights"],
                fields["means"],
                fields["variances"],
                grid=None if grid is None else (grid[0], grid[1]),
                scale=scale,
                variance_floor=floor,
            )
        except (TypeError, OverflowError) as error:  # numpy's, of anything but numbers
            raise ValueError(f"weights, means and variances are numbers ({shortened(error, 100)})") from None

    def to_json(self, path: Path | str) -> None:
        """Write the file that `from_json` reads."""
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=1) + "\n")

    @classmethod
    def from_json(cls, path: Path | str) -> DepthDistribution:
        """Read a file of `to_json`; ValueError when it is none."""
        try:
            return cls.from_dict(parse_json(read_text(Path(path)), dict))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: not a depth distribution ({shortened(error)})") from None

    @classmethod
    def published(cls, name: str) -> DepthDistribution:
        """The mixtures published with the paper, by protocol; ValueError lists the names there are."""
        if name not in PUBLISHED:
            raise ValueError(f"no published mixtures {name!r}; there are {', '.join(PUBLISHED)}")
        return cls.from_json(Path(__file__).parent / "mixtures" / PUBLISHED[name])

    def _make_tables(self, rows: int, columns: int, device: torch.device) -> tuple[Tensor, ...]:
        """(K, C·w) and (K, C·h) terms of columns and rows, then (K, C) of depth: mean, its rest, precision.

        The constants of log(scale p) are in the first. A mean is kept as two float32, since a needle around a
        mean that float32 cannot hold would be off by a large part of its width.
        """
        own_rows, own_columns = self.grid or (rows, columns)
        x = np.arange(columns) * (own_columns - 1) / max(columns - 1, 1)
        y = np.arange(rows) * (own_rows - 1) / max(rows - 1, 1)
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights) + math.log(self.scale)
        constant = log_weights - 0.5 * (np.log(self._floored).sum(-1) + 3 * _LOG_2_PI)

        def term(position: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
            offset = position - self.means[..., axis, None]  # (C, K, positions)
            return np.asarray(-0.5 * offset**2 / self._floored[..., axis, None])

        across, down = term(x, 0) + constant[..., None], term(y, 1)
        mean = self.means[..., 2].astype(np.float32)
        tables = (
            across.swapaxes(0, 1).reshape(self.components, -1),
            down.swapaxes(0, 1).reshape(self.components, -1),
            mean.T,
            (self.means[..., 2] - mean).T,
            (1 / self._floored[..., 2]).T,
        )
        return tuple(torch.from_numpy(np.ascontiguousarray(table, np.float32)).to(device) for table in tables)

    def _check(self) -> None:
        shape = self.weights.shape
        if len(shape) != 2 or self.means.shape != (*shape, 3) or self.variances.shape != (*shape, 3):
            raise ValueError(
                "expected weights (C, K), means and variances (C, K, 3), got "
                f"{shape}, {self.means.shape} and {self.variances.shape}"
            )
        if not all(np.isfinite(values).all() for values in (self.weights, self.means, self.variances)):
            raise ValueError("weights, means and variances must be finite")
        totals = self.weights.sum(axis=1)
        if (self.weights < 0).any() or not (np.isclose(totals, 1, atol=1e-2) | (totals == 0)).all():
            raise ValueError(
                f"each class's weights are positive and sum to 1, got sums {shown(totals.tolist())}"
            )
        if (self.variances <= 0).any():
            raise ValueError("variances must be positive; a constant depth has a tiny one, such as 1e-6")
        if not (0 < self.scale < math.inf and 0 <= self.variance_floor < math.inf):
            raise ValueError(
                f"scale is positive and variance_floor at least 0, got {self.scale}, {self.variance_floor}"
            )
        if self.grid is not None and min(self.grid) < 1:
            raise ValueError(f"a grid is (h, w) of at least one cell, got {self.grid}")
