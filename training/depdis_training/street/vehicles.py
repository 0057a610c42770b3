"""Cars, vans and pickups: opaque, with the right silhouette from every side. Lorries and buses re-exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street.bodies import HULLS, CarKind
from depdis_training.street.hulls import Hull, loft, wheels
from depdis_training.street.large_vehicles import bus, lorry
from depdis_training.street.mesh import Builder, Material, Mesh
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import boxes, cards, ellipsoids
from depdis_training.street.vehicle_parts import glazing, lamp, number_plate, shade

__all__ = ["HULLS", "CarKind", "bus", "car", "lorry"]

CAR = CITYSCAPES_16.index("car")

_SHARES: dict[CarKind, float] = {
    "hatchback": 0.38, "saloon": 0.17, "estate": 0.13, "suv": 0.17, "van": 0.12, "pickup": 0.03,
}  # fmt: skip


def car(
    rng: np.random.Generator, palette: Palette, *, kind: CarKind | None = None, detail: float = 1.0,
    lights: bool | None = None,
) -> Mesh:  # fmt: skip
    """A car about 4 to 5 m long; kind None draws one as often as streets have them.

    lights: headlamps and brake lights lit; None: now and then. Raises KeyError for an unknown kind.
    """
    if kind is None:
        names = list(_SHARES)
        kind = names[int(rng.choice(len(names), p=list(_SHARES.values())))]
    hull = _stretched(HULLS[kind], *rng.uniform(0.95, 1.06, 3))
    colour = (
        tuple(pick(rng, ((228, 229, 228), (214, 215, 213)))) if kind == "van" and rng.random() < 0.6
        else pick(rng, palette.car)
    )  # fmt: skip
    paint = Material(CAR, colour, gloss=0.3, grain=0.03)  # type: ignore[arg-type]
    plastic = shade(CAR, rng.uniform(16, 38))
    bumpers = plastic if rng.random() < (0.7 if kind in ("van", "suv") else 0.4) else paint
    glass = glazing(rng, palette, CAR, float(rng.uniform(14, 46)), float(rng.uniform(0.45, 0.75)))
    rear_glass = glass if palette.near_detail else shade(CAR, 24, gloss=0.6)
    builder = Builder()
    loft(builder, hull, paint, glass, plastic, bumpers=bumpers, detail=detail)
    _road_wheels(builder, rng, hull, CAR, detail)
    _fittings(builder, rng, hull, kind, paint, plastic, rear_glass, lights, detail)
    return builder.build()


def _fittings(
    builder: Builder, rng: np.random.Generator, hull: Hull, kind: CarKind, paint: Material, plastic: Material,
    glass: Material, lights: bool | None, detail: float,
) -> None:  # fmt: skip
    """Lamps, plates, grille, mirrors, handles."""
    front, back, half = hull.length / 2, -hull.length / 2, max(x for _, x in hull.half)
    nose, tail = hull.top[1][1], hull.top[-1][1]
    lit = rng.random() < 0.25 if lights is None else lights
    rings, sides = (4, 7) if detail > 0.5 else (3, 5)
    heads = [(s * (half - 0.25), nose - 0.075, front - 0.13) for s in (-1, 1)]
    ellipsoids(
        builder,
        heads,
        (0.17, 0.07, 0.135),
        lamp(CAR, (226, 228, 230) if lit else (168, 172, 177), 0.9 if lit else 0.0),
        rings=rings,
        sides=sides,
    )
    tall = kind in ("hatchback", "estate", "suv", "van")
    red = lamp(CAR, (190, 24, 20) if lit else (138, 20, 20), 0.7 if lit else 0.08)
    level = tail if kind != "van" else 1.05
    tails = [
        (s * (half - (0.15 if tall else 0.22)), level + (0.04 if tall else -0.02), back + 0.06) for s in (-1, 1)
    ]
    ellipsoids(
        builder, tails, (0.085, 0.17, 0.09) if tall else (0.18, 0.075, 0.1), red, rings=rings, sides=sides
    )
    number_plate(builder, rng, CAR, hull.sill + 0.16, front + 0.015, rear=False)
    number_plate(builder, rng, CAR, (hull.sill + tail) / 2 + rng.uniform(-0.1, 0.08), back - 0.015, rear=True)
    grille = nose - 0.12
    cards(
        builder,
        [(0, grille, front + 0.008)],
        [(rng.uniform(0.25, 0.42), 0, 0)],
        [(0, rng.uniform(0.04, 0.08), 0)],
        plastic,
    )
    cards(builder, [(0, hull.sill + 0.06, front + 0.008)], [(0.5, 0, 0)], [(0, 0.05, 0)], plastic)
    shell = paint if rng.random() < 0.6 else plastic
    d = hull.screens[0][0] + 0.42
    belt = float(np.interp(d, [at for at, _ in hull.belt], [y for _, y in hull.belt]))
    mirrors = [(s * (half + 0.06), belt + 0.07, front - d) for s in (-1, 1)]
    ellipsoids(builder, mirrors, (0.11, 0.075, 0.08), shell, rings=3, sides=6)
    if kind == "van":  # windows in the rear doors, on some
        if rng.random() < 0.6:
            across, up = (0.36, float(rng.uniform(0.28, 0.42))) if glass.pattern == "glass" else (0.3, 0.26)
            cards(
                builder,
                [(s * 0.4, 1.88 - up, back - 0.01) for s in (-1, 1)],
                [(across, 0, 0)] * 2,
                [(0, up, 0)] * 2,
                glass,
            )
        boxes(builder, [(-0.012, hull.sill, back - 0.01)], [(0.012, 2.0, back)], plastic)
    if detail > 0.6:
        doors = [span[0] + 0.9 * (span[1] - span[0]) for span in hull.glass[:2]]
        spots = np.array(
            [(s * (half + 0.005), 0.8 * hull.belt[2][1] + 0.06, front - d) for s in (-1, 1) for d in doors]
        )
        boxes(builder, spots - [0.012, 0.014, 0.08], spots + np.array([0.012, 0.014, 0.08]), shell)


def _road_wheels(builder: Builder, rng: np.random.Generator, hull: Hull, label: int, detail: float) -> None:
    half = max(x for _, x in hull.half)
    places = [
        (s * (half - 0.015), hull.wheel_radius, hull.length / 2 - d) for d in hull.wheels for s in (-1.0, 1.0)
    ]
    rim = shade(label, float(rng.choice([45, 110, 150, 185])), gloss=0.3)
    wheels(
        builder,
        places,
        hull.wheel_radius,
        0.21,
        shade(label, 20),
        rim,
        detail=detail,
        spokes=int(rng.integers(5, 8)),
    )


def _stretched(hull: Hull, along: float, up: float, across: float) -> Hull:
    """The hull with other proportions; its wheels stay round and on the ground."""
    up, across = 1 + (up - 1) * 0.7, 1 + (across - 1) * 0.5

    def span(spans: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        return tuple((a * along, b * along) for a, b in spans)

    return replace(
        hull, length=hull.length * along,
        top=[(d * along, y * up) for d, y in hull.top], belt=[(d * along, y * up) for d, y in hull.belt],
        half=[(d * along, x * across) for d, x in hull.half], sill=hull.sill * up, glass=span(hull.glass),
        screens=span(hull.screens), dark_spans=span(hull.dark_spans), wheels=[d * along for d in hull.wheels],
    )  # fmt: skip
