"""Height maps: the scene seen from the sun for its shadows, from straight above for the open sky's share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.holes import closed
from depdis_training.street.kernel import inner, kernel

Doubles = NDArray[np.float64]
_FLOOR = -1e6


def map_frame(
    direction: NDArray[np.float64], corners: NDArray[np.float64], size: int
) -> NDArray[np.float64]:  # fmt: skip
    """(3, 4) affine map from the world to (column, row, height towards `direction`) of a size x size map.

    The map just holds the world points `corners` (N, 3); direction is a unit vector.
    """
    side = np.array([1.0, 0.0, 0.0]) if abs(direction[1]) > 0.99 else np.cross([0.0, 1.0, 0.0], direction)
    side = side / np.linalg.norm(side)
    axes = np.stack([side, np.cross(direction, side), direction])
    seen = corners @ axes[:2].T
    low, high = seen.min(0), seen.max(0)
    scale = size / np.maximum(high - low, 1e-6)
    frame = np.empty((3, 4))
    frame[:2, :3] = axes[:2] * scale[:, None]
    frame[:2, 3] = -low * scale
    frame[2] = [*axes[2], 0.0]
    return frame


@inner
def _row(slope: float, level: float, first: float, last: float) -> tuple[float, float]:
    """The part of a row on which slope * column + level is not negative; empty where first > last."""
    if slope > 0.0:
        return max(first, -level / slope), last
    if slope < 0.0:
        return first, min(last, -level / slope)
    return (first, last) if level >= 0.0 else (1.0, 0.0)


@kernel
def height_map(
    vertices: Doubles, faces: NDArray[np.int32], uv: Doubles, face_material: NDArray[np.int32],
    materials: Doubles, frame: Doubles, size: int,
) -> NDArray[np.float32]:  # fmt: skip
    """(size, size) heights in metres towards the map's direction, of what lies highest."""
    points = np.empty((len(vertices), 3))
    for i in range(len(vertices)):
        for k in range(3):
            points[i, k] = (
                frame[k, 0] * vertices[i, 0] + frame[k, 1] * vertices[i, 1] + frame[k, 2] * vertices[i, 2]
                + frame[k, 3]
            )  # fmt: skip
    heights = np.full((size, size), np.float32(_FLOOR))
    texel = 1.0 / math.sqrt(frame[0, 0] ** 2 + frame[0, 1] ** 2 + frame[0, 2] ** 2)
    for t in range(len(faces)):
        p, q, r = faces[t, 0], faces[t, 1], faces[t, 2]
        px, py, qx, qy, rx, ry = (
            points[p, 0], points[p, 1], points[q, 0], points[q, 1], points[r, 0], points[r, 1],
        )  # fmt: skip
        if max(px, qx, rx) < 0 or min(px, qx, rx) > size or max(py, qy, ry) < 0 or min(py, qy, ry) > size:
            continue
        area = (qx - px) * (ry - py) - (qy - py) * (rx - px)
        if abs(area) < 1e-9:
            continue
        # Barycentric b and c as linear functions of column and row.
        bx, by, cx, cy = (ry - py) / area, (px - rx) / area, (py - qy) / area, (qx - px) / area
        material = face_material[t]
        hole = int(materials[material, 13])
        rise_b, rise_c = points[q, 2] - points[p, 2], points[r, 2] - points[p, 2]
        slope = bx * rise_b + cx * rise_c
        left, right = max(0.0, min(px, qx, rx) - 0.5), min(size - 1.0, max(px, qx, rx) - 0.5)
        for j in range(max(0, math.ceil(min(py, qy, ry) - 0.5)), min(size - 1, int(max(py, qy, ry) - 0.5)) + 1):
            y = j + 0.5 - py
            b0, c0 = by * y + bx * (0.5 - px), cy * y + cx * (0.5 - px)
            first, last = _row(bx, b0, left, right)
            first, last = _row(cx, c0, first, last)
            first, last = _row(-bx - cx, 1.0 - b0 - c0, first, last)
            level = points[p, 2] + b0 * rise_b + c0 * rise_c
            for i in range(math.ceil(first), math.floor(last) + 1):
                height = level + slope * i
                if height <= heights[j, i]:
                    continue
                if hole > 0:
                    b, c = b0 + bx * i, c0 + cx * i
                    a = 1.0 - b - c
                    if not closed(
                        hole, a * uv[p, 0] + b * uv[q, 0] + c * uv[r, 0],
                        a * uv[p, 1] + b * uv[q, 1] + c * uv[r, 1], materials[material, 6],
                        materials[material, 8], texel, False, int(materials[material, 14]),
                    ):  # fmt: skip
                        continue
                heights[j, i] = height
    return heights


def softness(frame: Doubles, blur: float) -> NDArray[np.float64]:
    """(2,): half the width, in columns and rows, over which a map's shadows pass into light; blur in metres."""
    return np.asarray(np.clip(blur * np.sqrt((frame[:2, :3] ** 2).sum(1)), 0.75, 3.0), np.float64)


@inner
def lit(
    heights: NDArray[np.float32], view: Doubles, frame: int, x: float, y: float, z: float, step_x: float,
    step_y: float,
) -> float:  # fmt: skip
    """The share of sunlight that reaches a point, 0..1, or -1 outside the map; steps: as `softness` gives them.

    The map's frame stands in view[frame : frame + 12].
    """
    size = heights.shape[0]
    column = view[frame] * x + view[frame + 1] * y + view[frame + 2] * z + view[frame + 3] - 0.5
    row = view[frame + 4] * x + view[frame + 5] * y + view[frame + 6] * z + view[frame + 7] - 0.5
    if column < 4 or row < 4 or column > size - 6 or row > size - 6:
        return -1.0
    height = view[frame + 8] * x + view[frame + 9] * y + view[frame + 10] * z
    total = 0.0
    for k in range(4):
        cx = column + (0.75 * step_x if k & 1 else -0.75 * step_x)
        cy = row + (0.75 * step_y if k & 2 else -0.75 * step_y)
        a, b = int(cx), int(cy)
        fx, fy = cx - a, cy - b
        if heights[b, a] <= height:
            total += (1.0 - fx) * (1.0 - fy)
        if heights[b, a + 1] <= height:
            total += fx * (1.0 - fy)
        if heights[b + 1, a] <= height:
            total += (1.0 - fx) * fy
        if heights[b + 1, a + 1] <= height:
            total += fx * fy
    return 0.25 * total


@inner
def _blocked(heights: NDArray[np.float32], column: float, row: float, y: float, reach: float) -> float:
    """How much of the sky something at this place hides from height y, `reach` metres away."""
    size = heights.shape[0]
    i, j = min(size - 1, max(0, int(column))), min(size - 1, max(0, int(row)))
    above: float = heights[j, i] - y - 0.06
    if above <= 0.0:
        return 0.0
    return 1.0 if above >= reach else above / reach


@inner
def open_sky(heights: NDArray[np.float32], view: Doubles, frame: int, x: float, y: float, z: float) -> float:
    """The share of the sky's light that reaches a point, from heights seen from above, 0..1."""
    size = heights.shape[0]
    column = view[frame] * x + view[frame + 1] * y + view[frame + 2] * z + view[frame + 3]
    row = view[frame + 4] * x + view[frame + 5] * y + view[frame + 6] * z + view[frame + 7]
    if column < 1 or row < 1 or column > size - 1 or row > size - 1:
        return 0.75
    across, along = abs(view[frame]), abs(view[frame + 6])
    hidden = 0.0
    for ring in range(3):
        reach = 0.3 if ring == 0 else (1.0 if ring == 1 else 3.2)
        a, b = reach * across, reach * along
        if ring == 1:
            hidden += _blocked(heights, column + 0.7 * a, row + 0.7 * b, y, reach)
            hidden += _blocked(heights, column - 0.7 * a, row + 0.7 * b, y, reach)
            hidden += _blocked(heights, column + 0.7 * a, row - 0.7 * b, y, reach)
            hidden += _blocked(heights, column - 0.7 * a, row - 0.7 * b, y, reach)
        else:
            hidden += _blocked(heights, column + a, row, y, reach)
            hidden += _blocked(heights, column - a, row, y, reach)
            hidden += _blocked(heights, column, row + b, y, reach)
            hidden += _blocked(heights, column, row - b, y, reach)
    free: float = 1.0 - hidden / 12.0
    return free
