"""What stands on pavements: lamps, posts, bollards, benches, bins, shelters. Signs and signals re-exported."""

from __future__ import annotations

import math

import numpy as np

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street.mesh import Builder, Material, Mesh
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import boxes, cards, ellipsoids, sweep, tubes
from depdis_training.street.signals import add_notice, traffic_light, traffic_sign

__all__ = [
    "bench", "bin_", "bollard", "bus_shelter", "pole", "street_lamp", "telephone_box", "traffic_light",
    "traffic_sign",
]  # fmt: skip

POLE = CITYSCAPES_16.index("pole")
BUILDING = CITYSCAPES_16.index("building")


def street_lamp(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A lamp 4.5 to 10 m high, label pole: a bent or straight arm towards +z, two arms, or a lantern on top."""
    builder = Builder()
    kind = rng.choice(["bent", "straight", "double", "lantern", "flat"], p=[0.34, 0.2, 0.1, 0.16, 0.2])
    metal = Material(POLE, pick(rng, palette.pole), gloss=0.1, grain=0.06)
    glass = Material(POLE, (216, 214, 204), gloss=0.3, emission=0.05)
    if kind == "lantern":
        _lantern(builder, metal, glass, float(rng.uniform(3.4, 5.0)))
        return builder.build()
    height = float(rng.uniform(5.5, 10.0))
    foot = float(rng.uniform(0.07, 0.1))
    tubes(
        builder, np.array([[0, 0, 0], [0, 1.3, 0]]), np.array([[0, 1.3, 0], [0, height, 0]]),
        [foot, foot * 0.7], metal,
        end_radii=[foot, foot * 0.45], sides=7,
    )  # fmt: skip
    reach = float(rng.uniform(0.9, 2.2))
    for sign in (1.0, -1.0) if kind == "double" else (1.0,):
        tip = [0.0, height + 0.15 + reach * 0.12, sign * reach]
        if kind == "bent":
            turn = np.linspace(0, math.pi / 2, 6)
            path = np.stack([0 * turn, height + 0.55 * reach * np.sin(turn), reach * (1 - np.cos(turn))], 1)
            tip = [0.0, height + 0.55 * reach, reach]
            sweep(builder, path, [foot * 0.42] * 6, metal, sides=5, facing=(1.0, 0.0, 0.0))
        elif kind == "flat":
            tip = [0.0, height + 0.02, sign * 0.15]
        else:
            tubes(builder, [[0, height - 0.1, 0]], [tip], foot * 0.42, metal, sides=5)
        head = np.array(tip) + np.array([0.0, 0.02, sign * 0.28])
        ellipsoids(builder, [head], (0.13, 0.075, 0.36), metal, rings=4, sides=7)
        ellipsoids(builder, [head + np.array([0, -0.045, 0.02])], (0.1, 0.05, 0.26), glass, rings=3, sides=6)
    if rng.random() < 0.3:
        add_notice(builder, rng, palette, foot)
    return builder.build()


def _lantern(builder: Builder, metal: Material, glass: Material, height: float) -> None:
    """An old-fashioned lantern on a cast column with a ladder bar."""
    steps = np.array([0.0, 0.25, 0.28, 0.9, 0.95, height - 0.5])
    sweep(
        builder,
        np.stack([0 * steps, steps, 0 * steps], 1),
        [0.13, 0.11, 0.08, 0.07, 0.055, 0.045],
        metal,
        sides=7,
    )
    tubes(builder, [[-0.3, height - 0.75, 0]], [[0.3, height - 0.75, 0]], 0.018, metal, sides=4)
    tubes(builder, [[0, height - 0.5, 0]], [[0, height - 0.05, 0]], 0.11, glass, end_radii=0.2, sides=6)
    tubes(builder, [[0, height - 0.05, 0]], [[0, height + 0.2, 0]], 0.24, metal, end_radii=0.03, sides=6)


def pole(rng: np.random.Generator, palette: Palette, *, height: float | None = None) -> Mesh:
    """A bare post, a telegraph pole with a cross-bar, a parking post; 2.5 to 9 m, label pole."""
    tall = float(rng.choice([rng.uniform(2.5, 4.0), rng.uniform(5.0, 9.0)])) if height is None else height
    builder = Builder()
    wooden = tall > 5 and rng.random() < 0.4
    if wooden:
        wood = Material(POLE, pick(rng, palette.bark), pattern="bark", colour2=(60, 48, 38), scale=0.3)
        tubes(builder, [[0, 0, 0]], [[0, tall, 0]], 0.14, wood, end_radii=0.1, sides=7)
        boxes(builder, [[-0.8, tall - 0.6, -0.05]], [[0.8, tall - 0.48, 0.05]], wood)
        pins = np.array([[x, tall - 0.42, 0.0] for x in (-0.7, -0.35, 0.35, 0.7)])
        ellipsoids(builder, pins, (0.04, 0.08, 0.04), Material(POLE, (190, 188, 180)), rings=3, sides=5)
        return builder.build()
    radius = float(rng.uniform(0.035, 0.08))
    metal = Material(POLE, pick(rng, palette.pole), gloss=0.1, grain=0.06)
    tubes(builder, [[0, 0, 0]], [[0, tall, 0]], radius, metal, sides=7)
    ellipsoids(builder, [[0, tall, 0]], (radius * 1.1, radius, radius * 1.1), metal, rings=3, sides=6)
    if rng.random() < 0.3:
        band = Material(POLE, pick(rng, palette.sign), pattern="stripes", scale=0.3, colour2=(230, 230, 226))
        tubes(builder, [[0, 0.9, 0]], [[0, 1.5, 0]], radius * 1.06, band, sides=7)
    return builder.build()


def bollard(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A post 0.7 to 1.15 m high, slim or stout, with a flat, domed or ball top, plain, ringed or banded."""
    builder = Builder()
    tall, wide = float(rng.uniform(0.7, 1.15)), float(rng.uniform(0.045, 0.15))
    colours = (*palette.pole, (26, 26, 28), (24, 34, 30), (34, 52, 44), (60, 62, 64), (150, 148, 140))
    stone = rng.random() < 0.2
    body = Material(
        POLE, pick(rng, palette.kerb if stone else colours), pattern="noise" if stone else "plain",
        gloss=0.0 if stone else 0.1, grain=0.06,
    )  # fmt: skip
    top = rng.choice(["flat", "dome", "ball"], p=[0.35, 0.35, 0.3])
    waist, neck = float(rng.choice([1.0, 1.0, 0.8])), 0.85 if top == "ball" else 0.93
    steps = np.array([0.0, 0.1, 0.12, neck - 0.1, neck - 0.05, neck, 1.0 if top == "dome" else neck]) * tall
    radii = np.array([1.1, 1.1, waist, waist, 1.15, 1.0, 0.2 if top == "dome" else 0.01]) * wide
    sweep(builder, np.stack([0 * steps, steps, 0 * steps], 1), radii, body, sides=10)
    if top == "ball":
        ball = wide * float(rng.uniform(1.0, 1.35))
        ellipsoids(builder, [[0, neck * tall + 0.8 * ball, 0]], (ball, ball, ball), body, rings=6, sides=10)
    for y in np.arange(int(rng.integers(0, 4))) * 0.14 + 0.45:  # rings
        tubes(builder, [[0, tall * y, 0]], [[0, tall * y + 0.03, 0]], wide * waist * 1.12, body, sides=10)
    if rng.random() < 0.4:
        bright = ((214, 176, 60), (228, 228, 224), (190, 150, 50), (200, 40, 36))
        band = Material(POLE, pick(rng, bright), gloss=0.15)
        at, high = float(rng.uniform(0.55, 0.68)), float(rng.uniform(0.05, 0.12))
        tubes(
            builder, [[0, tall * at, 0]], [[0, tall * (at + high), 0]], wide * waist * 1.06, band, sides=10
        )  # fmt: skip
    return builder.build()


def bench(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A bench 1.6 m long facing +z; no class of its own, so it has the buildings' label."""
    builder = Builder()
    wood = Material(BUILDING, pick(rng, palette.bark), pattern="planks", colour2=(60, 44, 30), scale=0.12)
    iron = Material(BUILDING, (40, 42, 44), grain=0.05)
    slats = np.array([[-0.8, 0.43, z] for z in (0.05, 0.2, 0.35)])
    boxes(builder, slats, slats + np.array([1.6, 0.035, 0.11]), wood)
    backs = np.array([[-0.8, y, -0.05 - 0.1 * (y - 0.5)] for y in (0.55, 0.7, 0.85)])
    boxes(builder, backs, backs + np.array([1.6, 0.1, 0.03]), wood)
    legs = np.array([[x, 0.0, z] for x in (-0.68, 0.62) for z in (-0.06, 0.38)])
    heights = np.array([0.92, 0.45, 0.92, 0.45])
    boxes(builder, legs, legs + np.stack([[0.06] * 4, heights, [0.05] * 4], 1), iron)
    return builder.build()


def bin_(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A litter bin about a metre high; no class of its own, so it has the buildings' label."""
    builder = Builder()
    body = Material(BUILDING, pick(rng, (*palette.pole, (30, 60, 44), (28, 28, 30))), grain=0.08)
    tall = float(rng.uniform(0.85, 1.25))
    if rng.random() < 0.5:
        steps = np.array([0.0, 0.02, 0.78, 0.8, 0.9, 1.0]) * tall
        sweep(
            builder,
            np.stack([0 * steps, steps, 0 * steps], 1),
            [0.2, 0.24, 0.27, 0.29, 0.24, 0.02],
            body,
            sides=9,
        )
    else:
        boxes(builder, [[-0.26, 0.05, -0.24]], [[0.26, tall, 0.24]], body)
        slot = Material(BUILDING, (18, 18, 20))
        cards(builder, [[0, tall * 0.8, 0.246]], [[0.18, 0, 0]], [[0, 0.07, 0]], slot)
    return builder.build()


def bus_shelter(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A shelter 3 to 4.5 m long open towards +z, with an advertisement at one end; label building."""
    builder = Builder()
    half, deep = float(rng.uniform(1.5, 2.25)), 1.3
    frame = Material(BUILDING, pick(rng, palette.pole), gloss=0.1)
    roof = Material(BUILDING, pick(rng, (*palette.pole, (210, 212, 214))), grain=0.06)
    pane = Material(BUILDING, pick(rng, palette.glass), gloss=0.5, grain=0.02)
    posts = np.array(
        [[x, 0.0, z] for x in (-half, 0.0, half) for z in (-deep / 2,)]
        + [[-half, 0, deep / 2], [half, 0, deep / 2]]
    )
    tubes(builder, posts, posts + np.array([0, 2.35, 0]), 0.045, frame, sides=5)
    boxes(builder, [[-half - 0.1, 2.35, -deep / 2 - 0.1]], [[half + 0.1, 2.48, deep / 2 + 0.25]], roof)
    centres = [[-half / 2, 1.2, -deep / 2], [half / 2, 1.2, -deep / 2]]
    cards(builder, centres, [[half / 2 - 0.08, 0, 0]] * 2, [[0, 0.85, 0]] * 2, pane)
    poster = Material(
        BUILDING, pick(rng, palette.shop), pattern="sign_text", colour2=pick(rng, palette.sign), scale=0.8
    )
    x = half * (1.0 if rng.random() < 0.5 else -1.0)
    boxes(builder, [[x - 0.06, 0.3, -deep / 2]], [[x + 0.06, 2.2, deep / 2 - 0.05]], poster)
    boxes(builder, [[-half * 0.7, 0.45, -deep / 2 + 0.05]], [[half * 0.7, 0.5, -deep / 2 + 0.35]], frame)
    return builder.build()


def telephone_box(rng: np.random.Generator, palette: Palette) -> Mesh:
    """A telephone kiosk 2.4 m high with glazed sides; label building."""
    builder = Builder()
    colour = pick(rng, ((170, 24, 28), (170, 24, 28), (40, 42, 46), *palette.shop))
    frame = Material(BUILDING, colour, gloss=0.15)
    pane = Material(BUILDING, pick(rng, palette.glass), gloss=0.5)
    boxes(builder, [[-0.45, 0.0, -0.45]], [[0.45, 2.3, 0.45]], frame)
    boxes(builder, [[-0.4, 2.3, -0.4]], [[0.4, 2.45, 0.4]], frame)
    x = np.array([-0.22, 0.0, 0.22])
    for axis in (0, 2):
        for sign in (-1.0, 1.0):
            at = np.zeros((3, 3))
            at[:, axis], at[:, 2 - axis], at[:, 1] = sign * 0.456, x, 1.3
            right = np.zeros(3)
            right[2 - axis] = 0.09
            cards(builder, at, [right] * 3, [[0, 0.78, 0]] * 3, pane)
    return builder.build()
