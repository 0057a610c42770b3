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

from depdis_training.street.geometry import (
    arc_uv,
    copied,
    creased_cells,
    crosses,
    repeated_faces,
    smooth_normals,
    swept,
    tube_rows,
)  # fmt: skip
from depdis_training.street.mesh import Builder, Material

Floats = NDArray[np.float64]
_QUAD = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


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
    centre = np.ascontiguousarray(centres, np.float64).reshape(-1, 3)
    size = np.empty((len(centre), 3))
    size[:] = sizes
    vertices, normals, uv = copied(
        np.ascontiguousarray(unit.vertices), np.ascontiguousarray(unit.normals), np.ascontiguousarray(unit.uv),
        centre, size,
    )  # fmt: skip
    if uv_offsets is not None:
        uv += np.asarray(uv_offsets, np.float64).reshape(-1, 1, 2)
    _add(builder, vertices, normals, uv, unit.faces, material)


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
    a = np.ascontiguousarray(starts, np.float64).reshape(-1, 3)
    b = np.ascontiguousarray(ends, np.float64).reshape(-1, 3)
    first, last = np.empty(len(a)), np.empty(len(a))
    first[:], last[:] = radii, radii if end_radii is None else end_radii
    vertices, normals, uv = tube_rows(a, b, first, last, sides)
    _add(builder, vertices, normals, uv, grid_faces(2, sides + 1), material)


def sweep(
    builder: Builder, path: ArrayLike, radii: ArrayLike, material: Material, *, sides: int = 8,
    facing: ArrayLike = (0.0, 0.0, 1.0),
) -> None:  # fmt: skip
    """A limb along a path (N, 3): rings with radii (N,), or (N, 2) across and along `facing`."""
    points, widths = np.ascontiguousarray(path, np.float64), np.asarray(radii, np.float64)
    size = np.empty((len(points), 2))
    size[:] = widths[:, None] if widths.ndim == 1 else widths
    cosine, sine = _turns(sides)
    surface(builder, swept(points, size, np.asarray(facing, np.float64), cosine, sine), material)


def surface(builder: Builder, points: ArrayLike, material: Material) -> None:
    """A smooth grid of points (rows, columns, 3); the last column may repeat the first."""
    grid = np.ascontiguousarray(points, np.float64)
    rows, columns = grid.shape[:2]
    builder.triangles(
        grid.reshape(-1, 3), grid_faces(rows, columns), material, uv=arc_uv(grid).reshape(-1, 2),
        normals=smooth_normals(grid).reshape(-1, 3),
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
    chosen = np.asarray(cells)
    limit = math.cos(math.radians(crease))
    corners, normals, uvs, kept = creased_cells(np.ascontiguousarray(points, np.float64), limit)
    for index, material in enumerate(materials):
        mask = (chosen == index) & kept
        if mask.any():
            _add(builder, corners[mask], normals[mask], uvs[mask], _QUAD, material)


def cards(
    builder: Builder, centres: ArrayLike, rights: ArrayLike, ups: ArrayLike, material: Material, *,
    normals: ArrayLike | None = None, uv_offsets: ArrayLike | None = None,
) -> None:  # fmt: skip
    """Rectangles centre ± right ± up, all (N, 3); u and v from the corner where both are subtracted."""
    centre, right, up = (np.ascontiguousarray(a, np.float64).reshape(-1, 1, 3) for a in (centres, rights, ups))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    points = centre + corners[:, :1] * right + corners[:, 1:] * up
    size = np.concatenate([np.sqrt((a * a).sum(axis=2, keepdims=True)) for a in (right, up)], axis=2)
    uv = (corners + 1.0) * size
    if uv_offsets is not None:
        uv = uv + np.asarray(uv_offsets, np.float64).reshape(-1, 1, 2)
    if normals is None:
        facing = crosses(right.reshape(-1, 3), up.reshape(-1, 3))[:, None]
    else:
        facing = np.asarray(normals, np.float64).reshape(-1, 1, 3)
    facing = facing / np.maximum(np.sqrt((facing * facing).sum(axis=2, keepdims=True)), 1e-12)
    _add(builder, points, np.broadcast_to(facing, points.shape), uv, _QUAD, material)


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
    """Cosines and sines (sides + 1,) of a full turn; the last is the first, exactly."""
    angle = np.arange(sides + 1) % sides * (2 * math.pi / sides)
    return np.cos(angle), np.sin(angle)


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
        builder.triangles(
            vertices.reshape(-1, 3), repeated_faces(faces, number, count), material, uv=uv.reshape(-1, 2),
            normals=normals.reshape(-1, 3),
        )  # fmt: skip
