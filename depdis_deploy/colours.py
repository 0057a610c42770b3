"""Colours of maps, by tables: classes by a palette, depth on a fixed logarithmic scale, shares from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .taxonomy import IGNORE, Colour

# A fixed range, so that the colours of a video do not flicker: where street scenes have their detail.
NEAREST_M, FARTHEST_M = 2.0, 80.0
DEPTH_TICKS_M = (2, 5, 10, 20, 40, 80)


@lru_cache(maxsize=8)
def class_table(palette: tuple[Colour, ...]) -> NDArray[np.uint8]:
    """(256, 1, 3) RGB of each label; 255 and what the palette lacks are black."""
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(palette), 0] = palette
    return table


@lru_cache(maxsize=2)
def scale_table(kind: str) -> NDArray[np.uint8]:
    """(256, 1, 3) RGB: `depth` from near (bright) to far (dark), `density` from 0 (dark) to 1 (bright).

    Lightness alone tells the order in both, so that no kind of colour blindness takes distances for each other.
    """
    if kind == "depth":
        # Inferno's dark end is black, in which the sky would look like nothing.
        levels = np.linspace(250, 24, 256).round().astype(np.uint8)
        table = cv2.applyColorMap(levels.reshape(256, 1), cv2.COLORMAP_INFERNO)
    else:
        table = cv2.applyColorMap(np.arange(256, dtype=np.uint8).reshape(256, 1), cv2.COLORMAP_VIRIDIS)
    return np.ascontiguousarray(table[..., ::-1], np.uint8)


def depth_position(depth_m: float) -> float:
    """Where a depth lies on the scale, 0 (nearest) to 1 (farthest)."""
    share = math.log(max(depth_m, 1e-6) / NEAREST_M) / math.log(FARTHEST_M / NEAREST_M)
    return min(max(share, 0.0), 1.0)


def depth_levels(depth_m: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W) metres -> (H, W) levels 0..255 on the logarithmic scale."""
    logarithm = cv2.log(np.maximum(depth_m, np.float32(1e-3)))
    slope = 255 / math.log(FARTHEST_M / NEAREST_M)
    return _saturated(logarithm, slope, -slope * math.log(NEAREST_M))


def share_levels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W) values 0..1 -> (H, W) levels 0..255."""
    return _saturated(values, 255.0, 0.0)


def _saturated(values: NDArray[Any], slope: float, offset: float) -> NDArray[np.uint8]:
    """values x slope + offset, rounded and held within 0..255."""
    return np.asarray(np.clip(values * np.float32(slope) + np.float32(offset + 0.5), 0, 255), np.uint8)


def coloured(levels: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) levels or labels -> (H, W, 3) RGB by a (256, 1, 3) table."""
    # OpenCV speaks of BGR, but a table of RGB gives RGB.
    return np.asarray(cv2.applyColorMap(levels, table), np.uint8)


def label_colours(labels: NDArray[np.uint8], palette: Sequence[Colour]) -> NDArray[np.uint8]:
    """(H, W) labels -> (H, W, 3) RGB; 255 is black."""
    return coloured(labels, class_table(tuple(palette)))


def depth_colours(depth_m: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W) metres -> (H, W, 3) RGB; from 2 m (bright) to 80 m and beyond (dark)."""
    return coloured(depth_levels(depth_m), scale_table("depth"))


def density_colours(density: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W) values 0..1 -> (H, W, 3) RGB, dark to bright."""
    return coloured(share_levels(density), scale_table("density"))


def overlay(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], palette: Sequence[Colour], opacity: float = 0.5
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB with the classes' colours laid over it; 255 leaves the picture as it is."""
    blended = cv2.addWeighted(image, 1 - opacity, label_colours(labels, palette), opacity, 0)
    if int(labels.max()) == IGNORE:
        unlabelled = labels == IGNORE
        blended[unlabelled] = image[unlabelled]
    return np.asarray(blended, np.uint8)
