"""The small network's decoder: a feature pyramid summed at stride 8, and the three heads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .branches import NetworkOutput

WIDTH = 128
HIDDEN = 64
# Inverse depth 65536 / (cm + 1) lies between 1 (655.35 m, sky) and 65536 (0 m).
_LOG_Z_MAX = math.log(65536.0)
# Where training starts: 20 m, the median of a street, and a third of the density's scale.
_LOG_Z_START = math.log(65536.0 / 2001.0)
_DENSITY_START = 1 / 3


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels, momentum=0.05), nn.ReLU())


def _separable(channels: int) -> nn.Sequential:
    """A 3x3 depthwise convolution and a 1x1 that mixes the channels."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels, momentum=0.05),
        *_normed(nn.Conv2d(channels, channels, 1, bias=False)),
    )


class Decoder(nn.Module):
    """Features at strides 4, 8, 16, 32 -> the three branches at stride 8.

    Stride 4 enters by a depthwise 3x3 of stride 2 (poles and signs are narrower than a cell of stride 8); the
    coarser levels by a 1x1 and bilinear up-sampling; the mean over the picture is added as a context.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, branches: Sequence[str]) -> None:
        super().__init__()
        fine, *levels = channels
        self.fine = nn.Sequential(
            nn.Conv2d(fine, fine, 3, stride=2, padding=1, groups=fine, bias=False),
            nn.BatchNorm2d(fine, momentum=0.05),
            nn.Conv2d(fine, WIDTH, 1, bias=False),
            nn.BatchNorm2d(WIDTH, momentum=0.05),
        )
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(level, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH, momentum=0.05))
            for level in levels
        )
        self.context = nn.Conv2d(levels[-1], WIDTH, 1)
        self.mix = nn.Sequential(_separable(WIDTH), _separable(WIDTH))
        self.segmentation = nn.Conv2d(WIDTH, num_classes, 1)
        self.density = _Head(WIDTH + 2, _DENSITY_START) if "density" in branches else None
        self.depth = _Head(WIDTH, _LOG_Z_START) if "depth" in branches else None

    def forward(self, features: Sequence[Tensor]) -> NetworkOutput:
        fine, *levels = features
        x = self.lateral[-1](levels[-1]) + self.context(levels[-1].mean(dim=(2, 3), keepdim=True))
        for lateral, level in zip(self.lateral[-2::-1], levels[-2::-1], strict=True):
            x = lateral(level) + F.interpolate(x, level.shape[2:], mode="bilinear", align_corners=True)
        x = self.mix(F.relu(x + self.fine(fine)))  # (B, WIDTH, h, w)
        density = depth = None
        if self.density is not None:
            density = self.density(torch.cat((x, _positions(x)), dim=1)) * 255.0
        if self.depth is not None:
            depth = self._bounded(self.depth(x)).exp()
        return NetworkOutput(self.segmentation(x), density, depth)

    def _bounded(self, log_z: Tensor) -> Tensor:
        """log z within its range. In training the gradient passes the bounds, or a wrong pixel beyond them,
        such as a building taken for sky, would never be corrected."""
        bounded = log_z.clamp(0.0, _LOG_Z_MAX)
        return log_z + (bounded - log_z).detach() if self.training else bounded


class _Head(nn.Sequential):
    """(B, channels, h, w) -> (B, 1, h, w), starting at `start`."""

    def __init__(self, channels: int, start: float) -> None:
        last = nn.Conv2d(HIDDEN, 1, 1)
        nn.init.normal_(last.weight, 0.0, 0.01)
        assert last.bias is not None
        nn.init.constant_(last.bias, start)
        super().__init__(nn.Conv2d(channels, HIDDEN, 1), nn.ReLU(), last)


def _positions(x: Tensor) -> Tensor:
    """(B, 2, h, w): column and row from -1 to 1. Density is a function of position (eq. 5), and a convolution
    knows none."""
    batch, _, rows, columns = x.shape
    column = torch.arange(columns, device=x.device, dtype=x.dtype) * (2.0 / max(columns - 1, 1)) - 1.0
    row = torch.arange(rows, device=x.device, dtype=x.dtype) * (2.0 / max(rows - 1, 1)) - 1.0
    return torch.stack((column.expand(batch, rows, columns), row[:, None].expand(batch, rows, columns)), dim=1)
