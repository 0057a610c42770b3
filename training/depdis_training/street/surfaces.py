"""Many flat surfaces at once: what `Builder.quad` does, for arrays of corners."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depdis_training.street.geometry import ribbon_rows, wall_rows
from depdis_training.street.mesh import Builder, Material


def quads(builder: Builder, corners: ArrayLike, material: Material) -> None:
    """Flat quadrilaterals of one material, corners (N, 4, 3) in order a, b, c, d.

    u runs along a-b and v along a-d, both in metres from 0 at a.
    """
    points = np.ascontiguousarray(corners, np.float64).reshape(-1, 3)  # four rows each
    if len(points):
        builder.quads(points, material)


_BOX = np.array(
    [[0, 1, 5, 4], [3, 2, 6, 7], [2, 0, 4, 6], [1, 3, 7, 5], [4, 5, 7, 6], [2, 3, 1, 0]]
)  # fmt: skip


def box(
    builder: Builder, low: tuple[float, float, float], high: tuple[float, float, float], material: Material,
    *, bottom: bool = False,
) -> None:  # fmt: skip
    """An upright box between two opposite corners, without its underside unless `bottom`."""
    lo, hi = np.asarray(low, np.float64), np.asarray(high, np.float64)
    bits = np.array([[i & 1, i >> 2 & 1, i >> 1 & 1] for i in range(8)])
    corners = lo + (hi - lo) * bits
    quads(builder, corners[_BOX if bottom else _BOX[:5]], material)


def rectangles(
    x0: ArrayLike, x1: ArrayLike, y0: ArrayLike, y1: ArrayLike, z: ArrayLike
) -> NDArray[np.float64]:  # fmt: skip
    """Upright rectangles facing +z as corners (N, 4, 3); the arguments broadcast."""
    sides = [np.asarray(a, np.float64) for a in (x0, x1, y0, y1, z)]
    left, right, low, high, depth = sides
    corners = np.empty((*np.broadcast(*sides).shape, 4, 3))
    corners[..., 0, 0] = corners[..., 3, 0] = left
    corners[..., 1, 0] = corners[..., 2, 0] = right
    corners[..., 0, 1] = corners[..., 1, 1] = low
    corners[..., 2, 1] = corners[..., 3, 1] = high
    corners[..., 2] = depth[..., None]
    return corners.reshape(-1, 4, 3)


def plan_ribbon(builder: Builder, near: ArrayLike, far: ArrayLike, material: Material) -> None:
    """A ground strip between two polylines (N, 3); uv is the plan (x, z), so that neighbours' textures join."""
    vertices, normals, _, faces = ribbon_rows(
        np.ascontiguousarray(near, np.float64), np.ascontiguousarray(far, np.float64)
    )
    builder.triangles(vertices, faces, material, uv=vertices[:, ::2], normals=normals)


def wall_ribbon(builder: Builder, low: ArrayLike, high: ArrayLike, material: Material) -> None:
    """An upright strip between two polylines (N, 3); u: length along the lower one, v: height."""
    vertices, normals, uv, faces = wall_rows(
        np.ascontiguousarray(low, np.float64), np.ascontiguousarray(high, np.float64)
    )
    builder.triangles(vertices, faces, material, uv=uv, normals=normals)
