"""Many primitives at once: copies of unit shapes, tubes, swept limbs, lofted surfaces, cards.

Each call adds one array of triangles, whatever the number of copies: a scene has hundreds of objects and a
picture a fifth of a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depdis_training.street.mesh import Builder, Material

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Unit:
    """A shape about the origin to be copied: vertices, normals (V, 3), uv (V, 2), faces (T, 3)."""

    vertices: Floats
    normals: Floats
    uv: Floats
    faces: NDArray[np.int32]


@cache
def grid_faces(rows: int, columns: int) -> NDArray[np.int32]:
    """Faces (T, 3) of a grid of rows x columns vertices."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    first = corner + np.array([0, 1, columns + 1])
    second = corner + np.array([0, columns + 1, columns])
    return np.concatenate([first, second]).astype(np.int32)


@cache
def unit_sphere(rings: int, sides: int) -> Unit:
    """Radius 1."""
    polar = np.linspace(0.0, math.pi, rings + 1)[:, None]
    angle = np.arange(sides + 1) * (2 * math.pi / sides)
    points = np.stack(
        [np.sin(polar) * np.cos(angle), np.cos(polar) + 0 * angle, np.sin(polar) * np.sin(angle)], -1
    )
    uv = np.stack(np.broadcast_arrays(angle[None], -polar), -1)
    flat = points.reshape(-1, 3)
    return Unit(flat, flat, uv.reshape(-1, 2), grid_faces(rings + 1, sides + 1))


@cache
def unit_box() -> Unit:
    """From -1 to 1 in every direction, six flat faces; uv over -1..1 on each."""
    corners, normals, faces = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                point = np.zeros(3)
                # u runs level and v upwards on the sides, so that patterns stand upright
                across, up = ((2, 1), (0, 2), (0, 1))[axis]
                point[axis], point[across], point[up] = sign, a, b
                normal = np.zeros(3)
                normal[axis] = sign
                corners.append((point, (a, b)))
                normals.append(normal)
            start = len(corners) - 4
            faces += [[start, start + 1, start + 2], [start, start + 2, start + 3]]
    return Unit(
        np.array([point for point, _ in corners]),
        np.array(normals),
        np.array([uv for _, uv in corners], np.float64),
        np.array(faces, np.int32),
    )


@cache
def revolved(profile: tuple[tuple[float, float], ...], sides: int) -> Unit:
    """A profile of (x, radius) turned about the x axis; uv is (y, z), so that discs keep round patterns."""
    line = np.array(profile)
    angle = np.arange(sides + 1) * (2 * math.pi / sides)
    around = np.stack([np.cos(angle), np.sin(angle)], -1)
    pieces = []
    for (x0, r0), (x1, r1) in pairwise(line):
        slope = np.array([r0 - r1, x1 - x0])  # outwards: (along x, along the radius)
        slope /= float(np.hypot(*slope)) or 1.0
        ends = [
            np.concatenate([np.full((sides + 1, 1), x), around * r], axis=1) for x, r in ((x0, r0), (x1, r1))
        ]
        normal = np.concatenate([np.full((sides + 1, 1), slope[0]), around * slope[1]], axis=1)
        pieces.append((np.concatenate(ends), np.concatenate([normal, normal])))
    count = 2 * (sides + 1)
    vertices = np.concatenate([piece[0] for piece in pieces])
    faces = np.concatenate([grid_faces(2, sides + 1) + count * i for i in range(len(pieces))])
    return Unit(vertices, np.concatenate([piece[1] for piece in pieces]), vertices[:, 1:], faces)


def copies(
    builder: Builder, unit: Unit, centres: ArrayLike, sizes: ArrayLike, material: Material, *,
    uv_offsets: ArrayLike | None = None,
) -> None:  # fmt: skip
    """A unit shape scaled by sizes (N, 3), (3,) or one number and moved to centres (N, 3)."""
    centre = np.asarray(centres, np.float64).reshape(-1, 1, 3)
    size = np.broadcast_to(np.asarray(sizes, np.float64), (len(centre), 3))[:, None]
    normals = unit.normals / size
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-12)
    uv = unit.uv * np.abs(size).max(axis=2, keepdims=True)
    if uv_offsets is not None:
        uv = uv + np.asarray(uv_offsets, np.float64).reshape(-1, 1, 2)
    _add(builder, unit.vertices * size + centre, normals, uv, unit.faces, material)


def boxes(builder: Builder, lows: ArrayLike, highs: ArrayLike, material: Material) -> None:
    """Boxes between opposite corners (N, 3), all six sides."""
    low, high = np.asarray(lows, np.float64).reshape(-1, 3), np.asarray(highs, np.float64).reshape(-1, 3)
    unit = unit_box()
    half = ((high - low) / 2)[:, None]
    levels = np.repeat(np.repeat(half, 24, 1)[:, :, [2, 0, 0, 1]], 1, 0)
    axis = np.arange(24) // 8
    across = np.where(axis == 0, levels[..., 0], levels[..., 1])
    up = np.where(axis == 1, levels[..., 0], levels[..., 3])
    uv = (unit.uv + 1.0) * np.stack([across, up], -1)
    vertices = unit.vertices * half + ((low + high) / 2)[:, None]
    _add(builder, vertices, np.broadcast_to(unit.normals, vertices.shape), uv, unit.faces, material)


def ellipsoids(
    builder: Builder, centres: ArrayLike, radii: ArrayLike, material: Material, *, rings: int = 5,
    sides: int = 8, rng: np.random.Generator | None = None, roughness: float = 0.0,
) -> None:  # fmt: skip
    """Ellipsoids with radii (N, 3) or (3,); with `rng`, lumpy: each vertex moved by a share of the radius."""
    unit = unit_sphere(rings, sides)
    if rng is None:
        copies(builder, unit, centres, radii, material)
        return
    centre = np.asarray(centres, np.float64).reshape(-1, 1, 3)
    size = np.broadcast_to(np.asarray(radii, np.float64).reshape(-1, 1, 3), (len(centre), 1, 3))
    bump = rng.uniform(1.0 - roughness, 1.0 + roughness, (len(centre), rings + 1, sides + 1, 1))
    bump[:, :, -1] = bump[:, :, 0]
    bump[:, [0, -1]] = bump[:, [0, -1], :1]
    points = unit.vertices * size * bump.reshape(len(centre), -1, 1) + centre
    uv = unit.uv * np.abs(size).max(axis=2, keepdims=True) + rng.uniform(0.0, 9.0, (len(centre), 1, 2))
    _add(builder, points, np.broadcast_to(unit.normals, points.shape), uv, unit.faces, material)


def tubes(
    builder: Builder, starts: ArrayLike, ends: ArrayLike, radii: ArrayLike, material: Material, *,
    end_radii: ArrayLike | None = None, sides: int = 6,
) -> None:  # fmt: skip
    """Straight cylinders or cones between starts and ends (N, 3), without caps, smoothly shaded."""
    a, b = np.asarray(starts, np.float64).reshape(-1, 3), np.asarray(ends, np.float64).reshape(-1, 3)
    first = np.broadcast_to(np.asarray(radii, np.float64), len(a))
    last = first if end_radii is None else np.broadcast_to(np.asarray(end_radii, np.float64), len(a))
    axis = b - a
    length = np.maximum(np.linalg.norm(axis, axis=1), 1e-9)
    axis = axis / length[:, None]
    helper = np.where(np.abs(axis[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]])
    side = np.cross(axis, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(axis, side)
    angle = np.arange(sides + 1) * (2 * math.pi / sides)
    ring = np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * other[:, None]
    vertices = np.concatenate(
        [a[:, None] + ring * first[:, None, None], b[:, None] + ring * last[:, None, None]], 1
    )
    around = angle * first[:, None]
    uv = np.concatenate(
        [np.stack([around, 0 * around], -1), np.stack([around, 0 * around + length[:, None]], -1)], 1
    )
    _add(builder, vertices, np.concatenate([ring, ring], 1), uv, grid_faces(2, sides + 1), material)


def sweep(
    builder: Builder, path: ArrayLike, radii: ArrayLike, material: Material, *, sides: int = 8,
    facing: ArrayLike = (0.0, 0.0, 1.0),
) -> None:  # fmt: skip
    """A limb along a path (N, 3): rings with radii (N,), or (N, 2) across and along `facing`."""
    points = np.asarray(path, np.float64)
    size = np.asarray(radii, np.float64)
    if size.ndim == 1:
        size = np.stack([size, size], 1)
    tangent = _unit(_slopes(points))
    side = _unit(_cross(tangent, np.asarray(facing, np.float64)))
    other = _cross(side, tangent)
    cosine, sine = _turns(sides)
    offset = cosine * (side * size[:, :1])[:, None] + sine * (other * size[:, 1:])[:, None]
    surface(builder, points[:, None] + offset, material)


def surface(builder: Builder, points: ArrayLike, material: Material) -> None:
    """A smooth grid of points (rows, columns, 3); the last column may repeat the first."""
    grid = np.asarray(points, np.float64)
    across = np.empty_like(grid)
    across[:, 1:-1] = grid[:, 2:] - grid[:, :-2]
    if np.abs(grid[:, 0] - grid[:, -1]).max() < 1e-9:
        across[:, 0] = across[:, -1] = grid[:, 1] - grid[:, -2]
    else:
        across[:, 0], across[:, -1] = grid[:, 1] - grid[:, 0], grid[:, -1] - grid[:, -2]
    normals = _unit(_cross(across, _slopes(grid)))
    rows, columns = grid.shape[:2]
    builder.triangles(
        grid.reshape(-1, 3), grid_faces(rows, columns), material, uv=_arc_uv(grid).reshape(-1, 2),
        normals=normals.reshape(-1, 3),
    )  # fmt: skip


def creased(
    builder: Builder,
    points: ArrayLike,
    cells: ArrayLike,
    materials: Sequence[Material],
    *,
    crease: float = 38.0,
) -> None:
    """A grid (rows, columns, 3) whose cells (rows-1, columns-1) have their own material; -1 leaves a cell out.

    Neighbouring cells are shaded as one smooth surface where they meet at less than `crease` degrees.
    """
    grid, chosen = np.asarray(points, np.float64), np.asarray(cells)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    face = np.cross(c - a, d - b)
    area = np.linalg.norm(face, axis=2)
    unit = face / np.maximum(area, 1e-12)[..., None]
    rows, columns = chosen.shape
    padded, weight = np.zeros((rows + 2, columns + 2, 3)), np.zeros((rows + 2, columns + 2))
    padded[1:-1, 1:-1], weight[1:-1, 1:-1] = unit, area
    limit = math.cos(math.radians(crease))
    corner_normals = []
    for row, column in ((0, 0), (0, 1), (1, 1), (1, 0)):
        total = np.zeros_like(unit)
        for i in (row, row + 1):
            for j in (column, column + 1):
                near = padded[i : i + rows, j : j + columns]
                share = weight[i : i + rows, j : j + columns] * ((near * unit).sum(2) > limit)
                total += near * share[..., None]
        corner_normals.append(total)
    normals = np.stack(corner_normals, axis=2)
    normals /= np.maximum(np.linalg.norm(normals, axis=3, keepdims=True), 1e-12)
    corners = np.stack([a, b, c, d], axis=2)
    uv = _arc_uv(grid)
    uvs = np.stack([uv[:-1, :-1], uv[:-1, 1:], uv[1:, 1:], uv[1:, :-1]], axis=2)
    kept = area > 1e-9
    quad = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    for index, material in enumerate(materials):
        mask = (chosen == index) & kept
        if mask.any():
            _add(builder, corners[mask], normals[mask], uvs[mask], quad, material)


def cards(
    builder: Builder, centres: ArrayLike, rights: ArrayLike, ups: ArrayLike, material: Material, *,
    normals: ArrayLike | None = None, uv_offsets: ArrayLike | None = None,
) -> None:  # fmt: skip
    """Rectangles centre ± right ± up, all (N, 3); u and v from the corner where both are subtracted."""
    centre, right, up = (np.asarray(a, np.float64).reshape(-1, 1, 3) for a in (centres, rights, ups))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    points = centre + corners[:, :1] * right + corners[:, 1:] * up
    size = np.stack([np.linalg.norm(right, axis=2), np.linalg.norm(up, axis=2)], -1)
    uv = (corners + 1.0) * size
    if uv_offsets is not None:
        uv = uv + np.asarray(uv_offsets, np.float64).reshape(-1, 1, 2)
    facing = np.cross(right, up) if normals is None else np.asarray(normals, np.float64).reshape(-1, 1, 3)
    facing = facing / np.maximum(np.linalg.norm(facing, axis=2, keepdims=True), 1e-12)
    quad = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    _add(builder, points, np.broadcast_to(facing, points.shape), uv, quad, material)


def plate(
    builder: Builder, outline: ArrayLike, z: float, material: Material, *, facing: float = 1.0,
    centre: tuple[float, float] | None = None,
) -> None:  # fmt: skip
    """A flat upright shape of (x, y) points, star-shaped about its centre, at a depth z; uv from its
    lower left corner."""
    points = np.asarray(outline, np.float64)
    hub = points.mean(axis=0) if centre is None else np.asarray(centre, np.float64)
    flat = np.concatenate([points, hub[None]])
    count = len(points)
    fan = np.stack(
        [np.arange(count), np.roll(np.arange(count), -1), np.full(count, count)], axis=1
    )  # fmt: skip
    vertices = np.concatenate([flat, np.full((count + 1, 1), z)], axis=1)
    normals = np.tile([0.0, 0.0, facing], (count + 1, 1))
    turned = flat * [-facing, 1.0]  # whoever looks at +z has x to the left
    uv = turned - turned.min(axis=0)
    builder.triangles(vertices, fan, material, uv=uv, normals=normals)


@cache
def _circle(sides: int) -> Floats:
    angle = np.arange(sides) * (2 * math.pi / sides) + math.pi / sides
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def circle(x: float, y: float, radius: float, sides: int = 12) -> Floats:
    """The outline (sides, 2) of a disc, for `plate`."""
    return np.asarray(_circle(sides) * radius + np.array([x, y]))


@cache
def _turns(sides: int) -> tuple[Floats, Floats]:
    """Cosines and sines (sides + 1, 1) of a full turn; the last is the first, exactly."""
    angle = np.arange(sides + 1) % sides * (2 * math.pi / sides)
    return np.cos(angle)[:, None], np.sin(angle)[:, None]


def _slopes(points: Floats) -> Floats:
    """Differences along the first axis, central inside."""
    slope = np.empty_like(points)
    slope[1:-1] = points[2:] - points[:-2]
    slope[0], slope[-1] = points[1] - points[0], points[-1] - points[-2]
    return slope


def _cross(a: Floats, b: Floats) -> Floats:
    """np.cross of vectors on the last axis, without its overhead."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def _unit(vectors: Floats) -> Floats:
    """Vectors of length 1; upwards where there is none."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return np.asarray(np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), [0.0, 1.0, 0.0]))


def _arc_uv(grid: Floats) -> Floats:
    """Texture coordinates (rows, columns, 2) of a grid: metres along its columns and rows."""
    across, along = grid[:, 1:] - grid[:, :-1], grid[1:] - grid[:-1]
    uv = np.zeros((*grid.shape[:2], 2))
    uv[:, 1:, 0] = np.cumsum(np.sqrt(np.einsum("ijk,ijk->ij", across, across).max(axis=0)))
    uv[1:, :, 1] = np.cumsum(np.sqrt(np.einsum("ijk,ijk->ij", along, along).max(axis=1)))[:, None]
    return uv


def _add(
    builder: Builder,
    vertices: Floats,
    normals: Floats,
    uv: Floats,
    faces: NDArray[np.int32],
    material: Material,
) -> None:
    """N copies: vertices, normals (N, V, 3), uv (N, V, 2) of one topology."""
    number, count = vertices.shape[:2]
    if number:
        start = (np.arange(number, dtype=np.int32) * np.int32(count))[:, None, None]
        builder.triangles(
            vertices.reshape(-1, 3), (faces + start).reshape(-1, 3), material, uv=uv.reshape(-1, 2),
            normals=normals.reshape(-1, 3),
        )  # fmt: skip
