"""Cars, vans, pickups, lorries and buses: opaque, with the right silhouette from every side."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street.hulls import Hull, loft, wheels
from depdis_training.street.mesh import Builder, Material, Mesh, Point, Rgb
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import boxes, cards, ellipsoids

CAR = CITYSCAPES_16.index("car")
BUS = CITYSCAPES_16.index("bus")

CarKind = Literal["hatchback", "saloon", "estate", "suv", "van", "pickup"]
_SHARES: dict[CarKind, float] = {
    "hatchback": 0.38, "saloon": 0.17, "estate": 0.13, "suv": 0.17, "van": 0.12, "pickup": 0.03,
}  # fmt: skip

_LIVERIES: tuple[Rgb, ...] = (
    (172, 24, 28), (186, 30, 30), (228, 228, 224), (222, 218, 200), (32, 86, 150), (60, 120, 170), (40, 120, 70),
    (236, 180, 40), (120, 60, 130),
)  # fmt: skip
_ROUND_NOSE = ((0.0, 0.68), (0.06, 0.77), (0.22, 0.84), (0.6, 0.87))

# Side views in metres from the nose: a supermini, a saloon with a boot, an estate, a tall off-roader, a panel van,
# a pickup. Each car is stretched a little, so that no two are alike.
HULLS: dict[CarKind, Hull] = {
    "hatchback": Hull(
        3.95,
        top=(
            (0, 0.66),
            (0.05, 0.72),
            (0.3, 0.84),
            (0.98, 0.98),
            (1.35, 1.2),
            (1.72, 1.38),
            (2.2, 1.46),
            (2.8, 1.45),
            (3.3, 1.38),
            (3.72, 1.08),
            (3.9, 0.98),
            (3.95, 0.8),
        ),
        belt=((0, 0.6), (0.3, 0.76), (0.95, 0.9), (3.3, 1.0), (3.85, 0.96), (3.95, 0.75)),
        half=(*_ROUND_NOSE, (3.2, 0.87), (3.75, 0.82), (3.95, 0.72)),
        sill=0.24,
        tumblehome=0.19,
        glass=((1.2, 2.28), (2.36, 3.12), (3.18, 3.42)),
        screens=((1.0, 1.72), (3.34, 3.74)),
        wheels=(0.76, 3.24),
        wheel_radius=0.3,
        dark_spans=((2.28, 2.36),),
    ),
    "saloon": Hull(
        4.5,
        top=(
            (0, 0.64),
            (0.05, 0.7),
            (0.3, 0.81),
            (1.2, 0.97),
            (1.55, 1.17),
            (2.0, 1.36),
            (2.45, 1.43),
            (3.0, 1.42),
            (3.35, 1.34),
            (3.85, 1.08),
            (4.3, 1.02),
            (4.45, 0.98),
            (4.5, 0.82),
        ),
        belt=((0, 0.58), (0.3, 0.74), (1.2, 0.88), (3.7, 0.97), (4.4, 0.95), (4.5, 0.78)),
        half=(*_ROUND_NOSE, (3.6, 0.87), (4.25, 0.83), (4.5, 0.74)),
        sill=0.23,
        tumblehome=0.2,
        glass=((1.42, 2.52), (2.6, 3.42)),
        screens=((1.2, 2.0), (3.3, 3.85)),
        wheels=(0.85, 3.5),
        wheel_radius=0.31,
        dark_spans=((2.52, 2.6),),
    ),
    "estate": Hull(
        4.55,
        top=(
            (0, 0.66),
            (0.05, 0.72),
            (0.3, 0.82),
            (1.15, 0.99),
            (1.5, 1.19),
            (1.9, 1.38),
            (2.4, 1.46),
            (3.6, 1.46),
            (4.1, 1.4),
            (4.4, 1.08),
            (4.5, 1.0),
            (4.55, 0.8),
        ),
        belt=((0, 0.6), (0.3, 0.75), (1.15, 0.9), (4.1, 1.0), (4.45, 0.97), (4.55, 0.76)),
        half=(*_ROUND_NOSE, (3.8, 0.87), (4.35, 0.83), (4.55, 0.76)),
        sill=0.24,
        tumblehome=0.19,
        glass=((1.38, 2.46), (2.54, 3.36), (3.44, 4.12)),
        screens=((1.16, 1.9), (4.12, 4.41)),
        wheels=(0.85, 3.5),
        wheel_radius=0.31,
        dark_spans=((2.46, 2.54), (3.36, 3.44)),
    ),
    "suv": Hull(
        4.4,
        top=(
            (0, 0.84),
            (0.04, 0.94),
            (0.25, 1.05),
            (1.15, 1.16),
            (1.45, 1.38),
            (1.8, 1.62),
            (2.3, 1.72),
            (3.5, 1.72),
            (4.0, 1.64),
            (4.28, 1.2),
            (4.36, 1.1),
            (4.4, 0.9),
        ),
        belt=((0, 0.78), (0.25, 0.95), (1.15, 1.06), (4.0, 1.14), (4.3, 1.08), (4.4, 0.85)),
        half=((0, 0.76), (0.06, 0.84), (0.22, 0.89), (0.6, 0.92), (3.7, 0.92), (4.2, 0.88), (4.4, 0.8)),
        sill=0.36,
        tumblehome=0.17,
        glass=((1.36, 2.42), (2.5, 3.28), (3.36, 3.98)),
        screens=((1.16, 1.8), (4.0, 4.29)),
        wheels=(0.85, 3.5),
        wheel_radius=0.36,
        dark_spans=((2.42, 2.5), (3.28, 3.36)),
    ),
    "van": Hull(
        5.0,
        top=(
            (0, 0.78),
            (0.04, 0.9),
            (0.3, 1.06),
            (0.75, 1.22),
            (1.1, 1.6),
            (1.5, 2.0),
            (1.8, 2.14),
            (2.3, 2.2),
            (4.6, 2.2),
            (4.9, 2.12),
            (5.0, 2.0),
        ),
        belt=((0, 0.72), (0.3, 0.96), (0.75, 1.12), (1.4, 1.2), (5.0, 1.2)),
        half=((0, 0.8), (0.06, 0.88), (0.25, 0.94), (0.6, 0.98), (4.8, 0.98), (5.0, 0.95)),
        sill=0.3,
        tumblehome=0.1,
        glass=((0.98, 1.9),),
        screens=((0.76, 1.5),),
        wheels=(0.92, 3.95),
        wheel_radius=0.34,
    ),
    "pickup": Hull(
        5.2,
        top=(
            (0, 0.86),
            (0.04, 0.96),
            (0.3, 1.06),
            (1.3, 1.16),
            (1.6, 1.4),
            (1.95, 1.64),
            (2.4, 1.74),
            (3.2, 1.72),
            (3.42, 1.6),
            (3.5, 1.12),
            (5.15, 1.12),
            (5.2, 0.95),
        ),
        belt=((0, 0.8), (0.3, 0.96), (1.3, 1.06), (3.5, 1.1), (5.2, 1.1)),
        half=((0, 0.76), (0.06, 0.84), (0.22, 0.89), (0.6, 0.91), (5.0, 0.91), (5.2, 0.88)),
        sill=0.42,
        tumblehome=0.17,
        glass=((1.5, 2.42), (2.5, 3.3)),
        screens=((1.3, 1.95), (3.42, 3.5)),
        wheels=(0.95, 4.1),
        wheel_radius=0.37,
        dark_spans=((2.42, 2.5),),
    ),
}


def car(
    rng: np.random.Generator, palette: Palette, *, kind: CarKind | None = None, detail: float = 1.0,
    lights: bool | None = None,
) -> Mesh:  # fmt: skip
    """A car about 4 to 5 m long; kind None draws one as often as streets have them.

    lights: headlamps and brake lights lit; None: now and then. Raises KeyError for an unknown kind.
    """
    if kind is None:
        names = list(_SHARES)
        kind = names[int(rng.choice(len(names), p=list(_SHARES.values())))]
    hull = _stretched(HULLS[kind], *rng.uniform(0.95, 1.06, 3))
    colour = (
        tuple(pick(rng, ((228, 229, 228), (214, 215, 213)))) if kind == "van" and rng.random() < 0.6
        else pick(rng, palette.car)
    )  # fmt: skip
    paint = Material(CAR, colour, gloss=0.3, grain=0.03)  # type: ignore[arg-type]
    plastic = _shade(CAR, rng.uniform(16, 38))
    bumpers = plastic if rng.random() < (0.7 if kind in ("van", "suv") else 0.4) else paint
    glass = _shade(CAR, rng.uniform(14, 46), gloss=float(rng.uniform(0.45, 0.75)))
    builder = Builder()
    loft(builder, hull, paint, glass, plastic, bumpers=bumpers, detail=detail)
    _road_wheels(builder, rng, hull, CAR, detail)
    _fittings(builder, rng, hull, kind, paint, plastic, bumpers, lights, detail)
    return builder.build()


def lorry(rng: np.random.Generator, palette: Palette, *, detail: float = 1.0) -> Mesh:
    """A rigid lorry with a box, a tipper or a flat bed, 6 to 9 m; it has the label car, as streets' sets merge it."""
    builder = Builder()
    colour = pick(rng, palette.car)
    paint, plastic = Material(CAR, colour, gloss=0.2, grain=0.04), _shade(CAR, rng.uniform(18, 36))
    glass = _shade(CAR, rng.uniform(14, 44), gloss=0.6)
    height, length = float(rng.uniform(2.3, 2.9)), float(rng.uniform(6.2, 9.0))
    cab = Hull(
        2.0,
        top=((0, 0.98), (0.05, 1.4), (0.22, 2.0), (0.4, height - 0.1), (0.6, height), (1.9, height), (2.0, height - 0.1)),
        belt=((0, 0.9), (0.1, 1.3), (0.4, 1.36), (2.0, 1.36)),
        half=((0, 1.0), (0.06, 1.08), (0.25, 1.15), (2.0, 1.15)),
        sill=0.42, tumblehome=0.06, glass=((0.3, 1.25),), screens=((0.05, 0.4),), wheels=(1.0,), wheel_radius=0.46,
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
        builder, axles, 0.46, 0.34, _shade(CAR, 22), _shade(CAR, rng.uniform(60, 150)), detail=detail, spokes=0
    )
    lamps = [(s * 0.95, y, back - 0.03) for s in (-1, 1) for y in (0.72,)]
    boxes(
        builder,
        np.subtract(lamps, [0.16, 0.07, 0.02]),
        np.add(lamps, [0.16, 0.07, 0.02]),
        _lamp(CAR, (170, 20, 18), 0.1),
    )
    _plate(builder, rng, CAR, 0.62, back - 0.05, rear=True)
    heads = [(s * 0.86, 0.72, length / 2 + 0.0) for s in (-1, 1)]
    ellipsoids(builder, heads, (0.16, 0.1, 0.06), _lamp(CAR, (225, 228, 230), 0.2), rings=4, sides=6)
    _plate(builder, rng, CAR, 0.6, length / 2 + 0.02, rear=False)
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
    paint = Material(BUS, colour, gloss=0.25, grain=0.03)
    second = Material(BUS, pick(rng, (*_LIVERIES, (232, 228, 214), colour)), gloss=0.25, grain=0.03)
    glass, plastic = _shade(BUS, rng.uniform(14, 46), gloss=0.6), _shade(BUS, rng.uniform(18, 40))
    sill, radius = 0.3, 0.48
    axles = (2.5 if rng.random() < 0.7 else 0.95, length - 3.0)
    low = float(rng.uniform(0.95, 1.25))
    body = Hull(
        length,
        top=((0, height - 0.5), (0.05, height - 0.25), (0.3, height), (length - 0.3, height), (length, height - 0.3)),
        belt=((0, low), (length, low)),
        half=((0, 1.02), (0.08, 1.16), (0.3, 1.25), (length - 0.25, 1.25), (length - 0.05, 1.18), (length, 1.1)),
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
    )
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
        _shade(BUS, 22),
        _shade(BUS, rng.uniform(70, 170)),
        detail=detail,
        spokes=0,
    )
    return builder.build()


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
            z = end + pitch * (np.arange(panes) + 0.5)
            at = np.stack([np.full(panes, sign * 1.263), np.full(panes, y), z], 1)
            cards(
                builder,
                at,
                np.tile([0, 0, pitch / 2 - 0.05], (panes, 1)),
                np.tile([0, rise, 0], (panes, 1)),
                glass,
            )
    side = 1.0 if rng.random() < 0.5 else -1.0
    for z in (length / 2 - 1.1, *([length / 2 - 5.6] if rng.random() < 0.5 else [])):
        cards(builder, [(side * 1.266, 1.25, z)], [(0, 0, 0.6)], [(0, 0.9, 0)], plastic)
        at = [(side * 1.27, 1.3, z - 0.3), (side * 1.27, 1.3, z + 0.3)]
        cards(builder, at, [(0, 0, 0.24)] * 2, [(0, 0.75, 0)] * 2, glass)


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
    cards(builder, [(0, y, front + 0.01)], [(0.75, 0, 0)], [(0, 0.16, 0)], board)
    cards(builder, [(0, 0.55, back)], [(1.02, 0, 0)], [(0, 0.2, 0)], second if rng.random() < 0.5 else plastic)
    heads = [(s * 0.82, 0.72, front) for s in (-1, 1)]
    ellipsoids(builder, heads, (0.2, 0.12, 0.05), _lamp(BUS, (228, 230, 232), 0.25), rings=4, sides=6)
    tails = [(s * 0.95, 1.0, back) for s in (-1, 1)]
    boxes(
        builder,
        np.subtract(tails, [0.09, 0.25, 0.02]),
        np.add(tails, [0.09, 0.25, 0.02]),
        _lamp(BUS, (168, 18, 18), 0.15),
    )
    _plate(builder, rng, BUS, 0.5, front + 0.01, rear=False)
    _plate(builder, rng, BUS, 0.75, back - 0.01, rear=True)
    mirrors = [(s * 1.34, min(2.3, height - 0.7), front - 0.15) for s in (-1, 1)]
    boxes(builder, np.subtract(mirrors, [0.08, 0.18, 0.05]), np.add(mirrors, [0.08, 0.18, 0.05]), plastic)


def _fittings(
    builder: Builder, rng: np.random.Generator, hull: Hull, kind: CarKind, paint: Material, plastic: Material,
    bumpers: Material, lights: bool | None, detail: float,
) -> None:  # fmt: skip
    """Lamps, plates, grille, mirrors, handles."""
    front, back, half = hull.length / 2, -hull.length / 2, max(x for _, x in hull.half)
    nose, tail = hull.top[1][1], hull.top[-1][1]
    lit = rng.random() < 0.25 if lights is None else lights
    rings, sides = (4, 7) if detail > 0.5 else (3, 5)
    heads = [(s * (half - 0.25), nose - 0.07, front - 0.13) for s in (-1, 1)]
    ellipsoids(
        builder,
        heads,
        (0.17, 0.085, 0.16),
        _lamp(CAR, (214, 218, 222), 0.9 if lit else 0.05),
        rings=rings,
        sides=sides,
    )
    tall = kind in ("hatchback", "estate", "suv", "van")
    lamp = _lamp(CAR, (190, 24, 20) if lit else (138, 20, 20), 0.7 if lit else 0.08)
    level = tail if kind != "van" else 1.05
    tails = [
        (s * (half - (0.15 if tall else 0.22)), level + (0.04 if tall else -0.02), back + 0.06) for s in (-1, 1)
    ]
    ellipsoids(
        builder, tails, (0.085, 0.17, 0.09) if tall else (0.18, 0.075, 0.1), lamp, rings=rings, sides=sides
    )
    _plate(builder, rng, CAR, hull.sill + 0.16, front + 0.015, rear=False)
    _plate(builder, rng, CAR, (hull.sill + tail) / 2 + rng.uniform(-0.1, 0.08), back - 0.015, rear=True)
    grille = nose - 0.12
    cards(
        builder,
        [(0, grille, front + 0.008)],
        [(rng.uniform(0.25, 0.42), 0, 0)],
        [(0, rng.uniform(0.04, 0.08), 0)],
        plastic,
    )
    cards(builder, [(0, hull.sill + 0.06, front + 0.008)], [(0.5, 0, 0)], [(0, 0.05, 0)], plastic)
    shell = paint if rng.random() < 0.6 else plastic
    d = hull.screens[0][0] + 0.42
    at = [
        (s * (half + 0.06), float(np.interp(d, *zip(*hull.belt, strict=True))) + 0.07, front - d)
        for s in (-1, 1)
    ]
    ellipsoids(builder, at, (0.11, 0.075, 0.08), shell, rings=3, sides=6)
    if kind == "van":  # windows in the rear doors, on some
        if rng.random() < 0.6:
            cards(
                builder,
                [(s * 0.4, 1.62, back - 0.01) for s in (-1, 1)],
                [(0.3, 0, 0)] * 2,
                [(0, 0.26, 0)] * 2,
                _shade(CAR, 24, gloss=0.6),
            )
        boxes(builder, [(-0.012, hull.sill, back - 0.01)], [(0.012, 2.0, back)], plastic)
    if detail > 0.6:
        doors = [span[0] + 0.9 * (span[1] - span[0]) for span in hull.glass[:2]]
        spots = np.array(
            [(s * (half + 0.005), 0.8 * hull.belt[2][1] + 0.06, front - d) for s in (-1, 1) for d in doors]
        )
        boxes(builder, spots - [0.012, 0.014, 0.08], spots + np.array([0.012, 0.014, 0.08]), shell)


def _road_wheels(builder: Builder, rng: np.random.Generator, hull: Hull, label: int, detail: float) -> None:
    half = max(x for _, x in hull.half)
    places = [
        (s * (half - 0.015), hull.wheel_radius, hull.length / 2 - d) for d in hull.wheels for s in (-1.0, 1.0)
    ]
    rim = _shade(label, float(rng.choice([45, 110, 150, 185])), gloss=0.3)
    wheels(
        builder,
        places,
        hull.wheel_radius,
        0.21,
        _shade(label, 20),
        rim,
        detail=detail,
        spokes=int(rng.integers(5, 8)),
    )


def _stretched(hull: Hull, along: float, up: float, across: float) -> Hull:
    """The hull with other proportions; its wheels stay round and on the ground."""
    up, across = 1 + (up - 1) * 0.7, 1 + (across - 1) * 0.5
    span = lambda spans: tuple((a * along, b * along) for a, b in spans)  # noqa: E731
    return replace(
        hull, length=hull.length * along,
        top=[(d * along, y * up) for d, y in hull.top], belt=[(d * along, y * up) for d, y in hull.belt],
        half=[(d * along, x * across) for d, x in hull.half], sill=hull.sill * up, glass=span(hull.glass),
        screens=span(hull.screens), dark_spans=span(hull.dark_spans), wheels=[d * along for d in hull.wheels],
    )  # fmt: skip


def _shade(label: int, level: float, *, gloss: float = 0.05) -> Material:
    return Material(label, (level, level * 1.01, level * 1.04), gloss=gloss, grain=0.03)


def _lamp(label: int, colour: Rgb, emission: float) -> Material:
    return Material(label, colour, gloss=0.35, emission=emission, grain=0.02)


def _plate(builder: Builder, rng: np.random.Generator, label: int, y: float, z: float, *, rear: bool) -> None:
    yellow = rear and rng.random() < 0.5
    ground: Rgb = (222, 178, 40) if yellow else (226, 226, 222)
    board = Material(label, ground, pattern="sign_text", colour2=(30, 30, 34), scale=0.38, grain=0.02)
    centre: Point = (0.0, float(y), z)
    right = (0.26 if z > 0 else -0.26, 0.0, 0.0)
    cards(builder, [centre], [right], [(0.0, 0.057, 0.0)], board)
