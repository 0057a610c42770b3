"""What stands within a few metres of the camera: large, cut by the frame, hiding the street behind it."""

from __future__ import annotations

import math
from collections.abc import Callable

from depdis_training.street.barriers import add_barrier, polyline
from depdis_training.street.furniture import bollard, pole, street_lamp
from depdis_training.street.large_vehicles import bus, lorry
from depdis_training.street.mesh import Builder, Mesh
from depdis_training.street.near_wall import near_wall
from depdis_training.street.people import person
from depdis_training.street.posts import low_lamps, row_before_vehicle
from depdis_training.street.signals import traffic_light, traffic_sign
from depdis_training.street.stock import Stage
from depdis_training.street.two_wheelers import bicycle, motorcycle
from depdis_training.street.vehicles import CarKind, car

# How often each stands near, and between which distances its middle then is.
_SHARE = {
    "wall": 0.13, "posts": 0.45, "barrier": 0.11, "people": 0.28, "two_wheeler": 0.17, "vehicle": 0.26,
    "large": 0.13,
}  # fmt: skip
_POSTS = (
    bollard,
    bollard,
    bollard,
    bollard,
    pole,
    street_lamp,
    street_lamp,
    traffic_sign,
    traffic_sign,
    traffic_light,
)

_MORE: tuple[tuple[Callable[[Stage], None], float], ...] = ((row_before_vehicle, 0.4), (low_lamps, 0.45))


def close_up(stage: Stage, *, more: bool = False) -> None:
    """Each kind near the camera in its share of the pictures, the nearest first.

    more: rows of posts before vehicles and low lamps too, as the domain `near` has them.
    """
    if stage.view.below is not None:
        _below(stage, *stage.view.below)
        stage.taken.append((stage.view.x, stage.view.z, 3.5, 3.5))  # no tree reaches the camera
        return
    if more:
        for place, share in _MORE:
            if stage.chance(share):
                place(stage)
    kinds: dict[str, Callable[[Stage], None]] = {
        "wall": near_wall,
        "posts": _posts,
        "barrier": _barrier,
        "people": _people,
        "two_wheeler": _two_wheeler,
        "vehicle": _vehicle,
        "large": _large,
    }
    for name, place in kinds.items():
        if stage.chance(_SHARE[name]):
            place(stage)


def _below(stage: Stage, x: float, z: float) -> None:
    """A bus, a lorry or cars under a camera that looks down."""
    yaw, draw = _along(stage), stage.rng.random()
    if draw < 0.6:
        meshes, half = [bus(stage.rng, stage.palette)], (1.3, 5.6)
    elif draw < 0.7:
        meshes, half = [lorry(stage.rng, stage.palette)], (1.3, 4.0)
    else:
        meshes, half = [car(stage.rng, stage.palette) for _ in range(int(stage.rng.integers(1, 4)))], (1.0, 2.4)
    at = z + stage.uniform(-0.7, 0.7) * half[1]
    for mesh in meshes:
        spot = x + stage.uniform(-1.2, 1.2), at
        stage.taken.append((*spot, *half))
        stage.put(mesh, *spot, yaw=yaw)
        at += 2 * half[1] + stage.uniform(0.4, 2.0)


def _spot(stage: Stage, nearest: float, farthest: float) -> tuple[float, float]:
    """A place in view, (x, z) of the street."""
    view = stage.view
    distance = stage.uniform(nearest, farthest)
    angle = view.yaw + stage.uniform(-view.half_angle, view.half_angle)
    return view.x + distance * math.sin(angle), view.z + distance * math.cos(angle)


def _put(stage: Stage, mesh: Mesh, spot: tuple[float, float], yaw: float, half: tuple[float, float]) -> None:
    if stage.free(*spot, *half):
        # On the kerb's height or between it and the road's: which, a picture from so near does not show.
        stage.put(mesh, *spot, y=stage.uniform(0.0, 0.12), yaw=yaw)


def _put_beside(
    stage: Stage, mesh: Mesh, reach: tuple[float, float], yaw: float, half: tuple[float, float]
) -> None:
    """Set down what is as long as `half` says, at a place from which it does not swallow the camera."""
    sine, cosine = math.sin(yaw), math.cos(yaw)
    for _ in range(5):
        x, z = _spot(stage, *reach)
        dx, dz = stage.view.x - x, stage.view.z - z
        if abs(dx * cosine - dz * sine) > half[0] + 0.7 or abs(dx * sine + dz * cosine) > half[1] + 0.7:
            _put(stage, mesh, (x, z), yaw, (1.2, 1.7))
            return


def _along(stage: Stage) -> float:
    """A heading, mostly along the street."""
    if stage.chance(0.3):
        return stage.uniform(0, 2 * math.pi)
    return (0.0 if stage.chance(0.5) else math.pi) + stage.uniform(-0.15, 0.15)


def _people(stage: Stage) -> None:
    for _ in range(int(stage.rng.integers(1, 5))):
        walking = stage.chance(0.6)
        mesh = person(
            stage.rng,
            stage.palette,
            pose="walking" if walking else "standing",
            phase=float(stage.rng.random()),
        )
        _put(stage, mesh, _spot(stage, 1.9, 7.0), stage.uniform(0, 2 * math.pi), (0.28, 0.28))


def _two_wheeler(stage: Stage) -> None:
    for _ in range(int(stage.rng.integers(1, 4))):
        build = bicycle if stage.chance(0.65) else motorcycle
        mesh = build(stage.rng, stage.palette, rider=stage.chance(0.45))
        yaw = stage.uniform(0, 2 * math.pi) if stage.chance(0.5) else _along(stage)
        _put(stage, mesh, _spot(stage, 1.7, 6.0), yaw, (0.5, 0.5))


def _vehicle(stage: Stage) -> None:
    kind: CarKind | None = "van" if stage.chance(0.25) else None
    mesh = car(stage.rng, stage.palette, kind=kind)
    _put_beside(stage, mesh, (2.4, 7.0), _along(stage), (1.0, 2.6))


def _large(stage: Stage) -> None:
    if stage.chance(0.7):
        mesh = bus(stage.rng, stage.palette, double_decker=stage.chance(0.3))
    else:
        mesh = lorry(stage.rng, stage.palette)
    across = stage.chance(0.5)
    yaw = stage.view.yaw + math.pi / 2 + stage.uniform(-0.6, 0.6) if across else _along(stage)
    _put_beside(stage, mesh, (3.2, 9.0), yaw, (1.4, 6.2))


def _posts(stage: Stage) -> None:
    """One post, or a row of equal ones."""
    build = _POSTS[int(stage.rng.integers(len(_POSTS)))]
    mesh = build(stage.rng, stage.palette)
    x, z = _spot(stage, 1.3, 9.0)
    count = int(stage.rng.integers(1, 9)) if build is bollard else 1
    angle, step = _along(stage) if stage.chance(0.5) else stage.uniform(0, 2 * math.pi), stage.uniform(0.8, 2.0)
    facing = stage.view.yaw + math.pi + stage.uniform(-0.8, 0.8)
    for i in range(count):
        spot = (x + i * step * math.sin(angle), z + i * step * math.cos(angle))
        _put(stage, mesh, spot, facing, (0.12, 0.12))


def _barrier(stage: Stage) -> None:
    """A fence or railing across the view, through which the street is seen."""
    view = stage.view
    distance, turn = stage.uniform(1.6, 4.5), view.yaw + stage.uniform(-0.5, 0.5)
    x, z = view.x + distance * math.sin(turn), view.z + distance * math.cos(turn)
    half = stage.uniform(2.0, 7.0)
    across = (half * math.cos(turn), -half * math.sin(turn))
    builder = Builder()
    kind = str(
        stage.rng.choice(["railing", "rail", "wire", "pickets", "railing_hedge", "wall", "braced", "braced"])
    )
    line = polyline(x - across[0], z - across[1], x + across[0], z + across[1], stage.uniform(1.2, 2.5))
    add_barrier(builder, stage.rng, stage.palette, kind, line, 0.0, 1.0)
    stage.still.append(builder.build())
