"""The ground: road, kerbs, pavements, verges, side streets and what lies behind the pavements."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.classes import ROAD, SIDEWALK, VEGETATION
from depdis_training.street.layout import Block, Layout, Side
from depdis_training.street.markings import add_markings
from depdis_training.street.mesh import Builder, Material, Mesh
from depdis_training.street.palette import Palette, pick
from depdis_training.street.surfaces import plan_ribbon, wall_ribbon

KERB_HEIGHT = 0.12
_REACH = 80.0  # metres across, to which plots and side streets are drawn
_STEP = 6.0  # metres along between a strip's corners: short enough for a bend
_GRASSY = {"houses", "park", "field", "church"}
_ASPHALT = {"carpark", "retail"}


@dataclasses.dataclass(frozen=True)
class Grounds:
    """The materials of one street's ground."""

    road: Material
    pavement: Material
    kerb: Material
    grass: Material
    plot: Material
    lot: Material


def draw_grounds(rng: np.random.Generator, palette: Palette) -> Grounds:
    """What the ground of one street is made of."""
    draw = rng.random()
    tarmac = pick(rng, palette.road)
    gloss = float(rng.choice([0.0, 0.08, 0.3], p=[0.7, 0.2, 0.1]))
    dark = (tarmac[0] * 0.7, tarmac[1] * 0.7, tarmac[2] * 0.7)
    if draw < 0.8:
        road = Material(
            ROAD,
            tarmac,
            "asphalt",
            dark,
            scale=float(rng.uniform(0.5, 3)),
            gloss=gloss,
            grain=float(rng.uniform(0.02, 0.12)),
        )
    elif draw < 0.92:
        road = Material(
            ROAD,
            tarmac,
            "paving",
            dark,
            scale=float(rng.uniform(3.5, 7)),
            gloss=gloss,
            grain=float(rng.uniform(0.03, 0.08)),
        )
    else:
        road = Material(
            ROAD,
            tarmac,
            str(rng.choice(["paving", "brick", "stone"])),
            dark,
            scale=float(rng.uniform(0.1, 0.25)),
            gloss=gloss,
        )
    return Grounds(
        road,
        paving(rng, palette),
        Material(SIDEWALK, pick(rng, palette.kerb), "noise", scale=1.0),
        Material(VEGETATION, pick(rng, palette.grass), "grass", pick(rng, palette.grass),
                 scale=float(rng.uniform(0.3, 1.5)), grain=0.12),
        paving(rng, palette),
        Material(ROAD, pick(rng, palette.road), "asphalt", dark, scale=float(rng.uniform(0.5, 3)), gloss=gloss),
    )  # fmt: skip


def paving(rng: np.random.Generator, palette: Palette) -> Material:
    """A pavement: slabs, bricks, or tarmac like the road's."""
    draw = rng.random()
    grain = float(rng.uniform(0.02, 0.12))
    if draw < 0.38:
        tone = pick(rng, palette.pavement if rng.random() < 0.5 else palette.road, 0.15)
        return Material(SIDEWALK, tone, "asphalt", (tone[0] * 0.75, tone[1] * 0.75, tone[2] * 0.75),
                        scale=float(rng.uniform(0.5, 3)), grain=grain)  # fmt: skip
    tone = pick(rng, palette.pavement)
    joint = float(rng.uniform(0.55, 0.9))
    pattern, scale = ("paving", rng.uniform(0.35, 1.2)) if draw < 0.85 else ("brick", rng.uniform(0.15, 0.35))
    return Material(
        SIDEWALK,
        tone,
        pattern,
        (tone[0] * joint, tone[1] * joint, tone[2] * joint),
        scale=float(scale),
        grain=grain,
    )


def _along(z0: float, z1: float, fine: float = 0.0) -> NDArray[np.float64]:
    """Positions along a strip, denser within `fine` metres of its ends."""
    nodes = np.linspace(z0, z1, max(2, int((z1 - z0) / _STEP) + 2))
    if fine > 0:
        turn = fine * (1 - np.cos(np.linspace(0, np.pi / 2, 5)))
        nodes = np.concatenate([nodes[(nodes > z0 + fine) & (nodes < z1 - fine)], z0 + turn, z1 - turn])
    return np.unique(nodes)


def _line(x: NDArray[np.float64] | float, y: float, z: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.empty((len(z), 3))
    points[:, 0], points[:, 1], points[:, 2] = x, y, z
    return points


def _kerb_line(side: Side, block: Block, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kerb's distance from the centre line at z, rounded at a block's corners."""
    radius = _corner_radius(side)
    x = np.full(z.shape, side.kerb)
    for corner, distance in ((block.corner0, z - block.z0), (block.corner1, block.z1 - z)):
        if corner and radius > 0:
            inside = np.clip(radius - distance, 0, radius)
            x = np.maximum(x, side.kerb + radius - np.sqrt(np.maximum(radius**2 - inside**2, 0)))
    return x


def _corner_radius(side: Side) -> float:
    return min(4.0, 0.85 * (side.verge + side.pavement))


def _add_block(builder: Builder, side: Side, block: Block, grounds: Grounds, rng: np.random.Generator) -> None:
    s, y = side.sign, KERB_HEIGHT
    z = _along(block.z0, block.z1, _corner_radius(side) if block.corner0 or block.corner1 else 0.0)
    edge = _kerb_line(side, block, z)
    country = side.pavement == 0
    kerb = grounds.grass if country else grounds.kerb
    wall_ribbon(builder, _line(s * edge, 0, z), _line(s * edge, y, z), kerb)
    plan_ribbon(builder, _line(s * edge, y, z), _line(s * (edge + 0.14), y, z), kerb)
    front = side.frontage
    inner = np.minimum(edge + 0.14, front)
    if side.verge > 0:
        verge = np.clip(edge + side.verge, inner, front)
        plan_ribbon(builder, _line(s * inner, y, z), _line(s * verge, y, z), grounds.grass)
        inner = verge
    if not country:
        plan_ribbon(builder, _line(s * inner, y, z), _line(s * front, y, z), grounds.pavement)
    margin = float(rng.uniform(1.3, 2.6))
    z0 = block.z0 + (margin if block.corner0 else 0.0)
    z1 = block.z1 - (margin if block.corner1 else 0.0)
    for corner, a, b in ((block.corner0, block.z0, z0), (block.corner1, z1, block.z1)):
        if corner:
            end = np.array([a, b])
            plan_ribbon(builder, _line(s * front, y, end), _line(s * _REACH, y, end), grounds.pavement)
            mouth = a if a == block.z0 else b
            across = np.array(
                [[s * edge[0 if mouth == a else -1], 0, mouth], [s * _REACH, 0, mouth]], np.float64
            )
            wall_ribbon(builder, across, across + np.array([0, y, 0]), grounds.kerb)
    inside = _along(z0, z1)
    surface = _surface(rng, block, grounds)
    plan_ribbon(builder, _line(s * front, y, inside), _line(s * _REACH, y, inside), surface)


def _surface(rng: np.random.Generator, block: Block, grounds: Grounds) -> Material:
    if block.kind in _ASPHALT:
        return grounds.lot
    if block.kind in _GRASSY or (block.setback > 0 and rng.random() < 0.4):
        return grounds.grass
    return grounds.pavement if rng.random() < 0.5 else grounds.plot


def _add_island(builder: Builder, z: float, grounds: Grounds) -> None:
    """A refuge in the middle of the road, round at both ends."""
    ends = 0.7 * np.sin(np.linspace(0, np.pi / 2, 5))
    along = np.concatenate([z - 3 + 0.7 * (1 - np.cos(np.linspace(0, np.pi / 2, 5))), [z, z + 2.3]])
    half = np.concatenate([ends, [0.7, 0.7]])
    along, half = np.concatenate([along, [z + 3]]), np.concatenate([half, [0.0]])
    y = KERB_HEIGHT
    for sign in (-1, 1):
        wall_ribbon(builder, _line(sign * half, 0, along), _line(sign * half, y, along), grounds.kerb)
        plan_ribbon(builder, _line(sign * half, y, along), _line(sign * half * 0.75, y, along), grounds.kerb)
    plan_ribbon(builder, _line(half * 0.75, y, along), _line(-half * 0.75, y, along), grounds.pavement)


def build_ground(rng: np.random.Generator, layout: Layout, palette: Palette, grounds: Grounds) -> Mesh:
    """The ground of a layout, bent and raised along its course."""
    builder = Builder()
    z = _along(layout.start, layout.end)
    far = _along(layout.start - 15, 260.0)
    base = grounds.grass if layout.style in ("country", "suburb", "park_side", "retail") else grounds.lot
    plan_ribbon(builder, _line(-260.0, -0.02, far), _line(260.0, -0.02, far), base)
    plan_ribbon(builder, _line(-layout.left.kerb, 0.0, z), _line(layout.right.kerb, 0.0, z), grounds.road)
    for side in layout.sides:
        s = side.sign
        for before, after in zip(side.blocks, side.blocks[1:], strict=False):
            if before.corner1:
                gap = np.array([before.z1, after.z0])
                plan_ribbon(builder, _line(s * side.kerb, 0, gap), _line(s * _REACH, 0, gap), grounds.road)
        radius = _corner_radius(side)
        for block in side.blocks:
            for corner, a, b in (
                (block.corner0, block.z0, block.z0 + radius),
                (block.corner1, block.z1 - radius, block.z1),
            ):
                if corner and radius > 0:  # the road under a rounded corner
                    end = np.array([a, b])
                    plan_ribbon(
                        builder,
                        _line(s * side.kerb, 0, end),
                        _line(s * (side.kerb + radius), 0, end),
                        grounds.road,
                    )
            _add_block(builder, side, block, grounds, rng)
    if layout.island is not None:
        _add_island(builder, layout.island, grounds)
    if layout.closed:  # the cross street of a T-junction
        width = float(rng.uniform(6, 14))
        across = np.array([layout.end, layout.end + width])
        plan_ribbon(builder, _line(-_REACH, 0, across), _line(_REACH, 0, across), grounds.road)
        beyond = np.array([layout.end + width, layout.end + width + 3.0])
        plan_ribbon(
            builder, _line(-_REACH, KERB_HEIGHT, beyond), _line(_REACH, KERB_HEIGHT, beyond), grounds.pavement
        )
    add_markings(builder, rng, layout, palette, grounds.road.colour)
    mesh = builder.build()
    return dataclasses.replace(mesh, vertices=layout.course.points(mesh.vertices))
