"""Random views of a picture with its labels and depth: scale, crop, flip, colour."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from .data.samples import Sample

# From this shrinking factor on, bilinear sampling skips source pixels and aliases.
_AREA_FROM = 1.5

Kind = TypeVar("Kind", np.uint8, np.float32)


@dataclass(frozen=True)
class View:
    """A window of a picture, in its pixels, and whether it is mirrored."""

    left: int
    top: int
    width: int
    height: int
    flip: bool = False


def draw_view(
    rng: np.random.Generator,
    size: tuple[int, int],
    crop: tuple[int, int],
    scale: tuple[float, float],
    flip: float,
) -> View:
    """A window of a `size` (width, height) picture that becomes `crop` (width, height) when resized.

    The magnification is log-uniform in `scale`, but never so small that the window would leave the picture.
    """
    least = max(crop[0] / size[0], crop[1] / size[1])
    factor = max(least, math.exp(rng.uniform(math.log(scale[0]), math.log(scale[1]))))
    width = min(size[0], max(1, round(crop[0] / factor)))
    height = min(size[1], max(1, round(crop[1] / factor)))
    left = int(rng.integers(0, size[0] - width + 1))
    top = int(rng.integers(0, size[1] - height + 1))
    return View(left, top, width, height, bool(rng.random() < flip))


def take_view(sample: Sample, view: View, crop: tuple[int, int]) -> Sample:
    """The view at `crop` (width, height) pixels; the focal length follows the magnification.

    The picture is resampled smoothly, labels and depth by the nearest pixel.
    """
    window = (slice(view.top, view.top + view.height), slice(view.left, view.left + view.width))

    def cut(values: NDArray[Kind], method: int) -> NDArray[Kind]:
        values = values[window]
        if values.shape[1::-1] != crop:
            values = cv2.resize(values, crop, interpolation=method).astype(values.dtype, copy=False)
        return np.ascontiguousarray(values[:, ::-1] if view.flip else values)

    shrinks = max(view.width / crop[0], view.height / crop[1]) >= _AREA_FROM
    return replace(
        sample,
        image=cut(sample.image, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR),
        labels=None if sample.labels is None else cut(sample.labels, cv2.INTER_NEAREST),
        depth_m=None if sample.depth_m is None else cut(sample.depth_m, cv2.INTER_NEAREST),
        focal_px=None if sample.focal_px is None else sample.focal_px * crop[0] / view.width,
    )


def jitter_colour(rng: np.random.Generator, image: NDArray[np.uint8], strength: float) -> NDArray[np.uint8]:
    """Brightness, contrast and saturation each times a factor in 1 ± strength; (H, W, 3) uint8 RGB."""
    if strength == 0:
        return image
    brightness, contrast, saturation = 1 + rng.uniform(-strength, strength, 3)
    values = image.astype(np.float32)
    grey = values @ np.array([0.299, 0.587, 0.114], np.float32)
    values = grey[..., None] + saturation * (values - grey[..., None])
    middle = float(grey.mean())
    values = brightness * (middle + contrast * (values - middle))
    return np.asarray(np.clip(values + 0.5, 0, 255), np.uint8)
