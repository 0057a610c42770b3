"""Maps of the input's size on the feature grid, without interpolation: every cell takes one pixel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
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
        _centres(length, points, values.device) for length, points in zip(values.shape[1:], size, strict=True)
    )
    return values[:, rows[:, None], columns]


@lru_cache
def _centres(length: int, points: int, device: torch.device) -> Tensor:
    """The pixels that Pillow's nearest resize takes: where a centre is between two, its running sum decides."""
    step = length / points
    centres = np.cumsum([0.5 * step] + [step] * (points - 1))
    return torch.from_numpy(centres.astype(np.int64)).to(device)
