"""Many flat surfaces at once: what `Builder.quad` does, for arrays of corners."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depdis_training.street.mesh import Builder, Material


def cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cross product of rows (N, 3); several times as fast as numpy's for few rows."""
    out = np.empty(a.shape)
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (N, 3) at length 1."""
    length: NDArray[np.float64] = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return rows / np.maximum(length, 1e-9)


def quads(builder: Builder, corners: ArrayLike, material: Material) -> None:
    """Flat quadrilaterals of one material, corners (N, 4, 3) in order a, b, c, d.

    u runs along a-b and v along a-d, both in metres from 0 at a.
    """
    points = np.asarray(corners, np.float64).reshape(-1, 4, 3)
    if not len(points):
        return
    along, up = points[:, 1] - points[:, 0], points[:, 3] - points[:, 0]
    along = unit(along)
    normal = unit(cross(along, up))
    across = cross(normal, along)
    offsets = points - points[:, :1]
    uv = np.stack([np.einsum("nkc,nc->nk", offsets, along), np.einsum("nkc,nc->nk", offsets, across)], -1)
    first = 4 * np.arange(len(points))[:, None]
    faces = np.concatenate([first + np.array([0, 1, 2]), first + np.array([0, 2, 3])])
    builder.triangles(
        points.reshape(-1, 3), faces, material, uv=uv.reshape(-1, 2), normals=np.repeat(normal, 4, axis=0)
    )


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
    left, right, low, high, depth = np.broadcast_arrays(
        *(np.asarray(a, np.float64) for a in (x0, x1, y0, y1, z))
    )
    corners = [(left, low, depth), (right, low, depth), (right, high, depth), (left, high, depth)]
    return np.stack([np.stack([c.ravel() for c in corner], -1) for corner in corners], axis=1)


def plan_ribbon(builder: Builder, near: ArrayLike, far: ArrayLike, material: Material) -> None:
    """A ground strip between two polylines (N, 3); uv is the plan (x, z), so that neighbours' textures join."""
    a, b = np.asarray(near, np.float64), np.asarray(far, np.float64)
    _ribbon(builder, a, b, material, np.concatenate([a, b])[:, [0, 2]])


def wall_ribbon(builder: Builder, low: ArrayLike, high: ArrayLike, material: Material) -> None:
    """An upright strip between two polylines (N, 3); u: length along the lower one, v: height."""
    a, b = np.asarray(low, np.float64), np.asarray(high, np.float64)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(a[:, [0, 2]], axis=0), axis=1))])
    height = b[:, 1] - a[:, 1]
    uv = np.concatenate([np.stack([length, np.zeros_like(length)], 1), np.stack([length, height], 1)])
    _ribbon(builder, a, b, material, uv)


def _ribbon(
    builder: Builder, a: NDArray[np.float64], b: NDArray[np.float64], material: Material,
    uv: NDArray[np.float64],
) -> None:  # fmt: skip
    count = len(a)
    along = np.empty(a.shape)
    along[1:-1] = a[2:] - a[:-2]
    along[0], along[-1] = a[1] - a[0], a[-1] - a[-2]
    normal = unit(cross(along, b - a))
    first = np.arange(count - 1)[:, None]
    faces = np.concatenate([first + np.array([0, 1, count + 1]), first + np.array([0, count + 1, count])])
    builder.triangles(
        np.concatenate([a, b]), faces, material, uv=uv, normals=np.concatenate([normal, normal])
    )  # fmt: skip
