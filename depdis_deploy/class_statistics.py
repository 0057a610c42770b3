"""Shares and depths of the classes in a label map, from maps at the network's resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

NEAREST_QUANTILE = 0.05
_STEPS = 2**20 - 1


@dataclass(frozen=True)
class ClassStatistics:
    """share: of the picture's pixels, 0..1. Depths in metres, None where the class or the depth is absent.

    nearest_depth_m: the 5th percentile, which a few stray pixels do not move.
    """

    share: float
    median_depth_m: float | None
    nearest_depth_m: float | None


def class_shares(labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
    """The share of each class 0..classes-1 in (H, W) labels."""
    # numpy.bincount would first widen every label to 64 bits.
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256])
    return np.asarray(counts[:classes].ravel() / labels.size, np.float32)


def class_statistics(
    labels: NDArray[np.uint8], depth_m: NDArray[np.float32] | None, classes: int, farthest_m: float
) -> list[ClassStatistics]:
    """Of each class 0..classes-1, from (H, W) labels and an (h, w) depth map of the same view.

    Quantiles interpolate linearly between values, as numpy's do; depth is resolved to farthest_m / 2**20.
    """
    shares = class_shares(labels, classes)
    if depth_m is None:
        return [ClassStatistics(float(share), None, None) for share in shares]
    rows, columns = depth_m.shape
    if labels.shape != depth_m.shape:
        labels = np.asarray(cv2.resize(labels, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT))
    # One sort serves all classes: the label in a key's high bits, the depth in the low ones.
    step_m = farthest_m / _STEPS
    keys = (np.clip(depth_m, 0, farthest_m) * np.float32(1 / step_m)).astype(np.uint32)
    keys = np.sort((np.minimum(keys, _STEPS) + (labels.astype(np.uint32) << 20)).ravel())
    bounds = np.searchsorted(keys, np.arange(classes + 1, dtype=np.uint32) << 20)
    found = []
    for index, share in enumerate(shares):
        steps = keys[bounds[index] : bounds[index + 1]] & _STEPS
        if len(steps):
            median, nearest = (_quantile(steps, q) * step_m for q in (0.5, NEAREST_QUANTILE))
            found.append(ClassStatistics(float(share), median, nearest))
        else:
            found.append(ClassStatistics(float(share), None, None))
    return found


def _quantile(ordered: NDArray[np.integer[Any]], quantile: float) -> float:
    position = quantile * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    low, high = int(ordered[below]), int(ordered[above])
    return low + (position - below) * (high - low)
