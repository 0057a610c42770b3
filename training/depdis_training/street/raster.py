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
from depdis_training.street.kernel import inner, kernel

NEAR_M = 0.1
_LAYERS = 48  # of depth, in the drawing order
_TILE = 16

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


@inner
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
def drawing_order(
    points: Doubles, faces: NDArray[np.int32], boxes: Doubles, face_material: NDArray[np.int32],
    materials: Doubles,
) -> tuple[NDArray[np.int32], Doubles]:  # fmt: skip
    """The triangles in sight, and an upper bound of 1/z for each (T,).

    Those without openings come first, and the nearer ones before those behind them. What is seen does not
    depend on the order, but little is drawn over then, and only where nothing solid hides an opening is it
    worked out.
    """
    key, bound = np.empty(len(faces), np.int32), np.empty(len(faces))
    start = np.zeros(2 * _LAYERS + 1, np.int32)
    for t in range(len(faces)):
        key[t] = -1
        if boxes[t, 0] > boxes[t, 1]:
            continue
        depth = max(NEAR_M, min(points[faces[t, 0], 2], points[faces[t, 1], 2], points[faces[t, 2], 2]))
        bound[t] = 1.001 / depth  # of 1/z as it is worked out for slim triangles too
        key[t] = min(_LAYERS - 1, int(8.0 * math.log(max(depth, 1.0))))
        if materials[face_material[t], 13] > 0.0:
            key[t] += _LAYERS
        start[key[t] + 1] += 1
    start = np.cumsum(start).astype(np.int32)
    order = np.empty(start[-1], np.int32)
    for t in range(len(faces)):
        if key[t] >= 0:
            order[start[key[t]]] = t
            start[key[t]] += 1
    return order, bound


@inner
def _farthest(nearness: Doubles, tiles: Doubles, line: Doubles) -> None:
    """Fill tiles with the least 1/z in each _TILE x _TILE samples; line (width,) is to work in."""
    height, width = nearness.shape
    for top in range(0, height, _TILE):
        for i in range(width):
            line[i] = nearness[top, i]
        for j in range(top + 1, min(height, top + _TILE)):
            for i in range(width):
                line[i] = min(line[i], nearness[j, i])
        for left in range(0, width, _TILE):
            least = line[left]
            for i in range(left + 1, min(width, left + _TILE)):
                least = min(least, line[i])
            tiles[top // _TILE, left // _TILE] = least


@inner
def _hidden(tiles: Doubles, nearest: float, top: int, bottom: int, left: int, right: int) -> bool:
    """Whether what comes no nearer than 1/z = nearest is behind all that stands in its box of samples."""
    for j in range(top // _TILE, bottom // _TILE + 1):
        for i in range(left // _TILE, right // _TILE + 1):
            if tiles[j, i] <= nearest:
                return False
    return True


@kernel
def rasterise(
    order: NDArray[np.int32], nearest: Doubles, rows: Doubles, boxes: Doubles, faces: NDArray[np.int32],
    uv: Doubles, face_material: NDArray[np.int32], materials: Doubles, focal: float, pixel: float, width: int,
    height: int, coarse: bool,
) -> tuple[Doubles, NDArray[np.int32]]:  # fmt: skip
    """1/z (height, width), 0 where only sky is seen, and the triangle seen, -1 for sky.

    Of equally near triangles the first of the mesh is seen, whatever the order in which they are drawn.
    focal, width, height: in samples; pixel: size of a picture pixel in ray coordinates, which openings fade by.
    """
    nearness = np.zeros((height, width))
    seen = np.full((height, width), -1, np.int32)
    half_x = 0.5 * width - 0.5
    columns = (np.arange(float(width)) - half_x) / focal
    tiles = np.zeros((-(-height // _TILE), -(-width // _TILE)))
    _draw(
        nearness, seen, columns, tiles, np.empty(width), order, nearest, rows, boxes, faces, uv, face_material,
        materials, focal, pixel, coarse,
    )  # fmt: skip
    return nearness, seen


@inner
def _draw(
    nearness: Doubles, seen: NDArray[np.int32], columns: Doubles, tiles: Doubles, line: Doubles,
    order: NDArray[np.int32], nearest: Doubles, rows: Doubles, boxes: Doubles, faces: NDArray[np.int32],
    uv: Doubles, face_material: NDArray[np.int32], materials: Doubles, focal: float, pixel: float, coarse: bool,
) -> None:  # fmt: skip
    """Fill nearness and seen; columns (width,): X of the samples; tiles and line (width,) are to work in."""
    height, width = nearness.shape
    half_x, half_y = 0.5 * width - 0.5, 0.5 * height - 0.5
    survey = len(order) // 32
    for drawn, t in enumerate(order):
        if drawn == survey:
            _farthest(nearness, tiles, line)
            survey *= 2
        material = face_material[t]
        hole = int(materials[material, 13])
        top = max(0, math.ceil(half_y - boxes[t, 3] * focal))
        bottom = min(height - 1, math.floor(half_y - boxes[t, 2] * focal))
        left = max(0, math.ceil(boxes[t, 0] * focal + half_x))
        right = min(width - 1, math.floor(boxes[t, 1] * focal + half_x))
        if top > bottom or left > right or _hidden(tiles, nearest[t], top, bottom, left, right):
            continue
        slope = rows[t, 0] + rows[t, 3] + rows[t, 6]
        for j in range(top, bottom + 1):
            y = (half_y - j) / focal
            low, high = _span(rows, t, y, boxes[t, 0], boxes[t, 1])
            first = max(left, math.ceil(low * focal + half_x))
            last = min(right, math.floor(high * focal + half_x))
            level = (rows[t, 1] + rows[t, 4] + rows[t, 7]) * y + rows[t, 2] + rows[t, 5] + rows[t, 8]
            for i in range(first, last + 1):
                x = columns[i]
                near = slope * x + level
                if near < nearness[j, i] or near > 1.0 / NEAR_M or (near == nearness[j, i] and t > seen[j, i]):
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
