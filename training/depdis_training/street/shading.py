"""The light that leaves what each pixel sees, in linear colour."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.kernel import kernel
from depdis_training.street.noise import layered, value_noise
from depdis_training.street.patterns import paint
from depdis_training.street.shadows import lit, open_sky
from depdis_training.street.sky import Light, gradient, sky

Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Heights = NDArray[np.float32]
FOLIAGE = 11


@kernel
def _reflected(light: Light, dx: float, dy: float, dz: float, channel: int) -> float:
    """What a mirror shows: the sky above a rough skyline of dark fronts, the street below."""
    skyline = 0.12 + 0.35 * value_noise(3.0 * dx + 9.0, 3.0 * dz, 5)
    above = min(1.0, max(0.0, 0.5 + (dy - skyline) * 5.0))
    fronts = (0.16 + 0.12 * value_noise(9.0 * dx, 9.0 * dy, 6)) * light[15 + channel]
    return above * gradient(light, dy, channel) + (1.0 - above) * fronts


@kernel
def _interpolated(
    t: int, x: float, y: float, rows: Doubles, faces: Ints, uv: Doubles, normals: Doubles, at: Doubles
) -> None:  # fmt: skip
    """Fill at: depth, u, v, a pixel's extent in u and v per ray unit, normal (world)."""
    a = rows[t, 0] * x + rows[t, 1] * y + rows[t, 2]
    b = rows[t, 3] * x + rows[t, 4] * y + rows[t, 5]
    c = rows[t, 6] * x + rows[t, 7] * y + rows[t, 8]
    p, q, r = faces[t, 0], faces[t, 1], faces[t, 2]
    depth = 1.0 / (a + b + c)
    a, b, c = a * depth, b * depth, c * depth
    at[0] = depth
    for k in range(2):
        s = a * uv[p, k] + b * uv[q, k] + c * uv[r, k]
        at[1 + k] = s
        across = (uv[p, k] - s) * rows[t, 0] + (uv[q, k] - s) * rows[t, 3] + (uv[r, k] - s) * rows[t, 6]
        down = (uv[p, k] - s) * rows[t, 1] + (uv[q, k] - s) * rows[t, 4] + (uv[r, k] - s) * rows[t, 7]
        at[3 + k] = (abs(across) + abs(down)) * depth
    for k in range(3):
        at[5 + k] = a * normals[p, k] + b * normals[q, k] + c * normals[r, k]


@kernel
def _towards_viewer(at: Doubles, dx: float, dy: float, dz: float) -> None:
    """Make the normal a unit vector that faces the viewer."""
    length = math.sqrt(at[5] * at[5] + at[6] * at[6] + at[7] * at[7]) + 1e-12
    if at[5] * dx + at[6] * dy + at[7] * dz > 0.0:
        length = -length
    for k in range(5, 8):
        at[k] /= length


@kernel
def _sunlight(
    at: Doubles, px: float, py: float, pz: float, light: Light, near_map: Heights, near_frame: Doubles,
    far_map: Heights, far_frame: Doubles,
) -> float:  # fmt: skip
    """The share of the sun that reaches a point, before the angle is counted."""
    if light[9] + light[10] + light[11] < 1e-3:
        return 0.0
    for k in range(2):
        lift = 0.06 if k == 0 else 0.3
        x, y, z = px + lift * at[5], py + lift * at[6], pz + lift * at[7]
        x, y, z = x + lift * light[6], y + lift * light[7], z + lift * light[8]
        share = (
            lit(near_map, near_frame, x, y, z, light[22])
            if k == 0
            else lit(far_map, far_frame, x, y, z, light[22])
        )
        if share >= 0.0:
            return share
    return 1.0


@kernel
def _radiance(
    t: int, x: float, y: float, pixel: float, rows: Doubles, faces: Ints, face_material: Ints, uv: Doubles,
    normals: Doubles, kinds: Ints, numbers: Doubles, rotation: Doubles, position: Doubles, light: Light,
    near_map: Heights, near_frame: Doubles, far_map: Heights, far_frame: Doubles, above: Heights,
    above_frame: Doubles, at: Doubles, surface: Doubles, out: Doubles,
) -> None:  # fmt: skip
    """Fill out (3,) with the light from triangle t along the ray (x, y, 1)."""
    _interpolated(t, x, y, rows, faces, uv, normals, at)
    depth = at[0]
    dx = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0]
    dy = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1]
    dz = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2]
    px, py, pz = position[0] + depth * dx, position[1] + depth * dy, position[2] + depth * dz
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx / length, dy / length, dz / length
    _towards_viewer(at, dx, dy, dz)
    material = face_material[t]
    pattern, seed = kinds[material, 1], kinds[material, 3]
    fu, fv = max(at[3] * pixel, 1e-5), max(at[4] * pixel, 1e-5)
    paint(pattern, surface, numbers[material], at[1], at[2], fu, fv, seed)
    through = 0.0
    if pattern == FOLIAGE:  # leaves: a ragged surface, and light that comes through it
        size = numbers[material, 6]
        rough = 0.9 * depth * pixel
        at[5] += 1.1 * layered(px, py + pz, size, 3, rough, seed)
        at[6] += 1.1 * layered(px + 7.7, py - pz, size, 3, rough, seed + 50) + 0.25
        at[7] += 1.1 * layered(pz, py - px, size, 3, rough, seed + 90)
        norm = math.sqrt(at[5] * at[5] + at[6] * at[6] + at[7] * at[7]) + 1e-9
        at[5], at[6], at[7] = at[5] / norm, at[6] / norm, at[7] / norm
        through = 0.25
    gloss = surface[3]
    if light[23] > 0.0 and at[6] > 0.8:  # wet ground: darker, and it mirrors where water stands
        puddle = light[23] * min(1.0, max(0.0, 0.25 + 2.5 * layered(px, pz, 3.0, 3, 0.5 * max(fu, fv), 40)))
        gloss = max(gloss, puddle)
        for k in range(3):
            surface[k] *= 1.0 - 0.45 * light[23]
    facing = at[5] * light[6] + at[6] * light[7] + at[7] * light[8]
    sun = max(0.0, facing) * (1.0 - through) + through * 0.6
    if sun > 0.0:
        sun *= _sunlight(at, px, py, pz, light, near_map, near_frame, far_map, far_frame)
    side = 0.7 * (1.0 - abs(at[6]))
    open_ = open_sky(above, above_frame, px + side * at[5], py, pz + side * at[7])
    dome = (0.62 + 0.38 * at[6]) * open_
    bounce = 0.10 * (1.0 - at[6]) * open_
    cosine = -(at[5] * dx + at[6] * dy + at[7] * dz)
    mirror = 0.0
    if gloss > 0.0:
        grazing = 1.0 - max(0.0, cosine)
        mirror = gloss * (0.10 + 0.90 * grazing * grazing * grazing * grazing)
    rx, ry, rz = dx + 2.0 * cosine * at[5], dy + 2.0 * cosine * at[6], dz + 2.0 * cosine * at[7]
    clear = math.exp(-light[18] * depth * length) if light[18] > 0.0 else 1.0
    spark = 0.0
    if gloss > 0.15 and sun > 0.0:
        spark = max(0.0, rx * light[6] + ry * light[7] + rz * light[8])
        spark = spark * spark * spark * spark
        spark = spark * spark * spark * spark
        spark = 1.2 * gloss * spark * spark
    for k in range(3):
        ambient = light[15 + k] * dome + bounce * (light[15 + k] + 0.3 * light[9 + k])
        value = surface[k] * (ambient + sun * light[9 + k]) * (1.0 - mirror)
        if mirror > 0.0:
            value += mirror * (0.35 + 0.65 * open_) * _reflected(light, rx, ry, rz, k)
        value += spark * light[9 + k] + surface[4] * surface[k] * (light[15] + 0.3 * light[9])
        out[k] = clear * value + (1.0 - clear) * light[19 + k]


@kernel
def shade_picture(
    seen: Ints, factor: int, focal: float, rows: Doubles, faces: Ints, face_material: Ints, uv: Doubles,
    normals: Doubles, kinds: Ints, numbers: Doubles, rotation: Doubles, position: Doubles, light: Light,
    sky_seed: int, near_map: Heights, near_frame: Doubles, far_map: Heights, far_frame: Doubles, above: Heights,
    above_frame: Doubles,
) -> NDArray[np.float32]:  # fmt: skip
    """Linear light (H, W, 3) of a picture, from the triangle seen at each of factor x factor samples a pixel.

    Every triangle is shaded once a pixel, at the mean of its samples, and counts as many samples as it has.
    focal: in samples.
    """
    height, width = seen.shape[0] // factor, seen.shape[1] // factor
    picture = np.empty((height, width, 3), np.float32)
    at, surface, out = np.empty(8), np.zeros(6), np.empty(3)
    total = np.empty(3)
    half_x, half_y = 0.5 * factor * width - 0.5, 0.5 * factor * height - 0.5
    pixel = factor / focal
    count = factor * factor
    done = np.empty(count, np.bool_)
    for j in range(height):
        for i in range(width):
            total[:] = 0.0
            done[:] = False
            for first in range(count):
                if done[first]:
                    continue
                t = seen[j * factor + first // factor, i * factor + first % factor]
                x, y, share = 0.0, 0.0, 0
                for other in range(first, count):
                    row, column = j * factor + other // factor, i * factor + other % factor
                    if seen[row, column] == t:
                        done[other] = True
                        x += column - half_x
                        y += half_y - row
                        share += 1
                x, y = x / share / focal, y / share / focal
                if t < 0:
                    dx = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0]
                    dy = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1]
                    dz = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2]
                    length = math.sqrt(dx * dx + dy * dy + dz * dz)
                    sky(light, dx / length, dy / length, dz / length, sky_seed, out)
                else:
                    _radiance(
                        t, x, y, pixel, rows, faces, face_material, uv, normals, kinds, numbers, rotation,
                        position, light, near_map, near_frame, far_map, far_frame, above, above_frame, at, surface,
                        out,
                    )  # fmt: skip
                for k in range(3):
                    total[k] += share * out[k]
            for k in range(3):
                picture[j, i, k] = total[k] / count
    return picture
