"""Vehicles and two-wheelers: parked at the kerbs, driving, waiting, riding ahead of the camera."""

from __future__ import annotations

import math
from functools import partial

from depdis_training.street.cameras import own_lane
from depdis_training.street.ground import KERB_HEIGHT
from depdis_training.street.layout import Layout, Side
from depdis_training.street.mesh import Mesh
from depdis_training.street.stock import Stage
from depdis_training.street.two_wheelers import bicycle, motorcycle
from depdis_training.street.vehicles import bus, car, lorry

_CAR_HALF = (1.0, 2.4)
_LOT_REACH_M = 60.0


def _car(stage: Stage, x: float, z: float) -> Mesh:
    detail = stage.detail(x, z)
    variants = 5 if detail == 1.0 else 4
    return stage.stocked(("car", detail), lambda: car(stage.rng, stage.palette, detail=detail), variants)[0]


def _large(stage: Stage, x: float, z: float, kind: str) -> Mesh:
    detail = stage.detail(x, z)
    if kind == "lorry":
        return stage.stocked(("lorry", detail), lambda: lorry(stage.rng, stage.palette, detail=detail), 2)[0]
    double = stage.chance(0.35)
    return stage.stocked(
        ("bus", detail, double), lambda: bus(stage.rng, stage.palette, double_decker=double, detail=detail), 1
    )[0]  # fmt: skip


def _rider(stage: Stage, x: float, z: float, kind: str) -> Mesh:
    detail = stage.detail(x, z)
    build = bicycle if kind == "bicycle" else motorcycle
    return stage.stocked(
        (kind, detail),
        lambda: build(stage.rng, stage.palette, rider=True, detail=detail),
        3 if detail > 0.5 else 2,
    )[0]  # fmt: skip


def park_along(stage: Stage, side: Side) -> None:
    """Cars at one kerb, bumper to bumper or few."""
    full = stage.uniform(0.15, 0.95)
    x = side.sign * (side.kerb - 1.05)
    z = -12.0 + stage.uniform(0, 5)
    forward = stage.chance(0.7)
    while z < 110:
        at = x + stage.uniform(-0.15, 0.15)
        kind = stage.rng.random()
        if stage.chance(full) and not _in_mouth(side, z) and stage.sees(at, z, 3):
            large = kind < 0.03
            half = (1.3, 4.5) if large else _CAR_HALF
            if stage.free(at, z, *half):
                mesh = _large(stage, at, z, "lorry") if large else _car(stage, at, z)
                yaw = (0.0 if forward != stage.chance(0.1) else math.pi) + stage.uniform(-0.04, 0.04)
                stage.put(mesh, at, z, yaw=yaw)
        z += stage.uniform(5.0, 6.3)


def _in_mouth(side: Side, z: float) -> bool:
    """Whether z lies at the mouth of a side street."""
    return not any(
        block.z0 + (4 if block.corner0 else 0) < z < block.z1 - (4 if block.corner1 else 0)
        for block in side.blocks
    )


def drive_lanes(stage: Stage, layout: Layout) -> None:
    """Vehicles in every lane, queueing or far between."""
    own = own_lane(layout)
    for lane in range(layout.lanes):
        x = (lane + 0.5 - layout.lanes / 2) * layout.lane_width
        away = layout.lanes == 1 or x * layout.drive_sign > 0
        gap = float(stage.rng.choice([9.0, 18.0, 35.0, 80.0], p=[0.15, 0.3, 0.35, 0.2]))
        same = abs(x - own) < 0.5
        z = stage.uniform(5.5, 26) if same else stage.uniform(-6, 20)
        speed = 0.0 if gap < 10 and not stage.moving else stage.uniform(6, 11)
        while z < 140:
            at = x + stage.uniform(-0.35, 0.35)
            draw = stage.rng.random()
            large = draw < 0.14
            if large and z < 9 and same:
                z += 6
            half = (1.35, 5.8) if large else _CAR_HALF
            if stage.sees(at, z, half[1]) and stage.free(at, z, *half):
                mesh = _large(stage, at, z, "lorry" if draw < 0.04 else "bus") if large else _car(stage, at, z)
                yaw = 0.0 if away else math.pi
                stage.move((mesh,), at, z, yaw=yaw, speed=speed)
            z += half[1] * 2 + stage.uniform(0.3, 1.8) * gap


def cross_traffic(stage: Stage, layout: Layout) -> None:
    """Now and then a vehicle across the road, turning or leaving a side street."""
    for side in layout.sides:
        for before, after in zip(side.blocks, side.blocks[1:], strict=False):
            if not before.corner1:
                continue
            z = (before.z1 + after.z0) / 2
            for _ in range(2):
                if stage.chance(0.35):
                    x = side.sign * stage.uniform(side.kerb + 1.5, side.kerb + 35)
                    if stage.sees(x, z, 3) and stage.free(x, z, 2.4, 1.0):
                        yaw = (math.pi / 2) * (1 if stage.chance(0.5) else -1)
                        stage.put(_car(stage, x, z), x, z, yaw=yaw)
    if stage.chance(0.15):
        x, z = stage.uniform(-layout.left.kerb + 1, layout.right.kerb - 1), stage.uniform(6, 30)
        if stage.free(x, z, 2.0, 2.0):
            stage.put(_car(stage, x, z), x, z, yaw=stage.uniform(0, 2 * math.pi))


def fill_lots(stage: Stage, side: Side) -> None:
    """Rows of parked cars on car parks and before shops, and cars on drives."""
    for block in side.blocks:
        if block.kind == "carpark" or (block.kind == "retail" and block.setback > 9):
            deep = 34.0 if block.kind == "carpark" else block.setback - 3
            full = stage.uniform(0.3, 0.9)
            # Hundreds of cars that stand behind others cost more than all the rest of a picture.
            reach = _LOT_REACH_M if stage.palette.near_detail else math.inf
            for row, x in enumerate(_rows(side.frontage + 3.5, side.frontage + deep)):
                z = block.z0 + 3
                while z < block.z1 - 3:
                    at = side.sign * x
                    if (
                        stage.chance(full)
                        and stage.view.distance(at, z) < reach
                        and stage.sees(at, z, 3)
                        and stage.free(at, z, 2.4, 1.0)
                    ):
                        yaw = math.pi / 2 * (1 if (row % 2) != stage.chance(0.2) else -1) + stage.uniform(
                            -0.05, 0.05
                        )
                        stage.put(_car(stage, at, z), at, z, y=KERB_HEIGHT, yaw=yaw)
                    z += stage.uniform(2.5, 2.8)
        elif block.kind == "houses":
            z = block.z0 + stage.uniform(2, 6)
            while z < block.z1 - 3:
                x = side.sign * (side.frontage + 3.2)
                if (
                    stage.chance(0.5)
                    and block.setback > 5.5
                    and stage.sees(x, z, 3)
                    and stage.free(x, z, 2.4, 1.0)
                ):
                    stage.put(
                        _car(stage, x, z),
                        x,
                        z,
                        y=KERB_HEIGHT,
                        yaw=math.pi / 2 * (1 if stage.chance(0.5) else -1),
                    )
                z += stage.uniform(8, 13)


def _rows(near: float, far: float) -> list[float]:
    """Distances of the rows of a car park: pairs back to back, lanes between."""
    rows, x = [], near
    while x < far:
        rows.append(x)
        x += 5.2 if len(rows) % 2 else 11.0
    return rows


def ride(stage: Stage, layout: Layout) -> None:
    """Cyclists and motorcyclists: ahead of the camera, oncoming, crossing."""
    own = own_lane(layout)
    if stage.chance(0.55):
        for _ in range(int(stage.rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))):
            x = own + layout.drive_sign * stage.uniform(-1.0, layout.lane_width / 2 + 0.2)
            z = 3.5 + 24 * stage.rng.random() ** 1.4
            _place_rider(stage, x, z, "bicycle", stage.uniform(-0.12, 0.12), stage.uniform(5.2, 6.2))
    for _ in range(int(stage.rng.poisson(0.9))):
        x = stage.uniform(-layout.left.kerb + 0.4, layout.right.kerb - 0.4)
        away = x * layout.drive_sign > 0 or layout.lanes == 1
        yaw = (0.0 if away else math.pi) + float(stage.rng.normal(0, 0.15))
        if stage.chance(0.2) and not stage.moving:
            yaw = stage.uniform(0, 2 * math.pi)
        _place_rider(stage, x, 3 + 50 * stage.rng.random() ** 1.3, "bicycle", yaw, stage.uniform(5.2, 6.5))
    for _ in range(int(stage.rng.poisson(0.8))):
        x = stage.uniform(-layout.left.kerb + 0.6, layout.right.kerb - 0.6)
        yaw = 0.0 if x * layout.drive_sign > 0 or layout.lanes == 1 else math.pi
        turn = float(stage.rng.normal(0, 0.05 if stage.moving else 0.2 if stage.chance(0.8) else 1.5))
        _place_rider(
            stage, x, 4 + 45 * stage.rng.random() ** 1.3, "motorcycle", yaw + turn, stage.uniform(5, 11)
        )


def _place_rider(stage: Stage, x: float, z: float, kind: str, yaw: float, speed: float) -> None:
    if stage.sees(x, z, 1) and stage.free(x, z, 0.4, 0.9):
        stage.move((_rider(stage, x, z, kind),), x, z, yaw=yaw, speed=speed)


def rack(stage: Stage, side: Side) -> None:
    """Parked bicycles and motorbikes."""
    if stage.chance(0.4):
        z0, angle = 3 + 28 * stage.rng.random(), stage.uniform(0.8, 2.3)
        x = side.sign * (side.frontage - 0.9 if stage.chance(0.5) else side.kerb + 0.9)
        for i in range(int(stage.rng.integers(1, 9))):
            z = z0 + i * stage.uniform(0.5, 1.0)
            if side.pavement > 1.4 and stage.sees(x, z, 1) and stage.free(x, z, 0.3, 0.2):
                detail = stage.detail(x, z)
                mesh = stage.stocked(
                    ("parked bicycle", detail),
                    partial(bicycle, stage.rng, stage.palette, rider=False, detail=detail), 3,
                )[0]  # fmt: skip
                stage.put(mesh, x, z, y=KERB_HEIGHT, yaw=side.sign * (angle + stage.uniform(-0.2, 0.2)))
    if stage.chance(0.3):
        z0 = 3 + 30 * stage.rng.random()
        at_kerb = side.parking and stage.chance(0.6)
        x = side.sign * (side.kerb - 0.9 if at_kerb else side.kerb + 0.8)
        for i in range(int(stage.rng.integers(1, 4))):
            z = z0 + i * stage.uniform(0.9, 1.3)
            if (at_kerb or side.pavement > 2) and stage.sees(x, z, 1) and stage.free(x, z, 0.5, 0.4):
                detail = stage.detail(x, z)
                mesh = stage.stocked(
                    ("parked motorcycle", detail),
                    partial(motorcycle, stage.rng, stage.palette, rider=False, detail=detail), 2,
                )[0]  # fmt: skip
                y = 0.0 if at_kerb else KERB_HEIGHT
                stage.put(mesh, x, z, y=y, yaw=side.sign * stage.uniform(0.8, 2.2))
