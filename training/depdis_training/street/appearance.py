"""Light, weather and camera: how a street looks, apart from what stands in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.palette import EVERY_LOOK, Domain

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Appearance:
    """Weather and camera of one picture.

    Radiances are linear, and only their ratios matter, for `exposure` sets the level.

    sun_azimuth, sun_elevation: radians, azimuth 0 along +z and towards +x. sun_strength: 0 in overcast.
    zenith, horizon: radiance of the clear sky. cloud_cover 0..1; cloud_size about 1; cloud_lightness: their
    brightness over the ambient light. fog_density: 1/m. shadow_softness: metres. wetness 0..1.
    exposure: the linear level, of white 1, that the mean of all but the sky is brought to.
    gain: per channel. contrast: 0 none, 1 an S-curve. blur_sigma: pixels. noise_sigma: grey levels.
    jpeg_quality: 1..100, or None for no artefacts.
    """

    sun_azimuth: float = 0.8
    sun_elevation: float = 0.7
    sun_strength: float = 2.5
    sun_colour: Triple = (1.0, 0.95, 0.86)
    ambient_strength: float = 1.0
    ambient_colour: Triple = (0.92, 0.97, 1.08)
    shadow_softness: float = 0.04
    zenith: Triple = (0.32, 0.55, 1.0)
    horizon: Triple = (0.95, 1.05, 1.15)
    cloud_cover: float = 0.4
    cloud_size: float = 1.0
    cloud_lightness: float = 1.5
    sky_seed: int = 0
    fog_density: float = 0.0015
    fog_colour: Triple = (0.85, 0.9, 0.95)
    wetness: float = 0.0
    exposure: float = 0.18
    contrast: float = 0.2
    gamma: float = 2.2
    saturation: float = 1.0
    gain: Triple = (1.0, 1.0, 1.0)
    black_level: float = 0.0
    vignette: float = 0.15
    blur_sigma: float = 0.4
    sharpen: float = 0.3
    noise_sigma: float = 2.0
    jpeg_quality: int | None = None

    def sun_direction(self) -> tuple[float, float, float]:
        """The unit vector towards the sun."""
        across = math.cos(self.sun_elevation)
        return (
            across * math.sin(self.sun_azimuth), math.sin(self.sun_elevation),
            across * math.cos(self.sun_azimuth),
        )  # fmt: skip

    def light(self) -> NDArray[np.float64]:
        """(24,) float64 in the order that `sky.py` documents."""
        sun = [colour * self.sun_strength for colour in self.sun_colour]
        ambient = [colour * self.ambient_strength for colour in self.ambient_colour]
        return np.array([
            *self.zenith, *self.horizon, *self.sun_direction(), *sun, self.cloud_cover, self.cloud_size,
            self.cloud_lightness, *ambient, self.fog_density, *self.fog_colour, self.shadow_softness,
            self.wetness,
        ], np.float64)  # fmt: skip


def appearance_for(domain: Domain, rng: np.random.Generator) -> Appearance:
    """The appearance of a picture: nearly fixed for source and target, drawn wholly anew for random and near.

    Raises ValueError for another domain.
    """
    if domain == "source":
        return _source(rng)
    if domain == "target":
        return _target(rng)
    if domain in EVERY_LOOK:
        return _random(rng)
    raise ValueError(f"expected the domain source, target, random or near, got {domain!r}")


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 20))


def _source(rng: np.random.Generator) -> Appearance:
    """A bright day with a few clouds, and a neutral camera."""
    return Appearance(
        sun_azimuth=float(rng.uniform(0.4, 1.6)), sun_elevation=float(rng.uniform(0.6, 0.95)),
        sun_strength=float(rng.uniform(2.0, 2.8)), cloud_cover=float(rng.uniform(0.2, 0.55)),
        sky_seed=_seed(rng), exposure=float(rng.uniform(0.17, 0.22)), noise_sigma=1.5, sharpen=0.2,
    )  # fmt: skip


def _target(rng: np.random.Generator) -> Appearance:
    """A dull, hazy afternoon through a camera that is darker, cooler and greener, softer and noisier."""
    return Appearance(
        sun_azimuth=float(rng.uniform(-2.2, -1.0)), sun_elevation=float(rng.uniform(0.35, 0.6)),
        sun_strength=float(rng.uniform(0.3, 0.9)), sun_colour=(1.0, 0.9, 0.76), shadow_softness=0.15,
        ambient_colour=(0.94, 0.98, 1.04), zenith=(0.62, 0.76, 0.95), horizon=(1.1, 1.12, 1.1),
        cloud_cover=float(rng.uniform(0.65, 0.95)), cloud_size=0.8, cloud_lightness=1.2, sky_seed=_seed(rng),
        fog_density=float(rng.uniform(0.003, 0.006)), fog_colour=(0.86, 0.9, 0.9),
        exposure=float(rng.uniform(0.09, 0.13)), contrast=0.35, gamma=2.1, saturation=0.8,
        gain=(0.9, 1.06, 1.02), black_level=0.02, vignette=0.35, blur_sigma=0.7, sharpen=0.5, noise_sigma=3.0,
    )  # fmt: skip


_WEATHER = ("clear", "broken", "overcast", "low_sun", "fog")


def _random(rng: np.random.Generator) -> Appearance:
    weather = str(rng.choice(_WEATHER, p=[0.28, 0.25, 0.32, 0.12, 0.03]))
    light = _LIGHT[weather](rng)
    warmth = float(rng.normal(0.0, 0.09))
    green = float(rng.normal(0.0, 0.03))
    strong = rng.random() < 0.15
    if strong:
        warmth, green = 2.0 * warmth, 2.0 * green
    # Real cameras expose for the sky as often as for the street, which then is dark.
    exposure = math.exp(float(rng.normal(math.log(0.14), 0.45)))
    if rng.random() < 0.3:
        exposure *= float(rng.uniform(0.35, 0.7))
    exposure = min(0.4, max(0.025, exposure))
    boost = max(1.0, float(rng.uniform(0.06, 0.16)) / exposure)
    light["zenith"] = _scaled(light["zenith"], boost)
    light["horizon"] = _scaled(light["horizon"], boost)
    light["cloud_lightness"] *= boost
    wet = weather in ("overcast", "fog", "broken") and rng.random() < 0.2
    return Appearance(
        **light, sky_seed=_seed(rng), wetness=float(rng.uniform(0.2, 0.7)) if wet else 0.0,
        exposure=exposure, contrast=float(rng.uniform(-0.1, 0.7)),
        gamma=float(rng.uniform(1.8, 2.5)), saturation=float(np.clip(rng.normal(0.9, 0.22), 0.25, 1.5)),
        gain=(math.exp(warmth), math.exp(green), math.exp(-warmth)),
        black_level=float(max(0.0, rng.normal(0.0, 0.03))), vignette=float(rng.uniform(0.0, 0.45)),
        blur_sigma=float(rng.choice([0.0, rng.uniform(0.3, 0.9), rng.uniform(0.9, 1.5)], p=[0.35, 0.5, 0.15])),
        sharpen=float(rng.uniform(0.0, 0.9)), noise_sigma=float(min(8.0, rng.exponential(1.8))),
        jpeg_quality=int(rng.integers(40, 95)) if rng.random() < 0.5 else None,
    )  # fmt: skip


def _azimuth(rng: np.random.Generator) -> float:
    return float(rng.uniform(-math.pi, math.pi))


def _scaled(colour: Triple, factor: float) -> Triple:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def _clear(rng: np.random.Generator) -> dict[str, Any]:
    blue = float(rng.uniform(0.6, 1.25))
    sky = math.exp(float(rng.uniform(math.log(0.8), math.log(2.8))))
    return {
        "sun_azimuth": _azimuth(rng), "sun_elevation": float(rng.uniform(0.45, 1.2)),
        "sun_strength": float(rng.uniform(1.6, 3.6)), "ambient_colour": (0.9, 0.97, 1.1),
        "zenith": _scaled((0.34 / blue, 0.56, min(1.15, 0.95 * blue)), sky),
        "horizon": _scaled((0.92, 1.0, 1.1), sky * float(rng.uniform(0.9, 1.5))),
        "cloud_cover": float(rng.choice([0.0, rng.uniform(0.1, 0.35)])),
        "cloud_size": float(rng.uniform(0.5, 1.6)),
        "cloud_lightness": sky * float(rng.uniform(1.3, 1.9)), "fog_density": float(rng.exponential(0.001)),
        "fog_colour": (0.8, 0.88, 1.0), "shadow_softness": float(rng.uniform(0.02, 0.08)),
    }  # fmt: skip


def _broken(rng: np.random.Generator) -> dict[str, Any]:
    light = _clear(rng)
    light["cloud_cover"] = float(rng.uniform(0.4, 0.85))
    light["sun_strength"] = float(rng.choice([rng.uniform(1.0, 2.8), rng.uniform(0.0, 0.5)]))
    light["ambient_colour"] = (0.95, 0.98, 1.05)
    light["shadow_softness"] = float(rng.uniform(0.04, 0.2))
    return light


def _overcast(rng: np.random.Generator) -> dict[str, Any]:
    sky = float(rng.uniform(0.9, 2.2))
    cold = float(rng.uniform(0.97, 1.1))
    low = float(rng.uniform(0.9, 1.2))
    return {
        "sun_azimuth": _azimuth(rng), "sun_elevation": float(rng.uniform(0.6, 1.3)),
        "sun_strength": float(rng.choice([0.0, rng.uniform(0.05, 0.35)])), "ambient_colour": (0.97, 1.0, cold),
        "zenith": _scaled((0.9, 0.95, cold), sky), "horizon": _scaled((0.98, 1.0, cold), sky * low),
        "cloud_cover": float(rng.choice([0.0, rng.uniform(0.5, 1.0)])),
        "cloud_size": float(rng.uniform(0.4, 1.5)),
        "cloud_lightness": sky * float(rng.uniform(0.7, 1.1)), "fog_density": float(rng.exponential(0.0018)),
        "fog_colour": _scaled((0.95, 0.98, cold), float(rng.uniform(0.7, 1.0))), "shadow_softness": 0.4,
    }  # fmt: skip


def _low_sun(rng: np.random.Generator) -> dict[str, Any]:
    warm = float(rng.uniform(0.3, 1.0))
    sky = float(rng.uniform(0.6, 1.8))
    return {
        "sun_azimuth": _azimuth(rng), "sun_elevation": float(rng.uniform(0.12, 0.4)),
        "sun_strength": float(rng.choice([0.0, rng.uniform(0.8, 2.5)])),
        "sun_colour": (1.0, 0.9 - 0.25 * warm, 0.78 - 0.45 * warm), "ambient_colour": (0.9, 0.94, 1.14),
        "zenith": _scaled((0.3, 0.42, 0.78), sky),
        "horizon": _scaled((1.1, 1.0 - 0.2 * warm, 0.95 - 0.4 * warm), sky),
        "cloud_cover": float(rng.uniform(0.0, 0.7)), "cloud_size": float(rng.uniform(0.5, 1.5)),
        "cloud_lightness": sky * float(rng.uniform(0.6, 1.2)), "fog_density": float(rng.exponential(0.002)),
        "fog_colour": (0.9, 0.82, 0.76), "shadow_softness": float(rng.uniform(0.04, 0.15)),
    }  # fmt: skip


def _fog(rng: np.random.Generator) -> dict[str, Any]:
    light = _overcast(rng)
    white = float(rng.uniform(0.7, 1.3))
    colour = (white * 0.97, white, white * float(rng.uniform(0.98, 1.06)))
    return light | {
        "fog_density": float(rng.uniform(0.008, 0.035)), "fog_colour": colour, "horizon": colour,
        "zenith": _scaled(colour, float(rng.uniform(0.95, 1.2))), "cloud_cover": 0.0, "sun_strength": 0.0,
    }  # fmt: skip


_LIGHT = {"clear": _clear, "broken": _broken, "overcast": _overcast, "low_sun": _low_sun, "fog": _fog}
