"""The road as a ruler: the plane through what is labelled road, and how high the camera stands above it.

A point of a plane n.P = h (n its unit normal, downwards; h the camera's height above it) seen at x, y (in focal
lengths from the picture's centre, right and down) at a depth z has 1/z = (n_x x + n_y y + n_z) / h. Inverse
depth is linear in the picture, and h is one over the length of its three coefficients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .preprocess import Geometry
from .taxonomy import Taxonomy

_MOST_CELLS = 4096  # of the depth map; more say hardly more of a plane
_LEAST_CELLS = 25
_ITERATIONS = 4
# Cars are level but for a few degrees; where little road is seen its slope cannot be told from its height.
_PITCH_SD = math.radians(3.0)
_ROLL_SD = math.radians(2.0)
_INDEPENDENT = 20.0  # errors of neighbouring cells are alike: all of them count as so many
_LEAST_SPREAD = 0.05  # relative, of depth about the plane
_START_SPREAD = 0.3


@dataclass(frozen=True)
class RoadPlane:
    """A plane fitted to a picture's road.

    height_m: of the camera above it, in the metres of the depth map. pitch_degrees: the camera's, above 0 where
    it looks up; roll_degrees: above 0 where the horizon rises to the right. uncertainty: the relative standard
    deviation of the height.
    """

    height_m: float
    pitch_degrees: float
    roll_degrees: float
    uncertainty: float


def road_class(taxonomy: Taxonomy) -> int | None:
    """The label of the road, or in the coarse view of what is level with it; None where there is neither."""
    return next((taxonomy.index(name) for name in ("road", "flat") if name in taxonomy.names), None)


def road_plane(
    labels: NDArray[np.uint8], depth_m: NDArray[np.float32], road: int, geometry: Geometry, *, focal_px: float,
    expected_m: float,
) -> RoadPlane | None:  # fmt: skip
    """The plane through what is labelled `road`, or None where too little of it is seen.

    labels: (h, w), depth_m: (h', w'), both of the network's input, padding included. focal_px: in widths
    of the picture's pixels. expected_m: the camera's height as far as it is known, by which the fit judges
    angles.
    """
    step = max(1, math.ceil(math.sqrt(depth_m.size / _MOST_CELLS)))
    rows, columns, x, y = cells(labels.shape, depth_m.shape, geometry, step)
    seen = np.asarray(labels[np.ix_(rows, columns)] == road, np.uint8)
    # Depth of a cell at the road's edge is on the way to that of what stands on it.
    v, u = np.nonzero(cv2.erode(seen, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE))
    if len(v) < _LEAST_CELLS:
        return None
    z = depth_m[::step, ::step][v, u].astype(np.float64)
    focal_y_px = focal_px * geometry.aspect
    return _fitted(x[u] / focal_px, y[v] / focal_y_px, np.maximum(z, 1e-2), expected_m)


@lru_cache(maxsize=8)
def cells(
    labels: tuple[int, int], depth: tuple[int, int], geometry: Geometry, step: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Of every `step`-th row and column of a depth map of a shape: the nearest row and column of the labels,
    and where it stands in the picture, in its pixels right of and below the middle. Padding is left out."""
    found = []
    for axis in (1, 0):  # y, x
        cells = np.arange(0, depth[1 - axis], step)
        share = cells / max(1, depth[1 - axis] - 1)
        # The first and last cells stand on the input's first and last pixels.
        pixels = share * (geometry.input[axis] - 1)
        inside = pixels <= geometry.content[axis] - 1
        nearest = np.rint(share * (labels[1 - axis] - 1)).astype(np.intp)
        picture = (pixels + 0.5) * geometry.frame[axis] / geometry.content[axis]
        found.append((nearest[inside], picture[inside] - geometry.frame[axis] / 2))
    (rows, y), (columns, x) = found
    return rows, columns, x, y


def _fitted(
    x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64], expected_m: float
) -> RoadPlane | None:
    """The plane of points at (x, y) in focal lengths and z metres: relative errors of depth, outliers weighed
    down (Cauchy's weights), and a camera that is likely to be level."""
    rows = np.stack([x * z, y * z, z])  # (3, N), times the coefficients is 1
    # Of the road far away, which says where the horizon is, there are the fewest cells.
    share = z * (_INDEPENDENT / z.sum())
    weights, spread = share, _START_SPREAD
    found = np.array([0.0, 1.0 / expected_m, 0.0])
    for _ in range(_ITERATIONS):
        weighted = rows * (weights / spread**2)
        normal = weighted @ rows.T  # (3, 3)
        normal[0, 0] += 1 / (_ROLL_SD * found[1]) ** 2
        normal[2, 2] += 1 / (_PITCH_SD * found[1]) ** 2
        found = np.linalg.solve(normal, weighted.sum(axis=1))
        if found[1] <= 0:
            return None
        errors = np.abs(found @ rows - 1)
        spread = max(1.4826 * float(np.partition(errors, len(z) // 2)[len(z) // 2]), _LEAST_SPREAD)
        weights = share / (1 + (errors / (2 * spread)) ** 2)
    deviation = math.sqrt(np.linalg.inv(normal)[1, 1])
    return RoadPlane(
        height_m=1 / float(np.linalg.norm(found)),
        pitch_degrees=math.degrees(math.atan2(-found[2], found[1])),
        roll_degrees=math.degrees(math.atan2(found[0], found[1])),
        uncertainty=deviation / float(found[1]),
    )
