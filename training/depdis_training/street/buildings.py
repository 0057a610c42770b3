"""Buildings: an object each, its front on z = 0 facing +z, centred on x = 0, reaching back to z = -depth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from depdis_training.street.classes import BUILDING
from depdis_training.street.fronts import Facade, add_shop, add_windows, facade_material, glass_material
from depdis_training.street.geometry import cross
from depdis_training.street.mesh import Builder, Material, Mesh
from depdis_training.street.palette import Palette, pick
from depdis_training.street.surfaces import box, quads, rectangles

_FOOTING = -1.5  # walls go on below the ground, which may slope


def _body(
    builder: Builder, width: float, low: float, high: float, depth: float, front: Material, side: Material
) -> None:
    """Front and flanks of a box, between two heights."""
    x = width / 2
    quads(builder, [[(-x, low, 0), (x, low, 0), (x, high, 0), (-x, high, 0)]], front)
    quads(
        builder,
        [
            [(x, low, 0), (x, low, -depth), (x, high, -depth), (x, high, 0)],
            [(-x, low, -depth), (-x, low, 0), (-x, high, 0), (-x, high, -depth)],
            [(x, low, -depth), (-x, low, -depth), (-x, high, -depth), (x, high, -depth)],
        ],
        side,
    )


def _flat_roof(
    builder: Builder, rng: np.random.Generator, width: float, height: float, depth: float, trim: Material
) -> None:
    """A parapet or an overhanging edge, and sometimes plant on the roof."""
    x, out, tall = width / 2, float(rng.choice([0.05, 0.15, 0.6])), float(rng.uniform(0.25, 0.9))
    box(builder, (-x - 0.02, height - 0.02, -depth), (x + 0.02, height + tall, out), trim)
    if rng.random() < 0.3:
        at = float(rng.uniform(-x / 2, x / 2))
        box(
            builder,
            (at - 2, height, -depth / 2 - 2),
            (at + 2, height + float(rng.uniform(1.5, 3.5)), -depth / 2 + 1),
            trim,
        )


def _pitched_roof(
    builder: Builder, rng: np.random.Generator, width: float, height: float, depth: float, roof: Material,
    wall: Material, gable_front: bool,
) -> float:  # fmt: skip
    """A saddle roof; returns the ridge's height."""
    x, over = width / 2, float(rng.uniform(0.1, 0.5))
    span = width if gable_front else depth
    ridge = height + span / 2 * float(rng.uniform(0.55, 1.1))
    if gable_front:
        eave = height - 0.1
        slopes = [[(s * (x + over), eave, over), (s * (x + over), eave, -depth), (0, ridge, -depth),
                   (0, ridge, over)]
                  for s in (-1, 1)]  # fmt: skip
        gables = [[(-x, height, z), (x, height, z), (0, ridge, z)] for z in (0.0, -depth)]
    else:
        top = [(x, ridge, -depth / 2), (-x, ridge, -depth / 2)]
        slopes = [[(-x, height - 0.1, over), (x, height - 0.1, over), *top],
                  [(-x, height, -depth), (x, height, -depth), *top]]  # fmt: skip
        gables = [[(s * x, height, 0.0), (s * x, height, -depth), (s * x, ridge, -depth / 2)] for s in (-1, 1)]
    quads(builder, slopes, roof)
    for gable in gables:
        corners = np.array(gable, np.float64)
        normal = cross(corners[1] - corners[0], corners[2] - corners[0])
        normal = normal / np.linalg.norm(normal)
        uv = np.stack([corners[:, 0] + corners[:, 2], corners[:, 1]], 1)
        builder.triangles(corners, [[0, 1, 2]], wall, uv=uv, normals=np.repeat(normal[None], 3, 0))
    return ridge


def _chimney(
    builder: Builder, rng: np.random.Generator, x: float, ridge: float, depth: float, wall: Material
) -> None:
    wide, tall = float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.6, 1.6))
    z = -depth / 2 + float(rng.uniform(-0.5, 0.5))
    box(builder, (x - wide / 2, ridge - 1.2, z - 0.4), (x + wide / 2, ridge + tall, z + 0.4), wall)
    pot = dataclasses.replace(wall, colour=(150.0, 84.0, 60.0), pattern="plain")
    for step in (-0.2, 0.2):
        box(
            builder, (x + step - 0.1, ridge + tall, z - 0.1), (x + step + 0.1, ridge + tall + 0.4, z + 0.1), pot
        )


def _bay(builder: Builder, x: float, top: float, facade: Facade) -> None:
    """A bay window standing out of the ground floor (and the next)."""
    wide, deep = 1.15, 0.7
    plan = [(x - wide, 0.0), (x - wide + 0.5, deep), (x + wide - 0.5, deep), (x + wide, 0.0)]
    for (x0, z0), (x1, z1) in pairwise(plan):
        quads(builder, [[(x0, -1, z0), (x1, -1, z1), (x1, top, z1), (x0, top, z0)]], facade.wall)
        ax, bx = x0 + (x1 - x0) * 0.12, x0 + (x1 - x0) * 0.88
        az, bz = z0 + (z1 - z0) * 0.12 + 0.02, z0 + (z1 - z0) * 0.88 + 0.02
        for low in np.arange(0.8, top - 1.4, 2.9):
            pane = [(ax, low, az), (bx, low, bz), (bx, low + 1.6, bz), (ax, low + 1.6, az)]
            quads(builder, [pane], facade.glass)
    quads(
        builder,
        [[(x - wide, top, 0), (x + wide, top, 0), (x + wide - 0.5, top, deep), (x - wide + 0.5, top, deep)]],
        facade.trim,
    )


def terrace_house(rng: np.random.Generator, palette: Palette, width: float, fine: bool = True) -> Mesh:
    """A house of a row, two to four storeys, roof along the street."""
    builder = Builder()
    facade = Facade.drawn(rng, palette)
    storeys, storey, depth = (
        int(rng.choice([2, 2, 3, 3, 4])),
        float(rng.uniform(2.6, 3.3)),
        float(rng.uniform(7, 11)),
    )
    height = storeys * storey + float(rng.uniform(0.2, 0.6))
    _body(builder, width, _FOOTING, height, depth, facade.wall, facade.side)
    door = float(rng.choice([-1, 1])) * width * 0.3
    bay = fine and rng.random() < 0.35
    add_windows(builder, rng, facade, width, 0.0, storeys, storey, door=door, skip_ground=bay, fine=fine)
    if bay:
        _bay(builder, -door * 0.7, float(rng.choice([2.7, min(height - 0.2, 5.6)])), facade)
    roof = Material(BUILDING, pick(rng, palette.roof), "tiles", scale=0.35)
    if rng.random() < 0.8:
        ridge = _pitched_roof(builder, rng, width, height, depth, roof, facade.wall, rng.random() < 0.15)
        if rng.random() < 0.7:
            _chimney(builder, rng, width / 2 - 0.3, ridge, depth, facade.side)
        if fine and rng.random() < 0.25:  # a dormer
            box(builder, (-0.8, height + 0.4, -2.6), (0.8, height + 1.9, -0.7), facade.trim)
            quads(builder, rectangles(-0.6, 0.6, height + 0.6, height + 1.7, -0.68), facade.glass)
    else:
        _flat_roof(builder, rng, width, height, depth, facade.trim)
    return builder.build()


def detached_house(rng: np.random.Generator, palette: Palette, width: float, fine: bool = True) -> Mesh:
    """A house of its own, one to three storeys, any roof."""
    builder = Builder()
    facade = Facade.drawn(rng, palette)
    storeys, storey, depth = (
        int(rng.choice([1, 2, 2, 2, 3])),
        float(rng.uniform(2.6, 3.0)),
        float(rng.uniform(7, 11)),
    )
    height = storeys * storey + 0.3
    _body(builder, width, _FOOTING, height, depth, facade.wall, facade.side)
    add_windows(
        builder, rng, facade, width, 0.0, storeys, storey, door=float(rng.uniform(-0.3, 0.3)) * width, fine=fine
    )
    roof = Material(BUILDING, pick(rng, palette.roof), "tiles", scale=0.35)
    gable = rng.random() < 0.5
    ridge = _pitched_roof(builder, rng, width, height, depth, roof, facade.wall, gable)
    if gable and storeys > 1:
        quads(builder, rectangles(-0.6, 0.6, height + 0.3, height + 1.5, 0.03), facade.glass)
    if rng.random() < 0.6:
        _chimney(
            builder,
            rng,
            float(rng.uniform(-0.3, 0.3)) * width,
            ridge - (1.0 if gable else 0.0),
            depth,
            facade.side,
        )
    if rng.random() < 0.4:  # a garage
        garage = float(rng.choice([-1, 1])) * (width / 2 + 1.6)
        box(builder, (garage - 1.6, 0, -6), (garage + 1.6, 2.5, -0.5), facade.side)
        quads(builder, rectangles(garage - 1.3, garage + 1.3, 0, 2.1, -0.47), facade.door)
    return builder.build()


def shop_house(rng: np.random.Generator, palette: Palette, width: float, fine: bool = True) -> Mesh:
    """A shop at street level, flats over it."""
    builder = Builder()
    facade = Facade.drawn(rng, palette)
    storeys, storey, depth = (
        int(rng.choice([0, 1, 1, 2, 2, 3])),
        float(rng.uniform(2.7, 3.5)),
        float(rng.uniform(8, 14)),
    )
    ground = float(rng.uniform(3.2, 4.6))
    height = ground + storeys * storey + 0.4
    _body(builder, width, _FOOTING, height, depth, facade.wall, facade.side)
    if storeys:
        add_windows(builder, rng, facade, width, ground, storeys, storey, fine=fine)
    add_shop(builder, rng, palette, width, ground, fine=fine)
    if rng.random() < 0.55:
        roof = Material(BUILDING, pick(rng, palette.roof), "tiles", scale=0.35)
        ridge = _pitched_roof(builder, rng, width, height, depth, roof, facade.wall, rng.random() < 0.25)
        if rng.random() < 0.5:
            _chimney(builder, rng, width / 2 - 0.3, ridge, depth, facade.side)
    else:
        _flat_roof(builder, rng, width, height, depth, facade.trim)
    return builder.build()


def office(rng: np.random.Generator, palette: Palette, width: float, fine: bool = True) -> Mesh:
    """A block with bands of windows or a glass front, flat-roofed; often shops below."""
    builder = Builder()
    facade = Facade.drawn(rng, palette, modern=True)
    storeys, storey = int(rng.integers(2, 10)), float(rng.uniform(3.0, 3.9))
    depth, ground = float(rng.uniform(12, 24)), float(rng.uniform(3.4, 5.5))
    height = ground + storeys * storey
    kind = rng.random()
    if kind < 0.35:  # glass between frames
        wall = facade_material(rng, palette, "windows", storey)
        _body(builder, width, _FOOTING, height, depth, wall, dataclasses.replace(wall, phase=0.5))
    else:
        _body(builder, width, _FOOTING, height, depth, facade.wall, facade.side)
        if kind < 0.7:
            bands = ground + storey * np.arange(storeys) + 0.9
            x = width / 2 - float(rng.choice([0.0, 0.6]))
            quads(
                builder, rectangles(-x, x, bands, bands + storey * rng.uniform(0.4, 0.62), 0.03), facade.glass
            )
            bars = np.arange(-x, x, float(rng.uniform(1.2, 3.2)))
            quads(builder, rectangles(bars, bars + 0.1, ground + 0.7, height - 0.3, 0.06), facade.trim)
        else:
            add_windows(builder, rng, facade, width, ground, storeys, storey, fine=fine)
    draw = rng.random()
    if draw < 0.5:
        add_shop(builder, rng, palette, width, ground, fine=fine)
    elif draw < 0.8:
        panes = np.arange(-width / 2 + 0.4, width / 2 - 2.0, 2.2)
        quads(builder, rectangles(panes, panes + 1.9, 0.3, ground - 0.7, 0.03), facade.glass)
    _flat_roof(builder, rng, width, height, depth, facade.trim)
    return builder.build()


def apartments(rng: np.random.Generator, palette: Palette, width: float, fine: bool = True) -> Mesh:
    """Flats of three to seven storeys, some with balconies."""
    builder = Builder()
    facade = Facade.drawn(rng, palette)
    storeys, storey, depth = int(rng.integers(3, 8)), float(rng.uniform(2.7, 3.3)), float(rng.uniform(10, 15))
    height = storeys * storey + 0.6
    _body(builder, width, _FOOTING, height, depth, facade.wall, facade.side)
    add_windows(builder, rng, facade, width, 0.0, storeys, storey, door=0.0, fine=fine)
    if fine and rng.random() < 0.45:
        rail = Material(
            BUILDING, pick(rng, palette.fence), "planks" if rng.random() < 0.5 else "plain", scale=0.2
        )
        for x in np.arange(-width / 2 + 2.2, width / 2 - 2, float(rng.uniform(4.5, 7))):
            for floor in range(1, storeys):
                y = floor * storey + 0.1
                box(builder, (x - 1.4, y - 0.15, 0), (x + 1.4, y + 0.95, 1.1), rail)
    if rng.random() < 0.4:
        roof = Material(BUILDING, pick(rng, palette.roof), "tiles", scale=0.35)
        _pitched_roof(builder, rng, width, height, depth, roof, facade.wall, False)
    else:
        _flat_roof(builder, rng, width, height, depth, facade.trim)
    return builder.build()


def church(rng: np.random.Generator, palette: Palette, width: float, fine: bool = True) -> Mesh:
    """A large dark building of stone: a hall with a tower, tall windows."""
    builder = Builder()
    facade = Facade.drawn(rng, palette, pattern="stone")
    height, depth = float(rng.uniform(9, 16)), float(rng.uniform(12, 18))
    _body(builder, width, _FOOTING, height, depth, facade.wall, facade.side)
    tall = np.arange(-width / 2 + 1.2, width / 2 - 1.5, 3.2)
    quads(builder, rectangles(tall, tall + 1.3, 2.0, height - 2.5, 0.03), facade.glass)
    for x in np.arange(-width / 2, width / 2 + 0.1, 3.2):  # buttresses
        box(builder, (x - 0.35, 0, 0), (x + 0.35, height * 0.8, 0.9), facade.side)
    roof = Material(BUILDING, pick(rng, palette.roof), "tiles", scale=0.35)
    _pitched_roof(builder, rng, width, height, depth, roof, facade.wall, False)
    tower, at = float(rng.uniform(16, 34)), float(rng.choice([-1, 1])) * width * 0.4
    box(builder, (at - 2.6, 0, -4.5), (at + 2.6, tower, 0.7), facade.wall)
    quads(builder, rectangles(at - 0.7, at + 0.7, [tower - 5, 2], [tower - 2, 5], 0.73), facade.glass)
    if rng.random() < 0.5:
        builder.tube(
            (at, tower, -1.9), (at, tower + float(rng.uniform(6, 16)), -1.9), 3.2, roof, end_radius=0.1, sides=6
        )
    return builder.build()


def retail_hall(rng: np.random.Generator, palette: Palette, width: float, fine: bool = True) -> Mesh:
    """A low supermarket or workshop: a glazed or clad front under a deep fascia."""
    builder = Builder()
    facade = Facade.drawn(rng, palette, modern=True)
    height, depth = float(rng.uniform(4.5, 8)), 25.0
    cladding = Material(
        BUILDING, pick(rng, palette.building), "planks" if rng.random() < 0.5 else "plain", scale=0.3
    )
    _body(builder, width, _FOOTING, height, depth, cladding, cladding)
    panes = np.arange(-width / 2 + 0.5, width / 2 - 2.5, 2.4)
    if rng.random() < 0.75:
        glass = glass_material(rng, palette, shop=True)
        quads(builder, rectangles(panes, panes + 2.25, 0.15, height * rng.uniform(0.55, 0.75), 0.04), glass)
    canopy = float(rng.uniform(0.2, 2.5))
    colour = Material(BUILDING, pick(rng, palette.shop))
    box(
        builder,
        (-width / 2, height * 0.8, 0),
        (width / 2, height + 0.2, canopy),
        colour if rng.random() < 0.5 else facade.trim,
    )
    if canopy > 1.2:
        for x in np.arange(-width / 2 + 1, width / 2, 6.0):
            box(builder, (x - 0.12, 0, canopy - 0.3), (x + 0.12, height * 0.8, canopy - 0.06), facade.trim)
    sign = Material(BUILDING, (235.0, 230.0, 220.0), "sign_text", pick(rng, palette.shop), scale=height * 0.15)
    quads(builder, rectangles(-width / 6, width / 6, height * 0.84, height * 0.99, canopy + 0.03), sign)
    return builder.build()


BUILDERS: dict[str, tuple[Callable[..., Mesh], tuple[float, float]]] = {
    "terrace": (terrace_house, (4.2, 7.5)),
    "houses": (detached_house, (6.5, 12)),
    "shops": (shop_house, (4.5, 13)),
    "offices": (office, (12, 36)),
    "apartments": (apartments, (11, 28)),
    "church": (church, (14, 26)),
    "retail": (retail_hall, (22, 45)),
}
