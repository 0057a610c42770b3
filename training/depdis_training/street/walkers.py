"""People: on pavements singly and in groups, crossing, close by."""

from __future__ import annotations

import math

import numpy as np

from depdis_training.street.ground import KERB_HEIGHT
from depdis_training.street.layout import Layout, Side
from depdis_training.street.mesh import Mesh
from depdis_training.street.people import Pose, person
from depdis_training.street.stock import Stage

_CROWD = {
    "high_street": 11.0,
    "city": 9.0,
    "park_side": 6.0,
    "retail": 4.0,
    "terraces": 3.5,
    "suburb": 2.0,
    "country": 0.8,
}
_PHASES = 8


def _person(stage: Stage, x: float, z: float, pose: Pose) -> tuple[Mesh, ...]:
    """A person's mesh; when moving, those of one whole step cycle."""
    detail = stage.detail(x, z)
    child = stage.chance(0.08)
    walking = stage.moving and pose == "walking"

    def build() -> tuple[Mesh, ...]:
        if not walking:
            return (
                person(
                    stage.rng,
                    stage.palette,
                    pose=pose,
                    phase=float(stage.rng.random()),
                    child=child,
                    detail=detail,
                ),
            )
        seed = int(stage.rng.integers(2**31))
        return tuple(
            person(
                np.random.default_rng(seed),
                stage.palette,
                pose=pose,
                phase=i / _PHASES,
                child=child,
                detail=detail,
            )
            for i in range(_PHASES)
        )

    return stage.stocked(
        ("person", pose, child, detail), build, 1 if child else 3 if walking else 6 if detail > 0.5 else 4
    )


def _stand(stage: Stage, x: float, z: float, y: float, yaw: float, walking: bool) -> None:
    if not stage.sees(x, z, 0.6) or not stage.free(x, z, 0.28, 0.28):
        return
    phases = _person(stage, x, z, "walking" if walking else "standing")
    scale = stage.uniform(0.93, 1.06)
    if stage.moving and walking:
        stage.move(phases, x, z, y=y, yaw=yaw, speed=stage.uniform(1.0, 1.6))
    else:
        stage.put(phases[0], x, z, y=y, yaw=yaw, scale=scale)


def walk_pavement(stage: Stage, layout: Layout, side: Side) -> None:
    """People along one pavement."""
    if side.pavement < 1.0:
        return
    crowd = _CROWD[layout.style] * float(stage.rng.choice([0.3, 1.0, 2.2], p=[0.35, 0.45, 0.2]))
    inner, outer = side.kerb + side.verge + 0.4, side.frontage - 0.3
    for _ in range(int(stage.rng.poisson(crowd))):
        z = 2.0 + 62 * stage.rng.random() ** 1.6
        x = stage.uniform(inner, max(outer, inner + 0.1))
        group = int(stage.rng.choice([1, 2, 3, 4], p=[0.6, 0.27, 0.09, 0.04]))
        along = 0.0 if stage.chance(0.5) else math.pi
        walking = stage.chance(0.75)
        for i in range(group):
            turn = float(stage.rng.normal(0, 0.25)) if walking else stage.uniform(0, 2 * math.pi)
            _stand(
                stage,
                side.sign * (x + 0.6 * i),
                z + stage.uniform(-0.3, 0.3) * i,
                KERB_HEIGHT,
                along + turn,
                walking,
            )


def cross_road(stage: Stage, layout: Layout) -> None:
    """People on the road: at the crossing, or wherever they like."""
    if layout.crossing is not None and stage.chance(0.6):
        spots = [layout.crossing + stage.uniform(0, 3) for _ in range(int(stage.rng.integers(1, 7)))]
    elif stage.chance(0.3):
        spots = [4 + 30 * float(stage.rng.random()) for _ in range(int(stage.rng.integers(1, 4)))]
    else:
        spots = []
    for z in spots:
        x = stage.uniform(-layout.left.kerb + 0.3, layout.right.kerb - 0.3)
        yaw = math.pi / 2 * (1 if stage.chance(0.5) else -1) + float(stage.rng.normal(0, 0.3))
        _stand(stage, x, z, 0.0, yaw, True)
