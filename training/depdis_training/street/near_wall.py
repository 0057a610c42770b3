"""A wall close to the camera, with the pavement before it and what leans, walks and stands there."""

from __future__ import annotations

import math

import numpy as np

from depdis_training.street.classes import BUILDING, ROAD, SIDEWALK, WALL
from depdis_training.street.fronts import facade_material, glass_material
from depdis_training.street.furniture import bollard
from depdis_training.street.ground import KERB_HEIGHT
from depdis_training.street.mesh import Builder, Material, Mesh
from depdis_training.street.palette import pick
from depdis_training.street.people import Pose, person
from depdis_training.street.shapes import boxes
from depdis_training.street.stock import Stage
from depdis_training.street.surfaces import quads, rectangles
from depdis_training.street.two_wheelers import bicycle

_FOOT, _DEEP = KERB_HEIGHT + 0.02, 0.35  # of the pavement above the road; of the wall, metres


def near_wall(stage: Stage) -> None:
    """A house's or garden wall or a hoarding, 1.6 to 4.5 m from the camera, across the view or along it."""
    view = stage.view
    away = stage.uniform(1.6, 4.5)
    turn = (1 if stage.chance(0.5) else -1) * stage.uniform(0.25, 1.5)
    yaw = view.yaw + turn
    ahead, back = stage.uniform(4.0, 14.0), stage.uniform(0.5, 3.0)
    # The wall runs along its own x axis; the view's direction is -x where the wall is to the right.
    x0, x1 = (-ahead, back) if turn > 0 else (-back, ahead)
    x, z = view.x + away * math.sin(yaw), view.z + away * math.cos(yaw)
    for at in np.arange(x0, x1 + 0.5, 1.0):
        for deep in (-0.6, 0.5, 1.6):
            stage.taken.append((
                x + at * math.cos(yaw) + deep * math.sin(yaw), z - at * math.sin(yaw) + deep * math.cos(yaw),
                0.7, 0.7,
            ))  # fmt: skip
    builder = Builder()
    if stage.chance(0.2):
        _hoarding(stage, builder, x0, x1)
    else:
        _masonry(stage, builder, x0, x1)
    wide = stage.uniform(1.0, 3.0)
    _pavement(stage, builder, x0 - 3.0, x1 + 3.0, wide)
    meshes = [builder.build(), *_before(stage, x0, x1, min(wide, away - 0.9))]
    ground = stage.course.height(z)
    stage.still.extend(mesh.placed(x, z, y=ground, yaw=yaw) for mesh in meshes)


def _pavement(stage: Stage, builder: Builder, x0: float, x1: float, wide: float) -> None:
    """The strip of pavement at the wall's foot, with its kerb; now and then cobbles."""
    rng, palette = stage.rng, stage.palette
    colour = pick(rng, palette.pavement)
    joint = (colour[0] * 0.55, colour[1] * 0.55, colour[2] * 0.55)
    pattern, scale = [("paving", 0.5), ("paving", 0.16), ("stone", 0.14), ("asphalt", 1.0)][
        int(rng.integers(4))
    ]
    stuff = Material(SIDEWALK, colour, pattern, joint, scale=scale, grain=0.1)
    flat = [[(x0, _FOOT, -wide), (x1, _FOOT, -wide), (x1, _FOOT, 0.0), (x0, _FOOT, 0.0)]]
    quads(builder, flat, stuff)
    kerb = Material(SIDEWALK, pick(rng, palette.kerb), "noise")
    boxes(builder, [(x0, -0.5, -wide - 0.14)], [(x1, _FOOT + 0.003, -wide)], kerb)
    if stage.chance(0.3):  # a gutter of the road's own stuff
        gutter = Material(ROAD, pick(rng, palette.road), "stone", scale=0.15, grain=0.1)
        y = 0.012
        quads(builder, [[(x0, y, -wide - 0.5), (x1, y, -wide - 0.5), (x1, y, -wide), (x0, y, -wide)]], gutter)


def _masonry(stage: Stage, builder: Builder, x0: float, x1: float) -> None:
    """A house's wall with a plinth, doors and windows, or a lower one without."""
    rng, palette = stage.rng, stage.palette
    house = stage.chance(0.7)
    high = stage.uniform(3.2, 9.0) if house else stage.uniform(1.6, 3.0)
    kind = str(rng.choice(["brick", "brick", "stone", "plaster", "plaster", "noise", "plain"]))
    wall = facade_material(rng, palette, kind, None)
    if not house:
        wall = Material(WALL, pick(rng, palette.wall), wall.pattern, wall.colour2, scale=wall.scale, grain=0.1)
    boxes(builder, [(x0, -1.0, 0.0)], [(x1, high, _DEEP)], wall)
    plinth = stage.uniform(0.3, 1.1)
    if stage.chance(0.6):
        stuff = Material(wall.label, pick(rng, palette.kerb), "stone" if stage.chance(0.5) else "plaster",
                         scale=stage.uniform(0.3, 0.7), grain=0.12)  # fmt: skip
        boxes(builder, [(x0, -1.0, -0.05)], [(x1, _FOOT + plinth, 0.1)], stuff)
    if not house:
        boxes(builder, [(x0, high, -0.05)], [(x1, high + 0.08, _DEEP + 0.05)],
              Material(WALL, pick(rng, palette.kerb), "noise"))  # fmt: skip
        return
    glass = glass_material(rng, palette)
    trim = Material(BUILDING, pick(rng, palette.trim), grain=0.04)
    door = Material(BUILDING, pick(rng, palette.shop), "planks", (30.0, 28.0, 26.0), scale=0.2, grain=0.06)
    bars = Material(BUILDING, pick(rng, palette.fence), holes="bars" if stage.chance(0.5) else "mesh",
                    scale=stage.uniform(0.06, 0.14), coverage=0.25)  # fmt: skip
    at = x0 + stage.uniform(0.3, 2.0)
    while at < x1 - 1.6:
        wide, low, top, leaf = stage.uniform(0.8, 1.8), stage.uniform(0.9, 1.4), stage.uniform(2.1, 2.8), glass
        draw = rng.random()
        if draw < 0.25:
            wide, low, leaf = stage.uniform(0.85, 1.2), 0.02, door
        elif draw < 0.4:  # a cellar's window behind a grille
            low, top = 0.15, stage.uniform(0.6, 0.9)
        low, top = low + _FOOT, min(top + _FOOT, high - 0.2)
        frame = np.array([[at - 0.1, low - 0.1, -0.07], [at - 0.1, top, -0.07], [at - 0.1, low, -0.07],
                          [at + wide, low, -0.07]])  # fmt: skip
        size = np.array([[wide + 0.2, 0.1, 0.1], [wide + 0.2, 0.12, 0.1], [0.1, top - low, 0.1],
                         [0.1, top - low, 0.1]])  # fmt: skip
        boxes(builder, frame, frame + size, trim)
        quads(builder, rectangles(at, at + wide, low, top, -0.055), leaf)
        if draw >= 0.25 and (draw < 0.4 or stage.chance(0.3)):
            quads(builder, rectangles(at, at + wide, low, top, -0.08), bars)
        if leaf is glass and draw >= 0.4:
            quads(builder, rectangles(at + wide / 2 - 0.03, at + wide / 2 + 0.03, low, top, -0.065), trim)
        at += wide + stage.uniform(0.4, 2.5)


def _hoarding(stage: Stage, builder: Builder, x0: float, x1: float) -> None:
    """Boards round a building site, with bills and notices."""
    rng, palette = stage.rng, stage.palette
    high = stage.uniform(1.9, 3.0)
    board = Material(WALL, pick(rng, palette.shop + palette.trim), "planks" if stage.chance(0.4) else "noise",
                     (120.0, 116.0, 110.0), scale=stage.uniform(0.15, 1.2), grain=0.05)  # fmt: skip
    boxes(builder, [(x0, -0.5, 0.0)], [(x1, high, 0.06)], board)
    at = x0 + 0.3
    while at < x1 - 1.3:
        wide, low = stage.uniform(0.5, 1.6), stage.uniform(0.6, 1.2)
        pattern = "sign_text" if stage.chance(0.7) else "noise"
        bill = Material(WALL, pick(rng, palette.shop + palette.sign), pattern, pick(rng, palette.sign),
                        scale=stage.uniform(0.2, 0.6), phase=float(rng.random()),
                        grain=0.03)  # fmt: skip
        quads(
            builder, rectangles(at, at + wide, low, min(high - 0.1, low + stage.uniform(0.5, 1.6)), -0.02), bill
        )
        at += wide + stage.uniform(0.1, 2.5)


def _before(stage: Stage, x0: float, x1: float, wide: float) -> list[Mesh]:
    """Bicycles that lean on the wall, people who pass, bollards at the kerb: in the wall's own coordinates."""
    rng, palette = stage.rng, stage.palette
    reach = (max(x0 + 0.8, -5.0), min(x1 - 0.8, 5.0))
    meshes: list[Mesh] = []
    if stage.chance(0.6):
        at = stage.uniform(*reach)
        for _ in range(int(rng.integers(1, 4))):
            mesh = bicycle(rng, palette, rider=False)
            yaw = math.pi / 2 * (1 if stage.chance(0.5) else -1) + stage.uniform(-0.12, 0.12)
            meshes.append(mesh.placed(at, -stage.uniform(0.34, 0.45), y=_FOOT, yaw=yaw))
            at += stage.uniform(1.9, 2.6)
    if stage.chance(0.5) and wide > 1.0:
        for _ in range(int(rng.integers(1, 4))):
            pose: Pose = "walking" if stage.chance(0.7) else "standing"
            yaw = math.pi / 2 * (1 if stage.chance(0.5) else -1) + stage.uniform(-0.5, 0.5)
            mesh = person(rng, palette, pose=pose, phase=float(rng.random()))
            meshes.append(mesh.placed(stage.uniform(*reach), -stage.uniform(0.9, wide), y=_FOOT, yaw=yaw))
    if stage.chance(0.4):
        post, step = bollard(rng, palette), stage.uniform(1.0, 2.2)
        meshes += [post.placed(at, -wide + 0.1, y=_FOOT) for at in np.arange(reach[0], reach[1], step)]
    return meshes
