"""The arithmetic of the primitives, compiled: a scene is built of a thousand small arrays.

All arrays are C-contiguous float64 but for faces, which are int32.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.kernel import kernel

Floats = NDArray[np.float64]
Faces = NDArray[np.int32]


@kernel
def cross_into(out: Floats, ax: float, ay: float, az: float, bx: float, by: float, bz: float) -> None:
    """Fill out (3,) with a cross product."""
    out[0] = ay * bz - az * by
    out[1] = az * bx - ax * bz
    out[2] = ax * by - ay * bx


@kernel
def _normalise(row: Floats, least: float) -> float:
    """Make a row (3,) a unit vector; returns its length before."""
    length = math.sqrt(row[0] * row[0] + row[1] * row[1] + row[2] * row[2])
    inverse = 1.0 / max(length, least)
    row[0] *= inverse
    row[1] *= inverse
    row[2] *= inverse
    return length


@kernel
def _upright(row: Floats) -> None:
    """Make a row (3,) a unit vector; upwards where it has no length."""
    if _normalise(row, 1e-12) <= 1e-12:
        row[0], row[1], row[2] = 0.0, 1.0, 0.0


@kernel
def cross(a: Floats, b: Floats) -> Floats:
    """The cross product (3,) of two vectors."""
    out = np.empty(3)
    cross_into(out, a[0], a[1], a[2], b[0], b[1], b[2])
    return out


@kernel
def crosses(a: Floats, b: Floats) -> Floats:
    """Cross products (N, 3) of rows."""
    out = np.empty(a.shape)
    for i in range(len(a)):
        cross_into(out[i], a[i, 0], a[i, 1], a[i, 2], b[i, 0], b[i, 1], b[i, 2])
    return out


@kernel
def quad_rows(points: Floats) -> tuple[Floats, Floats, Faces]:
    """uv (4 N, 2), normals (4 N, 3) and faces (2 N, 3) of quadrilaterals (4 N, 3), corners in order.

    u runs along the first edge and v across it, in metres from the first corner.
    """
    count = len(points) // 4
    uv, normals, faces = np.empty((4 * count, 2)), np.empty((4 * count, 3)), np.empty((2 * count, 3), np.int32)
    along, normal, across = np.empty(3), np.empty(3), np.empty(3)
    for i in range(count):
        first = 4 * i
        for k in range(3):
            along[k] = points[first + 1, k] - points[first, k]
        _normalise(along, 1e-9)
        cross_into(
            normal, along[0], along[1], along[2], points[first + 3, 0] - points[first, 0],
            points[first + 3, 1] - points[first, 1], points[first + 3, 2] - points[first, 2],
        )  # fmt: skip
        _normalise(normal, 1e-9)
        cross_into(across, normal[0], normal[1], normal[2], along[0], along[1], along[2])
        for j in range(first, first + 4):
            u, v = 0.0, 0.0
            for k in range(3):
                offset = points[j, k] - points[first, k]
                u += offset * along[k]
                v += offset * across[k]
                normals[j, k] = normal[k]
            uv[j, 0], uv[j, 1] = u, v
        for j in range(2):
            faces[2 * i + j, 0] = first
            faces[2 * i + j, 1] = first + 1 + j
            faces[2 * i + j, 2] = first + 2 + j
    return uv, normals, faces


@kernel
def ribbon_rows(a: Floats, b: Floats) -> tuple[Floats, Floats, Floats, Faces]:
    """A strip between lines (N, 3): vertices, normals (2 N, 3), the first line's arc length (N,), faces."""
    count = len(a)
    vertices, normals = np.empty((2 * count, 3)), np.empty((2 * count, 3))
    length, faces = np.zeros(count), np.empty((2 * (count - 1), 3), np.int32)
    for i in range(count):
        low, high = max(0, i - 1), min(count - 1, i + 1)
        cross_into(
            normals[i], a[high, 0] - a[low, 0], a[high, 1] - a[low, 1], a[high, 2] - a[low, 2],
            b[i, 0] - a[i, 0], b[i, 1] - a[i, 1], b[i, 2] - a[i, 2],
        )  # fmt: skip
        _normalise(normals[i], 1e-9)
        for k in range(3):
            vertices[i, k], vertices[count + i, k] = a[i, k], b[i, k]
            normals[count + i, k] = normals[i, k]
        if i > 0:
            dx, dz = a[i, 0] - a[i - 1, 0], a[i, 2] - a[i - 1, 2]
            length[i] = length[i - 1] + math.sqrt(dx * dx + dz * dz)
    for i in range(count - 1):
        for j in range(2):
            t = i + j * (count - 1)
            faces[t, 0], faces[t, 1], faces[t, 2] = i, (i + 1 if j == 0 else count + i + 1), count + i + 1 - j
    return vertices, normals, length, faces


@kernel
def wall_rows(low: Floats, high: Floats) -> tuple[Floats, Floats, Floats, Faces]:
    """An upright strip between lines (N, 3): vertices, normals (2 N, 3), uv (2 N, 2), faces.

    u: length along the lower line, v: height above it.
    """
    vertices, normals, length, faces = ribbon_rows(low, high)
    count = len(low)
    uv = np.zeros((2 * count, 2))
    for i in range(count):
        uv[i, 0] = uv[count + i, 0] = length[i]
        uv[count + i, 1] = high[i, 1] - low[i, 1]
    return vertices, normals, uv, faces


@kernel
def faces_ahead(
    vertices: Floats, faces: Faces, material: Faces, place: Floats, forward: Floats, least: float
) -> tuple[Faces, Faces]:  # fmt: skip
    """Faces (T, 3) and materials (T,) of those with a corner more than `least` ahead of a place (3,)."""
    ahead = np.empty(len(vertices), np.bool_)
    for i in range(len(vertices)):
        distance = (vertices[i, 0] - place[0]) * forward[0] + (vertices[i, 2] - place[2]) * forward[2]
        ahead[i] = distance > least
    kept, kept_material, count = np.empty_like(faces), np.empty_like(material), 0
    for t in range(len(faces)):
        if ahead[faces[t, 0]] or ahead[faces[t, 1]] or ahead[faces[t, 2]]:
            kept[count, 0], kept[count, 1], kept[count, 2] = faces[t, 0], faces[t, 1], faces[t, 2]
            kept_material[count] = material[t]
            count += 1
    return kept[:count], kept_material[:count]


@kernel
def _slope(points: Floats, i: int, out: Floats) -> None:
    """Fill out (3,) with the difference along the first axis of (N, 3), central inside."""
    low, high = max(0, i - 1), min(len(points) - 1, i + 1)
    for k in range(3):
        out[k] = points[high, k] - points[low, k]


@kernel
def swept(points: Floats, size: Floats, facing: Floats, cosine: Floats, sine: Floats) -> Floats:
    """Rings (N, S, 3) along a path (N, 3); size (N, 2): radii across and along `facing` (3,)."""
    grid = np.empty((len(points), len(cosine), 3))
    tangent, side, other = np.empty(3), np.empty(3), np.empty(3)
    for i in range(len(points)):
        _slope(points, i, tangent)
        _upright(tangent)
        cross_into(side, tangent[0], tangent[1], tangent[2], facing[0], facing[1], facing[2])
        _upright(side)
        cross_into(other, side[0], side[1], side[2], tangent[0], tangent[1], tangent[2])
        for j in range(len(cosine)):
            for k in range(3):
                grid[i, j, k] = (
                    points[i, k] + cosine[j] * side[k] * size[i, 0] + sine[j] * other[k] * size[i, 1]
                )  # fmt: skip
    return grid


@kernel
def _gap(a: Floats, b: Floats) -> float:
    """The squared distance of two points (3,)."""
    x, y, z = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return float(x * x + y * y + z * z)


@kernel
def arc_uv(grid: Floats) -> Floats:
    """Texture coordinates (rows, columns, 2) of a grid: metres along its columns and rows."""
    rows, columns = grid.shape[0], grid.shape[1]
    uv = np.zeros((rows, columns, 2))
    total = 0.0
    for j in range(1, columns):
        longest = 0.0
        for i in range(rows):
            longest = max(longest, _gap(grid[i, j], grid[i, j - 1]))
        total += math.sqrt(longest)
        uv[:, j, 0] = total
    total = 0.0
    for i in range(1, rows):
        longest = 0.0
        for j in range(columns):
            longest = max(longest, _gap(grid[i, j], grid[i - 1, j]))
        total += math.sqrt(longest)
        uv[i, :, 1] = total
    return uv


@kernel
def smooth_normals(grid: Floats) -> Floats:
    """Normals (rows, columns, 3) of a smooth grid, closed where the last column repeats the first."""
    rows, columns = grid.shape[0], grid.shape[1]
    normals, up, across = np.empty(grid.shape), np.empty(3), np.empty(3)
    gap = 0.0
    for i in range(rows):
        for k in range(3):
            gap = max(gap, abs(grid[i, 0, k] - grid[i, columns - 1, k]))
    for i in range(rows):
        for j in range(columns):
            low, high = max(0, j - 1), min(columns - 1, j + 1)
            if gap < 1e-9 and (j == 0 or j == columns - 1):
                low, high = columns - 2, 1
            below, above = max(0, i - 1), min(rows - 1, i + 1)
            for k in range(3):
                across[k] = grid[i, high, k] - grid[i, low, k]
                up[k] = grid[above, j, k] - grid[below, j, k]
            cross_into(normals[i, j], across[0], across[1], across[2], up[0], up[1], up[2])
            _upright(normals[i, j])
    return normals


@kernel
def creased_cells(grid: Floats, limit: float) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Corners, normals (R, C, 4, 3), uv (R, C, 4, 2) of a grid's cells, and which have an area.

    A corner's normal is the mean, by area, of the cells round it that turn by less than the angle whose
    cosine is `limit`.
    """
    rows, columns = grid.shape[0] - 1, grid.shape[1] - 1
    unit, area = np.zeros((rows + 2, columns + 2, 3)), np.zeros((rows + 2, columns + 2))
    for i in range(rows):
        for j in range(columns):
            a, b, c, d = grid[i, j], grid[i, j + 1], grid[i + 1, j + 1], grid[i + 1, j]
            row = unit[i + 1, j + 1]
            cross_into(row, c[0] - a[0], c[1] - a[1], c[2] - a[2], d[0] - b[0], d[1] - b[1], d[2] - b[2])
            area[i + 1, j + 1] = _normalise(row, 1e-12)
    plan = arc_uv(grid)
    corners, normals = np.empty((rows, columns, 4, 3)), np.zeros((rows, columns, 4, 3))
    uv, kept = np.empty((rows, columns, 4, 2)), np.empty((rows, columns), np.bool_)
    for i in range(rows):
        for j in range(columns):
            own = unit[i + 1, j + 1]
            kept[i, j] = area[i + 1, j + 1] > 1e-9
            for corner in range(4):
                row, column = (1 if corner >= 2 else 0), (1 if corner == 1 or corner == 2 else 0)
                for p in range(i + row, i + row + 2):
                    for q in range(j + column, j + column + 2):
                        near = unit[p, q]
                        if near[0] * own[0] + near[1] * own[1] + near[2] * own[2] > limit:
                            for k in range(3):
                                normals[i, j, corner, k] += near[k] * area[p, q]
                _normalise(normals[i, j, corner], 1e-12)
                for k in range(3):
                    corners[i, j, corner, k] = grid[i + row, j + column, k]
                for k in range(2):
                    uv[i, j, corner, k] = plan[i + row, j + column, k]
    return corners, normals, uv, kept


@kernel
def tube_rows(a: Floats, b: Floats, first: Floats, last: Floats, sides: int) -> tuple[Floats, Floats, Floats]:
    """Vertices, normals (N, 2 S, 3) and uv (N, 2 S, 2) of cones from a to b (N, 3), S = sides + 1."""
    count = sides + 1
    vertices, normals = np.empty((len(a), 2 * count, 3)), np.empty((len(a), 2 * count, 3))
    uv = np.zeros((len(a), 2 * count, 2))
    axis, side, other = np.empty(3), np.empty(3), np.empty(3)
    for n in range(len(a)):
        for k in range(3):
            axis[k] = b[n, k] - a[n, k]
        length = max(_normalise(axis, 1e-9), 1e-9)
        level = abs(axis[2]) < 0.9
        cross_into(side, axis[0], axis[1], axis[2], 0.0, 0.0 if level else 1.0, 1.0 if level else 0.0)
        _normalise(side, 1e-12)
        cross_into(other, axis[0], axis[1], axis[2], side[0], side[1], side[2])
        for j in range(count):
            angle = j * (2.0 * math.pi / sides)
            cosine, sine = math.cos(angle), math.sin(angle)
            for k in range(3):
                ring = cosine * side[k] + sine * other[k]
                normals[n, j, k] = normals[n, count + j, k] = ring
                vertices[n, j, k] = a[n, k] + ring * first[n]
                vertices[n, count + j, k] = b[n, k] + ring * last[n]
            uv[n, j, 0] = uv[n, count + j, 0] = angle * first[n]
            uv[n, count + j, 1] = length
    return vertices, normals, uv


@kernel
def copied(
    vertices: Floats, normals: Floats, uv: Floats, centres: Floats, sizes: Floats
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """A unit shape scaled by sizes, moved to centres (N, 3): vertices, normals (N, V, 3), uv (N, V, 2)."""
    number, count = len(centres), len(vertices)
    points, facing, plan = (
        np.empty((number, count, 3)),
        np.empty((number, count, 3)),
        np.empty((number, count, 2)),
    )
    for n in range(number):
        largest = max(abs(sizes[n, 0]), abs(sizes[n, 1]), abs(sizes[n, 2]))
        for j in range(count):
            for k in range(3):
                points[n, j, k] = vertices[j, k] * sizes[n, k] + centres[n, k]
                facing[n, j, k] = normals[j, k] / sizes[n, k]
            _normalise(facing[n, j], 1e-12)
            plan[n, j, 0], plan[n, j, 1] = uv[j, 0] * largest, uv[j, 1] * largest
    return points, facing, plan


@kernel
def repeated_faces(faces: Faces, number: int, count: int) -> Faces:
    """The faces (T, 3) of `number` copies of a shape of `count` vertices."""
    out = np.empty((number * len(faces), 3), np.int32)
    for n in range(number):
        for t in range(len(faces)):
            for k in range(3):
                out[n * len(faces) + t, k] = faces[t, k] + n * count
    return out


@kernel
def turned(vertices: Floats, normals: Floats, yaw: float, scale: float, shift: Floats) -> tuple[Floats, Floats]:
    """Vertices and normals (V, 3) scaled, turned about the vertical from +z towards +x, and moved by (3,)."""
    sine, cosine = math.sin(yaw), math.cos(yaw)
    points, facing = np.empty(vertices.shape), np.empty(normals.shape)
    for i in range(len(vertices)):
        x, z = vertices[i, 0], vertices[i, 2]
        points[i, 0] = (cosine * x + sine * z) * scale + shift[0]
        points[i, 1] = vertices[i, 1] * scale + shift[1]
        points[i, 2] = (cosine * z - sine * x) * scale + shift[2]
        x, z = normals[i, 0], normals[i, 2]
        facing[i, 0], facing[i, 1], facing[i, 2] = cosine * x + sine * z, normals[i, 1], cosine * z - sine * x
    return points, facing
