"""Shapes and work of convolutions, poolings, products and up-sampling, in ONNX and in OpenVINO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .calls import Made
from .graph import RejectedGraphError, Shape

_MOST_SPATIAL = 3  # engines unfold an image of more dimensions in memory
_INT8_PER_ELEMENT = 4
_NEIGHBOURS = 16  # that a cubic interpolation reads
_ROUNDING = 1e-3  # more than engines add to the product of a size and a scale before they round it down


@dataclass(frozen=True, kw_only=True)
class Window:
    """How a kernel moves over the spatial dimensions.

    Attributes:
        auto: NOTSET, VALID, SAME_UPPER or SAME_LOWER; all but NOTSET replace the padding.
        ceil: Whether a last window that is not full counts.
    """

    strides: Sequence[int]
    dilations: Sequence[int]
    before: Sequence[int]
    after: Sequence[int]
    auto: str = "NOTSET"
    ceil: bool = False

    def sizes(self, spatial: Sequence[int], kernel: Sequence[int]) -> Shape:
        """Return the sizes after a convolution or pooling.

        Raises:
            ValueError: The kernel does not fit.
        """
        self._check(kernel)
        found = []
        for size, window, stride, dilation, before, after in zip(
            spatial, kernel, self.strides, self.dilations, self.before, self.after, strict=True
        ):
            if self.auto.startswith("SAME"):
                found.append(-(-size // stride))
                continue
            first, last = (0, 0) if self.auto == "VALID" else (before, after)
            room = size + first + last - dilation * (window - 1) - 1
            if room < 0:
                raise ValueError  # engines disagree whether one window is left
            steps = -(-room // stride) if self.ceil else room // stride
            if self.ceil and steps * stride >= size + first:
                raise RejectedGraphError("has a last window outside the image, which engines count differently")
            found.append(steps + 1)
        return tuple(found)

    def enlarged(self, spatial: Sequence[int], kernel: Sequence[int], extra: Sequence[int]) -> Shape:
        """Return the sizes after a transposed convolution. extra: added at the end of each dimension."""
        self._check(kernel)
        if self.auto != "NOTSET":
            raise RejectedGraphError("pads a transposed convolution by itself, which exported models never do")
        parts = (spatial, kernel, self.strides, self.dilations, self.before, self.after, extra)
        return tuple(
            stride * (size - 1) + more + dilation * (window - 1) + 1 - before - after
            for size, window, stride, dilation, before, after, more in zip(*parts, strict=True)
        )

    def _check(self, kernel: Sequence[int]) -> None:
        if min((*kernel, *self.strides, *self.dilations), default=1) < 1 or len(kernel) > _MOST_SPATIAL:
            raise ValueError
        if self.auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
            raise ValueError


def convolution(image: Shape, weights: Shape, groups: int, window: Window) -> Made:
    """image: (N, C, ...); weights: (filters, C / groups, ...)."""
    filters, channels, *kernel = weights
    if groups < 1 or image[1] != channels * groups or filters % groups:
        raise ValueError
    sizes = window.sizes(image[2:], kernel)
    shape = (image[0], filters, *sizes)
    # Engines keep the windows of an image side by side, in INT8.
    unfolded = math.prod(sizes) * math.prod(weights[1:]) // _INT8_PER_ELEMENT
    return Made([shape], work=math.prod(shape) * math.prod(weights[1:]), scratch=unfolded)


def transposed_convolution(
    image: Shape, weights: Shape, groups: int, window: Window, extra: Sequence[int]
) -> Made:
    """weights: (C, filters / groups, ...); extra: added at the end of each dimension."""
    channels, filters, *kernel = weights
    if groups < 1 or image[1] != channels or channels % groups:
        raise ValueError
    shape = (image[0], filters * groups, *window.enlarged(image[2:], kernel, extra))
    # Each pixel's products are kept before they are added up.
    unfolded = math.prod(image[2:]) * math.prod(weights[1:])
    return Made([shape], work=math.prod(image) * math.prod(weights[1:]), scratch=unfolded)


def pooling(image: Shape, kernel: Sequence[int], window: Window, outputs: int) -> Made:
    """image: (N, C, ...); further outputs are the indices of the largest elements."""
    shape = (*image[:2], *window.sizes(image[2:], kernel))
    return Made([shape] * outputs, work=math.prod(shape) * math.prod(kernel))


def product(first: Shape, second: Shape) -> Made:
    """(..., rows, inner) times (..., inner, columns)."""
    if min(len(first), len(second)) < 2:
        raise RejectedGraphError("multiplies vectors, which exported models never do")
    if first[-1] != second[-2]:
        raise ValueError
    shape = (*np.broadcast_shapes(first[:-2], second[:-2]), first[-2], second[-1])
    return Made([shape], work=math.prod(shape) * first[-1])


def resized(shape: Shape, axes: Sequence[int], sizes: Sequence[int]) -> Made:
    """A tensor with other sizes along `axes`."""
    found = list(shape)
    for axis, size in zip(axes, sizes, strict=True):
        found[axis] = size
    return Made([tuple(found)], work=_NEIGHBOURS * math.prod(found))


def scaled(size: int, scale: np.floating[Any]) -> int:
    """Return a size times a scale in single precision, rounded down.

    Raises:
        RejectedGraphError: Engines would round it in different ways.
    """
    result = float(np.float32(size) * np.float32(scale))
    if math.floor(result + _ROUNDING) != math.floor(result):
        raise RejectedGraphError("makes a tensor whose size depends on rounding")
    return math.floor(result)
