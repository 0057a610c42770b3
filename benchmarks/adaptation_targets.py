"""Street targets with known truth: a camera and a weather each, driven through several generated streets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from depdis_deploy.pictures import write_rgb
from depdis_training.data.samples import Sample
from depdis_training.street.appearance import Appearance, appearance_for
from depdis_training.street.driving import DRIVE_SPEED
from depdis_training.street.palette import Domain
from depdis_training.street.renderer import render
from depdis_training.street.scene import make_scene

SIZE = (512, 256)
TRAINING_STREETS, TEST_STREETS = 3, 3


@dataclass(frozen=True)
class Target:
    """A camera on a vehicle: its height, field of view and pitch (degrees).

    look: what it changes of the domain's appearance. streets: to adapt to, `frames` of each, `step_s` apart.
    """

    domain: Domain
    seed: int
    height_m: float = 1.4
    fov: float = 70.0
    pitch: float = -1.0
    look: Mapping[str, Any] = field(default_factory=dict)
    frames: int = 9
    step_s: float = 1.5
    streets: int = TRAINING_STREETS


_DARK = {"exposure": 0.03, "noise_sigma": 7.0, "gain": (1.15, 0.98, 0.85), "blur_sigma": 0.9, "contrast": 0.5}
_DARKEST = {"exposure": 0.01, "noise_sigma": 12.0, "saturation": 0.5, "blur_sigma": 1.2, "sun_strength": 0.0}
_FOG = {"fog_density": 0.03, "fog_colour": (0.9, 0.93, 0.95), "sun_strength": 0.0, "cloud_cover": 0.0,
        "horizon": (0.9, 0.93, 0.95), "zenith": (0.9, 0.93, 0.96)}  # fmt: skip
_CAST = {"gain": (0.68, 1.05, 1.35), "saturation": 0.5, "contrast": 0.8, "blur_sigma": 1.5, "jpeg_quality": 30}

TARGETS = {
    "dull": Target("target", 11, height_m=1.75, fov=62.0, pitch=-3.0),
    "bright": Target("source", 12, height_m=1.45, fov=72.0),
    "wide": Target("random", 13, height_m=1.2, fov=95.0, pitch=-4.0),
    "dusk": Target("random", 14, look=_DARK),
    "fog": Target("random", 15, look=_FOG),
    "lorry": Target("random", 16, height_m=3.0, fov=45.0, pitch=-7.0),
    "cast": Target("random", 17, look=_CAST),
    "dark": Target("random", 18, look=_DARKEST),
}
# Others, to choose settings and limits on: no appearance, camera or street of the test's.
_DIM = {"exposure": 0.055, "noise_sigma": 5.0, "blur_sigma": 0.8, "saturation": 0.7}
_HAZE = {"fog_density": 0.012, "fog_colour": (0.85, 0.84, 0.8), "sun_strength": 0.3, "contrast": 0.0}
_GLARE = {"exposure": 0.5, "contrast": 0.8, "vignette": 0.0, "sharpen": 1.2}
_NIGHT = {"exposure": 0.018, "noise_sigma": 8.0, "gain": (1.2, 1.0, 0.7), "sun_strength": 0.0}
TUNING = {
    "dim": Target("random", 21, look=_DIM),
    "haze": Target("random", 22, look=_HAZE),
    "van": Target("target", 26, height_m=2.4, fov=54.0, pitch=-5.0),
    "glare": Target("random", 28, look=_GLARE),
    "night": Target("random", 29, look=_NIGHT),
}


def standing(target: Target) -> Target:
    """The same camera at a traffic light: one street, hardly any movement."""
    return dataclasses.replace(target, streets=1, frames=12, step_s=0.02)


def write_pictures(target: Target, folder: Path) -> None:
    """The pictures to adapt to, without labels; what is there already is left."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [folder / f"{n:03d}.png" for n in range(target.streets * target.frames)]
    if all(path.exists() for path in wanted):
        return
    for path, sample in zip(wanted, _drive(target, range(target.streets)), strict=True):
        write_rgb(path, sample.image)


def test_samples(target: Target) -> Iterator[Sample]:
    """Labelled frames of the same camera in other streets."""
    test = dataclasses.replace(target, frames=10, step_s=1.5)
    return _drive(test, range(100, 100 + TEST_STREETS))


def _drive(target: Target, streets: range) -> Iterator[Sample]:
    drawn = appearance_for(target.domain, np.random.default_rng([target.seed, 99]))
    look: Appearance = dataclasses.replace(drawn, **target.look)
    focal_px = SIZE[0] / 2 / math.tan(math.radians(target.fov) / 2)
    for street in streets:
        scene = make_scene(target.domain, target.seed, street, SIZE, moving=True)
        course = scene.layout.course
        for frame in range(target.frames):
            time_s = frame * target.step_s
            z = scene.camera.z + DRIVE_SPEED * time_s
            camera = dataclasses.replace(
                scene.camera, z=z, x=scene.camera.x + float(course.offset(z)),
                y=target.height_m + float(course.height(z)), yaw=math.atan(course.slope(z)),
                pitch=math.radians(target.pitch), roll=0.0, focal_px=focal_px,
            )  # fmt: skip
            picture = render(scene.at(time_s), camera, look, street * 1000 + frame)
            name = f"{street:03d}_{frame:03d}"
            yield Sample(name, picture.image, picture.labels, picture.depth_m, focal_px)
