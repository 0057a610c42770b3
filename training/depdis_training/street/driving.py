"""A drive along a generated street: a camera that moves forward, vehicles that drive, people who walk."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from depdis_training.street.generated import StreetPicture
from depdis_training.street.palette import Domain
from depdis_training.street.renderer import render
from depdis_training.street.scene import make_scene

DRIVE_SPEED = 5.0  # metres a second, that of the camera's vehicle


def drive(
    domain: Domain, seed: int, frames: int, size: tuple[int, int], rate: float, *, supersample: int = 2
) -> Iterator[StreetPicture]:  # fmt: skip
    """`frames` pictures of one street, `rate` a second, with labels and depth; size is (width, height).

    Raises ValueError for an unknown domain or a rate that is not positive.
    """
    if rate <= 0:
        raise ValueError(f"expected a positive frame rate, got {rate}")
    scene = make_scene(domain, seed, 0, size, moving=True)
    start, course = scene.camera, scene.layout.course
    for frame in range(frames):
        time_s = frame / rate
        z = start.z + DRIVE_SPEED * time_s
        camera = dataclasses.replace(
            start,
            z=z,
            x=start.x + 0.25 * math.sin(0.5 * time_s) + course.offset(z),
            y=start.y + 0.012 * math.sin(7.0 * time_s) + course.height(z),
            yaw=start.yaw + 0.02 * math.sin(0.45 * time_s) + math.atan(course.slope(z)),
            pitch=start.pitch + 0.002 * math.sin(5.0 * time_s),
        )
        drawn = render(scene.at(time_s), camera, scene.appearance, seed, supersample=supersample)
        yield StreetPicture(drawn.image, drawn.labels, drawn.depth_m, camera.focal_px)
