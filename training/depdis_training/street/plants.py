"""Trees in leaf and bare, conifers, young street trees, bushes and hedges; trunk and all have one label."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street.geometry import crosses
from depdis_training.street.mesh import Builder, Material, Mesh, Rgb
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import Floats, boxes, ellipsoids, revolved, sweep, tubes

VEGETATION = CITYSCAPES_16.index("vegetation")

TreeKind = Literal["leafy", "bare", "conifer", "young"]


def tree(
    rng: np.random.Generator, palette: Palette, *, kind: TreeKind = "leafy", height: float | None = None,
    detail: float = 1.0,
) -> Mesh:  # fmt: skip
    """A tree with its trunk at the origin; height in metres, None draws one that suits the kind.

    Raises KeyError for an unknown kind.
    """
    low, high = {"leafy": (6.0, 15.0), "bare": (6.0, 16.0), "conifer": (5.0, 15.0), "young": (3.0, 5.5)}[kind]
    tall = float(rng.uniform(low, high)) if height is None else height
    builder = Builder()
    bark = Material(
        VEGETATION, pick(rng, palette.bark), pattern="bark", colour2=(40, 34, 28), scale=0.3, grain=0.2
    )
    if kind == "conifer":
        _conifer(builder, rng, palette, bark, tall, detail)
    elif kind == "bare" or (kind == "young" and rng.random() < 0.4):
        _bare(builder, rng, bark, tall, detail, young=kind == "young")
    else:
        _leafy(builder, rng, palette, bark, tall, detail, young=kind == "young")
    return builder.build()


def bush(
    rng: np.random.Generator, palette: Palette, *, height: float | None = None, detail: float = 1.0
) -> Mesh:
    """A shrub 0.6 to 2.5 m high and about as wide, in leaf or with bare twigs."""
    tall = float(rng.uniform(0.6, 2.5)) if height is None else height
    builder = Builder()
    dark, leaves = _foliage(rng, palette, 0.6)
    count = 3 if detail < 0.4 else 5
    offsets = rng.uniform(-0.45, 0.45, (count, 3)) * tall
    centres = offsets * [1.0, 0.0, 1.0] + [0.0, tall * 0.42, 0.0]
    centres[:, 1] *= rng.uniform(0.7, 1.1, count)
    radii = np.stack([rng.uniform(0.35, 0.55, count) * tall] * 3, 1)
    radii[:, 1] = centres[:, 1] * 1.02
    ellipsoids(builder, centres, radii * 0.8, dark, rings=4, sides=7, rng=rng, roughness=0.14)
    _leaf_patches(
        builder, rng, centres, radii, leaves, per_blob=14 if detail > 0.4 else 6, size=0.3 * tall**0.6
    )
    return builder.build()


def hedge(
    rng: np.random.Generator, palette: Palette, length: float, *, height: float | None = None,
    thickness: float = 0.7, detail: float = 1.0,
) -> Mesh:  # fmt: skip
    """A clipped hedge along x from -length/2 to length/2, its top and faces uneven."""
    tall = float(rng.uniform(0.8, 2.2)) if height is None else height
    builder = Builder()
    dark, leaves = _foliage(rng, palette, 0.62)
    half = length / 2
    boxes(builder, [(-half, 0.0, -thickness / 2 + 0.08)], [(half, tall - 0.08, thickness / 2 - 0.08)], dark)
    count = int(min(140, max(6, length * (7 if detail > 0.5 else 3.5))))
    for face in (-1.0, 1.0, 0.0):
        x = rng.uniform(-half, half, count)
        y = rng.uniform(0.1, tall - 0.05, count) if face else np.full(count, tall - 0.05)
        z = np.full(count, face * thickness / 2) if face else rng.uniform(-0.5, 0.5, count) * thickness
        normal = np.tile([0.0, 0.25, face] if face else [0.0, 1.0, 0.0], (count, 1)) + rng.normal(
            0, 0.2, (count, 3)
        )
        _patches(builder, rng, np.stack([x, y, z], 1), normal, rng.uniform(0.2, 0.38, count), leaves)
    return builder.build()


def ivy(rng: np.random.Generator, palette: Palette, width: float, height: float) -> Mesh:
    """A climber on a wall in the plane z = 0, facing +z: dense low down, ragged above."""
    builder = Builder()
    _, leaves = _foliage(rng, palette, 0.6)
    count = int(min(160, 8 + 6 * width * height))
    x = rng.normal(0.0, 0.3, count) * width
    y = height * rng.beta(1.1, 1.8, count)
    points = np.stack([x, y, rng.uniform(0.02, 0.1, count)], 1)
    normal = np.tile([0.0, 0.1, 1.0], (count, 1)) + rng.normal(0, 0.15, (count, 3))
    _patches(builder, rng, points, normal, rng.uniform(0.3, 0.65, count), leaves)
    return builder.build()


def _foliage(rng: np.random.Generator, palette: Palette, coverage: float) -> tuple[Material, Material]:
    """The dark inside of a crown and its leaves."""
    colour = pick(rng, palette.foliage)
    deep: Rgb = (colour[0] * 0.62, colour[1] * 0.62, colour[2] * 0.62)
    inner = Material(
        VEGETATION,
        deep,
        pattern="foliage",
        colour2=colour,
        scale=0.35,
        holes="leaves",
        coverage=0.72,
        grain=0.3,
    )
    light: Rgb = (min(255.0, colour[0] * 1.3), min(255.0, colour[1] * 1.25), min(255.0, colour[2] * 1.1))
    leaves = Material(
        VEGETATION,
        colour,
        pattern="foliage",
        colour2=light,
        scale=0.25,
        holes="leaves",
        coverage=coverage,
        grain=0.25,
    )
    return inner, leaves


def _patches(
    builder: Builder,
    rng: np.random.Generator,
    centres: Floats,
    normals: Floats,
    sizes: Floats,
    material: Material,
) -> None:
    """Ragged six-pointed sprays of leaves at centres (N, 3), lying roughly across their normals."""
    count = len(centres)
    unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    tilted = unit + rng.normal(0.0, 0.45, (count, 3))
    tilted /= np.linalg.norm(tilted, axis=1, keepdims=True)
    right = crosses(tilted, np.tile([0.31, 0.94, 0.13], (count, 1)))
    right /= np.maximum(np.linalg.norm(right, axis=1, keepdims=True), 1e-6)
    up = crosses(right, tilted)
    points_each = 6
    angle = np.arange(points_each) * (2 * math.pi / points_each) + rng.uniform(0, 1, (count, 1))
    reach = sizes[:, None] * rng.uniform(0.35, 1.25, (count, points_each))
    local = np.stack([np.cos(angle) * reach, np.sin(angle) * reach], -1)
    local = np.concatenate([local, np.zeros((count, 1, 2))], 1)
    points = centres[:, None] + local[..., :1] * right[:, None] + local[..., 1:] * up[:, None]
    uv = local + rng.uniform(0.0, 40.0, (count, 1, 2))
    faces = np.array([[i, (i + 1) % points_each, points_each] for i in range(points_each)], np.int32)
    start = ((points_each + 1) * np.arange(count, dtype=np.int32))[:, None, None]
    builder.triangles(
        points.reshape(-1, 3), (faces + start).reshape(-1, 3), material, uv=uv.reshape(-1, 2),
        normals=np.repeat(unit, points_each + 1, axis=0),
    )  # fmt: skip


def _leaf_patches(
    builder: Builder, rng: np.random.Generator, centres: Floats, radii: Floats, material: Material, *,
    per_blob: int, size: float,
) -> None:  # fmt: skip
    """Sprays spread over the surfaces of ellipsoids."""
    direction = rng.normal(0.0, 1.0, (len(centres), per_blob, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    at = centres[:, None] + direction * radii[:, None] * rng.uniform(0.72, 1.06, (len(centres), per_blob, 1))
    normal = direction + np.array([0.0, 0.25, 0.0])
    at[..., 1] = np.maximum(at[..., 1], size * 0.45)
    _patches(
        builder, rng, at.reshape(-1, 3), normal.reshape(-1, 3),
        size * rng.uniform(0.7, 1.3, at.shape[0] * per_blob),
        material,
    )  # fmt: skip


def _leafy(
    builder: Builder, rng: np.random.Generator, palette: Palette, bark: Material, tall: float, detail: float, *,
    young: bool,
) -> None:  # fmt: skip
    """A trunk, a few boughs, and a crown of lumps round, upright, spreading or open."""
    shape = rng.choice(["round", "upright", "spreading", "open"], p=[0.4, 0.2, 0.2, 0.2])
    stem = tall * float(rng.uniform(0.3, 0.42) if young else rng.uniform(0.18, 0.34))
    wide = (
        tall
        * {"round": 0.33, "upright": 0.2, "spreading": 0.42, "open": 0.33}[str(shape)]
        * rng.uniform(0.85, 1.15)
    )
    if young:
        wide *= 0.75
    middle, rise = (stem + tall) / 2, (tall - stem) / 2
    girth = 0.028 * tall if not young else 0.045
    lean = rng.normal(0.0, 0.02, 2) * tall
    top = np.array([lean[0], middle, lean[1]])
    sweep(
        builder, np.array([[0, 0, 0], [0, 0.12 * stem, 0], [lean[0] * 0.3, stem, lean[1] * 0.3], top]),
        [girth * 1.6, girth, girth * 0.8, girth * 0.3], bark, sides=6, facing=(1.0, 0.0, 0.0),
    )  # fmt: skip
    count = 14 if detail > 0.6 else 9 if detail > 0.3 else 5
    turn = rng.uniform(0, 2 * math.pi) + np.arange(count) * 2.4
    level = np.linspace(-0.72, 0.85, count)
    out = np.sqrt(np.maximum(0.0, 1 - level**2)) * rng.uniform(0.35, 0.75, count)
    centres = np.stack(
        [np.cos(turn) * out * wide, middle + level * rise * 0.72, np.sin(turn) * out * wide], 1
    ) + top * [1, 0, 1]
    lump = (0.5 if shape != "open" else 0.36) * rng.uniform(0.75, 1.2, count)
    if detail <= 0.3:
        lump *= 1.25
    radii = np.stack([lump * wide, lump * np.minimum(rise, wide * 1.2) * 0.85, lump * wide], 1)
    tubes(
        builder,
        np.repeat(top[None] * [0.6, stem / middle, 0.6], 5, 0),
        centres[:5] if count >= 5 else centres,
        girth * 0.4,
        bark,
        end_radii=girth * 0.1,
        sides=4,
    )
    dense = float(rng.uniform(0.45, 0.62))
    inner, leaves = _foliage(rng, palette, dense)
    ellipsoids(
        builder,
        centres,
        radii * (0.66 if shape != "open" else 0.5),
        inner,
        rings=3,
        sides=6,
        rng=rng,
        roughness=0.2,
    )
    per_blob = {True: 11, False: 7}[detail > 0.6] if detail > 0.3 else 5
    _leaf_patches(
        builder,
        rng,
        centres,
        radii,
        leaves,
        per_blob=per_blob,
        size=0.085 * tall * (0.6 + 0.4 * wide / (0.33 * tall)) * (1.3 if detail < 0.6 else 1.0),
    )


def _bare(
    builder: Builder, rng: np.random.Generator, bark: Material, tall: float, detail: float, *, young: bool
) -> None:
    """A winter tree: boughs that fork three times, and sprays of twigs at their ends."""
    stem = tall * float(rng.uniform(0.18, 0.32))
    girth = 0.024 * tall if not young else 0.04
    spread = float(rng.uniform(0.35, 0.75))
    lean = rng.normal(0.0, 0.02, 2) * tall
    fork = np.array([lean[0], stem, lean[1]])
    sweep(
        builder,
        np.array([[0, 0, 0], [0, 0.1 * stem, 0], fork]),
        [girth * 1.5, girth, girth * 0.85],
        bark,
        sides=6,
        facing=(1.0, 0.0, 0.0),
    )
    counts = (6, 4, 4) if detail > 0.6 else (5, 4, 2) if detail > 0.3 else (5, 3)
    roots, heading, previous = fork[None], np.array([[0.0, 1.0, 0.0]]), np.zeros((1, 1))
    length, radius = (tall - stem) * 0.52, girth * 0.62
    for depth, children in enumerate(counts):
        number = len(roots) * children
        turn = rng.uniform(0, 2 * math.pi, len(roots))[:, None] + np.arange(children) * (2 * math.pi / children)
        turn = (turn + rng.normal(0.0, 0.4, turn.shape)).reshape(-1)
        parent = np.repeat(heading, children, 0)
        side = crosses(parent, rng.normal(0, 1, (number, 3)))
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        around = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * crosses(parent, side)
        open_angle = rng.uniform(0.35, 1.0, (number, 1)) * (spread + 0.15 * depth)
        direction = parent * np.cos(open_angle) + around * np.sin(open_angle) + [0.0, 0.16, 0.0]
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        reach = length * rng.uniform(0.65, 1.1, (number, 1))
        # branches leave their parent along its outer half, not all from one point
        start = np.repeat(roots, children, 0)
        if depth:
            share = np.tile(np.linspace(0.0, 0.55, children), len(roots))[:, None]
            start = start - parent * np.repeat(previous, children, 0) * share
        end = start + direction * reach
        tubes(builder, start, end, radius, bark, end_radii=radius * 0.45, sides=5 if depth == 0 else 3)
        roots, heading = end, direction
        previous = reach
        length, radius = length * 0.56, radius * 0.5
    _twigs(builder, rng, bark, roots, heading, tall, detail)


def _twigs(
    builder: Builder, rng: np.random.Generator, bark: Material, tips: Floats, heading: Floats, tall: float,
    detail: float,
) -> None:  # fmt: skip
    """Fine twigs at the tips: slim triangles, and kites in the twig pattern that fill what lies between."""
    colour: Rgb = (bark.colour[0] * 0.85, bark.colour[1] * 0.85, bark.colour[2] * 0.85)
    fine = Material(VEGETATION, colour, grain=0.2)
    each = 4 if detail > 0.6 else 3
    start = np.repeat(tips, each, 0)
    along = np.repeat(heading, each, 0)
    start = start - along * rng.uniform(0.0, 0.09 * tall, (len(start), 1))
    end = start + _unit(along + rng.normal(0.0, 0.45, start.shape) + [0.0, 0.1, 0.0]) * (
        rng.uniform(0.05, 0.14, (len(start), 1)) * tall
    )
    width = crosses(end - start, rng.normal(0.0, 1.0, start.shape))
    width = _unit(width) * (0.0016 * tall * (1.0 if detail > 0.6 else 1.8))
    corners = np.stack([start - width, start + width, end], 1)
    faces = np.arange(3 * len(start), dtype=np.int32).reshape(-1, 3)
    normals = np.repeat(_unit(crosses(width, end - start)), 3, 0)
    builder.triangles(corners.reshape(-1, 3), faces, fine, uv=corners.reshape(-1, 3)[:, :2], normals=normals)
    normal = rng.normal(0.0, 1.0, tips.shape) * [1.0, 0.35, 1.0]
    right = _unit(crosses(heading, normal))
    size = 0.085 * tall * rng.uniform(0.7, 1.3, (len(tips), 1)) * (1.0 if detail > 0.6 else 1.3)
    twigs = Material(
        VEGETATION, colour, holes="twigs", coverage=float(rng.uniform(0.2, 0.42)),
        scale=float(rng.uniform(0.4, 0.7)),        grain=0.2,
    )  # fmt: skip
    kite = np.array([[0.0, -0.9], [0.75, 0.25], [0.3, 1.2], [-0.35, 1.05], [-0.7, 0.2]])
    local = kite * rng.uniform(0.75, 1.25, (len(tips), 5, 1)) * size[:, None]
    points = tips[:, None] + local[..., :1] * right[:, None] + local[..., 1:] * heading[:, None]
    uv = local + rng.uniform(0.0, 60.0, (len(tips), 1, 2))
    fan = (
        np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4]], np.int32)
        + 5 * np.arange(len(tips), dtype=np.int32)[:, None, None]
    )
    builder.triangles(
        points.reshape(-1, 3), fan.reshape(-1, 3), twigs, uv=uv.reshape(-1, 2),
        normals=np.repeat(_unit(heading + normal), 5, 0),
    )  # fmt: skip


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))


def _conifer(
    builder: Builder, rng: np.random.Generator, palette: Palette, bark: Material, tall: float, detail: float
) -> None:
    """Tiers of drooping sprays round a straight trunk; a cypress when narrow."""
    narrow = rng.random() < 0.3
    wide = tall * float(rng.uniform(0.09, 0.13) if narrow else rng.uniform(0.17, 0.27))
    tubes(builder, [[0, 0, 0]], [[0, tall * 0.95, 0]], 0.022 * tall, bark, end_radii=0.02, sides=6)
    inner, leaves = _foliage(rng, palette, 0.58)
    base = tall * float(rng.uniform(0.02, 0.15))
    cone = revolved(((0.0, 0.9), (0.5, 0.55), (1.0, 0.0)), 8)
    upright = cone.vertices[:, [1, 0, 2]] * [wide * 0.75, tall - base, wide * 0.75] + [0.0, base, 0.0]
    builder.triangles(upright, cone.faces, inner, uv=upright[:, :2], normals=cone.normals[:, [1, 0, 2]])
    count = 170 if detail > 0.6 else 90 if detail > 0.3 else 45
    level = 1 - np.sqrt(rng.uniform(0.0, 1.0, count))
    turn = rng.uniform(0, 2 * math.pi, count)
    out = wide * ((1 - level) ** (0.6 if narrow else 0.9)) * rng.uniform(0.7, 1.1, count)
    at = np.stack([np.cos(turn) * out, base + level * (tall - base), np.sin(turn) * out], 1)
    normal = np.stack([np.cos(turn), np.full(count, 0.5), np.sin(turn)], 1)
    size = (0.03 * tall + 0.25 * wide * (1 - level)) * (1.0 if detail > 0.6 else 1.4)
    _patches(builder, rng, at, normal, size, leaves)
