"""A picture sheet of what a network sees: picture, truth, prediction, depth, density, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.taxonomy import Taxonomy

from .data.samples import Sample
from .models import Maps

WIDTH = 320
_NEAREST_M, _FARTHEST_M = 2.0, 80.0


def label_colours(labels: NDArray[np.uint8], taxonomy: Taxonomy) -> NDArray[np.uint8]:
    """(H, W) labels -> (H, W, 3) RGB; 255 is black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(taxonomy)] = taxonomy.palette
    return table[labels]


def sheet(rows: Sequence[tuple[Sample, Maps]], truth: Taxonomy, predicted: Taxonomy) -> NDArray[np.uint8]:
    """One row for each picture; depth is true and predicted on one logarithmic scale, 2 to 80 m."""
    return np.concatenate([_row(sample, maps, truth, predicted) for sample, maps in rows])


def _row(sample: Sample, maps: Maps, truth: Taxonomy, predicted: Taxonomy) -> NDArray[np.uint8]:
    height = max(1, round(WIDTH * sample.image.shape[0] / sample.image.shape[1]))
    tiles = [sample.image]
    if sample.labels is not None:
        tiles.append(label_colours(sample.labels, truth))
    tiles.append(label_colours(maps.labels, predicted))
    tiles += [_depth(depth_m) for depth_m in (sample.depth_m, maps.depth_m) if depth_m is not None]
    if maps.density is not None:
        tiles.append(_coloured(maps.density))
    return np.concatenate(
        [cv2.resize(tile, (WIDTH, height), interpolation=cv2.INTER_AREA) for tile in tiles], axis=1
    )


def _depth(depth_m: NDArray[np.float32]) -> NDArray[np.uint8]:
    depth_m = np.clip(depth_m, _NEAREST_M, _FARTHEST_M)
    return _coloured(1 - np.log(depth_m / _NEAREST_M) / np.log(_FARTHEST_M / _NEAREST_M))


def _coloured(share: NDArray[np.floating]) -> NDArray[np.uint8]:
    grey = np.asarray(np.clip(share, 0, 1) * 255 + 0.5, np.uint8)
    return np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_TURBO)[..., ::-1], np.uint8)
