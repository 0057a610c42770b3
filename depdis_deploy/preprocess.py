"""RGB frame -> network input, and the network's maps back onto the frame.

Shared by training, export and the runtime, so that what a model saw and what it sees cannot drift apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .manifest import ResizeRule

# From this shrinking factor on, bilinear sampling skips source pixels and aliases.
_AREA_FROM = 1.5
_LARGEST_INPUT = 4  # times the rule's number of pixels, however long and thin a picture is


@dataclass(frozen=True)
class Geometry:
    """Sizes, each (width, height): the frame, its resized content, and the padded network input.

    The content stands at the top left of the input; what is right of it and below is padding.
    aspect: Width over height of the frame's pixels.
    """

    frame: tuple[int, int]
    content: tuple[int, int]
    input: tuple[int, int]
    aspect: float = 1.0


def plan(frame_size: tuple[int, int], rule: ResizeRule, aspect: float = 1.0) -> Geometry:
    """Where a frame of `frame_size` (width, height) goes in the network's input.

    Args:
        frame_size: Of the frame, in its own pixels.
        rule: How frames are resized. `fit` and `area` give the network square pixels.
        aspect: Width over height of the frame's pixels.
    """
    if min(frame_size) < 1:
        raise ValueError(f"a frame has at least one pixel, got {frame_size[0]}x{frame_size[1]}")
    content, padded = _sizes(frame_size[0] * aspect, frame_size[1], rule)
    return Geometry(frame_size, content, padded, aspect)


def _sizes(width: float, height: float, rule: ResizeRule) -> tuple[tuple[int, int], tuple[int, int]]:
    """The sizes of content and input for a frame of `width` x `height` square pixels."""
    if rule.kind == "stretch":
        return (rule.width, rule.height), (rule.width, rule.height)
    if rule.kind == "fit":
        scale = min(rule.width / width, rule.height / height)
        content = (
            min(rule.width, max(1, round(width * scale))),
            min(rule.height, max(1, round(height * scale))),
        )
        return content, (rule.width, rule.height)
    step = rule.multiple
    # A strip one pixel high would otherwise ask for millions of columns: beyond that it is squeezed.
    most = _LARGEST_INPUT * rule.width * rule.height // step
    wide = max(1, round(min(math.sqrt(rule.width * rule.height * width / height), most) / step)) * step
    high = max(1, min(round(wide * height / width), most * step // wide))
    return (wide, high), (wide, math.ceil(high / step) * step)


def resize_picture(picture: NDArray[np.uint8], size: tuple[int, int], interpolation: str) -> NDArray[np.uint8]:
    """A (H, W, 3) uint8 picture at `size` (width, height), anti-aliased where it shrinks."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    if interpolation == "bicubic":
        from PIL import Image

        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    # Averages of 2x2 pixels are ten times as fast as averages over fractions of pixels, and nearly as good.
    while width >= 2 * size[0] and height >= 2 * size[1] and (width % 2, height % 2) == (0, 0):
        width, height = width // 2, height // 2
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    shrink = max(width / size[0], height / size[1])
    method = cv2.INTER_AREA if shrink >= _AREA_FROM else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def to_input(picture: NDArray[np.uint8], geometry: Geometry, rule: ResizeRule) -> NDArray[np.uint8]:
    """A (H, W, 3) uint8 RGB frame as the network's (h, w, 3) uint8 RGB input."""
    content = resize_picture(picture, geometry.content, rule.interpolation)
    right = geometry.input[0] - geometry.content[0]
    below = geometry.input[1] - geometry.content[1]
    if right or below:
        return np.asarray(cv2.copyMakeBorder(content, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    return content


def to_frame(values: NDArray[Any], geometry: Geometry, *, smooth: bool) -> NDArray[Any]:
    """A network map (h', w') on any grid that spans the input, on the frame's (H, W) pixels.

    smooth: bilinear for depth, density and confidence; nearest for labels.
    """
    if smooth:
        return _interpolated(values, geometry)
    rows, columns = values.shape
    if geometry.content != geometry.input:
        if (columns, rows) != geometry.input:
            values = cv2.resize(values, geometry.input, interpolation=cv2.INTER_NEAREST_EXACT)
        values = values[: geometry.content[1], : geometry.content[0]]
    if values.shape[::-1] == geometry.frame:
        return values
    return np.asarray(cv2.resize(values, geometry.frame, interpolation=cv2.INTER_NEAREST_EXACT))


def _interpolated(values: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """The first and last cells of a map stand on the input's first and last pixels (align_corners), as in the
    losses and in the graph's logits: otherwise things would lie up to half a cell beside their labels."""
    scales, offsets = [], []
    for cells, pixels, content, frame in zip(
        values.shape[::-1], geometry.input, geometry.content, geometry.frame, strict=True
    ):
        a_pixel = (cells - 1) / max(1, pixels - 1)  # in cells
        scales.append(a_pixel * content / frame)
        offsets.append(a_pixel * (content / frame - 1) / 2)  # pixels are compared by their middles
    if scales == [1.0, 1.0] and values.shape[::-1] == geometry.frame:
        return values
    onto_map = np.array([[scales[0], 0.0, offsets[0]], [0.0, scales[1], offsets[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(values, onto_map, geometry.frame, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def focal_length_px(horizontal_fov_degrees: float, width: int) -> float:
    """The focal length in pixels of a camera whose picture is `width` pixels wide."""
    if not 1.0 <= horizontal_fov_degrees <= 179.0:
        raise ValueError(
            f"a horizontal field of view is between 1 and 179 degrees, got {horizontal_fov_degrees:g}"
        )
    return width / 2 / math.tan(math.radians(horizontal_fov_degrees) / 2)
