"""The sky: a gradient, haze, the sun's glow, clouds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.kernel import inner
from depdis_training.street.noise import value_noise

# Light: zenith 0:3, horizon 3:6, sun direction 6:9, sun colour times strength 9:12, cloud cover 12,
# cloud size 13, cloud lightness 14, ambient 15:18, fog density 18, fog colour 19:22, shadow softness 22,
# wetness 23.
Light = NDArray[np.float64]


@inner
def _clouds(x: float, z: float, seed: int) -> float:
    total, weight, size = 0.0, 0.5, 1.0
    for k in range(5):
        total += weight * value_noise(x * size, z * size, seed + 101 * k)
        weight *= 0.55
        size *= 2.1
    return total * 0.93


@inner
def gradient(light: Light, up: float, channel: int) -> float:
    """The clear sky's radiance at a height (sine of the elevation), between horizon and zenith."""
    away = 1.0 - max(0.0, up)
    haze = away * away * away * away
    radiance: float = light[channel] * (1.0 - haze) + light[3 + channel] * haze
    return radiance


@inner
def sky(light: Light, dx: float, dy: float, dz: float, seed: int, out: NDArray[np.float64]) -> None:
    """Fill out (3,) with the linear radiance seen in a unit direction."""
    to_sun = max(0.0, dx * light[6] + dy * light[7] + dz * light[8])
    to_sun2 = to_sun * to_sun
    to_sun8 = to_sun2 * to_sun2 * to_sun2 * to_sun2
    glow = 0.06 * to_sun2 * to_sun2 + 0.25 * to_sun8 * to_sun8 * to_sun8
    for k in range(3):
        out[k] = gradient(light, dy, k) + glow * light[9 + k] * 0.5
    cover = light[12]
    if cover <= 0.0 or dy < -0.02:
        return
    flat = 1.0 / (max(0.0, dy) + 0.12) / light[13]
    x, z = dx * flat, dz * flat
    density = _clouds(x, z, seed) - (1.0 - cover) * 0.75 - 0.08
    amount = min(1.0, max(0.0, 4.5 * density))
    if amount <= 0.0:
        return
    amount = amount * amount * (3.0 - 2.0 * amount)
    thick = _clouds(x + 0.22 * light[6], z + 0.22 * light[8], seed)
    bright = light[14] * (1.15 - 0.75 * max(0.0, thick - 0.35) - 0.35 * max(0.0, density))
    bright += 0.5 * to_sun8
    amount *= min(1.0, max(0.0, 6.0 * dy + 0.3))
    for k in range(3):
        tone = 0.5 * (light[15] + light[16] + light[17]) / 1.5 * 0.6 + 0.4 * light[15 + k]
        out[k] += amount * (bright * (tone + 0.10 * light[9 + k]) - out[k])
