"""What is painted on a road, and what has been mended in it. Street coordinates; all of it is labelled road."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.classes import ROAD
from depdis_training.street.layout import Layout
from depdis_training.street.mesh import Builder, Material, Rgb
from depdis_training.street.palette import Palette, pick
from depdis_training.street.surfaces import quads

Rects = NDArray[np.float64]
_PATCH, _PAINT = 0.004, 0.008  # heights over the tarmac, so that the painted lies above the mended


def rects(x0: object, x1: object, z0: object, z1: object, y: float = _PAINT) -> Rects:
    """Flat rectangles (N, 4, 3) facing up; the arguments broadcast."""
    a, b, c, d = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (x0, x1, z0, z1)))
    high = np.full(a.size, y)
    corners = [(a, c), (b, c), (b, d), (a, d)]
    return np.stack([np.stack([x.ravel(), high, z.ravel()], -1) for x, z in corners], axis=1)


def _dashes(x: float, width: float, z0: float, z1: float, on: float, off: float) -> Rects:
    starts = np.arange(z0, z1, on + off)
    return rects(x - width / 2, x + width / 2, starts, np.minimum(starts + on, z1))


def _stroke(points: list[tuple[float, float]], width: float) -> Rects:
    """A polyline (x, z) as thick segments."""
    line = np.asarray(points, np.float64)
    a, b = line[:-1], line[1:]
    along = (b - a) / np.maximum(np.linalg.norm(b - a, axis=1, keepdims=True), 1e-9)
    side = np.stack([-along[:, 1], along[:, 0]], 1) * width / 2
    corners = np.stack([a - side, b - side, b + side, a + side], axis=1)
    return np.stack([corners[..., 0], np.full(corners.shape[:2], _PAINT), corners[..., 1]], -1)


def _ring(x: float, z: float, rx: float, rz: float, width: float) -> Rects:
    angle = np.linspace(0, 2 * math.pi, 13)
    return _stroke([(x + rx * math.cos(t), z + rz * math.sin(t)) for t in angle], width)


def _arrow(x: float, z: float, length: float, direction: int, turn: int = 0) -> list[Rects]:
    """An arrow on the road, pointing along +z for direction 1; turn -1 left, +1 right."""
    tip, neck = z + direction * length, z + direction * length * 0.6
    if turn:
        head_x = x + turn * 0.9
        bend = [(x, z), (x, neck), (head_x - turn * 0.3, z + direction * length * 0.8)]
        head = np.array([[head_x - turn * 0.4, neck + direction * length * 0.4],
                         [head_x - turn * 0.4, neck], [head_x + turn * 0.4, z + direction * length * 0.85],
                         [head_x + turn * 0.4, z + direction * length * 0.85]])  # fmt: skip
        shaft = _stroke(bend, 0.16)
    else:
        head = np.array([[x - 0.35, neck], [x + 0.35, neck], [x, tip], [x, tip]])
        shaft = _stroke([(x, z), (x, neck)], 0.16)
    flat = np.stack([head[:, 0], np.full(4, _PAINT), head[:, 1]], -1)[None]
    return [shaft, flat]


def _bicycle_symbol(x: float, z: float, size: float) -> list[Rects]:
    """A bicycle seen from the side, as painted on cycle lanes."""
    wheel = 0.36 * size
    frame = [(x - 0.6 * size, z), (x - 0.2 * size, z + 0.9 * size), (x + 0.45 * size, z + 0.9 * size),
             (x, z), (x - 0.2 * size, z + 0.9 * size)]  # fmt: skip
    return [
        _ring(x - 0.6 * size, z, wheel, wheel * 1.6, 0.08),
        _ring(x + 0.6 * size, z, wheel, wheel * 1.6, 0.08),
        _stroke(frame, 0.08),
        _stroke(
            [(x + 0.6 * size, z), (x + 0.4 * size, z + 1.3 * size), (x + 0.15 * size, z + 1.3 * size)], 0.08
        ),
    ]


def _letters(rng: np.random.Generator, x: float, z: float, count: int) -> list[Rects]:
    """Capitals stretched along the road, as a driver sees them."""
    shapes = (
        [(0, 0), (0, 1), (1, 1)], [(1, 0), (0, 0), (0, 1), (1, 1)], [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)],
        [(1, 1), (0, 1), (0, 0.5), (1, 0.5), (1, 0), (0, 0)], [(0, 1), (0.25, 0), (0.5, 1), (0.75, 0), (1, 1)],
    )  # fmt: skip
    width, gap, length = 0.42, 0.68, 1.8
    strokes = []
    for i in range(count):
        left = x + (i - count / 2) * gap
        shape = shapes[int(rng.integers(len(shapes)))]
        strokes.append(_stroke([(left + px * width, z + pz * length) for px, pz in shape], 0.1))
    return strokes


def _lane_lines(rng: np.random.Generator, layout: Layout) -> tuple[list[Rects], list[Rects]]:
    """(white, yellow) lines along the road: between the lanes and at the kerbs."""
    white: list[Rects] = []
    yellow: list[Rects] = []
    z0, z1 = layout.start, layout.end
    width = float(rng.uniform(0.09, 0.17))
    on = float(rng.uniform(1.5, 6))
    off = on * float(rng.uniform(0.5, 2.2))
    for lane in range(1, layout.lanes):
        x = (lane - layout.lanes / 2) * layout.lane_width
        centre = lane * 2 == layout.lanes
        kind = rng.choice(
            ["dashed", "solid", "double", "none"], p=[0.6, 0.12, 0.1, 0.18] if centre else [0.9, 0.1, 0, 0]
        )
        target = yellow if centre and kind != "none" and rng.random() < 0.15 else white
        if kind == "dashed":
            target.append(_dashes(x, width, z0 + rng.uniform(0, 4), z1, on, off))
        elif kind != "none":
            for shift in (0.0,) if kind == "solid" else (-0.14, 0.14):
                target.append(_dashes(x + shift, width, z0, z1, 6.0, 0.0))
    for side in layout.sides:
        edge = side.sign * side.kerb
        draw = rng.random()
        if side.parking and draw < 0.6:  # bays
            x = edge - side.sign * 2.1
            white.append(_dashes(x, 0.1, z0, z1, 6.0, 0.0 if draw < 0.3 else 1.0))
            spots = np.arange(z0, z1, 6.0)
            white.append(rects(min(x, edge), max(x, edge), spots, spots + 0.1))
        elif not side.parking and draw < 0.35:
            for shift in (0.25, 0.45)[: int(rng.integers(1, 3))]:
                yellow.append(_dashes(edge - side.sign * shift, 0.08, z0, z1, 6.0, 0.0))
        elif not side.parking and draw < 0.5:
            white.append(_dashes(edge - side.sign * 0.3, width, z0, z1, 6.0, float(rng.choice([0.0, 3.0]))))
    return white, yellow


def _signs_on_road(rng: np.random.Generator, layout: Layout) -> list[Rects]:
    """Crossing stripes, stop lines, arrows, symbols and words, in white."""
    painted: list[Rects] = []
    left, right = -layout.left.kerb, layout.right.kerb
    if layout.crossing is not None:
        z = layout.crossing
        if rng.random() < 0.6:
            stripes = np.arange(left + 0.3, right - 0.3, 1.0)
            painted.append(rects(stripes, stripes + 0.5, z, z + rng.uniform(2.4, 4)))
        else:
            studs = np.arange(left + 0.2, right - 0.2, 0.5)
            painted += [rects(studs, studs + 0.12, z + shift, z + shift + 0.12) for shift in (0.0, 2.6)]
        ends = (left + 0.2, 0.1) if layout.drive_sign < 0 else (0.1, right - 0.2)
        painted.append(rects(*ends,
                             z - 1.9, z - 1.6))  # fmt: skip
    for lane in range(layout.lanes):
        x = (lane + 0.5 - layout.lanes / 2) * layout.lane_width
        direction = 1 if x * layout.drive_sign > 0 or layout.lanes == 1 else -1
        z = float(rng.uniform(3, 14))
        draw = rng.random()
        if draw < 0.16:
            for step in range(int(rng.integers(1, 4))):
                painted += _arrow(
                    x, z + 9 * step, rng.uniform(2.2, 4), direction, int(rng.choice([-1, 0, 0, 1]))
                )
        elif draw < 0.26:
            painted += _bicycle_symbol(x, z, rng.uniform(0.6, 1.1))
        elif draw < 0.33:
            painted += _letters(rng, x, z, int(rng.integers(3, 5)))
    for side in layout.sides:  # give-way lines at the mouths of side streets
        for before, after in zip(side.blocks, side.blocks[1:], strict=False):
            if before.corner1 and rng.random() < 0.7:
                x = side.sign * (side.kerb + 0.3)
                painted.append(
                    _dashes(x, 0.2, before.z1 + 0.3, after.z0 - 0.3, 0.6, float(rng.choice([0.3, 0.0])))
                )
    return painted


def _box_junction(rng: np.random.Generator, layout: Layout) -> list[Rects]:
    gaps = [
        (b.z1, a.z0) for s in layout.sides for b, a in zip(s.blocks, s.blocks[1:], strict=False) if b.corner1
    ]
    gaps = [gap for gap in gaps if gap[0] > 3]
    if not gaps or rng.random() > 0.25:
        return []
    z0, z1 = gaps[0]
    x0, x1 = -layout.left.kerb + 0.3, layout.right.kerb - 0.3
    painted = [_stroke([(x0, z0), (x1, z0), (x1, z1), (x0, z1), (x0, z0)], 0.15)]
    for along in np.linspace(-1, 1, 11)[1:-1]:
        for flip in (1, -1):
            a, b = max(-1.0, -1.0 + 2 * along), min(1.0, 1.0 + 2 * along)
            ends = [
                ((s * flip + 1) / 2 * (x1 - x0) + x0, (s - 2 * along + 1) / 2 * (z1 - z0) + z0) for s in (a, b)
            ]
            painted.append(_stroke(ends, 0.1))
    return painted


def _mended(rng: np.random.Generator, layout: Layout) -> list[Rects]:
    """Patches and trenches."""
    count = int(rng.integers(0, 9))
    x = rng.uniform(-layout.left.kerb, layout.right.kerb - 1, count)
    z = rng.uniform(-4, 45, count)
    wide, long = rng.uniform(0.4, 2.5, count), rng.uniform(0.6, 5, count)
    patches = [rects(x, np.minimum(x + wide, layout.right.kerb), z, z + long, _PATCH)]
    if rng.random() < 0.35:
        at = float(rng.uniform(-layout.left.kerb + 0.4, layout.right.kerb - 1))
        patches.append(
            rects(at, at + rng.uniform(0.3, 0.9), np.arange(-12, 84, 6), np.arange(-6, 90, 6), _PATCH)
        )
    if rng.random() < 0.25:
        at = float(rng.uniform(0, 40))
        patches.append(rects(-layout.left.kerb, layout.right.kerb, at, at + rng.uniform(0.4, 12), _PATCH))
    return patches


def _blend(over: Rgb, under: Rgb, share: float) -> Rgb:
    red, green, blue = (share * a + (1 - share) * b for a, b in zip(over, under, strict=True))
    return (red, green, blue)


def add_markings(
    builder: Builder, rng: np.random.Generator, layout: Layout, palette: Palette, tarmac: Rgb
) -> None:
    """Everything painted on and mended in the road of a layout; `tarmac` shows through worn paint."""
    white, yellow = _lane_lines(rng, layout) if layout.style != "country" or rng.random() < 0.5 else ([], [])
    white += _signs_on_road(rng, layout)
    yellow += _box_junction(rng, layout)
    worn = float(rng.uniform(0.45, 1.0))
    gold = palette.marking[-1]
    for painted, colour in ((white, pick(rng, palette.marking[:-1])), (yellow, gold)):
        if painted:
            paint = Material(
                ROAD,
                _blend(colour, tarmac, worn),
                "noise",
                _blend(colour, tarmac, worn * 0.5),
                scale=0.5,
                grain=0.12,
            )
            quads(builder, np.concatenate(painted), paint)
    dark = Material(ROAD, _blend(tarmac, (20, 20, 20), float(rng.uniform(0.6, 0.95))), "asphalt", grain=0.08)
    light = Material(
        ROAD, _blend(tarmac, (210, 205, 195), float(rng.uniform(0.75, 0.97))), "asphalt", grain=0.08
    )
    for patch in _mended(rng, layout):
        quads(builder, patch, dark if rng.random() < 0.6 else light)
    for side in layout.sides:
        if rng.random() < 0.09 and not side.parking:  # a cycle or bus lane of its own colour
            lane = _dashes(side.sign * (side.kerb - 0.9), 1.6, layout.start, layout.end, 6.0, 0.0) - [
                0,
                0.005,
                0,
            ]
            tint = (150.0, 60.0, 50.0) if rng.random() < 0.6 else (60.0, 110.0, 80.0)
            quads(builder, lane, Material(ROAD, _blend(tint, tarmac, 0.6), "asphalt", grain=0.08))
    count = int(rng.integers(0, 5))
    x = rng.uniform(-layout.left.kerb + 0.3, layout.right.kerb - 0.9, count)
    z = rng.uniform(2, 40, count)
    lid = Material(ROAD, _blend((70, 66, 62), tarmac, 0.6), "checker", (40.0, 38.0, 36.0), scale=0.1)
    quads(builder, rects(x, x + 0.6, z, z + rng.uniform(0.4, 0.7), _PATCH + 0.002), lid)
