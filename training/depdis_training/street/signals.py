"""Traffic lights and traffic signs with their posts."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street.mesh import Builder, Material, Mesh, Rgb
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import Floats, boxes, circle, plate, tubes

POLE = CITYSCAPES_16.index("pole")
TRAFFIC_LIGHT = CITYSCAPES_16.index("traffic light")
TRAFFIC_SIGN = CITYSCAPES_16.index("traffic sign")

_LAMPS: tuple[tuple[Rgb, Rgb], ...] = (
    ((255, 48, 40), (60, 16, 16)), ((255, 178, 40), (58, 42, 14)), ((60, 255, 170), (14, 50, 36)),
)  # fmt: skip
SignKind = Literal["round", "triangle", "rectangle", "direction", "keep", "bollard", "hanging"]


def traffic_light(rng: np.random.Generator, palette: Palette, *, arm: float | None = None) -> Mesh:
    """Three lamps towards +z on a post, about 3 m high; label traffic light, the post's label pole.

    arm: metres by which a second head hangs over the road (towards +x), at 5.5 m; 0 for none, None draws it.
    """
    builder = Builder()
    reach = (float(rng.uniform(2.5, 5.0)) if rng.random() < 0.12 else 0.0) if arm is None else arm
    metal = Material(POLE, pick(rng, palette.pole), gloss=0.1, grain=0.06)
    height = float(rng.uniform(2.7, 3.4))
    radius = 0.085 if reach else 0.055
    top = 5.9 if reach else height + 0.1
    tubes(builder, [[0, 0, 0]], [[0, top, 0]], radius, metal, sides=7)
    lit = int(rng.integers(3))
    board = bool(rng.random() < 0.35)
    yellow = rng.random() < 0.08
    shell = Material(TRAFFIC_LIGHT, (206, 160, 40) if yellow else (22, 23, 24), grain=0.05)
    heads = [np.array([0.0, height - 0.5, radius + 0.13])]
    if reach:
        tubes(builder, [[0, 5.75, 0]], [[reach, 5.9, 0]], 0.055, metal, sides=6)
        heads.append(np.array([reach - 0.1, 5.45, 0.12]))
    for head in heads:
        _head(builder, rng, head, shell, lit, board)
    if rng.random() < 0.35:  # a second head for the traffic from behind
        _head(
            builder,
            rng,
            np.array([0.0, height - 0.5, -radius - 0.13]),
            shell,
            int(rng.integers(3)),
            False,
            facing=-1.0,
        )
    if rng.random() < 0.4:  # a box for those on foot
        boxes(builder, [[-0.09, 0.95, 0.04]], [[0.09, 1.25, 0.16]], Material(POLE, (30, 30, 32)))
    return builder.build()


def _head(
    builder: Builder, rng: np.random.Generator, at: Floats, shell: Material, lit: int, board: bool, *,
    facing: float = 1.0,
) -> None:  # fmt: skip
    """The housing about `at`, its lamps with hoods towards +z or -z."""
    half = np.array([0.16, 0.47, 0.11])
    boxes(builder, [at - half], [at + half], shell)
    front = float(at[2] + facing * (half[2] + 0.004))
    if board:
        outline = np.array([[-0.3, -0.62], [0.3, -0.62], [0.3, 0.62], [-0.3, 0.62]])
        white = Material(TRAFFIC_LIGHT, (214, 214, 210))
        plate(builder, outline + at[:2], float(at[2] - facing * 0.02), white, facing=facing)
        plate(builder, outline * [0.86, 0.93] + at[:2], float(at[2] - facing * 0.012), shell, facing=facing)
        plate(builder, outline * [0.9, 0.95] + at[:2], float(at[2] - facing * 0.03), shell, facing=-facing)
    for index, (bright, dull) in enumerate(_LAMPS):
        y = float(at[1] + 0.3 - 0.3 * index)
        on = index == lit or (lit == 0 and index == 1 and rng.random() < 0.1)
        lamp = Material(
            TRAFFIC_LIGHT,
            bright if on else dull,
            emission=1.0 if on else 0.0,
            gloss=0.0 if on else 0.2,
            grain=0.0,
        )
        plate(builder, circle(float(at[0]), y, 0.105, 10), front, lamp, facing=facing)
    y = at[1] + 0.3 - 0.3 * np.arange(3)
    turn = np.linspace(-0.25, math.pi + 0.25, 6)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1) * 0.125
    for level in y:
        near = np.concatenate([ring + np.array([at[0], level]), np.full((6, 1), front)], 1)
        far = near + np.array([0.0, -0.02, facing * 0.17])
        far[[0, -1]] = near[[0, -1]]
        faces = [[i, i + 1, 7 + i] for i in range(5)] + [[i, 7 + i, 6 + i] for i in range(5)]
        normals = np.tile(np.concatenate([ring / 0.125, np.zeros((6, 1))], 1), (2, 1))
        points = np.concatenate([near, far])
        builder.triangles(points, faces, shell, uv=points[:, [0, 2]], normals=normals)


def traffic_sign(
    rng: np.random.Generator, palette: Palette, *, kind: SignKind | None = None, post: bool = True
) -> Mesh:
    """A sign facing +z, 2 to 3 m up, with its post (label pole); both sides of the plate are traffic sign.

    kind: round, triangle, rectangle, direction (a large board on two posts), keep (a blue disc low down),
    bollard (an illuminated one on an island), hanging (from a façade behind, no post); None draws one.
    """
    kinds: tuple[SignKind, ...] = ("round", "triangle", "rectangle", "direction", "keep", "bollard")
    if kind is None:
        kind = kinds[int(rng.choice(6, p=[0.34, 0.2, 0.24, 0.08, 0.08, 0.06]))]
    builder = Builder()
    metal = Material(POLE, pick(rng, palette.pole), gloss=0.1, grain=0.06)
    if kind == "bollard":
        _lit_bollard(builder, rng)
    elif kind == "hanging":
        half, y = float(rng.uniform(0.3, 0.6)), float(rng.uniform(2.9, 3.8))
        outline = np.array([[-half, -0.35], [half, -0.35], [half, 0.35], [-half, 0.35]])
        outline = outline + np.array([half + 0.15, y])
        _board(builder, rng, outline, _written(rng, palette, 0.35), 0.02)
        tubes(builder, [[0, y + 0.42, 0]], [[2 * half + 0.2, y + 0.42, 0]], 0.015, metal, sides=4)
    elif kind == "direction":
        wide, tall, y = float(rng.uniform(0.8, 1.8)), float(rng.uniform(0.4, 1.1)), float(rng.uniform(2.2, 3.0))
        outline = np.array([[-wide, -tall], [wide, -tall], [wide, tall], [-wide, tall]])
        outline = outline + np.array([0, y + tall])
        _board(builder, rng, outline, _written(rng, palette, tall), 0.06)
        at = np.array([[-wide * 0.6, 0, 0], [wide * 0.6, 0, 0]])
        tubes(builder, at, at + np.array([0, y + 2 * tall, 0]), 0.055, metal, sides=6)
    else:
        height = 0.9 if kind == "keep" else float(rng.uniform(2.0, 2.7))
        size = float(rng.uniform(0.3, 0.42))
        y = height + size
        _plates(builder, rng, palette, kind, y, size)
        if post:
            top = y + size * 0.9 if kind != "rectangle" else y + size * 1.2
            tubes(builder, [[0, 0, -0.01]], [[0, top, -0.01]], float(rng.uniform(0.03, 0.045)), metal, sides=6)
    return builder.build()


def add_notice(builder: Builder, rng: np.random.Generator, palette: Palette, post_radius: float) -> None:
    """A rectangular notice of any colour, 1.6 to 3 m up on a post that stands already, facing either way."""
    half = np.array([rng.uniform(0.18, 0.45), rng.uniform(0.2, 0.5)])
    outline = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * half
    outline = outline + np.array([0.0, float(rng.uniform(1.6, 3.0))])
    side = 1.0 if rng.random() < 0.5 else -1.0
    _board(builder, rng, outline, _written(rng, palette, float(half[1])), side * (post_radius + 0.02))


def _plates(
    builder: Builder, rng: np.random.Generator, palette: Palette, kind: SignKind, y: float, size: float
) -> None:
    """The plate or plates of a sign on one post."""
    white = Material(TRAFFIC_SIGN, (234, 234, 230), grain=0.03)
    red, blue = (186, 24, 30), (24, 68, 156)
    z = 0.05
    if kind == "triangle":
        corners = np.array([[-1.0, -0.6], [1.0, -0.6], [0.0, 1.1]]) * size * 1.05
        _board(builder, rng, corners + np.array([0, y]), Material(TRAFFIC_SIGN, red, grain=0.03), z)
        plate(builder, corners * 0.68 + [0, y], z + 0.014, white)
        mark = np.array([[-0.07, -0.3], [0.07, -0.3], [0.09, 0.3], [-0.09, 0.3]]) * size
        plate(builder, mark + np.array([0, y]), z + 0.02, Material(TRAFFIC_SIGN, (24, 24, 26)))
    elif kind == "rectangle":
        wide, tall = size * float(rng.uniform(0.7, 1.3)), size * float(rng.uniform(0.7, 1.3))
        outline = np.array([[-wide, -tall], [wide, -tall], [wide, tall], [-wide, tall]]) + np.array([0, y])
        _board(builder, rng, outline, _written(rng, palette, tall), z)
    else:
        disc = circle(0, y, size, 14)
        look = 1.0 if kind == "keep" else rng.random()
        if look < 0.55:  # a red ring: a limit or a ban
            _board(builder, rng, disc, Material(TRAFFIC_SIGN, red, grain=0.03), z)
            inner = white if look < 0.42 else Material(TRAFFIC_SIGN, blue)
            plate(builder, circle(0, y, size * 0.76, 14), z + 0.014, inner)
            bar = np.array([[-0.38, -0.22], [0.38, -0.22], [0.38, 0.22], [-0.38, 0.22]]) * size
            if look < 0.28:
                plate(builder, bar + np.array([0, y]), z + 0.02, Material(TRAFFIC_SIGN, (26, 26, 28)))
        elif look < 0.7:  # no entry
            _board(builder, rng, disc, Material(TRAFFIC_SIGN, red, grain=0.03), z)
            bar = np.array([[-0.7, -0.16], [0.7, -0.16], [0.7, 0.16], [-0.7, 0.16]]) * size
            plate(builder, bar + np.array([0, y]), z + 0.014, white)
        else:
            _board(builder, rng, disc, Material(TRAFFIC_SIGN, blue, grain=0.03), z)
            arrow = (
                np.array(
                    [
                        [-0.12, 0.6],
                        [0.12, 0.6],
                        [0.12, -0.1],
                        [0.4, -0.1],
                        [0, -0.65],
                        [-0.4, -0.1],
                        [-0.12, -0.1],
                    ]
                )
                * size
            )
            plate(builder, arrow + np.array([0, y]), z + 0.014, white, centre=(0.0, y - 0.15 * size))
    if kind in ("round", "triangle") and rng.random() < 0.35:
        low = y - size - 0.22
        outline = np.array([[-0.28, -0.13], [0.28, -0.13], [0.28, 0.13], [-0.28, 0.13]]) + np.array([0, low])
        _board(
            builder,
            rng,
            outline,
            Material(TRAFFIC_SIGN, (232, 232, 228), pattern="sign_text", colour2=(24, 24, 26), scale=0.4),
            z,
        )


def _written(rng: np.random.Generator, palette: Palette, tall: float) -> Material:
    """A board of half height `tall` with a few lines of writing."""
    ground = pick(rng, palette.sign)
    ink: Rgb = (28, 28, 30) if sum(ground) > 420 else (236, 236, 232)
    return Material(
        TRAFFIC_SIGN,
        ground,
        pattern="sign_text",
        colour2=ink,
        scale=tall * float(rng.uniform(1.6, 3.6)),
        grain=0.03,
    )


def _board(builder: Builder, rng: np.random.Generator, outline: Floats, face: Material, z: float) -> None:
    """A thin plate: its face, and a grey back."""
    grey = float(rng.uniform(90, 150))
    plate(builder, outline, z, face)
    plate(builder, outline, z - 0.012, Material(TRAFFIC_SIGN, (grey, grey, grey)), facing=-1.0)


def _lit_bollard(builder: Builder, rng: np.random.Generator) -> None:
    """The white or yellow box with a blue disc that stands on traffic islands."""
    colour: Rgb = (232, 232, 226) if rng.random() < 0.5 else (226, 190, 40)
    body = Material(TRAFFIC_SIGN, colour, emission=0.1, grain=0.03)
    boxes(builder, [[-0.2, 0.0, -0.13]], [[0.2, 1.05, 0.13]], body)
    for facing in (1.0, -1.0):
        plate(
            builder,
            circle(0, 0.75, 0.17, 12),
            facing * 0.135,
            Material(TRAFFIC_SIGN, (24, 68, 156)),
            facing=facing,
        )
        arrow = np.array([[-0.05, 0.1], [0.05, 0.1], [0.0, -0.12]]) + np.array([0, 0.75])
        plate(builder, arrow, facing * 0.14, Material(TRAFFIC_SIGN, (236, 236, 232)), facing=facing)
