"""The terms that several methods share, from maps on the feature grid."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from depdis_training.grids import sampled
from depdis_training.losses import abs_rel, berhu, cross_entropy, relative_depth, self_information

DepthLoss = Literal["berhu", "relative", "abs_rel"]
UnknownDepth = Literal["left_out", "zero_distance"]

_Z_AT_ZERO = 65536.0
_ON_GRID = {"relative": relative_depth, "abs_rel": abs_rel}


def upsampled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) -> (B, C, H, W), bilinear, corners on corners; the same where the size is."""
    if maps.shape[2:] == size:
        return maps
    return functional.interpolate(maps, size, mode="bilinear", align_corners=True)


def information(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) logits -> (B, C, H, W) weighted self-information of the up-sampled prediction (eq. 9)."""
    return self_information(upsampled(logits, size).softmax(dim=1))


def true_inverse_depth(inverse_depth: Tensor, unknown: str) -> Tensor:
    """(B, H, W) inverse depth whose unknown pixels are 0; with `zero_distance` they are 0 m away instead."""
    if unknown == "zero_distance":
        return torch.where(inverse_depth > 0, inverse_depth, _Z_AT_ZERO)
    return inverse_depth


class SegmentationLoss:
    """Eq. 1 on every `stride`-th pixel of the input, with (C,) class weights or none."""

    def __init__(self, stride: int, class_weights: Tensor | None) -> None:
        self.stride, self.class_weights = stride, class_weights

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits: (B, C, h, w), up-sampled to the pixels taken; labels: (B, H, W), 255 ignored."""
        if self.class_weights is not None and self.class_weights.device != logits.device:
            self.class_weights = self.class_weights.to(logits.device)
        height, width = labels.shape[1:]
        size = (-(-height // self.stride), -(-width // self.stride))
        taken = labels if self.stride == 1 else sampled(labels, size)
        return cross_entropy(upsampled(logits, size), taken, self.class_weights)


def depth_loss(depth: Tensor, truth: Tensor, kind: str) -> Tensor:
    """The loss of predicted (B, 1, h, w) inverse depth; truth: (B, H, W), 0 where unknown and left out.

    `berhu`: eq. 2 at the input's resolution; `relative` and `abs_rel`: `losses.relative_depth` and
    `losses.abs_rel` on the feature grid.
    """
    if kind in _ON_GRID:
        z = sampled(truth, (depth.shape[2], depth.shape[3]))  # (B, h, w)
        return _ON_GRID[kind](depth[:, 0], z, z > 0)
    height, width = truth.shape[1:]
    return berhu(upsampled(depth, (height, width))[:, 0], truth, truth > 0)


def density_loss(density: Tensor, target: Tensor, valid: Tensor, kind: str) -> Tensor:
    """The branch balance loss (eq. 6) of predicted (B, 1, h, w) density to (B, h, w), over valid cells.

    `berhu`: the paper's; `absolute`: the mean error in shares of the 0..255 scale.
    """
    if kind == "absolute":
        error = (density[:, 0] - target).abs() / 255
        return (error * valid).sum() / valid.sum().clamp(min=1)
    return berhu(density[:, 0], target, valid)
