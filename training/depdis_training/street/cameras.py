"""Where a picture is taken from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depdis_training.street.layout import Layout
from depdis_training.street.palette import EVERY_LOOK, Domain
from depdis_training.street.renderer import Camera

# A benchmark's two cameras: height m, horizontal field of view degrees, pitch degrees.
_FIXED = {"source": (1.45, 72.0, -1.0), "target": (1.75, 62.0, -3.0)}
_OVERHEAD = 0.035  # the share of random pictures taken from above
_STEEP = math.radians(-35.0)


def own_lane(layout: Layout) -> float:
    """The x of the middle of the lane in which the camera's vehicle drives."""
    if layout.lanes == 1:
        return 0.0
    return layout.drive_sign * layout.lane_width * (layout.lanes / 2 - 0.5 if layout.lanes < 4 else 0.5)


def draw_camera(
    rng: np.random.Generator, domain: Domain, layout: Layout, size: tuple[int, int], *, driving: bool = False
) -> Camera:  # fmt: skip
    """A camera at z = 0 of the street: a domain's own, or one of any car or pedestrian; `driving`: of a car."""
    if domain not in EVERY_LOOK or driving:
        height, fov, pitch = _FIXED.get(
            domain, (float(rng.uniform(1.2, 1.7)), float(rng.uniform(55, 80)), -1.0)
        )
        x = own_lane(layout) + float(rng.normal(0, 0.25))
        return _camera(x, height, float(rng.normal(0, 3)), pitch + float(rng.normal(0, 0.4)), 0.0, fov, size)
    if rng.random() < _OVERHEAD:
        return _overhead(rng, layout, size)
    place, side = rng.random(), layout.sides[int(rng.integers(2))]
    base = 0.0
    if place < 0.72:
        x = own_lane(layout) + float(rng.normal(0, 0.5))
    elif place < 0.86 or side.pavement < 1.5:
        x = float(rng.uniform(-layout.left.kerb + 0.6, layout.right.kerb - 0.6))
    else:
        x, base = side.sign * float(rng.uniform(side.kerb + 0.4, side.frontage - 0.4)), 0.12
    raised = rng.random()
    height = float(rng.uniform(1.0, 2.0) if raised < 0.84 else rng.uniform(2.0, 3.5))
    if raised > (0.86 if domain == "near" else 0.94):  # from a window or a mast, looking down
        height = float(rng.uniform(3.5, 8.0))
    turn = rng.random()
    if turn < 0.68:
        yaw = float(rng.normal(0, 4))
    elif turn < 0.9:
        yaw = float(rng.normal(0, 17))
    else:  # sideways, over the road more often than at the nearest wall
        across = -1.0 if x > 0 else 1.0
        yaw = float(rng.uniform(25, 80)) * (across if rng.random() < 0.75 else -across)
    lens = rng.random()
    fov = float(
        rng.uniform(42, 75) if lens < 0.55 else rng.uniform(60, 100) if lens < 0.92 else rng.uniform(16, 42)
    )
    pitch = float(rng.normal(-0.5, 3.0)) - max(0.0, height - 2.2) * float(rng.uniform(1.5, 7.0))
    return _camera(x, height + base, yaw, pitch, float(rng.normal(0, 1.0)), fov, size)


def _overhead(rng: np.random.Generator, layout: Layout, size: tuple[int, int]) -> Camera:
    """From a bridge or a high window, steeply down on the road."""
    x = own_lane(layout) + float(rng.normal(0, 1.5))
    yaw = float(rng.normal(0, 20) if rng.random() < 0.6 else rng.uniform(-120, 120))
    pitch, fov = float(rng.uniform(-88, -45)), float(rng.uniform(45, 85))
    return _camera(x, float(rng.uniform(5.2, 11.0)), yaw, pitch, float(rng.normal(0, 3)), fov, size)


def _camera(
    x: float, y: float, yaw: float, pitch: float, roll: float, fov: float, size: tuple[int, int]
) -> Camera:  # fmt: skip
    """Angles in degrees, the field of view across the picture's width."""
    width, height = size
    focal = width / 2 / math.tan(math.radians(fov) / 2)
    return Camera(
        x=x, y=y, z=0.0, yaw=math.radians(yaw), pitch=math.radians(pitch), roll=math.radians(roll),
        focal_px=focal, width=width, height=height,
    )  # fmt: skip


@dataclass(frozen=True)
class View:
    """What of the plan a camera can see, with a margin: objects elsewhere need not be built.

    below: where on the ground the middle of the picture lies, for a camera that looks steeply down.
    """

    x: float
    z: float
    yaw: float
    half_angle: float
    reach: float = 150.0
    below: tuple[float, float] | None = None

    @staticmethod
    def of(camera: Camera, reach: float = 150.0) -> View:
        """The plan view of a camera."""
        half = math.atan(camera.width / 2 / camera.focal_px)
        if camera.pitch < _STEEP:
            ahead = camera.y / math.tan(-camera.pitch)
            below = (camera.x + ahead * math.sin(camera.yaw), camera.z + ahead * math.cos(camera.yaw))
            return View(camera.x, camera.z, camera.yaw, math.pi, 28.0, below)
        return View(camera.x, camera.z, camera.yaw, half + 0.06, reach)

    def distance(self, x: float, z: float) -> float:
        """Metres from the camera, in plan."""
        return math.hypot(x - self.x, z - self.z)

    def sees(self, x: float, z: float, radius: float) -> bool:
        """Whether an object of that radius may show, or throw its shadow into the near field."""
        distance = self.distance(x, z)
        if distance < radius + 4.0:
            return True
        if distance > self.reach + radius:
            return False
        off = abs((math.atan2(x - self.x, z - self.z) - self.yaw + math.pi) % (2 * math.pi) - math.pi)
        return off < self.half_angle + math.asin(min(1.0, radius / distance))
