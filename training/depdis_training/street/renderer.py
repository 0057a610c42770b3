"""A mesh seen by a camera: its picture, labels and depth."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.appearance import Appearance
from depdis_training.street.holes import HOLES
from depdis_training.street.mesh import Material, Mesh
from depdis_training.street.patterns import PATTERNS
from depdis_training.street.raster import bounds, drawing_order, edges, rasterise, to_camera
from depdis_training.street.response import developed, metered
from depdis_training.street.shading import records, shade_picture
from depdis_training.street.shadows import height_map, map_frame, softness

__all__ = ["HOLES", "PATTERNS", "SKY_DEPTH_M", "Camera", "Rendered", "render"]

SKY_DEPTH_M = 655.35
_SKY_LABEL = 9
_LUMINANCE = np.array([0.30, 0.59, 0.11])
_FLAT_LABELS = (0, 1)  # road and pavement cast no shadow
_NEAR_REACH_M, _FAR_REACH_M, _ABOVE_REACH_M = 32.0, 200.0, 60.0
_NEAR_SIZE, _FAR_SIZE, _ABOVE_SIZE = 896, 640, 512


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; its optical axis meets the picture's centre.

    x, y, z: metres. yaw: from +z towards +x; pitch: upwards; roll: the right side upwards; radians.
    focal_px, width, height: pixels.
    """

    x: float
    y: float
    z: float
    yaw: float
    pitch: float
    roll: float
    focal_px: float
    width: int
    height: int

    def axes(self) -> NDArray[np.float64]:
        """(3, 3): right, up and forward in world coordinates."""
        sin_yaw, cos_yaw = math.sin(self.yaw), math.cos(self.yaw)
        sin_pitch, cos_pitch = math.sin(self.pitch), math.cos(self.pitch)
        sin_roll, cos_roll = math.sin(self.roll), math.cos(self.roll)
        right = np.array([cos_yaw, 0.0, -sin_yaw])
        up = np.array([-sin_pitch * sin_yaw, cos_pitch, -sin_pitch * cos_yaw])
        forward = np.array([sin_yaw * cos_pitch, sin_pitch, cos_yaw * cos_pitch])
        turned = np.stack([right * cos_roll + up * sin_roll, up * cos_roll - right * sin_roll, forward])
        return np.round(turned * 2.0**40) / 2.0**40  # the same on every processor

    def position(self) -> NDArray[np.float64]:
        """(3,) metres."""
        return np.array([self.x, self.y, self.z], np.float64)


@dataclass(frozen=True)
class Rendered:
    """image uint8 (H, W, 3) RGB; labels uint8 (H, W); depth_m float32 (H, W) along the optical axis.

    Labels and depth hold at the pixels' centres; the sky's depth is 655.35 m.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth_m: NDArray[np.float32]


def render(
    mesh: Mesh, camera: Camera, appearance: Appearance, seed: int, *, supersample: int = 2, image: bool = True
) -> Rendered:  # fmt: skip
    """Draw a mesh. `seed` draws the sensor's noise; image=False leaves the picture black and is faster.

    Raises ValueError for a material whose pattern or holes are unknown.
    """
    axes, position = camera.axes(), camera.position()
    materials = _material_table(mesh.materials)
    vertices, uv = np.ascontiguousarray(mesh.vertices), np.ascontiguousarray(mesh.uv)
    faces = np.ascontiguousarray(mesh.faces)
    extent = (0.5 * camera.width / camera.focal_px, 0.5 * camera.height / camera.focal_px)
    points = to_camera(vertices, axes, position)
    boxes = bounds(points, faces, extent)
    rows = edges(points, faces, boxes)
    order, nearest = drawing_order(points, faces, boxes, mesh.face_material, materials)
    geometry = (order, nearest, rows, boxes, faces, uv, mesh.face_material, materials)
    pixel = 1.0 / camera.focal_px
    nearness, seen = rasterise(*geometry, camera.focal_px, pixel, camera.width, camera.height, True)
    labels = np.append(materials[mesh.face_material, 7], _SKY_LABEL).astype(np.uint8)[seen]
    with np.errstate(divide="ignore"):
        depth = np.minimum(1.0 / nearness, SKY_DEPTH_M).astype(np.float32)
    if not image:
        return Rendered(np.zeros((*labels.shape, 3), np.uint8), labels, depth)
    focal = camera.focal_px * supersample
    _, seen = rasterise(*geometry, focal, pixel, camera.width * supersample, camera.height * supersample, False)
    table = records(seen, rows, faces, mesh.face_material, uv, np.ascontiguousarray(mesh.normals))
    maps, frames = _height_maps(mesh, materials, camera, appearance)
    soft = [softness(frame, appearance.shadow_softness) for frame in frames[:2]]
    view = np.concatenate([
        appearance.light(), axes.ravel(), position, *(frame.ravel() for frame in frames), *soft,
    ])  # fmt: skip
    light = shade_picture(seen, supersample, focal, table, materials, view, appearance.sky_seed, *maps)
    return Rendered(developed(light, metered(light, seen, supersample), appearance, seed), labels, depth)


def _material_table(materials: tuple[Material, ...]) -> NDArray[np.float64]:
    """What the kernels read of the materials (M, 15).

    Linear colours 0:3 and 3:6, scale 6, label 7, coverage 8, gloss 9, emission 10, grain 11, pattern 12,
    holes 13, seed 14.
    """
    table = np.zeros((max(1, len(materials)), 15))
    for i, m in enumerate(materials):
        if m.pattern not in PATTERNS:
            raise ValueError(f"no pattern is called {m.pattern!r}; there are {', '.join(PATTERNS)}")
        if m.holes not in HOLES:
            raise ValueError(f"no holes are called {m.holes!r}; there are {', '.join(HOLES[1:])}")
        table[i] = [
            *m.colour, *m.colour2, max(m.scale, 1e-3), m.label, m.coverage, m.gloss, m.emission, m.grain,
            PATTERNS.index(m.pattern), HOLES.index(m.holes), zlib.crc32(f"{m.phase:.6f}".encode()) & 0xFFFF,
        ]  # fmt: skip
    for first in (0, 3):
        colour = (np.clip(table[:, first : first + 3], 0.0, 255.0) / 255.0) ** 2.2
        grey = colour @ _LUMINANCE
        # Nothing in a street is as black, or as pure of colour, as a screen can show.
        table[:, first : first + 3] = 0.014 + 0.95 * (0.86 * colour + 0.14 * grey[:, None])
    return table


def _height_maps(
    mesh: Mesh, materials: NDArray[np.float64], camera: Camera, appearance: Appearance
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float64]]]:  # fmt: skip
    """The near, far and from-above height maps, and their frames (3, 4)."""
    casts = (~np.isin(materials[:, 7], _FLAT_LABELS))[mesh.face_material]
    faces, face_material = mesh.faces[casts], mesh.face_material[casts]
    sun, up = np.array(appearance.sun_direction()), np.array([0.0, 1.0, 0.0])
    near_size, far_size = (_NEAR_SIZE, _FAR_SIZE) if appearance.sun_strength > 0.0 else (1, 1)
    maps, frames = [], []
    for direction, reach, size in (
        (sun, _NEAR_REACH_M, near_size), (sun, _FAR_REACH_M, far_size), (up, _ABOVE_REACH_M, _ABOVE_SIZE),
    ):  # fmt: skip
        frame = map_frame(direction, _surveyed(camera, reach), size)
        maps.append(height_map(mesh.vertices, faces, mesh.uv, face_material, materials, frame, size))
        frames.append(frame)
    return maps, frames


def _surveyed(camera: Camera, reach: float) -> NDArray[np.float64]:
    """World points (N, 3) that bound what the camera sees of a street within `reach` metres."""
    wide = min(2.0, 0.5 * camera.width / camera.focal_px + 0.1)
    ahead = np.array([math.sin(camera.yaw), 0.0, math.cos(camera.yaw)])
    across = np.array([ahead[2], 0.0, -ahead[0]])
    return np.array([
        [camera.x, height, camera.z] + forward * ahead + side * wide * max(forward, 2.0) * across
        for forward in (-1.0, reach) for side in (-1.0, 1.0) for height in (-1.0, min(8.0, 0.2 * reach))
    ])  # fmt: skip
