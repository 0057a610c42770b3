"""Maps of the input's size on the feature grid, without interpolation: every cell takes one pixel."""

from __future__ import annotations

import torch
from torch import Tensor


def sampled(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W) -> (B, h, w): the pixel nearest to each point of an `align_corners` grid, as features stand.

    1280 columns on 161 cells: 0, 8, 16, ..., 1279.
    """
    rows, columns = (
        torch.linspace(0, length - 1, points, device=values.device).round().long()
        for length, points in zip(values.shape[1:], size, strict=True)
    )
    return values[:, rows[:, None], columns]


def centre_sampled(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W) -> (B, h, w): the pixel in the centre of each cell, where the release samples its source.

    1280 columns on 161 cells: 3, 11, 19, ..., half a cell beside the features.
    """
    rows, columns = (
        (2 * torch.arange(points, device=values.device) + 1) * length // (2 * points)
        for length, points in zip(values.shape[1:], size, strict=True)
    )
    return values[:, rows[:, None], columns]
