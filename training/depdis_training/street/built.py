"""Buildings and barriers set along a street."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from depdis_training.street.barriers import (
    add_barrier,
    add_hedge,
    add_planks,
    add_railing,
    add_tree_line,
    polyline,
)
from depdis_training.street.buildings import BUILDERS
from depdis_training.street.classes import BUILDING, VEGETATION, WALL
from depdis_training.street.ground import KERB_HEIGHT
from depdis_training.street.layout import Block, Layout, Side
from depdis_training.street.mesh import Builder, Material, Mesh
from depdis_training.street.palette import pick
from depdis_training.street.stock import Stage
from depdis_training.street.surfaces import box, quads, wall_ribbon

_GARDEN = ("railing", "wall_railing", "wall", "planks", "pickets", "hedge", "wall_hedge", "railing_hedge")
_PARK = ("railing", "wall_railing", "wall_railing", "railing_hedge", "hedge", "wall", "wire", "rail", "planks")
_FIELD = ("hedge", "wire", "rail", "planks", "wall", "pickets", "hedge")


def build_up(stage: Stage, layout: Layout) -> None:
    """Every block's buildings and barriers, side streets, the end of the street and the skyline."""
    barriers = Builder()
    for side in layout.sides:
        for block in side.blocks:
            if block.kind in BUILDERS:
                _row(stage, block.kind, side.sign, side.frontage + block.setback, block.z0, block.z1)
            _plot_line(stage, barriers, side, block)
            if block.kind in ("park", "field", "wall", "carpark", "square"):
                _behind(stage, barriers, side, block)
        _side_streets(stage, layout, side)
        if stage.chance(0.05 if layout.style in ("country", "suburb", "terraces") else 0.2):  # a guard rail
            z0 = stage.uniform(-8, 30)
            line = polyline(
                side.sign * (side.kerb + 0.35), z0, side.sign * (side.kerb + 0.35), z0 + stage.uniform(6, 30)
            )
            if side.pavement > 1.2:
                add_railing(barriers, stage.rng, stage.palette, line, stage.uniform(0.9, 1.2), base=KERB_HEIGHT)
    if stage.chance(0.04):
        _bridge(stage, barriers, layout)
    _end(stage, layout)
    _skyline(stage, barriers, layout)
    mesh = barriers.build()
    stage.still.append(dataclasses.replace(mesh, vertices=stage.course.points(mesh.vertices)))


def _building(stage: Stage, kind: str, width: float, fine: bool) -> Mesh:
    """A building of about that width: one of few for far rows, of more near by."""
    builder, (low, high) = BUILDERS[kind]
    step = (high - low) / (8 if fine else 3)
    size = round(width / step)
    return stage.stocked(
        (kind, fine, size),
        lambda: builder(stage.rng, stage.palette, max(size * step, 3.0), fine),
        3 if fine else 2,
    )[0]  # fmt: skip


def _row(stage: Stage, kind: str, sign: int, x: float, z0: float, z1: float) -> None:
    """Buildings side by side, their fronts at x, towards the street."""
    low, high = BUILDERS[kind][1]
    z = z0
    gap = stage.uniform(1.5, 5) if kind == "houses" else 0.0
    while z1 - z > low * 0.8:
        width = min(stage.uniform(low, high), z1 - z)
        if z1 - z - width < low * 0.8:
            width = min(z1 - z, high * 1.3)
        middle = z + width / 2
        if stage.sees(sign * (x + 6), middle, width / 2 + 9):
            fine = stage.view.distance(sign * x, middle) < (90 if stage.moving else 45)
            mesh = _building(stage, kind, max(width - gap, 3.0), fine)
            stage.put(mesh, sign * (x + stage.uniform(0, 0.3)), middle, y=KERB_HEIGHT, yaw=-sign * math.pi / 2)
        z += width


def _plot_line(stage: Stage, builder: Builder, side: Side, block: Block) -> None:
    """What divides pavement from plot: garden walls, hedges, railings, hoardings."""
    z0, z1 = block.z0 + (1.5 if block.corner0 else 0), block.z1 - (1.5 if block.corner1 else 0)
    rng, palette, x = stage.rng, stage.palette, side.sign * (side.frontage + 0.2)
    behind = -float(side.sign)
    if z1 - z0 < 4:
        return
    if block.kind == "hoarding":
        _hoarding(stage, builder, x, z0, z1)
    elif block.kind == "wall":
        add_barrier(
            builder,
            rng,
            palette,
            str(rng.choice(["wall", "wall", "planks", "wall_railing"])),
            polyline(x, z0, x, z1),
            KERB_HEIGHT,
            behind,
        )
    elif block.kind in ("park", "field"):
        if stage.chance(0.85):
            kind = str(rng.choice(_PARK if block.kind == "park" else _FIELD))
            add_barrier(builder, rng, palette, kind, polyline(x, z0, x, z1), KERB_HEIGHT, behind)
    elif block.setback > 1.2:
        kind = str(rng.choice(_GARDEN))
        z = z0
        while z < z1 - 2:
            end = min(z1, z + stage.uniform(4, 14))
            if stage.chance(0.85):
                add_barrier(builder, rng, palette, kind, polyline(x, z, x, end), KERB_HEIGHT, behind)
            if stage.chance(0.4):
                kind = str(rng.choice(_GARDEN))
            z = end + stage.uniform(0.9, 3.2)
    elif block.kind in ("carpark", "retail", "square") and stage.chance(0.5):
        kind = str(rng.choice(["wall", "rail", "hedge", "wire", "railing"]))
        add_barrier(
            builder,
            rng,
            palette,
            kind,
            polyline(x, z0, x, z0 + (z1 - z0) * stage.uniform(0.4, 0.9)),
            KERB_HEIGHT,
            behind,
        )


def _hoarding(stage: Stage, builder: Builder, x: float, z0: float, z1: float) -> None:
    """Painted boards with posters round a building site."""
    line = polyline(x, z0, x, z1)
    if stage.chance(0.3):
        add_planks(builder, stage.rng, stage.palette, line, stage.uniform(2, 2.6), KERB_HEIGHT)
        return
    height, low = stage.uniform(2.0, 3.2), KERB_HEIGHT - 0.3
    base = np.stack([line[:, 0], np.full(len(line), low), line[:, 1]], 1)
    board = Material(WALL, pick(stage.rng, stage.palette.shop + stage.palette.trim), "noise", scale=1.0)
    wall_ribbon(builder, base, base + np.array([0.0, height + 0.3, 0.0]), board)
    inward = -math.copysign(0.03, x)
    for z in np.arange(z0 + 1, z1 - 3, stage.uniform(2.5, 5)):
        if stage.chance(0.6):
            poster = Material(
                WALL,
                pick(stage.rng, stage.palette.shop),
                "sign_text",
                pick(stage.rng, stage.palette.sign),
                scale=0.4,
            )
            a, b = stage.uniform(0.5, 0.9), height - 0.3
            quads(
                builder,
                [[(x + inward, a, z), (x + inward, a, z + 1.8), (x + inward, b, z + 1.8), (x + inward, b, z)]],
                poster,
            )


def _behind(stage: Stage, builder: Builder, side: Side, block: Block) -> None:
    """Shrubs, far rows and tree lines behind an open plot."""
    rng, palette, s = stage.rng, stage.palette, side.sign
    far = side.frontage + stage.uniform(14, 60)
    if block.kind == "square" or (block.kind in ("park", "carpark") and stage.chance(0.6)):
        kind = str(rng.choice(["shops", "apartments", "offices", "terrace", "church", "retail"]))
        _row(stage, kind, s, far, block.z0, block.z1)
    else:
        x = s * far
        add_tree_line(
            builder, rng, palette, polyline(x, block.z0 - 5, x, block.z1 + 5, 6.0), stage.uniform(4, 13)
        )
    if block.kind in ("park", "wall") and stage.chance(0.5):
        x = s * (side.frontage + stage.uniform(2, 9))
        add_hedge(
            builder,
            rng,
            palette,
            polyline(x, block.z0 + 2, x, block.z1 - 2),
            stage.uniform(1.0, 3.5),
            wild=0.35,
            thick=1.5,
        )


def _side_streets(stage: Stage, layout: Layout, side: Side) -> None:
    """Buildings or hedges along the streets that turn off, and what closes them."""
    kinds = [block.kind for block in side.blocks if block.kind in BUILDERS]
    for before, after in zip(side.blocks, side.blocks[1:], strict=False):
        if not before.corner1 or not kinds:
            continue
        for z, facing, block in ((before.z1 - 2.0, 1.0, before), (after.z0 + 2.0, -1.0, after)):
            if block.kind in ("park", "field", "carpark", "square"):
                continue
            x = side.frontage + block.setback + (14.0 if block.kind in BUILDERS else 2.0)
            kind = str(stage.rng.choice(kinds))
            low, high = BUILDERS[kind][1]
            while x < 70:
                width = stage.uniform(low, high)
                if stage.sees(side.sign * (x + width / 2), z, width / 2 + 6):
                    mesh = _building(stage, kind, width, x < 35)
                    yaw = 0.0 if facing > 0 else math.pi
                    stage.put(mesh, side.sign * (x + width / 2), z, y=KERB_HEIGHT, yaw=yaw)
                x += width
        middle = (before.z1 + after.z0) / 2
        if stage.sees(side.sign * 78, middle, 12):
            mesh = _building(stage, kinds[0], 18.0, False)
            stage.put(mesh, side.sign * stage.uniform(70, 90), middle, yaw=-side.sign * math.pi / 2)


def _bridge(stage: Stage, builder: Builder, layout: Layout) -> None:
    """A bridge over the street, on piers behind the pavements."""
    z, clear = stage.uniform(25, 90), stage.uniform(4.5, 6.5)
    deck = Material(
        BUILDING, pick(stage.rng, stage.palette.building), "stone" if stage.chance(0.5) else "noise"
    )
    left, right = layout.left.frontage + 0.5, layout.right.frontage + 0.5
    wide = stage.uniform(4, 12)
    box(builder, (-80, clear, z), (80, clear + stage.uniform(1.2, 2.4), z + wide), deck, bottom=True)
    for x in (-left - 20, right):
        box(builder, (x, -1, z), (x + 20, clear, z + wide), deck)


def _end(stage: Stage, layout: Layout) -> None:
    """The row that closes a street, across a T-junction."""
    if not layout.closed:
        return
    kinds = [block.kind for side in layout.sides for block in side.blocks if block.kind in BUILDERS] or [
        "houses"
    ]
    kind = str(stage.rng.choice(kinds))
    low, high = BUILDERS[kind][1]
    x = -60.0
    while x < 60:
        width = stage.uniform(low, high)
        if stage.sees(x + width / 2, layout.end + 18, width):
            mesh = _building(stage, kind, width, layout.end < 60)
            stage.put(mesh, x + width / 2, layout.end + 18.0, y=KERB_HEIGHT, yaw=math.pi)
        x += width + (stage.uniform(0, 4) if stage.chance(0.3) else 0.0)


def _skyline(stage: Stage, builder: Builder, layout: Layout) -> None:
    """Far buildings, trees and hills that close the view."""
    rng, palette = stage.rng, stage.palette
    built = layout.style not in ("country", "suburb", "park_side")
    for _ in range(int(rng.integers(4, 14)) if built else int(rng.integers(0, 5))):
        x, z = stage.uniform(-110, 110), stage.uniform(150, 230)
        width, height = stage.uniform(10, 35), stage.uniform(8, 45)
        if layout.course.slope(z) == 0 and abs(x) < 12 and stage.chance(0.5):
            continue
        glazed = stage.chance(0.7)
        wall = Material(BUILDING, pick(rng, palette.building), "windows" if glazed else "plain",
                        pick(rng, palette.glass), scale=stage.uniform(2.8, 3.6))  # fmt: skip
        box(builder, (x - width / 2, -5, z), (x + width / 2, height, z + 20), wall)
    for z in (stage.uniform(165, 200), stage.uniform(205, 245)):
        if stage.chance(0.75):
            add_tree_line(builder, rng, palette, polyline(-240, z, 240, z, 12.0), stage.uniform(5, 16))
    for sign in (-1, 1):  # beyond the plots at either hand
        if stage.chance(0.8):
            x = sign * stage.uniform(85, 130)
            add_tree_line(builder, rng, palette, polyline(x, -60, x, 240, 12.0), stage.uniform(5, 14))
    if stage.chance(0.2):
        far = np.linspace(-250, 250, 40)
        swell = np.convolve(rng.normal(0, 1, 52), np.ones(13) / 13, "valid")
        top = stage.uniform(12, 40) * np.exp(0.8 * swell)
        base = np.stack([far, np.full(40, -5.0), np.full(40, 255.0)], 1)
        crest = np.stack([far, top, np.full(40, 255.0)], 1)
        wall_ribbon(
            builder,
            base,
            crest,
            Material(VEGETATION, pick(rng, palette.foliage), "foliage", scale=6.0, grain=0.1),
        )
