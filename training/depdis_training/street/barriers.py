"""What runs along a street: walls, railings, fences, hedges, tree lines; in street coordinates."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.classes import FENCE, VEGETATION, WALL
from depdis_training.street.mesh import Builder, Material
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import tubes
from depdis_training.street.surfaces import box, plan_ribbon, wall_ribbon

Line = NDArray[np.float64]  # (N, 2): x, z

BARRIERS = (
    "railing",
    "wall_railing",
    "wall",
    "planks",
    "pickets",
    "wire",
    "hedge",
    "wall_hedge",
    "railing_hedge",
    "rail",
    "braced",
)


def _raised(line: Line, y: NDArray[np.float64] | float) -> NDArray[np.float64]:
    points = np.empty((len(line), 3))
    points[:, 0], points[:, 1], points[:, 2] = line[:, 0], y, line[:, 1]
    return points


def _shifted(line: Line, distance: float) -> Line:
    """The line moved sideways: to its left looking along it, for positive distances."""
    along = np.empty(line.shape)
    along[1:-1] = line[2:] - line[:-2]
    along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
    along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
    along *= distance
    moved = line.copy()
    moved[:, 0] -= along[:, 1]
    moved[:, 1] += along[:, 0]
    return moved


def _slab(builder: Builder, line: Line, low: float, high: float, thick: float, material: Material) -> None:
    """A solid strip, `thick` metres wide about the line."""
    a, b = _shifted(line, thick / 2), _shifted(line, -thick / 2)
    wall_ribbon(builder, _raised(a, low), _raised(a, high), material)
    wall_ribbon(builder, _raised(b, low), _raised(b, high), material)
    plan_ribbon(builder, _raised(a, high), _raised(b, high), material)
    for end in (0, -1):
        sides = np.stack([a[end], b[end]])
        wall_ribbon(builder, _raised(sides, low), _raised(sides, high), material)


def _finer(line: Line, step: float) -> Line:
    """The line cut into pieces of about `step` metres."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, length[-1], max(2, int(length[-1] / step)))
    return np.stack([np.interp(at, length, line[:, i]) for i in (0, 1)], axis=1)


def polyline(x0: float, z0: float, x1: float, z1: float, step: float = 3.0) -> Line:
    """A straight line cut into pieces of about `step` metres."""
    count = max(2, int(np.hypot(x1 - x0, z1 - z0) / step) + 1)
    return np.stack([np.linspace(x0, x1, count), np.linspace(z0, z1, count)], axis=1)


def _masonry(rng: np.random.Generator, palette: Palette, label: int) -> Material:
    colour = pick(rng, palette.wall, 0.12)
    pattern = str(rng.choice(["brick", "stone", "plaster", "noise"]))
    joint = float(rng.uniform(0.65, 0.9))
    return Material(label, colour, pattern, (colour[0] * joint, colour[1] * joint, colour[2] * joint),
                    scale=float(rng.uniform(0.12, 0.4)), grain=float(rng.uniform(0.05, 0.15)))  # fmt: skip


def add_wall(
    builder: Builder, rng: np.random.Generator, palette: Palette, line: Line, height: float, *,
    label: int = WALL, base: float = 0.0,
) -> None:  # fmt: skip
    """A wall with a coping."""
    stuff = _masonry(rng, palette, label)
    thick = float(rng.uniform(0.2, 0.4))
    _slab(builder, line, base - 0.4, base + height, thick, stuff)
    if rng.random() < 0.7:
        coping = Material(label, pick(rng, palette.kerb), "noise")
        _slab(builder, line, base + height, base + height + 0.07, thick + 0.1, coping)


def add_railing(
    builder: Builder, rng: np.random.Generator, palette: Palette, line: Line, height: float, *,
    base: float = 0.0, holes: str = "bars",
) -> None:  # fmt: skip
    """Upright bars, or wire, between rails and posts."""
    colour = pick(rng, palette.fence)
    spacing = float(rng.uniform(0.1, 0.18))
    bars = Material(FENCE, colour, scale=spacing, holes=holes, coverage=float(rng.uniform(0.12, 0.3)))
    wall_ribbon(builder, _raised(line, base), _raised(line, base + height), bars)
    solid = dataclasses.replace(bars, holes="", coverage=1.0)
    for y in (base + height, base + 0.12):
        _slab(builder, line, y - 0.04, y, 0.04, solid)
    if rng.random() < 0.7:
        steps = line[:: max(1, int(rng.integers(1, 3)))]
        for x, z in steps:
            box(builder, (x - 0.03, base, z - 0.03), (x + 0.03, base + height + 0.06, z + 0.03), solid)


def add_planks(
    builder: Builder, rng: np.random.Generator, palette: Palette, line: Line, height: float, base: float
) -> None:
    """A close-boarded fence."""
    colour = pick(rng, palette.fence)
    dark = (colour[0] * 0.6, colour[1] * 0.6, colour[2] * 0.6)
    boards = Material(FENCE, colour, "planks", dark, scale=float(rng.uniform(0.1, 0.2)), grain=0.12)
    _slab(builder, line, base - 0.2, base + height, 0.06, boards)


def add_pickets(
    builder: Builder, rng: np.random.Generator, palette: Palette, line: Line, height: float, base: float
) -> None:
    """Boards with gaps."""
    boards = Material(
        FENCE,
        pick(rng, palette.fence),
        holes="bars",
        scale=float(rng.uniform(0.12, 0.2)),
        coverage=float(rng.uniform(0.5, 0.75)),
    )
    wall_ribbon(builder, _raised(line, base), _raised(line, base + height), boards)
    solid = dataclasses.replace(boards, holes="", coverage=1.0)
    _slab(builder, _shifted(line, 0.05), base + height * 0.75, base + height * 0.83, 0.04, solid)


def add_rail(
    builder: Builder, rng: np.random.Generator, palette: Palette, line: Line, height: float, base: float
) -> None:
    """Two or three rails on posts, or road-work barriers."""
    if rng.random() < 0.3:
        colour = (205.0, 70.0, 50.0) if rng.random() < 0.6 else (200.0, 198.0, 190.0)
        stuff = Material(
            FENCE, colour, "stripes" if rng.random() < 0.6 else "noise", (220.0, 215.0, 208.0), scale=1.5
        )
        _slab(builder, line, base - 0.1, base + min(height, 0.9), 0.4, stuff)
        return
    stuff = Material(FENCE, pick(rng, palette.fence), "noise")
    for share in np.linspace(1.0, 0.4, int(rng.integers(2, 4))):
        _slab(builder, line, base + height * share - 0.1, base + height * share, 0.05, stuff)
    for x, z in line:
        box(builder, (x - 0.05, base - 0.2, z - 0.05), (x + 0.05, base + height + 0.05, z + 0.05), stuff)


def add_braced(
    builder: Builder, rng: np.random.Generator, palette: Palette, line: Line, height: float, base: float
) -> None:  # fmt: skip
    """Panels of two rails with a cross between posts."""
    metal = Material(FENCE, pick(rng, palette.fence), gloss=0.1, grain=0.05)
    wide = float(rng.uniform(0.018, 0.035))
    posts = _finer(line, float(rng.uniform(0.9, 1.8)))
    low, high = _raised(posts, base + 0.12), _raised(posts, base + height)
    tubes(builder, _raised(posts, base - 0.2), _raised(posts, base + height + 0.05), 1.6 * wide, metal, sides=4)
    for starts, ends in ((low, low), (high, high), (low, high), (high, low)):
        tubes(builder, starts[:-1], ends[1:], wide, metal, sides=4)


def foliage(rng: np.random.Generator, palette: Palette, *, ragged: bool) -> Material:
    """Leaves of a hedge or of far trees."""
    colour = pick(rng, palette.foliage, 0.15)
    dark = (colour[0] * 0.45, colour[1] * 0.45, colour[2] * 0.45)
    return Material(VEGETATION, colour, "foliage", dark, scale=float(rng.uniform(0.25, 0.6)), grain=0.18,
                    holes="leaves" if ragged else "", coverage=0.8 if ragged else 1.0)  # fmt: skip


def add_hedge(
    builder: Builder, rng: np.random.Generator, palette: Palette, line: Line, height: float, *,
    base: float = 0.0, wild: float = 0.1, thick: float = 0.8,
) -> None:  # fmt: skip
    """A hedge or a row of shrubs; `wild` is the share by which its height varies."""
    dense = _finer(line, 0.4)
    count = len(dense)
    swell = np.interp(np.arange(count), np.arange(0, count + 4, 4), rng.normal(0, wild, (count + 7) // 4))
    swell = np.convolve(np.pad(swell, 2, mode="edge"), np.full(5, 0.2), "valid")
    top = base + height * np.clip(np.exp(1.4 * swell + rng.normal(0, 0.035 + 0.1 * wild, count)), 0.35, 2.0)
    leaves = foliage(rng, palette, ragged=False)
    crown = foliage(rng, palette, ragged=True)
    crown = dataclasses.replace(crown, colour=leaves.colour, colour2=leaves.colour2, scale=leaves.scale)
    faces = [_shifted(dense, s * thick / 2) + rng.normal(0, 0.08 + wild * 0.3, dense.shape) for s in (1, -1)]
    for face in faces:
        shoulder = base + (top - base) * 0.82
        wall_ribbon(builder, _raised(face, base - 0.3), _raised(face, shoulder), leaves)
        middle = _raised(dense, top)
        wall_ribbon(builder, _raised(face, shoulder), middle, crown)
    for end in (0, -1):
        sides = np.stack([faces[0][end], faces[1][end]])
        wall_ribbon(builder, _raised(sides, base - 0.3), _raised(sides, float(top[end])), leaves)


def add_barrier(
    builder: Builder, rng: np.random.Generator, palette: Palette, kind: str, line: Line, base: float,
    behind: float,
) -> None:  # fmt: skip
    """One of `BARRIERS` along a line; shrubs stand `behind` it: +1 to its left, -1 to its right."""
    shrubs = _shifted(line, behind * float(rng.uniform(0.5, 1.2)))
    if kind in ("railing", "railing_hedge"):
        add_railing(builder, rng, palette, line, float(rng.uniform(0.9, 1.7)), base=base)
    elif kind == "wall_railing":
        plinth = float(rng.uniform(0.3, 0.8))
        add_wall(builder, rng, palette, line, plinth, label=FENCE, base=base)
        add_railing(builder, rng, palette, line, float(rng.uniform(0.6, 1.1)), base=base + plinth + 0.07)
    elif kind in ("wall", "wall_hedge"):
        add_wall(
            builder,
            rng,
            palette,
            line,
            float(rng.choice([0.5, 0.9, 1.2, 1.9, 2.6])) * float(rng.uniform(0.85, 1.15)),
            base=base,
        )
    elif kind == "planks":
        add_planks(builder, rng, palette, line, float(rng.uniform(1.0, 2.0)), base)
    elif kind == "pickets":
        add_pickets(builder, rng, palette, line, float(rng.uniform(0.8, 1.3)), base)
    elif kind == "wire":
        add_railing(builder, rng, palette, line, float(rng.uniform(1.0, 2.6)), base=base, holes="mesh")
    elif kind == "rail":
        add_rail(builder, rng, palette, line, float(rng.uniform(0.7, 1.2)), base)
    elif kind == "braced":
        add_braced(builder, rng, palette, line, float(rng.uniform(0.8, 1.25)), base)
    if kind == "hedge":
        add_hedge(builder, rng, palette, line, float(rng.uniform(0.8, 2.4)), base=base)
    elif kind in ("wall_hedge", "railing_hedge") or (
        kind in ("wall_railing", "railing", "wire") and rng.random() < 0.5
    ):
        add_hedge(builder, rng, palette, shrubs, float(rng.uniform(1.0, 3.0)), base=base, wild=0.3)


def add_tree_line(
    builder: Builder, rng: np.random.Generator, palette: Palette, line: Line, height: float
) -> None:
    """Far trees as one ragged band."""
    dense = _finer(line, 2.0)
    count = len(dense)
    swell = np.convolve(rng.normal(0, 1, count + 8), np.ones(9) / 3, "valid")
    top = height * np.exp(0.25 * swell + rng.normal(0, 0.08, count))
    leaves = dataclasses.replace(foliage(rng, palette, ragged=False), scale=float(rng.uniform(0.8, 2.0)))
    ragged = dataclasses.replace(leaves, holes="leaves", coverage=0.75)
    wall_ribbon(builder, _raised(dense, -2.0), _raised(dense, top * 0.8), leaves)
    wall_ribbon(builder, _raised(dense, top * 0.8), _raised(dense, top), ragged)
