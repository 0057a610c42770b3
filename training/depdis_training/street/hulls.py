"""The bodies of road vehicles: sections lofted from nose to tail, with wheel arches, and their wheels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.mesh import Builder, Material
from depdis_training.street.shapes import Floats, Unit, copies, creased, revolved

Line = Sequence[tuple[float, float]]

# The levels of a section, from the sill to the middle of the roof.
SILL, BUMPER, FLANK, BELT, WINDOW_TOP, CANT, ROOF = range(7)


@dataclass(frozen=True)
class Hull:
    """A body by lines over the distance d from the nose, in metres.

    top, belt, half: (d, y) of the highest line, (d, y) of the line below the side windows, (d, x) half width at
    the belt. sill: height of the lower edge. tumblehome: metres by which the roof is narrower on each side.
    glass: spans (d0, d1) of side windows. screens: spans whose upper surface is glass. wheels: d of each axle.
    """

    length: float
    top: Line
    belt: Line
    half: Line
    sill: float
    tumblehome: float
    glass: Sequence[tuple[float, float]]
    screens: Sequence[tuple[float, float]]
    wheels: Sequence[float]
    wheel_radius: float
    arch: float = 0.05
    dark_spans: Sequence[tuple[float, float]] = field(default=())


def loft(
    builder: Builder, hull: Hull, paint: Material, glass: Material, plastic: Material, *,
    bumpers: Material, detail: float = 1.0, roof: Material | None = None,
) -> None:  # fmt: skip
    """Adds the body, nose to +z, centred: `plastic` for what is dark, `bumpers` below the bumper line.

    roof: of the upper surface; None: painted like the rest.
    """
    d = _stations(hull, detail)
    grid = _sections(hull, d)
    middle = (d[:-1] + d[1:]) / 2
    half_cells = np.zeros((len(d) - 1, 6), np.int32)
    half_cells[:, SILL] = 3
    half_cells[:, CANT] = 0 if roof is None else 4
    half_cells[_within(middle, hull.glass), BELT] = 1
    half_cells[_within(middle, hull.dark_spans), BELT] = 2
    screens = _within(middle, hull.screens)
    half_cells[screens, CANT] = 1
    materials = (paint, glass, plastic, bumpers, paint if roof is None else roof)
    full = np.concatenate([grid, (grid * [-1.0, 1.0, 1.0])[:, -2::-1]], axis=1)
    creased(builder, full, np.concatenate([half_cells, half_cells[:, ::-1]], axis=1), materials)
    for end in (grid[0], grid[-1]):
        cap = np.stack([end, end * [-1.0, 1.0, 1.0]], axis=1)
        rows = np.array([3, 0, 0, 0, 0, 0])[:, None]
        creased(builder, cap, rows, materials)
    _underbody(builder, hull, plastic)


def _stations(hull: Hull, detail: float) -> Floats:
    """Distances from the nose at which the body is cut: line knots, window edges, arcs of the wheel arches."""
    knots = [d for d, _ in (*hull.top, *hull.half)]
    edges = [d for span in (*hull.glass, *hull.screens, *hull.dark_spans) for d in span]
    steps = 7 if detail > 0.6 else 5 if detail > 0.3 else 3
    radius = hull.wheel_radius + hull.arch
    rise = max(0.05, hull.sill - hull.wheel_radius)
    reach = math.sqrt(max(radius**2 - min(rise, radius * 0.9) ** 2, 0.01))
    arcs = [
        wheel + reach * math.sin(angle)
        for wheel in hull.wheels
        for angle in np.linspace(-math.pi / 2, math.pi / 2, steps)
    ]
    lips = [wheel + sign * (reach + 0.06) for wheel in hull.wheels for sign in (-1, 1)]
    places = np.unique(np.clip([*knots, *edges, *arcs, *lips], 0.0, hull.length))
    gap = 0.012 if detail > 0.6 else 0.05 if detail > 0.3 else 0.12
    kept = np.concatenate([[True], np.diff(places) > gap])
    places = np.asarray(places[kept])
    places[-1] = hull.length
    return places


def _line(line: Line, d: Floats) -> Floats:
    points = np.asarray(line, np.float64)
    return np.asarray(np.interp(d, points[:, 0], points[:, 1]))


def _sections(hull: Hull, d: Floats) -> Floats:
    """Half sections (N, 7, 3), x >= 0."""
    top, belt, half = _line(hull.top, d), _line(hull.belt, d), _line(hull.half, d)
    top = np.maximum(top, belt + 0.015)
    height = float(max(y for _, y in hull.top)) - belt
    sill = np.full_like(d, hull.sill)
    radius = hull.wheel_radius + hull.arch
    for wheel in hull.wheels:
        inside = radius**2 - (d - wheel) ** 2
        arc = hull.wheel_radius + np.sqrt(np.maximum(inside, 0.0))
        sill = np.where(inside > 0, np.maximum(sill, arc), sill)
    rise = top - belt
    y = np.stack(
        [
            sill, np.maximum(hull.sill + 0.36 * (belt - hull.sill), sill + 0.015),
            np.maximum(hull.sill + 0.68 * (belt - hull.sill), sill + 0.03), belt, belt + 0.84 * rise,
            belt + 0.965 * rise, top,
        ], 1,
    )  # fmt: skip
    lean = hull.tumblehome * (y[:, BELT:] - belt[:, None]) / np.maximum(height, 0.2)[:, None]
    upper = half[:, None] * 0.965 - lean
    upper[:, 2] -= 0.06 + 0.05 * np.clip(0.25 - rise, 0.0, 0.25)
    upper[:, 3] = 0.0
    lower = half[:, None] * np.array([0.955, 0.995, 1.0])
    x = np.concatenate([lower, upper], 1)
    return np.stack([x, y, np.repeat((hull.length / 2 - d)[:, None], 7, 1)], -1)


def _within(places: Floats, spans: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    inside = np.zeros(len(places), bool)
    for start, end in spans:
        inside |= (places > start) & (places < end)
    return inside


def _underbody(builder: Builder, hull: Hull, plastic: Material) -> None:
    """A dark core, so that nothing is seen through the wheel arches."""
    half = min(x for _, x in hull.half) - 0.16
    belt = min(y for _, y in hull.belt)
    z = hull.length / 2 - 0.15
    builder.box((-half, hull.sill - 0.06, -z), (half, belt - 0.05, z), plastic, bottom=True)


def wheels(
    builder: Builder, centres: Sequence[tuple[float, float, float]], radius: float, width: float,
    tyre: Material, rim: Material, *, detail: float = 1.0, spokes: int = 5,
) -> None:  # fmt: skip
    """Wheels whose outer face is at x = centre x; a centre left of the middle faces left."""
    sides = 14 if detail > 0.6 else 10 if detail > 0.3 else 7
    outer = np.asarray(centres, np.float64)
    sign = np.where(outer[:, 0] < 0, -1.0, 1.0)
    inner = outer.copy()
    inner[:, 0] -= sign * width
    size = np.stack([sign * width, np.full(len(outer), radius), np.full(len(outer), radius)], 1)
    tread = revolved(((0.0, 0.96), (0.86, 1.0), (1.0, 0.93), (0.92, 0.68)), sides)
    copies(builder, tread, inner, size, tyre)
    if detail > 0.6 and spokes:
        copies(builder, revolved(((0.62, 0.7), (0.6, 0.0)), sides), inner, size, tyre)
        copies(builder, revolved(((0.92, 0.68), (0.9, 0.58)), sides), inner, size, rim)
        copies(builder, _spokes(spokes), inner, size, rim)
    else:
        copies(builder, revolved(((0.92, 0.68), (0.84, 0.2), (0.92, 0.0)), sides), inner, size, rim)


@cache
def _spokes(count: int) -> Unit:
    """Tapered spokes in the wheel's outer plane, from the hub to the rim."""
    angle = np.arange(count) * (2 * math.pi / count)
    across = np.array([-0.2, 0.2, 0.11, -0.11])
    outwards = np.array([0.05, 0.05, 0.62, 0.62])
    y = np.cos(angle)[:, None] * outwards - np.sin(angle)[:, None] * across
    z = np.sin(angle)[:, None] * outwards + np.cos(angle)[:, None] * across
    x = np.broadcast_to([0.9, 0.9, 0.86, 0.86], y.shape)
    vertices = np.stack([x, y, z], -1).reshape(-1, 3)
    faces = (4 * np.arange(count)[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
    normals = np.tile([1.0, 0.0, 0.0], (len(vertices), 1))
    return Unit(vertices, normals, vertices[:, 1:], faces.astype(np.int32))
