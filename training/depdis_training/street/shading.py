"""The light that leaves what each pixel sees, in linear colour."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.kernel import inner, kernel
from depdis_training.street.noise import hash01, layered, value_noise
from depdis_training.street.patterns import paint
from depdis_training.street.shadows import lit, open_sky
from depdis_training.street.sky import gradient, sky

Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Heights = NDArray[np.float32]
# The kernels get few arrays, because each costs time at every call: a triangle's record (25,) holds its ray
# functions 0:9, uv 9:15, normals 15:24, material 24; `view` holds the light (as `sky` says) and, behind it,
# the camera's axes 24:33 and position 33:36, the height maps' frames: near 36, far 48, above 60, and the
# softness of shadows in the first two 72:76.
RECORD = 25
_FOLIAGE = 11
_GLASS = 18


@kernel
def records(
    seen: Ints, rows: Doubles, faces: Ints, face_material: Ints, uv: Doubles, normals: Doubles
) -> Doubles:  # fmt: skip
    """(T, 25): what shading needs of every triangle that is seen."""
    table = np.empty((len(faces), RECORD))
    filled = np.zeros(len(faces), np.bool_)
    for t in seen.flat:
        if t < 0 or filled[t]:
            continue
        filled[t] = True
        table[t, :9] = rows[t]
        for i in range(3):
            corner = faces[t, i]
            for k in range(2):
                table[t, 9 + 2 * i + k] = uv[corner, k]
            for k in range(3):
                table[t, 15 + 3 * i + k] = normals[corner, k]
        table[t, 24] = face_material[t]
    return table


@inner
def _reflected(view: Doubles, dx: float, dy: float, dz: float, out: Doubles) -> None:
    """Fill out (3,) with what a mirror shows: sky above a rough skyline of dark fronts, the street below."""
    skyline = 0.05 + 0.5 * value_noise(3.0 * dx + 9.0, 3.0 * dz, 5)
    above = min(1.0, max(0.0, 0.5 + (dy - skyline) * 9.0))
    fronts = 0.06 + 0.28 * value_noise(9.0 * dx, 9.0 * dy, 6)
    for k in range(3):
        out[k] = above * gradient(view, dy, k) + (1.0 - above) * fronts * view[15 + k]


@inner
def _surroundings(
    view: Doubles, dx: float, dy: float, dz: float, u: float, v: float, seed: int, out: Doubles
) -> None:  # fmt: skip
    """Fill out (3,) with what a pane mirrors: the sky with clouds, trees, fronts with windows, the street.

    `seed` stands for where the vehicle is; u, v (metres on the pane) bend the picture a little.
    """
    level = 1.0 / math.sqrt(dx * dx + dz * dz + 1e-4)
    x, z = dx * level, dz * level
    up = dy * level + 0.1 * (value_noise(1.2 * u, 0.9 * v, seed + 1) - 0.5)
    kind = hash01(41, 0, seed)
    a, b = 3.3 * x + 0.6 * z, 3.3 * z - 0.6 * x
    i, j = math.floor(a), math.floor(b)
    front = (0.15 + 1.1 * hash01(i, j, seed + 2)) * (0.35 if kind < 0.3 else 1.0)
    crown = 1.5 * value_noise(2.3 * x, 2.3 * z, seed + 3) - (0.75 if kind > 0.7 else 0.35)
    leaves = value_noise(17.0 * x + 3.0 * up, 17.0 * z + 14.0 * up, seed + 4)
    leaves = 0.5 * leaves + 0.5 * value_noise(43.0 * (x + 0.6 * z), 43.0 * up, seed + 5)
    if up < 0.03:
        tone = 0.08 + 0.12 * value_noise(5.0 * x, 5.0 * z, seed + 6) + 0.2 * max(0.0, -dy)
        for k in range(3):
            out[k] = tone * view[15 + k]
    elif up < crown + 1.1 * (leaves - 0.5) and leaves > 0.34:
        tone = 0.02 + 0.26 * leaves * leaves
        out[0], out[1], out[2] = tone * 0.85 * view[15], tone * view[16], tone * 0.65 * view[17]
    elif up < front:
        tone = 0.08 + 0.4 * hash01(i, j, seed + 7)
        warm = 0.3 * hash01(i, j, seed + 8)
        cell_a, cell_up = a * 5.0, up * 7.0
        if abs(cell_a - math.floor(cell_a) - 0.5) < 0.24 and abs(cell_up - math.floor(cell_up) - 0.5) < 0.3:
            tone *= 0.3
        out[0], out[1], out[2] = (
            tone * view[15],
            tone * (1.0 - 0.5 * warm) * view[16],
            tone * (1.0 - warm) * view[17],
        )
    else:
        cloud = 0.8 + 0.5 * view[12] * value_noise(2.0 * x, 3.0 * up, seed + 9)
        for k in range(3):
            out[k] = cloud * gradient(view, dy, k)


@inner
def _interpolated(table: Doubles, t: int, x: float, y: float, at: Doubles) -> None:
    """Fill at: depth, u, v, a pixel's extent in u and v per ray unit, normal (world)."""
    a = table[t, 0] * x + table[t, 1] * y + table[t, 2]
    b = table[t, 3] * x + table[t, 4] * y + table[t, 5]
    c = table[t, 6] * x + table[t, 7] * y + table[t, 8]
    depth = 1.0 / (a + b + c)
    a, b, c = a * depth, b * depth, c * depth
    at[0] = depth
    for k in range(2):
        p, q, r = table[t, 9 + k], table[t, 11 + k], table[t, 13 + k]
        s = a * p + b * q + c * r
        at[1 + k] = s
        across = (p - s) * table[t, 0] + (q - s) * table[t, 3] + (r - s) * table[t, 6]
        down = (p - s) * table[t, 1] + (q - s) * table[t, 4] + (r - s) * table[t, 7]
        at[3 + k] = (abs(across) + abs(down)) * depth
    for k in range(3):
        at[5 + k] = a * table[t, 15 + k] + b * table[t, 18 + k] + c * table[t, 21 + k]


@inner
def _towards_viewer(at: Doubles, dx: float, dy: float, dz: float) -> None:
    """Make the normal a unit vector that faces the viewer."""
    length = math.sqrt(at[5] * at[5] + at[6] * at[6] + at[7] * at[7]) + 1e-12
    if at[5] * dx + at[6] * dy + at[7] * dz > 0.0:
        length = -length
    for k in range(5, 8):
        at[k] /= length


@inner
def _ruffled(at: Doubles, px: float, py: float, pz: float, size: float, footprint: float, seed: int) -> None:
    """Give foliage a ragged surface, lit a little from above."""
    at[5] += 1.1 * layered(px, py + pz, size, 2, footprint, seed)
    at[6] += 1.1 * layered(px + 7.7, py - pz, size, 2, footprint, seed + 50) + 0.25
    at[7] += 1.1 * layered(pz, py - px, size, 2, footprint, seed + 90)
    norm = math.sqrt(at[5] * at[5] + at[6] * at[6] + at[7] * at[7]) + 1e-9
    for k in range(5, 8):
        at[k] /= norm


@inner
def _sunlight(
    at: Doubles, px: float, py: float, pz: float, view: Doubles, near: Heights, far: Heights
) -> float:
    """The share of the sun that reaches a point, before the angle is counted."""
    lift = 0.06
    share = lit(
        near, view, 36, px + lift * (at[5] + view[6]), py + lift * (at[6] + view[7]),
        pz + lift * (at[7] + view[8]), view[72], view[73],
    )  # fmt: skip
    if share >= 0.0:
        return share
    lift = 0.3
    share = lit(
        far, view, 48, px + lift * (at[5] + view[6]), py + lift * (at[6] + view[7]),
        pz + lift * (at[7] + view[8]), view[74], view[75],
    )  # fmt: skip
    return share if share >= 0.0 else 1.0


@inner
def _radiance(
    table: Doubles, t: int, x: float, y: float, pixel: float, materials: Doubles, view: Doubles, near: Heights,
    far: Heights, above: Heights, at: Doubles, surface: Doubles, n: Doubles, out: Doubles,
) -> None:  # fmt: skip
    """Fill out (3,) with the light from triangle t along the ray (x, y, 1)."""
    _interpolated(table, t, x, y, at)
    depth = at[0]
    dx = view[24] * x + view[27] * y + view[30]
    dy = view[25] * x + view[28] * y + view[31]
    dz = view[26] * x + view[29] * y + view[32]
    px, py, pz = view[33] + depth * dx, view[34] + depth * dy, view[35] + depth * dz
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx / length, dy / length, dz / length
    _towards_viewer(at, dx, dy, dz)
    material = int(table[t, 24])
    for k in range(12):
        n[k] = materials[material, k]
    pattern, seed = int(materials[material, 12]), int(materials[material, 14])
    fu, fv = max(at[3] * pixel, 1e-5), max(at[4] * pixel, 1e-5)
    paint(pattern, surface, n, at[1], at[2], fu, fv, seed)
    through = 0.0
    if pattern == _FOLIAGE:  # light comes through leaves
        _ruffled(at, px, py, pz, max(0.4, min(n[6], 1.0)), 0.7 * depth * pixel, seed)
        clumps = 1.0 + 1.1 * layered(px + 0.3 * pz, py + 0.4 * pz, 1.7, 3, 0.7 * depth * pixel, 61)
        for k in range(3):
            surface[k] *= max(0.2, clumps)
        through = 0.25
    gloss = surface[3]
    if view[23] > 0.0 and at[6] > 0.8:  # wet ground: darker, and it mirrors where water stands
        puddle = view[23] * min(1.0, max(0.0, 0.25 + 2.5 * layered(px, pz, 3.0, 3, 0.5 * max(fu, fv), 40)))
        gloss = max(gloss, puddle)
        for k in range(3):
            surface[k] *= 1.0 - 0.45 * view[23]
    facing = at[5] * view[6] + at[6] * view[7] + at[7] * view[8]
    sun = max(0.0, facing) * (1.0 - through) + through * 0.6
    if sun > 0.0 and view[9] > 0.0:
        sun *= _sunlight(at, px, py, pz, view, near, far)
    side = 0.7 * (1.0 - abs(at[6]))
    free = open_sky(above, view, 60, px + side * at[5], py, pz + side * at[7])
    if pattern == _FOLIAGE:  # what hangs above a leaf lets light through
        free = 0.4 + 0.6 * free
    # The sky is not evenly bright: more of its light comes from the sun's side, even through clouds.
    dome = (0.62 + 0.38 * at[6] + 0.22 * (at[5] * view[6] + at[7] * view[8])) * free
    bounce = 0.10 * (1.0 - at[6]) * free
    mirror, spark = 0.0, 0.0
    if gloss > 0.0:
        cosine = -(at[5] * dx + at[6] * dy + at[7] * dz)
        grazing = 1.0 - max(0.0, cosine)
        mirror = min(0.9, gloss * (0.14 + 0.86 * grazing * grazing * grazing * grazing))
        rx, ry, rz = dx + 2.0 * cosine * at[5], dy + 2.0 * cosine * at[6], dz + 2.0 * cosine * at[7]
        if pattern == _GLASS:
            _surroundings(view, rx, ry, rz, at[1], at[2], seed, out)
        else:
            _reflected(view, rx, ry, rz, out)
        spark = max(0.0, rx * view[6] + ry * view[7] + rz * view[8]) ** 2
        spark *= spark
        spark *= spark
        spark *= spark
        spark *= 1.2 * min(1.0, gloss) * sun * spark
    clear = math.exp(-view[18] * depth * length)
    for k in range(3):
        ambient = view[15 + k] * dome + bounce * (view[15 + k] + 0.3 * view[9 + k])
        value = surface[k] * (ambient + sun * view[9 + k]) * (1.0 - mirror)
        if mirror > 0.0:
            value += mirror * (0.35 + 0.65 * free) * out[k] + spark * view[9 + k]
        value += surface[4] * surface[k] * (view[15] + 0.3 * view[9])
        out[k] = clear * value + (1.0 - clear) * view[19 + k]


@kernel
def shade_picture(
    seen: Ints, factor: int, focal: float, table: Doubles, materials: Doubles, view: Doubles, sky_seed: int,
    near: Heights, far: Heights, above: Heights,
) -> NDArray[np.float32]:  # fmt: skip
    """Linear light (H, W, 3) of a picture, from the triangle seen at each of factor x factor samples a pixel.

    Every triangle is shaded once a pixel, at the mean of its samples, and counts as many samples as it has.
    focal: in samples.
    """
    picture = np.empty((seen.shape[0] // factor, seen.shape[1] // factor, 3), np.float32)
    at, surface, n, out, total = np.empty(8), np.zeros(6), np.empty(12), np.empty(3), np.empty(3)
    done = np.empty(factor * factor, np.bool_)
    _shade(
        picture, seen, factor, focal, table, materials, view, sky_seed, near, far, above, at, surface, n, out,
        total, done,
    )  # fmt: skip
    return picture


@inner
def _shade(
    picture: Heights, seen: Ints, factor: int, focal: float, table: Doubles, materials: Doubles, view: Doubles,
    sky_seed: int, near: Heights, far: Heights, above: Heights, at: Doubles, surface: Doubles, n: Doubles,
    out: Doubles, total: Doubles, done: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Fill picture; the last six arrays are to work in."""
    height, width = picture.shape[:2]
    half_x, half_y = 0.5 * factor * width - 0.5, 0.5 * factor * height - 0.5
    pixel = factor / focal
    count = factor * factor
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
                    dx = view[24] * x + view[27] * y + view[30]
                    dy = view[25] * x + view[28] * y + view[31]
                    dz = view[26] * x + view[29] * y + view[32]
                    length = math.sqrt(dx * dx + dy * dy + dz * dz)
                    sky(view, dx / length, dy / length, dz / length, sky_seed, out)
                else:
                    _radiance(
                        table, t, x, y, pixel, materials, view, near, far, above, at, surface, n, out
                    )  # fmt: skip
                for k in range(3):
                    total[k] += share * out[k]
            for k in range(3):
                picture[j, i, k] = total[k] / count
