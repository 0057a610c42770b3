"""Lorries and buses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street.hulls import Hull, loft, wheels
from depdis_training.street.mesh import Builder, Material, Mesh, Rgb
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import boxes, cards, ellipsoids
from depdis_training.street.vehicle_parts import glazing, lamp, number_plate, shade

CAR = CITYSCAPES_16.index("car")
BUS = CITYSCAPES_16.index("bus")

_LIVERIES: tuple[Rgb, ...] = (
    (172, 24, 28), (186, 30, 30), (228, 228, 224), (222, 218, 200), (32, 86, 150), (60, 120, 170),
    (40, 120, 70), (236, 180, 40), (120, 60, 130),
)  # fmt: skip
_PALE: tuple[Rgb, ...] = ((236, 237, 238), (222, 224, 226), (232, 228, 214), (198, 201, 204), (244, 244, 240))


def lorry(rng: np.random.Generator, palette: Palette, *, detail: float = 1.0) -> Mesh:
    """A rigid lorry with a box, a tipper or a flat bed, 6 to 9 m; label car, the nearest of the 16."""
    builder = Builder()
    colour = pick(rng, palette.car)
    paint, plastic = Material(CAR, colour, gloss=0.2, grain=0.04), shade(CAR, rng.uniform(18, 36))
    glass = glazing(rng, palette, CAR, float(rng.uniform(14, 44)), 0.6)
    height, length = float(rng.uniform(2.3, 2.9)), float(rng.uniform(6.2, 9.0))
    cab = Hull(
        2.0,
        top=((0, 0.98), (0.05, 1.4), (0.22, 2.0), (0.4, height - 0.1), (0.6, height), (1.9, height),
             (2.0, height - 0.1)),
        belt=((0, 0.9), (0.1, 1.3), (0.4, 1.36), (2.0, 1.36)),
        half=((0, 1.0), (0.06, 1.08), (0.25, 1.15), (2.0, 1.15)),
        sill=0.42, tumblehome=0.06, glass=((0.3, 1.25),), screens=((0.05, 0.4),), wheels=(1.0,),
        wheel_radius=0.46,
    )  # fmt: skip
    front = Builder()
    loft(front, cab, paint, glass, plastic, bumpers=plastic, detail=min(detail, 0.6))
    builder.add(front.build().placed(0.0, length / 2 - 1.0))
    back, start = -length / 2, length / 2 - 2.1
    boxes(builder, [(-0.45, 0.6, back + 0.1)], [(0.45, 0.95, start + 0.4)], plastic)
    load = rng.choice(["box", "tipper", "flat"], p=[0.62, 0.22, 0.16])
    if load == "box":
        skin = Material(
            CAR, pick(rng, (*palette.shop, (236, 236, 234), (226, 226, 222))), grain=0.04, gloss=0.1,
            pattern="sign_text" if rng.random() < 0.4 else "plain", colour2=pick(rng, palette.sign), scale=2.6,
        )  # fmt: skip
        boxes(builder, [(-1.22, 0.95, back)], [(1.22, float(rng.uniform(3.0, 3.8)), start)], skin)
        edge = [(-1.0, 1.0, back - 0.012), (-0.02, 1.0, back - 0.012)]
        cards(
            builder, np.add(edge, [0.5, 1.0, 0]), [(0.47, 0, 0)], [(0, 0.98, 0)], replace(skin, pattern="plain")
        )
    else:
        side = float(rng.uniform(0.7, 1.2) if load == "tipper" else rng.uniform(0.06, 0.4))
        body = Material(CAR, pick(rng, (*palette.fence, colour)), grain=0.12)
        boxes(builder, [(-1.2, 0.95, back)], [(1.2, 0.95 + side, start)], body)
    rear = [back + 1.3] if length < 7.5 else [back + 1.1, back + 2.15]
    axles = [(s * 1.17, 0.46, z) for z in (length / 2 - 1.0, *rear) for s in (-1.0, 1.0)]
    wheels(
        builder, axles, 0.46, 0.34, shade(CAR, 22), shade(CAR, rng.uniform(60, 150)), detail=detail, spokes=0
    )
    lamps = [(s * 0.95, y, back - 0.03) for s in (-1, 1) for y in (0.72,)]
    boxes(
        builder,
        np.subtract(lamps, [0.16, 0.07, 0.02]),
        np.add(lamps, [0.16, 0.07, 0.02]),
        lamp(CAR, (170, 20, 18), 0.1),
    )
    number_plate(builder, rng, CAR, 0.62, back - 0.05, rear=True)
    heads = [(s * 0.86, 0.72, length / 2 + 0.0) for s in (-1, 1)]
    ellipsoids(builder, heads, (0.16, 0.1, 0.06), lamp(CAR, (225, 228, 230), 0.2), rings=4, sides=6)
    number_plate(builder, rng, CAR, 0.6, length / 2 + 0.02, rear=False)
    mirrors = [(s * 1.3, 1.75, length / 2 - 0.35) for s in (-1, 1)]
    boxes(builder, np.subtract(mirrors, [0.09, 0.2, 0.05]), np.add(mirrors, [0.09, 0.2, 0.05]), plastic)
    return builder.build()


def bus(
    rng: np.random.Generator, palette: Palette, *, double_decker: bool = False, detail: float = 1.0
) -> Mesh:
    """A bus of 10 to 12 m, 2.5 m wide; label bus."""
    length = float(rng.uniform(9.5, 11.0) if double_decker else rng.uniform(10.0, 12.2))
    height = float(rng.uniform(4.2, 4.4) if double_decker else rng.uniform(2.9, 3.4))
    colour = pick(rng, (*palette.shop[:4], *_LIVERIES))
    if palette.near_detail and rng.random() < 0.35:
        colour = pick(rng, _PALE)
    paint = Material(BUS, colour, gloss=0.25, grain=0.03)
    second = Material(BUS, pick(rng, (*_LIVERIES, (232, 228, 214), colour)), gloss=0.25, grain=0.03)
    glass = glazing(rng, palette, BUS, float(rng.uniform(14, 46)), 0.6)
    plastic = shade(BUS, rng.uniform(18, 40))
    roof = _roof(rng, palette, paint)
    sill, radius = 0.3, 0.48
    axles = (2.5 if rng.random() < 0.7 else 0.95, length - 3.0)
    low = float(rng.uniform(0.95, 1.25))
    body = Hull(
        length,
        top=((0, height - 0.5), (0.05, height - 0.25), (0.3, height), (length - 0.3, height),
             (length, height - 0.3)),
        belt=((0, low), (length, low)),
        half=((0, 1.02), (0.08, 1.16), (0.3, 1.25), (length - 0.25, 1.25), (length - 0.05, 1.18),
              (length, 1.1)),
        sill=sill, tumblehome=0.05, glass=(), screens=(), wheels=axles, wheel_radius=radius,
    )  # fmt: skip
    builder = Builder()
    loft(
        builder,
        body,
        paint,
        glass,
        plastic,
        bumpers=second if rng.random() < 0.6 else paint,
        detail=min(detail, 0.8),
        roof=roof,
    )
    if palette.near_detail:
        _roof_fittings(builder, rng, length, height, roof, plastic)
    decks = [(low + 0.02, low + 0.98)]
    if double_decker:
        decks = [(1.2, 2.05), (2.75, 3.6)]
    elif rng.random() < 0.4:  # a coach: windows up to the roof
        decks = [(low + 0.15, height - 0.35)]
    _bus_windows(builder, rng, length, decks, glass, plastic)
    _bus_ends(builder, rng, length, height, decks, glass, plastic, second)
    if rng.random() < 0.6:
        band = Material(
            BUS, second.colour, pattern="sign_text", colour2=pick(rng, palette.sign), scale=0.9, gloss=0.2
        )
        y = decks[0][1] + 0.32 if double_decker else (sill + low) / 2 + 0.15
        z, half = float(rng.uniform(-1.5, 0.5)), length * 0.25
        cards(builder, [(-1.262, y, z), (1.262, y, z)], [(0, 0, half), (0, 0, -half)], [(0, 0.22, 0)] * 2, band)
    places = [(s * 1.24, radius, length / 2 - d) for d in axles for s in (-1.0, 1.0)]
    wheels(
        builder,
        places,
        radius,
        0.3,
        shade(BUS, 22),
        shade(BUS, rng.uniform(70, 170)),
        detail=detail,
        spokes=0,
    )
    return builder.build()


def _roof(rng: np.random.Generator, palette: Palette, paint: Material) -> Material:
    """A bus' roof: painted like its sides, pale, or in the greys of roads and pavements."""
    draw = rng.random() if palette.near_detail else 0.0
    if draw < 0.3:
        return paint
    level = float(rng.uniform(60, 190))
    grey = (level, level * rng.uniform(0.97, 1.02), level * rng.uniform(0.94, 1.05))
    return replace(
        paint, colour=pick(rng, _PALE) if draw < 0.68 else grey, gloss=float(rng.choice([0.05, 0.15, 0.4])),
        pattern="plain" if rng.random() < 0.6 else "noise", scale=2.0, grain=float(rng.uniform(0.02, 0.1)),
    )  # fmt: skip


def _roof_fittings(
    builder: Builder, rng: np.random.Generator, length: float, height: float, roof: Material, plastic: Material
) -> None:
    """Hatches, a cooling unit, ribs and rails on a roof, as a bridge or an upper window shows them."""
    top, end = height + 0.005, length / 2 - 0.8
    hatch = (
        roof if rng.random() < 0.5 else Material(BUS, pick(rng, ((90, 92, 94), (60, 60, 58), (120, 100, 84))))
    )
    for z in rng.uniform(-end, end, int(rng.integers(0, 4))):
        x, half = float(rng.uniform(-0.35, 0.35)), float(rng.uniform(0.25, 0.45))
        rim = half + 0.05
        boxes(builder, [(x - rim, top - 0.03, z - rim)], [(x + rim, top, z + rim)], plastic)
        boxes(builder, [(x - half, top - 0.02, z - half)], [(x + half, top + 0.06, z + half)], hatch)
    if rng.random() < 0.5:
        z, x, half = float(rng.uniform(-end + 1, end - 1)), float(rng.uniform(0.4, 0.9)), rng.uniform(0.5, 1.3)
        unit = hatch if rng.random() < 0.6 else roof
        boxes(builder, [(-x, top - 0.05, z - half)], [(x, top + rng.uniform(0.12, 0.3), z + half)], unit)
    if rng.random() < 0.6:  # ribs across
        at = np.arange(-end, end, float(rng.uniform(0.9, 1.8)))
        low = np.stack([np.full(len(at), -0.95), np.full(len(at), top - 0.04), at], 1)
        boxes(builder, low, low + np.array([1.9, 0.05, 0.04]), roof)


def _bus_windows(
    builder: Builder, rng: np.random.Generator, length: float, decks: list[tuple[float, float]],
    glass: Material, plastic: Material,
) -> None:  # fmt: skip
    """Rows of panes over a dark band, and doors on the left or the right."""
    panes = int(rng.integers(6, 9))
    start, end = length / 2 - 0.45, -length / 2 + 0.4
    centre, half = (start + end) / 2, (start - end) / 2
    for low, high in decks:
        y, rise = (low + high) / 2, (high - low) / 2
        for sign in (-1.0, 1.0):
            cards(builder, [(sign * 1.257, y, centre)], [(0, 0, half)], [(0, rise + 0.04, 0)], plastic)
            pitch = 2 * half / panes
            along = end + pitch * (np.arange(panes) + 0.5)
            at = np.stack([np.full(panes, sign * 1.263), np.full(panes, y), along], 1)
            cards(
                builder,
                at,
                np.tile([0, 0, pitch / 2 - 0.05], (panes, 1)),
                np.tile([0, rise, 0], (panes, 1)),
                glass,
            )
    side = 1.0 if rng.random() < 0.5 else -1.0
    places = [length / 2 - 1.1, length / 2 - 5.6][: int(rng.integers(1, 3))]
    for z in places:
        cards(builder, [(side * 1.266, 1.25, z)], [(0, 0, 0.6)], [(0, 0.9, 0)], plastic)
        leaves = [(side * 1.27, 1.3, z - 0.3), (side * 1.27, 1.3, z + 0.3)]
        cards(builder, leaves, [(0, 0, 0.24)] * 2, [(0, 0.75, 0)] * 2, glass)


def _bus_ends(
    builder: Builder, rng: np.random.Generator, length: float, height: float, decks: list[tuple[float, float]],
    glass: Material, plastic: Material, second: Material,
) -> None:  # fmt: skip
    """Windscreens, the destination board, lamps and plates."""
    front, back = length / 2 + 0.012, -length / 2 - 0.012
    for index, (low, high) in enumerate(decks):
        drop = 0.1 if index == 0 else 0.0
        top = min(high, height - 0.42)
        cards(
            builder,
            [(0, (low - drop + top) / 2, front)],
            [(0.98, 0, 0)],
            [(0, (top - low + drop) / 2, 0)],
            glass,
        )
        if index or rng.random() < 0.75:
            cards(
                builder,
                [(0, (low + top) / 2 + 0.1, back)],
                [(0.95, 0, 0)],
                [(0, (top - low) / 2 - 0.12, 0)],
                glass,
            )
    board = Material(
        BUS, (20, 20, 22), pattern="sign_text", colour2=(238, 176, 40), scale=0.7, emission=0.15, gloss=0.1
    )
    y = decks[0][1] + 0.28 if len(decks) == 2 else min(decks[0][1], height - 0.42) - 0.02
    cards(builder, [(0, y, front + 0.01)], [(-0.75, 0, 0)], [(0, 0.16, 0)], board)
    cards(builder, [(0, 0.55, back)], [(1.02, 0, 0)], [(0, 0.2, 0)], second if rng.random() < 0.5 else plastic)
    heads = [(s * 0.82, 0.72, front) for s in (-1, 1)]
    ellipsoids(builder, heads, (0.2, 0.12, 0.05), lamp(BUS, (228, 230, 232), 0.25), rings=4, sides=6)
    tails = [(s * 0.95, 1.0, back) for s in (-1, 1)]
    boxes(
        builder,
        np.subtract(tails, [0.09, 0.25, 0.02]),
        np.add(tails, [0.09, 0.25, 0.02]),
        lamp(BUS, (168, 18, 18), 0.15),
    )
    number_plate(builder, rng, BUS, 0.5, front + 0.01, rear=False)
    number_plate(builder, rng, BUS, 0.75, back - 0.01, rear=True)
    mirrors = [(s * 1.34, min(2.3, height - 0.7), front - 0.15) for s in (-1, 1)]
    boxes(builder, np.subtract(mirrors, [0.08, 0.18, 0.05]), np.add(mirrors, [0.08, 0.18, 0.05]), plastic)
