"""Street furniture: lamps, lights, signs, posts, bollards, benches, shelters."""

from __future__ import annotations

import math
from collections.abc import Callable

from depdis_training.street.furniture import (
    bench,
    bin_,
    bollard,
    bus_shelter,
    pole,
    street_lamp,
    telephone_box,
    traffic_light,
    traffic_sign,
)
from depdis_training.street.ground import KERB_HEIGHT
from depdis_training.street.layout import Layout, Side
from depdis_training.street.mesh import Mesh
from depdis_training.street.stock import Stage

_BUILDERS: dict[str, Callable[..., Mesh]] = {
    "bench": bench, "bin": bin_, "bollard": bollard, "bus_shelter": bus_shelter, "pole": pole,
    "telephone_box": telephone_box,
    "street_lamp": street_lamp, "traffic_light": traffic_light, "traffic_sign": traffic_sign,
}  # fmt: skip


def _fix(stage: Stage, kind: str, x: float, z: float, yaw: float, size: float = 0.2, variants: int = 3) -> None:
    """Set down a piece of furniture."""
    if not stage.sees(x, z, 2.0) or not stage.free(x, z, size, size):
        return
    build = _BUILDERS[kind]
    mesh = stage.stocked(kind, lambda: build(stage.rng, stage.palette), variants)[0]
    stage.put(mesh, x, z, y=KERB_HEIGHT, yaw=yaw)


def furnish(stage: Stage, layout: Layout) -> None:
    """All street furniture of both sides."""
    for side in layout.sides:
        if side.pavement > 0 or stage.chance(0.5):
            _lamps(stage, layout, side)
        _signs(stage, side)
        if side.pavement > 1.5:
            _clutter(stage, side)
    _signals(stage, layout)
    if layout.island is not None:
        for z in (layout.island - 2.2, layout.island + 2.2):
            kind = str(
                stage.rng.choice(
                    ["traffic_sign", "bollard", "traffic_light", "street_lamp"], p=[0.5, 0.25, 0.15, 0.1]
                )
            )
            _fix(stage, kind, 0.0, z, math.pi, variants=6)


def _lamps(stage: Stage, layout: Layout, side: Side) -> None:
    spacing = stage.uniform(16, 38)
    x = side.sign * (side.kerb + 0.5 if stage.chance(0.8) else side.frontage - 0.4)
    kind = "street_lamp" if stage.chance(0.75) else "pole"
    z = stage.uniform(-10, 14)
    if stage.chance(0.15):
        return
    while z < 130:
        # A lamp's arm reaches out over the road.
        _fix(stage, kind, x, z, -side.sign * math.pi / 2, variants=2)
        z += spacing * stage.uniform(0.85, 1.15)
    for _ in range(int(stage.rng.poisson(0.8))):
        at = side.sign * stage.uniform(side.kerb + 0.4, side.kerb + 0.9)
        _fix(stage, "pole", at, 3 + 50 * stage.rng.random() ** 1.5, stage.uniform(0, 6.28))


def _signs(stage: Stage, side: Side) -> None:
    for _ in range(int(stage.rng.poisson(2.6))):
        x = side.sign * (side.kerb + stage.uniform(0.35, 0.8))
        z = 4 + 60 * stage.rng.random() ** 1.5
        towards = math.pi if stage.chance(0.75) else 0.0
        _fix(stage, "traffic_sign", x, z, towards + float(stage.rng.normal(0, 0.25)), variants=6)


def _signals(stage: Stage, layout: Layout) -> None:
    """Traffic lights before crossings and side streets."""
    stops = [layout.crossing] if layout.crossing is not None and stage.chance(0.65) else []
    for side in layout.sides:
        stops += [block.z1 for block in side.blocks if block.corner1 and block.z1 > 2 and stage.chance(0.3)]
    if not stops and stage.chance(0.2):
        stops = [stage.uniform(5, 45)]
    for stop in stops[:3]:
        for side in layout.sides:
            for z, share in ((stop - 0.8, 0.85), (stop + stage.uniform(4, 12), 0.5)):
                if stage.chance(share):
                    x = side.sign * (side.kerb + stage.uniform(0.35, 0.9))
                    towards = math.pi if stage.chance(0.75) else 0.0
                    _fix(stage, "traffic_light", x, z, towards + float(stage.rng.normal(0, 0.2)), variants=3)


def _clutter(stage: Stage, side: Side) -> None:
    """Bollards, bins, benches, cabinets, shelters."""
    if stage.chance(0.22):
        z, spacing = stage.uniform(1, 25), stage.uniform(1.3, 3)
        for i in range(int(stage.rng.integers(3, 12))):
            _fix(stage, "bollard", side.sign * (side.kerb + 0.45), z + i * spacing, 0.0, variants=1)
    for kind, share, inset, size in (
        ("bin", 0.35, 0.7, 0.4),
        ("bench", 0.2, 1.0, 0.9),
        ("bus_shelter", 0.14, 1.3, 2.0),
    ):
        if stage.chance(share) and side.pavement > inset + 0.8:
            z = 3 + 35 * stage.rng.random()
            _fix(stage, kind, side.sign * (side.kerb + inset), z, -side.sign * math.pi / 2, size, 1)
