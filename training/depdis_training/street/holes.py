"""Surfaces that are open in part: leaves, railings, wheels, wire.

Pictures get the openings; labels get what a person who draws them would: a fence is one area, and so is a wheel
or the crown of a tree but for its larger gaps.
"""

from __future__ import annotations

import math

from depdis_training.street.kernel import inner
from depdis_training.street.noise import fade, hash01, value_noise

_HAIR = 1e-9
HOLES = ("", "leaves", "bars", "spokes", "mesh", "twigs")


@inner
def _leaves(
    u: float, v: float, scale: float, coverage: float, footprint: float, coarse: bool, seed: int
) -> bool:
    clump = value_noise(u / scale * 0.8, v / scale * 0.8, seed) - 0.5
    level = 0.9 * clump
    limit = 1.3 * (coverage - 0.5)
    if coarse:
        return level < limit + 0.2
    # Finer noise is left out where it cannot decide any more; a hair's breadth leaves room for rounding.
    middle, fine = fade(footprint, 0.45 * scale), fade(footprint, 0.15 * scale)
    if middle > 0.0 and abs(level - limit) < 0.5 * middle + 0.45 * fine + _HAIR:
        level += middle * (value_noise(u / scale * 2.7, v / scale * 2.7, seed + 5) - 0.5)
        if fine > 0.0 and abs(level - limit) < 0.45 * fine + _HAIR:
            level += fine * 0.9 * (value_noise(u / scale * 7.1, v / scale * 7.1, seed + 9) - 0.5)
    return level < limit


@inner
def _twigs(
    u: float, v: float, scale: float, coverage: float, footprint: float, coarse: bool, seed: int
) -> bool:
    envelope = value_noise(u / scale * 0.7, v / scale * 0.7, seed + 3)
    if coarse:
        return envelope < 0.5 + 0.5 * coverage
    # Lines where noise crosses its mean, at three sizes: branches that split into ever finer ones.
    shown = False
    wavelength = scale
    for k in range(3):
        ridge = abs(value_noise(u / wavelength + 0.3 * v / scale, v / wavelength * 0.6, seed + 17 * k) - 0.5)
        thickness = 0.10 * coverage + 0.12 * min(1.0, footprint / wavelength)
        shown = shown or ridge < thickness
        wavelength *= 0.45
    return shown and envelope < 0.45 + 0.5 * coverage


@inner
def _spokes(u: float, v: float, scale: float, coverage: float, footprint: float) -> bool:
    # The wheel's hub is at (0, 0); `scale` is its radius. Rim and hub are closed.
    radius = math.sqrt(u * u + v * v)
    if radius > 0.84 * scale or radius < 0.09 * scale:
        return True
    turn = math.atan2(v, u) * (14.0 / math.pi)
    across = abs(turn - math.floor(turn) - 0.5) * 2.0 * radius * math.pi / 28.0
    return across < max(0.5 * coverage * 0.02, 0.12 * footprint)


@inner
def closed(
    kind: int, u: float, v: float, scale: float, coverage: float, footprint: float, coarse: bool, seed: int
) -> bool:  # fmt: skip
    """Whether the surface is there at (u, v) metres; coarse: as labels see it."""
    if kind == 1:
        return _leaves(u, v, scale, coverage, footprint, coarse, seed)
    if kind == 5:
        return _twigs(u, v, scale, coverage, footprint, coarse, seed)
    if coarse:
        return True
    if footprint > 0.5 * scale and kind != 3:  # openings too small to see: a share of the samples stays
        return hash01(int(u * 997.0), int(v * 997.0), seed) < coverage
    if kind == 2:
        across = u / scale
        return across - math.floor(across) < coverage
    if kind == 3:
        return _spokes(u, v, scale, coverage, footprint)
    if kind == 4:
        across, up = (u + v) / scale, (u - v) / scale
        width = 0.5 * coverage
        return across - math.floor(across) < width or up - math.floor(up) < width
    return True
