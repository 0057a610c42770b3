"""Bilinear up-sampling on an `align_corners` grid, in the form that is fastest where it runs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def enlarged(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) -> (N, C, *size).

    In an exported graph two matrix products take its place, one for each side: CPU engines' own up-sampling
    takes twice as long for the sizes that networks have (`benchmarks/enlarging.py`).
    """
    if torch.compiler.is_exporting():
        return by_products(maps, size)
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def by_products(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """The same by matrix products: (h', h) times the maps times (w, w')."""
    height, width = maps.shape[2:]
    down, across = (_shares(points, length, maps) for points, length in ((height, size[0]), (width, size[1])))
    return down @ (maps @ across.T)


def _shares(points: int, length: int, like: Tensor) -> Tensor:
    """(length, points): how much of each of `points` is in each place of a grid of `length`."""
    step = (points - 1) / max(length - 1, 1)
    places = torch.arange(length, device=like.device, dtype=like.dtype) * step
    away = places[:, None] - torch.arange(points, device=like.device, dtype=like.dtype)
    return (1.0 - away.abs()).clamp(min=0.0)
