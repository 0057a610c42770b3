"""Noise from integer hashes: equal on every processor, and nothing to store."""

from __future__ import annotations

import math

import numpy as np

from depdis_training.street.kernel import inner

_MASK = 0xFFFFFFFF


@inner
def hash01(x: int, y: int, seed: int) -> float:
    """A number in [0, 1) for a cell of a grid."""
    h = (x * 374761393 + y * 668265263 + seed * 1274126177) & _MASK
    h = ((h ^ (h >> 15)) * 2246822519) & _MASK
    h = ((h ^ (h >> 13)) * 3266489917) & _MASK
    return float(h ^ (h >> 16)) * (1.0 / 4294967296.0)


@inner
def value_noise(x: float, y: float, seed: int) -> float:
    """Smooth noise in [0, 1) with a wavelength of about one unit."""
    fx, fy = np.floor(x), np.floor(y)
    i, j = int(fx), int(fy)
    a, b = x - fx, y - fy
    a = a * a * (3.0 - 2.0 * a)
    b = b * b * (3.0 - 2.0 * b)
    low = hash01(i, j, seed) * (1.0 - a) + hash01(i + 1, j, seed) * a
    high = hash01(i, j + 1, seed) * (1.0 - a) + hash01(i + 1, j + 1, seed) * a
    return float(low * (1.0 - b) + high * b)


@inner
def value_noise3(x: float, y: float, z: float, seed: int) -> float:
    """Smooth noise in [0, 1) in space."""
    fz = math.floor(z)
    k = int(fz)
    c = z - fz
    c = c * c * (3.0 - 2.0 * c)
    return value_noise(x, y, seed + k * 7919) * (1.0 - c) + value_noise(x, y, seed + (k + 1) * 7919) * c


@inner
def fade(footprint: float, wavelength: float) -> float:
    """How much of a detail is left when a pixel covers `footprint` metres: 1 close by, 0 far away."""
    return min(1.0, max(0.0, 1.6 - 1.6 * footprint / wavelength))


@inner
def layered(x: float, y: float, wavelength: float, octaves: int, footprint: float, seed: int) -> float:
    """Octaves of noise about 0, within about (-1, 1); an octave that a pixel cannot show is left out."""
    total = 0.0
    strength = 0.5
    if fade(footprint, wavelength) <= 0.0:
        return 0.0
    x, y, faint = x / wavelength, y / wavelength, 1.6 * footprint / wavelength
    for k in range(octaves):
        left = min(1.0, 1.6 - faint)  # `fade`, divided once for all octaves: doubling is exact
        if left <= 0.0:
            break
        total += left * strength * (2.0 * value_noise(x, y, seed + 31 * k) - 1.0)
        x, y, faint = 2.0 * x, 2.0 * y, 2.0 * faint
        strength *= 0.6
    return total


@inner
def band(x: float, low: float, high: float, width: float) -> float:
    """The share of a pixel of the given width about x that lies between low and high."""
    return max(0.0, min(high, x + 0.5 * width) - max(low, x - 0.5 * width)) / width


@inner
def _covered(x: float, period: float, part: float) -> float:
    whole = math.floor(x / period)
    return whole * part + min(x - whole * period, part)


@inner
def bands(x: float, period: float, part: float, width: float) -> float:
    """The share of a pixel that lies in stripes: the first `part` metres of every `period`."""
    return (_covered(x + 0.5 * width, period, part) - _covered(x - 0.5 * width, period, part)) / width
