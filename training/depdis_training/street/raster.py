"""Which triangle is seen at each sample, in homogeneous coordinates: no clipping is needed.

For a triangle of camera-space corners p0, p1, p2 the rows of the inverse of [p0 p1 p2] give barycentric
coordinates over depth as linear functions of the viewing ray (X, Y, 1); their sum is 1/z (Olano and Greer,
"Triangle scan conversion using 2D homogeneous coordinates", 1997).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.holes import closed
from depdis_training.street.kernel import kernel

NEAR_M = 0.1

Doubles = NDArray[np.float64]


@kernel
def to_camera(vertices: Doubles, rotation: Doubles, position: Doubles) -> Doubles:
    """World points (V, 3) in camera coordinates; the rows of `rotation` are right, up, forward."""
    points = np.empty((len(vertices), 3))
    for i in range(len(vertices)):
        # A grid of 15 micrometres: what the last bit of a sine was does not reach the labels.
        x = math.floor(vertices[i, 0] * 65536.0 + 0.5) / 65536.0 - position[0]
        y = math.floor(vertices[i, 1] * 65536.0 + 0.5) / 65536.0 - position[1]
        z = math.floor(vertices[i, 2] * 65536.0 + 0.5) / 65536.0 - position[2]
        for k in range(3):
            points[i, k] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z
    return points


@kernel
def bounds(points: Doubles, faces: NDArray[np.int32], extent: tuple[float, float]) -> Doubles:
    """Boxes (T, 4) of the triangles' images, x0 x1 y0 y1 in ray coordinates; x0 > x1 where out of sight."""
    boxes = np.empty((len(faces), 4))
    for t in range(len(faces)):
        x0, x1, y0, y1 = 1e30, -1e30, 1e30, -1e30
        for i in range(3):
            a, b = faces[t, i], faces[t, (i + 1) % 3]
            za, zb = points[a, 2], points[b, 2]
            if za >= NEAR_M:
                x, y = points[a, 0] / za, points[a, 1] / za
                x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
            if (za < NEAR_M) != (zb < NEAR_M):
                s = (NEAR_M - za) / (zb - za)
                x = (points[a, 0] + s * (points[b, 0] - points[a, 0])) / NEAR_M
                y = (points[a, 1] + s * (points[b, 1] - points[a, 1])) / NEAR_M
                x0, x1, y0, y1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y)
        if x0 > extent[0] or x1 < -extent[0] or y0 > extent[1] or y1 < -extent[1]:
            x0, x1 = 1.0, -1.0
        boxes[t, 0], boxes[t, 1], boxes[t, 2], boxes[t, 3] = x0, x1, y0, y1
    return boxes


@kernel
def edges(points: Doubles, faces: NDArray[np.int32], boxes: Doubles) -> Doubles:
    """(T, 9): rows of the inverse of [p0 p1 p2]; triangles seen edge-on get an empty box."""
    rows = np.empty((len(faces), 9))
    for t in range(len(faces)):
        if boxes[t, 0] > boxes[t, 1]:
            continue
        for i in range(3):
            a, b = faces[t, (i + 1) % 3], faces[t, (i + 2) % 3]
            rows[t, 3 * i] = points[a, 1] * points[b, 2] - points[a, 2] * points[b, 1]
            rows[t, 3 * i + 1] = points[a, 2] * points[b, 0] - points[a, 0] * points[b, 2]
            rows[t, 3 * i + 2] = points[a, 0] * points[b, 1] - points[a, 1] * points[b, 0]
        first = faces[t, 0]
        determinant = (
            points[first, 0] * rows[t, 0] + points[first, 1] * rows[t, 1] + points[first, 2] * rows[t, 2]
        )
        if abs(determinant) < 1e-12:
            boxes[t, 0], boxes[t, 1] = 1.0, -1.0
            continue
        for k in range(9):
            rows[t, k] /= determinant
    return rows


@kernel
def _span(rows: Doubles, t: int, y: float, first: float, last: float) -> tuple[float, float]:
    """Between which X the ray row Y meets the triangle; empty where first > last."""
    for i in range(3):
        slope = rows[t, 3 * i]
        level = rows[t, 3 * i + 1] * y + rows[t, 3 * i + 2]
        if slope > 0.0:
            first = max(first, -level / slope)
        elif slope < 0.0:
            last = min(last, -level / slope)
        elif level < 0.0:
            return 1.0, -1.0
    return first, last


@kernel
def rasterise(
    rows: Doubles, boxes: Doubles, faces: NDArray[np.int32], uv: Doubles, face_material: NDArray[np.int32],
    materials: Doubles, focal: float, pixel: float, width: int, height: int, coarse: bool,
) -> tuple[Doubles, NDArray[np.int32]]:  # fmt: skip
    """1/z (height, width), 0 where only sky is seen, and the triangle seen, -1 for sky.

    focal, width, height: in samples; pixel: size of a picture pixel in ray coordinates, which openings fade by.
    """
    nearness = np.zeros((height, width))
    seen = np.full((height, width), -1, np.int32)
    half_x, half_y = 0.5 * width - 0.5, 0.5 * height - 0.5
    for t in range(len(faces)):
        if boxes[t, 0] > boxes[t, 1]:
            continue
        material = face_material[t]
        hole = int(materials[material, 13])
        top = max(0, math.ceil(half_y - boxes[t, 3] * focal))
        bottom = min(height - 1, math.floor(half_y - boxes[t, 2] * focal))
        slope = rows[t, 0] + rows[t, 3] + rows[t, 6]
        for j in range(top, bottom + 1):
            y = (half_y - j) / focal
            low, high = _span(rows, t, y, boxes[t, 0], boxes[t, 1])
            first = max(0, math.ceil(low * focal + half_x))
            last = min(width - 1, math.floor(high * focal + half_x))
            level = (rows[t, 1] + rows[t, 4] + rows[t, 7]) * y + rows[t, 2] + rows[t, 5] + rows[t, 8]
            for i in range(first, last + 1):
                x = (i - half_x) / focal
                near = slope * x + level
                if near <= nearness[j, i] or near > 1.0 / NEAR_M:
                    continue
                if hole > 0:
                    a = rows[t, 0] * x + rows[t, 1] * y + rows[t, 2]
                    b = rows[t, 3] * x + rows[t, 4] * y + rows[t, 5]
                    c = rows[t, 6] * x + rows[t, 7] * y + rows[t, 8]
                    p, q, r = faces[t, 0], faces[t, 1], faces[t, 2]
                    u = (a * uv[p, 0] + b * uv[q, 0] + c * uv[r, 0]) / near
                    v = (a * uv[p, 1] + b * uv[q, 1] + c * uv[r, 1]) / near
                    if not closed(
                        hole, u, v, materials[material, 6], materials[material, 8], pixel / near, coarse,
                        int(materials[material, 14]),
                    ):  # fmt: skip
                        continue
                nearness[j, i] = near
                seen[j, i] = t
    return nearness, seen
