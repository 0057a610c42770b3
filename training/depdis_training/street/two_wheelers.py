"""Bicycles, motorcycles and scooters, parked or ridden."""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

import numpy as np

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street.figures import Joints, draw_outfit, dress, limb
from depdis_training.street.mesh import Builder, Material, Mesh, Rgb
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import (
    Floats,
    Unit,
    boxes,
    copies,
    ellipsoids,
    grid_faces,
    revolved,
    sweep,
    tubes,
)

RIDER = CITYSCAPES_16.index("rider")
BICYCLE = CITYSCAPES_16.index("bicycle")
MOTORCYCLE = CITYSCAPES_16.index("motorcycle")

_WHEEL = 0.34


def bicycle(
    rng: np.random.Generator, palette: Palette, *, rider: bool = True, dark: float = 0.6,
    phase: float | None = None, detail: float = 1.0,
) -> Mesh:  # fmt: skip
    """A bicycle 1.75 m long, upright, facing +z; ridden or alone.

    dark: share of riders in dark clothes, as most are in winter; a tenth wear high-visibility jackets.
    phase: of the pedals, 0..1; None draws it.
    """
    turn = 2 * math.pi * (float(rng.random()) if phase is None else phase)
    builder = Builder()
    sporty = rng.random() < 0.4
    colours: tuple[Rgb, ...] = ((24, 24, 26), (30, 30, 34), (190, 192, 194), (150, 24, 28), (30, 60, 120))
    frame = Material(BICYCLE, pick(rng, (*colours, *palette.car)), gloss=0.25, grain=0.03)
    dark_parts = Material(BICYCLE, (24, 24, 26), grain=0.05)
    metal = Material(BICYCLE, (128, 130, 132), gloss=0.3, grain=0.05)
    _bicycle_wheels(builder, dark_parts, metal, detail)
    bar_y = 0.98 if sporty else 1.08
    _bicycle_frame(builder, frame, dark_parts, metal, bar_y, sporty, low_step=rng.random() < 0.3)
    crank = np.array([0.0, math.sin(turn), math.cos(turn)]) * 0.17
    pedals = np.array([[-0.14, 0.28, 0.0], [0.14, 0.28, 0.0]])
    pedals[0] += crank
    pedals[1] -= crank
    roots = pedals * [0.4, 0.0, 0.0] + [0.0, 0.28, 0.0]
    tubes(builder, roots, pedals * [0.55, 1, 1], 0.012, metal, sides=4)
    boxes(builder, pedals - [0.05, 0.012, 0.045], pedals + np.array([0.05, 0.012, 0.045]), dark_parts)
    _luggage(builder, rng, palette)
    if rider:
        outfit = draw_outfit(
            rng, palette, RIDER, dark=dark, bright=0.12, coat=0.12, helmet=bool(rng.random() < 0.4)
        )  # fmt: skip
        height = float(np.clip(rng.normal(1.73, 0.08), 1.55, 1.9))
        lean = float(rng.uniform(0.3, 0.5) if sporty else rng.uniform(0.08, 0.28))
        joints = seated_joints(
            np.array([0.0, 0.985, -0.24]), lean, height,
            hands=np.array([[-0.25, bar_y + 0.02, 0.34], [0.25, bar_y + 0.02, 0.34]]),
            feet=pedals + np.array([0, 0.09, -0.05]),
        )  # fmt: skip
        dress(builder, joints, outfit, detail=detail)
        if rng.random() < 0.3:
            middle = (joints.chest + joints.neck) / 2 + np.array([0.0, 0.03, -0.2])
            ellipsoids(builder, [middle], (0.16, 0.22, 0.12), outfit.bag, rings=5, sides=8)
    return builder.build()


def motorcycle(
    rng: np.random.Generator, palette: Palette, *, rider: bool = True,
    kind: Literal["motorcycle", "scooter"] | None = None, detail: float = 1.0,
) -> Mesh:  # fmt: skip
    """A motorcycle or scooter about 2 m long, upright, facing +z; kind None draws one."""
    if kind is None:
        kind = "motorcycle" if rng.random() < 0.6 else "scooter"
    scooter = kind == "scooter"
    builder = Builder()
    paint = Material(MOTORCYCLE, pick(rng, palette.car), gloss=0.35, grain=0.03)
    black = Material(MOTORCYCLE, (26, 26, 28), gloss=0.05, grain=0.05)
    metal = Material(MOTORCYCLE, (118, 120, 122), gloss=0.4, grain=0.08)
    radius = 0.23 if scooter else 0.31
    reach = 0.62 if scooter else 0.7
    _motor_wheels(builder, radius, reach, black, metal, detail)
    if scooter:
        _scooter_body(builder, paint, black, radius, reach)
    else:
        _motorcycle_body(builder, paint, black, metal, radius, reach)
    bar_y, bar_z = (1.02, 0.36) if scooter else (1.0, 0.38)
    bars = np.array([[-0.35, bar_y, bar_z - 0.06], [0.35, bar_y, bar_z - 0.06]])
    tubes(
        builder, [bars[0], bars[1]], [[0, bar_y - 0.02, bar_z], [0, bar_y - 0.02, bar_z]], 0.02, black, sides=4
    )
    mirrors = bars * [0.9, 1, 1] + [0.0, 0.17, 0.0]
    ellipsoids(builder, mirrors, (0.065, 0.045, 0.02), black, rings=3, sides=6)
    lamp = Material(MOTORCYCLE, (220, 222, 226), gloss=0.3, emission=0.4 if rng.random() < 0.5 else 0.05)
    ellipsoids(builder, [[0, bar_y - 0.12, bar_z + 0.14]], (0.09, 0.09, 0.06), lamp, rings=4, sides=7)
    red = Material(MOTORCYCLE, (150, 20, 20), emission=0.15)
    ellipsoids(builder, [[0, 0.78, -0.82 if scooter else -0.86]], (0.08, 0.05, 0.04), red, rings=3, sides=6)
    board = Material(MOTORCYCLE, (224, 190, 70), pattern="sign_text", colour2=(30, 30, 34), scale=0.22)
    boxes(builder, [[-0.1, 0.52, -0.9]], [[0.1, 0.68, -0.885]], board)
    if rng.random() < 0.25:
        boxes(builder, [[-0.2, 0.8, -0.92]], [[0.2, 1.12, -0.55]], black)
    if rider:
        outfit = draw_outfit(rng, palette, RIDER, dark=0.75, bright=0.12, coat=0.0, helmet=True)
        feet = np.array([[-0.17, 0.32, -0.05], [0.17, 0.32, -0.05]])
        if scooter:
            feet = np.array([[-0.12, 0.36, 0.12], [0.12, 0.36, 0.12]])
        joints = seated_joints(
            np.array([0.0, 0.86, -0.25]), 0.1 if scooter else 0.24, float(rng.uniform(1.65, 1.88)), hands=bars,
            feet=feet,
        )  # fmt: skip
        dress(builder, joints, outfit, detail=detail)
    return builder.build()


def seated_joints(hips: Floats, lean: float, height: float, *, hands: Floats, feet: Floats) -> Joints:
    """Somebody astride a saddle at `hips`, leaning forwards by `lean` radians; hands, feet (2, 3)."""
    s = height / 1.75
    spine = np.array([0.0, math.cos(lean), math.sin(lean)])
    hips = hips + np.array([0.0, 0.06, 0.0])
    chest = hips + spine * 0.28 * s
    neck = hips + (spine * 0.56 + np.array([0.0, -0.01, 0.02])) * s
    head = neck + np.array([0.0, 0.155, 0.06 + 0.03 * lean]) * s
    signs = np.array([-1.0, 1.0])
    hip = np.stack([hips + np.array([0.085 * sign * s, -0.05, 0.0]) for sign in signs])
    shoulder = np.stack([neck + np.array([0.168 * sign * s, -0.085 * s, 0.0]) for sign in signs])
    knee = np.stack(
        [limb(hip[i], feet[i], 0.43 * s, 0.43 * s, np.array([0.12 * signs[i], 0.5, 1.0])) for i in (0, 1)]
    )
    reach = []
    for i in (0, 1):
        line = hands[i] - shoulder[i]
        distance = float(np.linalg.norm(line))
        reach.append(shoulder[i] + line * min(1.0, 0.575 * s / distance))
    hand = np.stack(reach)
    elbow = np.stack(
        [
            limb(shoulder[i], hand[i], 0.29 * s, 0.29 * s, np.array([0.55 * signs[i], -1.0, -0.4]))
            for i in (0, 1)
        ]
    )
    toe = feet + np.array([0.0, -0.05, 0.14])
    return Joints(hips, chest, neck, head, hip, knee, feet, toe, shoulder, elbow, hand, height)


@cache
def _torus(thickness: float, around: int, sides: int) -> Unit:
    """A ring of radius 1 about the x axis."""
    angle = np.arange(around + 1) * (2 * math.pi / around)
    turn = np.arange(sides + 1) * (2 * math.pi / sides)
    radius = 1.0 - thickness + thickness * np.cos(turn)
    y, z = np.cos(angle)[:, None] * radius, np.sin(angle)[:, None] * radius
    x = np.broadcast_to(thickness * np.sin(turn), y.shape)
    normals = np.stack(
        [
            np.broadcast_to(np.sin(turn), y.shape), np.cos(angle)[:, None] * np.cos(turn),
            np.sin(angle)[:, None] * np.cos(turn),
        ], -1,
    )  # fmt: skip
    uv = np.stack(np.broadcast_arrays(turn[None] * thickness, angle[:, None]), -1)
    points = np.stack([x, y, z], -1).reshape(-1, 3)
    return Unit(points, normals.reshape(-1, 3), uv.reshape(-1, 2), grid_faces(around + 1, sides + 1))


def _bicycle_wheels(builder: Builder, tyre: Material, metal: Material, detail: float) -> None:
    around = 18 if detail > 0.6 else 12
    centres = np.array([[0.0, _WHEEL, 0.52], [0.0, _WHEEL, -0.5]])
    copies(builder, _torus(0.055, around, 4), centres, _WHEEL, tyre)
    spokes = Material(BICYCLE, metal.colour, holes="spokes", scale=_WHEEL * 0.93, coverage=0.6, gloss=0.3)
    copies(builder, revolved(((0.0, 1.0), (0.0, 0.0)), around), centres, _WHEEL * 0.93, spokes)


def _bicycle_frame(
    builder: Builder,
    frame: Material,
    dark: Material,
    metal: Material,
    bar_y: float,
    sporty: bool,
    low_step: bool,
) -> None:
    bracket, axle, hub = (0.0, 0.28, 0.0), (0.0, _WHEEL, -0.5), (0.0, _WHEEL, 0.52)
    seat, head_low, head_top = (0.0, 0.76, -0.17), (0.0, 0.66, 0.38), (0.0, 0.82, 0.33)
    top_start = (0.0, 0.45, -0.05) if low_step else seat
    pairs = [
        (bracket, seat), (bracket, head_low), (top_start, head_top), (head_low, head_top),
        ((-0.05, *axle[1:]), (-0.02, *seat[1:])), ((0.05, *axle[1:]), (0.02, *seat[1:])),
        ((-0.05, *axle[1:]), bracket), ((0.05, *axle[1:]), bracket),
        ((-0.05, *hub[1:]), (-0.03, *head_low[1:])), ((0.05, *hub[1:]), (0.03, *head_low[1:])),
    ]  # fmt: skip
    tubes(builder, [a for a, _ in pairs], [b for _, b in pairs], [0.018] * 4 + [0.011] * 6, frame, sides=5)
    bars = [
        ((0.0, 0.8, 0.33), (0.0, bar_y, 0.36 if sporty else 0.28)),
        ((0.0, 0.74, -0.165), (0.0, 0.95, -0.23)),
    ]
    across = [((-0.27, bar_y, 0.34), (0.0, bar_y, 0.36 if sporty else 0.28)),
              ((0.27, bar_y, 0.34), (0.0, bar_y, 0.36 if sporty else 0.28))]  # fmt: skip
    if sporty:
        across += [((s * 0.25, bar_y, 0.36), (s * 0.25, bar_y - 0.12, 0.42)) for s in (-1, 1)]
    lines = bars + across
    tubes(builder, [a for a, _ in lines], [b for _, b in lines], 0.014, metal if not sporty else dark, sides=4)
    ellipsoids(builder, [[0.0, 0.97, -0.25]], (0.075, 0.035, 0.14), dark, rings=3, sides=7)
    copies(builder, revolved(((0.0, 1.0), (0.0, 0.0)), 9), [[0.06, 0.28, 0.0]], 0.1, dark)
    if not sporty:  # mudguards
        for z in (-0.5, 0.52):
            turn = np.linspace(-0.4, 2.4, 7) if z < 0 else np.linspace(0.6, 2.2, 6)
            path = np.stack([0 * turn, _WHEEL + 0.375 * np.sin(turn), z + 0.375 * np.cos(turn) * np.sign(z)], 1)
            sweep(builder, path, np.tile([0.03, 0.006], (len(turn), 1)), dark, sides=4, facing=(1.0, 0.0, 0.0))


def _luggage(builder: Builder, rng: np.random.Generator, palette: Palette) -> None:
    """A basket, a carrier, panniers, a rear lamp; each on some bicycles."""
    cloth = Material(BICYCLE, pick(rng, palette.clothes), pattern="cloth", scale=0.08)
    if rng.random() < 0.2:
        wicker = Material(
            BICYCLE, (112, 84, 54), pattern="stripes", scale=0.05, colour2=(70, 52, 36), grain=0.2
        )
        boxes(builder, [[-0.18, 0.78, 0.42]], [[0.18, 1.0, 0.68]], wicker)
    if rng.random() < 0.35:
        dark = Material(BICYCLE, (34, 34, 36))
        boxes(builder, [[-0.06, 0.74, -0.82]], [[0.06, 0.76, -0.3]], dark)
        if rng.random() < 0.4:
            sides = rng.integers(1, 3)
            lows, highs = (
                np.array([[0.07, 0.38, -0.78], [-0.21, 0.38, -0.78]]),
                np.array([[0.21, 0.74, -0.42], [-0.07, 0.74, -0.42]]),
            )
            boxes(builder, lows[:sides], highs[:sides], cloth)
    lamp = Material(BICYCLE, (200, 24, 20), emission=0.6 if rng.random() < 0.4 else 0.1)
    boxes(builder, [[-0.025, 0.8, -0.26]], [[0.025, 0.86, -0.235]], lamp)


def _motor_wheels(
    builder: Builder, radius: float, reach: float, black: Material, metal: Material, detail: float
) -> None:
    centres = np.array([[0.0, radius, reach], [0.0, radius, -reach + 0.02]])
    around = 16 if detail > 0.6 else 10
    copies(builder, _torus(0.19, around, 6), centres, radius, black)
    spokes = Material(MOTORCYCLE, metal.colour, holes="spokes", scale=radius * 0.7, coverage=1.0, gloss=0.3)
    copies(builder, revolved(((0.0, 1.0), (0.0, 0.0)), around), centres, radius * 0.7, spokes)
    copies(builder, revolved(((-0.25, 0.3), (0.0, 0.62), (0.25, 0.3)), 8), centres, radius * 0.6, metal)


def _motorcycle_body(
    builder: Builder, paint: Material, black: Material, metal: Material, radius: float, reach: float
) -> None:
    ellipsoids(builder, [[0.0, 0.82, 0.12]], (0.16, 0.15, 0.3), paint, rings=5, sides=9)
    ellipsoids(builder, [[0.0, 0.8, -0.36]], (0.15, 0.07, 0.36), black, rings=4, sides=8)
    ellipsoids(builder, [[0.0, 0.72, -0.66]], (0.1, 0.09, 0.24), paint, rings=4, sides=7)
    boxes(builder, [[-0.15, 0.26, -0.22]], [[0.15, 0.66, 0.26]], metal)
    boxes(builder, [[-0.1, 0.3, -0.4]], [[0.1, 0.7, 0.34]], black)
    forks = [[s * 0.1, radius, reach] for s in (-1, 1)]
    tops = [[s * 0.1, 0.98, 0.4] for s in (-1, 1)]
    tubes(builder, forks, tops, 0.028, metal, sides=5)
    arms = [[s * 0.1, radius, -reach + 0.02] for s in (-1, 1)]
    tubes(builder, arms, [[s * 0.1, 0.4, -0.1] for s in (-1, 1)], 0.03, black, sides=4)
    sweep(
        builder,
        [[0.14, 0.4, 0.3], [0.18, 0.26, 0.1], [0.19, 0.28, -0.3], [0.2, 0.36, -0.75]],
        [0.03, 0.035, 0.05, 0.055],
        metal,
        sides=6,
    )
    ellipsoids(builder, [[0.0, 0.96, 0.46]], (0.17, 0.2, 0.13), paint, rings=4, sides=8)
    ellipsoids(builder, [[0.0, radius + 0.24, reach]], (0.08, 0.1, 0.22), paint, rings=3, sides=6)


def _scooter_body(builder: Builder, paint: Material, black: Material, radius: float, reach: float) -> None:
    ellipsoids(builder, [[0.0, 0.55, -0.45]], (0.2, 0.24, 0.42), paint, rings=5, sides=9)
    ellipsoids(builder, [[0.0, 0.79, -0.34]], (0.17, 0.07, 0.36), black, rings=4, sides=8)
    boxes(builder, [[-0.16, 0.24, -0.3]], [[0.16, 0.3, 0.36]], black)
    sweep(
        builder, [[0, 0.27, 0.28], [0, 0.5, 0.38], [0, 0.8, 0.38], [0, 1.0, 0.34]],
        [[0.16, 0.04], [0.21, 0.07], [0.17, 0.07], [0.08, 0.06]], paint, sides=8, facing=(0.0, 0.0, 1.0),
    )  # fmt: skip
    tubes(builder, [[0.0, radius, reach]], [[0.0, 0.8, 0.42]], 0.04, black, sides=5)
    ellipsoids(builder, [[0.0, radius + 0.14, reach]], (0.08, 0.12, 0.24), paint, rings=3, sides=6)
    ellipsoids(builder, [[0.0, 0.97, 0.38]], (0.14, 0.09, 0.12), paint, rings=4, sides=7)
