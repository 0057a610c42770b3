"""Posts that a picture shows hardly apart from what is behind them: rows before a vehicle, pale low lamps."""

from __future__ import annotations

import math

import numpy as np

from depdis_training.street.classes import POLE
from depdis_training.street.furniture import bollard
from depdis_training.street.large_vehicles import bus, lorry
from depdis_training.street.mesh import Builder, Material, Mesh
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import ellipsoids, sweep, tubes
from depdis_training.street.stock import Stage
from depdis_training.street.vehicles import car

_DARK = ((26, 26, 28), (38, 39, 41), (52, 54, 56), (70, 72, 74), (34, 52, 44), (96, 97, 98))
_PALE = ((250, 250, 248), (236, 238, 238), (214, 216, 216), (180, 184, 188))


def grooved_bollard(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A stout post 0.75 to 1.1 m high of one metal: foot plate, narrow foot, body with grooves; label pole."""
    builder = Builder()
    tall, wide = float(rng.uniform(0.75, 1.1)), float(rng.uniform(0.08, 0.14))
    metal = Material(POLE, pick(rng, (*_DARK, *palette.pole)), gloss=0.1, grain=0.08)
    foot, groove = float(rng.uniform(0.14, 0.28)), float(rng.uniform(0.8, 0.95))
    low, high = float(rng.uniform(0.4, 0.55)), float(rng.uniform(0.84, 0.92))
    steps = [0.0, 0.02, 0.03, foot, foot + 0.01, low, low + 0.01, low + 0.03, low + 0.04, high, high + 0.01,
             high + 0.03, high + 0.04, 0.995, 1.0]  # fmt: skip
    radii = [0.95, 0.95, 0.6, 0.6, 1.0, 1.0, groove, groove, 1.0, 1.0, groove, groove, 1.0, 1.0, 0.01]
    path = np.stack([np.zeros(15), np.array(steps) * tall, np.zeros(15)], 1)
    sweep(builder, path, np.array(radii) * wide, metal, sides=12)
    return builder.build()


def low_lamp(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A lamp 3.2 to 6.5 m high with a large head on a short arm towards +z, often white and lit; label pole."""
    builder = Builder()
    height, foot = float(rng.uniform(3.2, 6.5)), float(rng.uniform(0.05, 0.09))
    column = Material(POLE, pick(rng, (*palette.pole, *_PALE)), gloss=0.1, grain=0.06)
    heights = np.array([[0.0, 0.0, 0.0], [0.0, 1.2, 0.0], [0.0, height, 0.0]])
    tubes(builder, heights[:2], heights[1:], [foot * 1.4, foot * 0.8], column,
          end_radii=[foot * 1.4, foot * 0.6], sides=8)  # fmt: skip
    reach, rise = float(rng.uniform(0.1, 1.2)), float(rng.uniform(0.0, 0.5))
    turn = np.linspace(0, math.pi / 2, 6)
    path = np.stack([0 * turn, height + rise * np.sin(turn), reach * (1 - np.cos(turn))], 1)
    sweep(builder, path, [foot * 0.55] * 6, column, sides=6, facing=(1.0, 0.0, 0.0))
    pale = rng.random() < 0.7
    # A head in the sun is whiter than the camera can show.
    shell = Material(POLE, pick(rng, _PALE if pale else (*_DARK, *palette.pole)), gloss=0.15, grain=0.03,
                     emission=float(rng.uniform(0.0, 0.7)) if pale else 0.0)  # fmt: skip
    size = (float(rng.uniform(0.12, 0.2)), float(rng.uniform(0.06, 0.13)), float(rng.uniform(0.28, 0.5)))
    head = np.array([0.0, height + rise + 0.02, reach + 0.7 * size[2]])
    ellipsoids(builder, [head], size, shell, rings=6, sides=9)
    glass = Material(POLE, (224, 222, 210), gloss=0.3, emission=0.1)
    below = head - np.array([0.0, 0.4 * size[1], 0.0])
    ellipsoids(builder, [below], (0.8 * size[0], 0.8 * size[1], 0.75 * size[2]), glass, rings=4, sides=7)
    if rng.random() < 0.3:  # what switches it on at dusk
        ellipsoids(builder, [head + np.array([0.0, size[1], 0.0])], (0.05, 0.06, 0.05), shell, rings=3, sides=6)
    return builder.build()


def row_before_vehicle(stage: Stage) -> None:
    """A row of equal posts across the view, and half a metre to two behind it a vehicle along the row."""
    view, rng = stage.view, stage.rng
    side = view.yaw + stage.uniform(-0.7, 0.7) * view.half_angle
    away = stage.uniform(2.4, 9.0)
    x, z = view.x + away * math.sin(side), view.z + away * math.cos(side)
    along = view.yaw + math.pi / 2 + stage.uniform(-0.8, 0.8)
    behind = (-math.cos(along), math.sin(along))  # across the row, away from the camera
    if behind[0] * math.sin(side) + behind[1] * math.cos(side) < 0:
        behind = (-behind[0], -behind[1])
    vehicle, half = _vehicle(stage)
    gap, shift = half[0] + stage.uniform(0.3, 2.0), stage.uniform(-0.7, 0.7) * half[1]
    spot = (x + gap * behind[0] + shift * math.sin(along), z + gap * behind[1] + shift * math.cos(along))
    stage.put(vehicle, *spot, yaw=along + (math.pi if stage.chance(0.5) else 0.0))
    for part in (-0.8, -0.4, 0.0, 0.4, 0.8):  # so that nothing is put into it
        at = part * half[1]
        stage.taken.append((spot[0] + at * math.sin(along), spot[1] + at * math.cos(along), half[0], half[0]))
    build = grooved_bollard if stage.chance(0.6) else bollard
    post, step, count = build(rng, stage.palette), stage.uniform(0.9, 2.6), int(rng.integers(2, 8))
    first = -stage.uniform(0.2, 0.8) * step * (count - 1)
    for place in range(count):
        at = first + place * step
        stage.put(post, x + at * math.sin(along), z + at * math.cos(along), y=stage.uniform(0.08, 0.14))


def low_lamps(stage: Stage) -> None:
    """One to three equal lamps before whatever is there."""
    lamp = low_lamp(stage.rng, stage.palette)
    for _ in range(int(stage.rng.integers(1, 4))):
        away = stage.uniform(3.5, 20.0)
        side = stage.view.yaw + stage.uniform(-1.0, 1.0) * stage.view.half_angle
        x, z = stage.view.x + away * math.sin(side), stage.view.z + away * math.cos(side)
        if stage.free(x, z, 0.15, 0.15):
            stage.put(lamp, x, z, y=0.1, yaw=stage.uniform(0, 2 * math.pi))


def _vehicle(stage: Stage) -> tuple[Mesh, tuple[float, float]]:
    """One for behind the row, with half of its width and length in metres."""
    draw = stage.rng.random()
    if draw < 0.45:
        return bus(stage.rng, stage.palette, double_decker=stage.chance(0.15)), (1.3, 5.8)
    if draw < 0.6:
        return lorry(stage.rng, stage.palette), (1.3, 4.2)
    return car(stage.rng, stage.palette, kind="van" if draw < 0.75 else None), (1.0, 2.5)
