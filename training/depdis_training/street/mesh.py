"""Triangles with materials: what objects are built of and the renderer draws.

Coordinates are metres, x to the right, y up, z forward. An object stands at the origin on the ground (y = 0)
and faces +z. Texture coordinates (u, v) are metres on the surface, so that a pattern keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depdis_training.street.geometry import quad_rows, turned

Point = tuple[float, float, float]
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """How a surface looks and what it is.

    label: index into the 16 classes.
    colour, colour2: sRGB 0..255; the second is the pattern's other colour.
    pattern: one of the renderer's `PATTERNS` ("plain", "noise", "brick", "windows", ...); scale: its size in
        metres; phase: shifts it, so that two walls of one material differ.
    holes: "" or one of the renderer's `HOLES` ("leaves", "bars", "spokes", "mesh"): where the pattern is open,
        what lies behind is seen; coverage: the share that stays.
    gloss: 0 matt, 1 mirrors the sky (car paint 0.3, glass 0.7). emission: 0 none, 1 as bright as its colour.
    grain: amplitude of the luminance noise, as a share of the colour.
    """

    label: int
    colour: Rgb
    pattern: str = "plain"
    colour2: Rgb = (128.0, 128.0, 128.0)
    scale: float = 1.0
    phase: float = 0.0
    holes: str = ""
    coverage: float = 1.0
    gloss: float = 0.0
    emission: float = 0.0
    grain: float = 0.06


@dataclass(frozen=True)
class Mesh:
    """vertices, normals (V, 3) and uv (V, 2) float64; faces (T, 3) int32; face_material (T,) int32."""

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    uv: NDArray[np.float64]
    faces: NDArray[np.int32]
    face_material: NDArray[np.int32]
    materials: tuple[Material, ...]

    def placed(self, x: float, z: float, *, y: float = 0.0, yaw: float = 0.0, scale: float = 1.0) -> Mesh:
        """The mesh scaled, turned about the vertical (yaw in radians, +z towards +x) and moved."""
        vertices, normals = turned(
            np.ascontiguousarray(self.vertices), np.ascontiguousarray(self.normals), float(yaw), float(scale),
            np.array([x, y, z], np.float64),
        )  # fmt: skip
        return Mesh(
            vertices,
            normals,
            self.uv if scale == 1.0 else self.uv * scale,
            self.faces,
            self.face_material,
            self.materials,
        )


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several, their materials side by side."""
    if not meshes:
        return Builder().build()
    vertices = [mesh.vertices for mesh in meshes]
    faces_each = [len(mesh.faces) for mesh in meshes]
    material_start = np.repeat(_starts([mesh.materials for mesh in meshes]), faces_each)
    return Mesh(
        np.concatenate(vertices),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.faces for mesh in meshes]) + np.repeat(_starts(vertices), faces_each)[:, None],
        np.concatenate([mesh.face_material for mesh in meshes]) + material_start,
        tuple(material for mesh in meshes for material in mesh.materials),
    )


@dataclass
class Builder:
    """Collects surfaces into a `Mesh`. Surfaces are seen from both sides; normals turn to the viewer."""

    _vertices: list[NDArray[np.float64]] = field(default_factory=list)
    _normals: list[NDArray[np.float64]] = field(default_factory=list)
    _uv: list[NDArray[np.float64]] = field(default_factory=list)
    _faces: list[NDArray[np.int32]] = field(default_factory=list)
    _surface_material: list[int] = field(default_factory=list)
    _materials: dict[Material, int] = field(default_factory=dict)
    _last: tuple[Material | None, int] = (None, 0)

    def triangles(
        self, vertices: ArrayLike, faces: ArrayLike, material: Material, *, uv: ArrayLike, normals: ArrayLike
    ) -> None:
        """Any surface: vertices and normals (V, 3), uv (V, 2), faces (T, 3) into them."""
        self._vertices.append(np.asarray(vertices, np.float64))
        self._normals.append(np.asarray(normals, np.float64))
        self._uv.append(np.asarray(uv, np.float64))
        self._faces.append(np.asarray(faces, np.int32))
        if material is not self._last[0]:  # hashing one takes longer than most surfaces
            self._last = material, self._materials.setdefault(material, len(self._materials))
        self._surface_material.append(self._last[1])

    def quad(self, a: Point, b: Point, c: Point, d: Point, material: Material) -> None:
        """A flat quadrilateral, corners in order; u runs along a-b and v along a-d, both from 0 at a."""
        self.quads(np.array([a, b, c, d], np.float64), material)

    def quads(self, corners: NDArray[np.float64], material: Material) -> None:
        """Flat quadrilaterals (4 N, 3) as `quad` takes them, one after the other."""
        uv, normals, faces = quad_rows(corners)
        self.triangles(corners, faces, material, uv=uv, normals=normals)

    def box(self, low: Point, high: Point, material: Material, *, bottom: bool = False) -> None:
        """An upright box between two opposite corners, without its underside unless `bottom`."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        corners = [
            (x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0), (x1, y0, z1), (x0, y0, z1), (x0, y1, z1),
            (x1, y1, z1), (x0, y0, z1), (x0, y0, z0), (x0, y1, z0), (x0, y1, z1), (x1, y0, z0), (x1, y0, z1),
            (x1, y1, z1), (x1, y1, z0), (x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1), (x0, y0, z1),
            (x1, y0, z1), (x1, y0, z0), (x0, y0, z0),
        ]  # fmt: skip
        self.quads(np.array(corners if bottom else corners[:20], np.float64), material)

    def prism(
        self,
        profile: Sequence[tuple[float, float]],
        x0: float,
        x1: float,
        material: Material,
        *,
        inset: float = 0.0,
    ) -> None:
        """A side profile of (z, y) points, counter-clockwise seen from +x, drawn out from x0 to x1.

        The profile must be star-shaped about its mean. inset: metres by which points above the mean height
        are drawn in at both sides (the tumblehome of a car's cabin).
        """
        points = np.asarray(profile, np.float64)
        centre = points.mean(axis=0)
        drawn = np.where(points[:, 1] > centre[1], inset, 0.0)
        left = np.stack([x0 + drawn, points[:, 1], points[:, 0]], axis=1)
        right = np.stack([x1 - drawn, points[:, 1], points[:, 0]], axis=1)
        for side, x in ((left, x0), (right, x1)):
            hub = np.array([[x, centre[1], centre[0]]])
            count = len(points)
            fan = [[i, (i + 1) % count, count] for i in range(count)]
            normal = np.array([1.0 if x == x1 else -1.0, 0.0, 0.0])
            vertices = np.concatenate([side, hub])
            self.triangles(
                vertices, fan, material, uv=vertices[:, [2, 1]], normals=np.repeat(normal[None], count + 1, 0)
            )
        for i in range(len(points)):
            j = (i + 1) % len(points)
            a, b, c, d = (tuple(map(float, point)) for point in (left[i], right[i], right[j], left[j]))
            self.quad(a, b, c, d, material)  # type: ignore[arg-type]

    def tube(
        self, start: Point, end: Point, radius: float, material: Material, *, end_radius: float | None = None,
        sides: int = 8, caps: bool = False,
    ) -> None:  # fmt: skip
        """A cylinder or cone between two points, smoothly shaded."""
        a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
        axis = b - a
        length = float(np.linalg.norm(axis)) or 1.0
        axis /= length
        side = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [0.0, 1.0, 0.0])
        side /= np.linalg.norm(side)
        other = np.cross(axis, side)
        angle = np.arange(sides + 1) * (2 * math.pi / sides)
        ring = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other
        tip = radius if end_radius is None else end_radius
        vertices = np.concatenate([a + ring * radius, b + ring * tip])
        around = angle * radius
        uv = np.concatenate(
            [np.stack([around, np.zeros(sides + 1)], 1), np.stack([around, np.full(sides + 1, length)], 1)]
        )
        n = sides + 1
        faces = [[i, i + 1, n + i + 1] for i in range(sides)] + [[i, n + i + 1, n + i] for i in range(sides)]
        self.triangles(vertices, faces, material, uv=uv, normals=np.concatenate([ring, ring]))
        if caps:
            for centre, size, first in ((a, radius, 0), (b, tip, n)):
                if size > 0:
                    disc = np.concatenate([vertices[first : first + n], centre[None]])
                    fan = [[i, i + 1, n] for i in range(sides)]
                    flat = np.concatenate([ring, [[0.0, 0.0, 0.0]]]) @ np.stack([side, other], 1) * size
                    self.triangles(disc, fan, material, uv=flat, normals=np.repeat(axis[None], n + 1, 0))

    def ellipsoid(
        self, centre: Point, radii: Point, material: Material, *, rings: int = 6, sides: int = 10
    ) -> None:
        """A smoothly shaded ellipsoid."""
        polar = np.linspace(0.0, math.pi, rings + 1)
        angle = np.arange(sides + 1) * (2 * math.pi / sides)
        unit = np.stack(
            [
                np.sin(polar)[:, None] * np.cos(angle),
                np.repeat(np.cos(polar)[:, None], sides + 1, 1),
                np.sin(polar)[:, None] * np.sin(angle),
            ],
            axis=-1,
        )
        size = np.asarray(radii, np.float64)
        n = sides + 1
        faces = [
            corner
            for ring in range(rings)
            for i in range(sides)
            for corner in (
                [ring * n + i, ring * n + i + 1, (ring + 1) * n + i + 1],
                [ring * n + i, (ring + 1) * n + i + 1, (ring + 1) * n + i],
            )
        ]
        normals = (unit / size).reshape(-1, 3)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        uv = np.stack(
            [
                np.repeat(angle[None] * float(max(size[0], size[2])), rings + 1, 0),
                np.repeat((polar * float(size[1]))[:, None], n, 1),
            ],
            axis=-1,
        ).reshape(-1, 2)
        vertices = unit.reshape(-1, 3) * size + np.asarray(centre, np.float64)
        self.triangles(vertices, faces, material, uv=uv, normals=normals)

    def add(self, mesh: Mesh) -> None:
        """Another mesh, with its materials."""
        for index, material in enumerate(mesh.materials):
            faces = mesh.faces[mesh.face_material == index]
            if len(faces):
                used, corners = np.unique(faces, return_inverse=True)
                self.triangles(
                    mesh.vertices[used], corners.reshape(faces.shape), material,
                    uv=mesh.uv[used], normals=mesh.normals[used],
                )  # fmt: skip

    def build(self) -> Mesh:
        """The mesh of everything added so far."""
        if not self._faces:
            return Mesh(
                np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 2)), np.empty((0, 3), np.int32),
                np.empty(0, np.int32), (),
            )  # fmt: skip
        faces_each = [len(faces) for faces in self._faces]
        return Mesh(
            np.concatenate(self._vertices),
            np.concatenate(self._normals),
            np.concatenate(self._uv),
            np.concatenate(self._faces) + np.repeat(_starts(self._vertices), faces_each)[:, None],
            np.repeat(np.array(self._surface_material, np.int32), faces_each),
            tuple(self._materials),
        )


def _starts(pieces: Sequence[Sized]) -> NDArray[np.int32]:
    """Where each piece begins when they lie one after the other."""
    return np.array([0, *accumulate(map(len, pieces[:-1]))], np.int32)
