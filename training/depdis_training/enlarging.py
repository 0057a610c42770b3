"""Bilinear up-sampling on an `align_corners` grid, in the form that is fastest where it runs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) -> (N, C, *size).

    In an exported graph the height is brought to its size by a matrix product: behind one, OpenVINO reduces
    over the classes as the map lies, where it lays a map from its own up-sampling out anew for every reduction
    (`benchmarks/enlarging.py`). One product, not two: in bf16 a second rounding costs a percent of the labels.
    """
    if torch.compiler.is_exporting():
        return by_product(maps, size)
    return _interpolated(maps, size)


def by_product(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """The same, the rows by a matrix product: (h', h) times each map."""
    rows = maps.shape[2]
    return _shares(rows, size[0], maps) @ _interpolated(maps, (rows, size[1]))


def _interpolated(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def _shares(points: int, length: int, like: Tensor) -> Tensor:
    """(length, points): how much of each of `points` is in each place of a grid of `length`."""
    step = (points - 1) / max(length - 1, 1)
    places = torch.arange(length, device=like.device, dtype=like.dtype) * step
    away = places[:, None] - torch.arange(points, device=like.device, dtype=like.dtype)
    return (1.0 - away.abs()).clamp(min=0.0)
