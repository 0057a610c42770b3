"""The small network's decoder: a feature pyramid and the three heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .branches import NetworkOutput

# Inverse depth 65536 / (cm + 1) lies between 1 (655.35 m, sky) and 65536 (0 m).
_LOG_Z_MAX = math.log(65536.0)
# Where training starts: 20 m, the median of a street, and a third of the density's scale.
_LOG_Z_START = math.log(65536.0 / 2001.0)
_DENSITY_START = 1 / 3


@dataclass(frozen=True, kw_only=True)
class DecoderDesign:
    """What `benchmarks/decoder.py` chose between; the defaults are its choice.

    width: channels at stride 8; mixes: separable 3x3 convolutions there; context: whether the mean over the
    picture takes part; detail: channels of the correction at stride 4, or 0 to end at stride 8;
    hidden: channels of the density and depth heads.
    """

    width: int = 128
    mixes: int = 1
    context: bool = False
    detail: int = 0
    hidden: int = 64


class Decoder(nn.Module):
    """Features at strides 4, 8, 16, 32 -> the three branches at stride 8, or at stride 4 with a correction.

    Coarser levels enter by a 1x1 and bilinear up-sampling and are mixed at stride 8, where the heads stand.
    With `context` the mean over the picture takes part. With `detail` stride 4 corrects what is narrower than
    their cells: poles, signs, limbs. The correction starts at zero, so that learning starts at stride 8.
    fusion: segmentation reads the features times relu(a 1x1 of the depth head's hidden ones), as in DADA.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int,
        branches: Sequence[str],
        design: DecoderDesign,
        fusion: bool = False,
    ) -> None:
        super().__init__()
        finest, *levels = channels
        width = design.width
        self.lateral = nn.ModuleList(_project(level, width) for level in levels)
        self.context = nn.Conv2d(levels[-1], width, 1) if design.context else None
        self.mix = nn.Sequential(*(_separable(width) for _ in range(design.mixes)))
        self.segmentation = nn.Conv2d(width, num_classes, 1)
        # Density takes the position too (see `_positions`).
        self.density = _Head(width + 2, design.hidden, _DENSITY_START) if "density" in branches else None
        self.depth = _Head(width, design.hidden, _LOG_Z_START) if "depth" in branches else None
        self.fusion = _fusion(design.hidden, width) if fusion else None
        maps = num_classes + len(branches)
        self.correction = _Correction(finest, width, design.detail, maps) if design.detail else None
        self.usual = _Usual(num_classes + (self.depth is not None)) if self.density is not None else None

    def forward(self, features: Sequence[Tensor]) -> NetworkOutput:
        finest, *levels = features
        x = self.mix(F.relu(self._sum(levels)))  # (B, width, H / 8, W / 8)
        maps = [self.segmentation(self._fused(x))]
        if self.density is not None:
            maps.append(self.density(torch.cat((x, _positions(x)), dim=1)))
        if self.depth is not None:
            maps.append(self.depth(x))
        # Under bf16 autocast, log z and density must not be rounded to 8 bits between here and the losses.
        together = torch.cat(maps, dim=1).float()
        if self.correction is not None:
            together = _upsample(together, finest) + self.correction(x, finest)  # (B, maps, H / 4, W / 4)
        segmentation, *rest = torch.split(together, [of.shape[1] for of in maps], dim=1)
        log_z = rest.pop() if self.depth is not None else None
        depth = self._bounded(log_z).exp() if log_z is not None else None
        density = None
        if self.usual is not None:
            density = (rest.pop() + self.usual(segmentation, log_z)) * 255.0
        return NetworkOutput(segmentation, density, depth)

    @torch.no_grad()
    def pass_fusion(self) -> None:
        """Let the fusion begin by passing the features on as they are."""
        if self.fusion is not None and self.fusion.bias is not None:
            self.fusion.weight.zero_()
            self.fusion.bias.fill_(1.0)

    def _fused(self, x: Tensor) -> Tensor:
        if self.fusion is None or self.depth is None:
            return x
        return x * F.relu(self.fusion(self.depth.hidden(x)))

    def _sum(self, levels: Sequence[Tensor]) -> Tensor:
        x: Tensor = self.lateral[-1](levels[-1])
        if self.context is not None:
            x = x + self.context(levels[-1].mean(dim=(2, 3), keepdim=True))
        for lateral, level in zip(self.lateral[-2::-1], levels[-2::-1], strict=True):
            x = lateral(level) + _upsample(x, level)
        return x

    def _bounded(self, log_z: Tensor) -> Tensor:
        """log z within its range. In training the gradient passes the bounds, or a wrong pixel beyond them,
        such as a building taken for sky, would never be corrected."""
        bounded = log_z.clamp(0.0, _LOG_Z_MAX)
        return log_z + (bounded - log_z).detach() if self.training else bounded


class _Correction(nn.Module):
    """Features at stride 8 and the encoder's at stride 4 -> what to add to each map at stride 4."""

    def __init__(self, finest: int, width: int, detail: int, maps: int) -> None:
        super().__init__()
        self.coarse = _project(width, detail)
        self.fine = _project(finest, detail)
        self.mix = _separable(detail)
        self.last = nn.Conv2d(detail, maps, 1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, finest: Tensor) -> Tensor:
        mixed = self.mix(F.relu(_upsample(self.coarse(x), finest) + self.fine(finest)))
        correction: Tensor = self.last(mixed)
        return correction


class _Usual(nn.Module):
    """The density that a class usually has at a depth and a place (eq. 5), learned as a function of the
    predicted maps: what to add to the density that features tell.

    The maps take no gradient from it: as in eq. 6, they are what density is measured against.
    """

    def __init__(self, maps: int, hidden: int = 48) -> None:
        super().__init__()
        last = nn.Conv2d(hidden, 1, 1)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            nn.Conv2d(maps + 2, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, hidden, 1), nn.ReLU(), last
        )

    def forward(self, segmentation: Tensor, log_z: Tensor | None) -> Tensor:
        maps = [segmentation.detach().softmax(dim=1), _positions(segmentation)]
        if log_z is not None:
            maps.append((log_z.detach() - _LOG_Z_START) / 2)
        density: Tensor = self.layers(torch.cat(maps, dim=1))
        return density


class _Head(nn.Sequential):
    """(B, channels, h, w) -> (B, 1, h, w), starting at `start`."""

    def __init__(self, channels: int, hidden: int, start: float) -> None:
        last = nn.Conv2d(hidden, 1, 1)
        nn.init.normal_(last.weight, 0.0, 0.01)
        assert last.bias is not None
        nn.init.constant_(last.bias, start)
        super().__init__(nn.Conv2d(channels, hidden, 1), nn.ReLU(), last)

    def hidden(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, hidden, h, w), what the last convolution reads."""
        features: Tensor = self[1](self[0](x))
        return features


def _fusion(hidden: int, width: int) -> nn.Conv2d:
    """Starts near 1, so that learning starts from the features as they are."""
    convolution = nn.Conv2d(hidden, width, 1)
    assert convolution.bias is not None
    nn.init.ones_(convolution.bias)
    return convolution


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, momentum=0.05)


def _project(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), _norm(width))


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


def _separable(channels: int) -> nn.Sequential:
    """A depthwise 3x3 convolution and a 1x1 that mixes the channels."""
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return nn.Sequential(depthwise, _norm(channels), *_project(channels, channels), nn.ReLU())


def _positions(x: Tensor) -> Tensor:
    """(B, 2, h, w): column and row from -1 to 1. Density is a function of position (eq. 5), of which
    convolutions know little."""
    batch, _, rows, columns = x.shape
    column = torch.arange(columns, device=x.device, dtype=x.dtype) * (2.0 / max(columns - 1, 1)) - 1.0
    row = torch.arange(rows, device=x.device, dtype=x.dtype) * (2.0 / max(rows - 1, 1)) - 1.0
    across, down = column.expand(batch, rows, columns), row[:, None].expand(batch, rows, columns)
    return torch.stack((across, down), dim=1)
