"""What fronts of buildings are made of: windows, shop fronts, bricks and stones, signs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from depdis_training.street.kernel import inner
from depdis_training.street.noise import band, bands, fade, hash01, layered, value_noise

# A surface is a (6,) array that patterns fill: linear red, green, blue, gloss, emission, bumpiness.
Surface = NDArray[np.float64]
Numbers = NDArray[np.float64]


@inner
def tint(surface: Surface, share: float, red: float, green: float, blue: float) -> None:
    """Mix a share of a colour into the surface."""
    surface[0] += (red - surface[0]) * share
    surface[1] += (green - surface[1]) * share
    surface[2] += (blue - surface[2]) * share


@inner
def shade(surface: Surface, factor: float) -> None:
    """Lighten or darken without changing the hue; never to less than a twentieth."""
    factor = max(0.05, factor)
    surface[0] *= factor
    surface[1] *= factor
    surface[2] *= factor


@inner
def brick(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    """Courses in running bond with joints of the second colour; `scale` is a brick's length."""
    length = n[6]
    height = 0.36 * length
    row = math.floor(v / height)
    along = u + (0.5 * length if row - 2.0 * math.floor(row / 2.0) > 0.5 else 0.0)
    left = fade(max(fu, fv), 3.0 * length)
    tone = hash01(math.floor(along / length), int(row), seed) - 0.5
    shade(surface, 1.0 + left * 0.5 * tone)
    joint = 0.06 * length
    flat = bands(v, height, joint, fv)
    upright = bands(along, length, joint, fu)
    tint(surface, 0.75 * (flat + upright - flat * upright), n[3], n[4], n[5])
    shade(surface, 1.0 + 0.35 * layered(u, v, 2.5, 4, max(fu, fv), seed))


@inner
def stone(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    """Blocks of differing widths; `scale` is a course's height."""
    height = n[6]
    row = math.floor(v / height)
    length = height * (1.3 + 1.5 * hash01(row, 3, seed))
    along = u + length * hash01(row, 7, seed)
    tone = hash01(math.floor(along / length), row, seed) - 0.5
    shade(surface, 1.0 + 0.45 * tone * fade(max(fu, fv), 3.0 * height))
    joint = 0.05 * height
    flat, upright = bands(v, height, joint, fv), bands(along, length, joint, fu)
    tint(surface, 0.6 * (flat + upright - flat * upright), 0.35 * n[0], 0.35 * n[1], 0.35 * n[2])
    shade(surface, 1.0 + 0.5 * layered(u, v, 2.0, 6, max(fu, fv), seed))


@inner
def plaster(surface: Surface, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    """Render with stains and streaks that run down."""
    footprint = max(fu, fv)
    shade(surface, 1.0 + 0.25 * layered(u, v, 3.0, 5, footprint, seed))
    streak = max(0.0, value_noise(u * 1.7, v * 0.15, seed + 4) - 0.55)
    shade(surface, 1.0 - 0.7 * streak * fade(footprint, 2.0))


@inner
def _wall(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    """Between the windows: bricks, render or stone, as the wall's seed has it."""
    kind = hash01(1, 1, seed)
    if kind < 0.45:
        length = 0.23
        height = 0.075
        row = math.floor(v / height)
        along = u + (0.5 * length if row - 2.0 * math.floor(row / 2.0) > 0.5 else 0.0)
        left = fade(max(fu, fv), 0.3)
        tone = hash01(math.floor(along / length), int(row), seed) - 0.5
        shade(surface, 1.0 + left * 0.4 * tone)
        joints = bands(v, height, 0.012, fv) * 0.5
        shade(surface, 1.0 + joints * (0.5 if hash01(2, 1, seed) < 0.6 else -0.5))
        shade(surface, 1.0 + 0.3 * layered(u, v, 2.5, 4, max(fu, fv), seed))
    elif kind < 0.8:
        plaster(surface, u, v, fu, fv, seed)
    else:
        panel = bands(v, 0.6, 0.02, fv) + bands(u, 1.2, 0.02, fu)
        shade(surface, (1.0 - 0.4 * min(1.0, panel)) * (1.0 + 0.25 * layered(u, v, 3.0, 4, max(fu, fv), seed)))


@inner
def _pane(surface: Surface, n: Numbers, x: float, y: float, cell: float, share: float) -> None:
    """What is seen in a window at (x, y), each 0..1 across it; cell: a number of its own."""
    glass = 0.25 + 0.5 * cell
    red, green, blue = n[3] * glass, n[4] * glass, n[5] * glass
    bright = 0.3 * n[3] + 0.6 * n[4] + 0.1 * n[5]
    if bright > 0.12:  # the second colour is then the frame's
        red, green, blue = 0.02 + 0.03 * cell, 0.024 + 0.034 * cell, 0.03 + 0.04 * cell
    inside = cell * 7.0 - math.floor(cell * 7.0)
    kind = cell * 23.0 - math.floor(cell * 23.0)
    gloss, light = 0.75, 0.0
    if kind < 0.3 and abs(x - 0.5) > 0.28 + 0.15 * inside:  # curtains
        folds = 0.8 + 0.2 * math.sin(x * 60.0)
        red, green, blue = 0.35 * folds, 0.33 * folds, 0.3 * folds
        gloss = 0.4
    elif 0.3 <= kind < 0.5 and y > 0.35 + 0.5 * inside:  # a blind
        red, green, blue = 0.42, 0.41, 0.37
        gloss = 0.4
    elif kind > 0.94:  # a lamp is on
        light = 0.5 * (1.0 - 0.5 * abs(y - 0.6))
        red, green, blue = 0.9, 0.62, 0.32
    tint(surface, share, red, green, blue)
    surface[3] += (gloss - surface[3]) * share
    surface[4] += light * share


@inner
def windows(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    """A façade: storeys of `scale` metres, framed windows; colour2: glass where dark, frames where bright."""
    storey = n[6]
    pitch = storey * (0.62 + 0.5 * hash01(11, 0, seed))
    wide = pitch * (0.36 + 0.3 * hash01(12, 0, seed))
    tall = storey * (0.44 + 0.2 * hash01(13, 0, seed))
    sill_at = storey * (0.24 + 0.1 * hash01(14, 0, seed))
    if hash01(15, 0, seed) < 0.14:  # an office: ribbons of glass
        wide, tall, sill_at = pitch * 0.93, storey * 0.6, storey * 0.26
    _wall(surface, n, u, v, fu, fv, seed)
    column, floor = math.floor(u / pitch), math.floor(v / storey)
    x = u - column * pitch - 0.5 * (pitch - wide)
    y = v - floor * storey - sill_at
    bright = 0.3 * n[3] + 0.6 * n[4] + 0.1 * n[5]
    frame = 0.6 if hash01(16, 0, seed) < 0.65 else 0.04
    red, green, blue = (n[3], n[4], n[5]) if bright > 0.12 else (frame, frame * 0.98, frame * 0.94)
    opening = band(x, 0.0, wide, fu) * band(y, 0.0, tall, fv)
    trim = hash01(17, 0, seed)
    if trim < 0.5:  # a surround and a sill of stone
        around = band(x, -0.12, wide + 0.12, fu) * band(y, -0.02, tall + 0.2, fv) - opening
        tint(surface, 0.7 * max(0.0, around), 0.5, 0.47, 0.42)
    ledge = band(x, -0.1, wide + 0.1, fu) * band(y, -0.1, 0.0, fv)
    tint(surface, 0.8 * ledge, 0.55, 0.53, 0.48)
    shade(surface, 1.0 - 0.4 * band(x, -0.08, wide + 0.08, fu) * band(y, -0.24, -0.1, fv))
    if opening <= 0.0:
        return
    cell = hash01(int(column), int(floor), seed)
    tint(surface, opening, red, green, blue)
    bar = 0.055 if trim < 0.8 else 0.04
    glass = band(x, bar, wide - bar, fu) * band(y, bar, tall - bar, fv)
    style = hash01(18, 0, seed)
    if style < 0.6:
        glass *= 1.0 - band(x, 0.5 * wide - 0.5 * bar, 0.5 * wide + 0.5 * bar, fu)
    if style < 0.35 or style > 0.85:
        glass *= 1.0 - band(y, 0.5 * tall - 0.6 * bar, 0.5 * tall + 0.6 * bar, fv)
    if style < 0.12:
        glass *= (
            1.0 - band(y, 0.25 * tall, 0.25 * tall + 0.03, fv) - band(y, 0.75 * tall, 0.75 * tall + 0.03, fv)
        )
    _pane(surface, n, x / wide, y / tall, cell, glass)
    reveal = band(y, tall - 0.16, tall, fv) * opening  # the lintel's shadow
    shade(surface, 1.0 - 0.5 * reveal)


@inner
def shopfront(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    """A shop `scale` metres high: stall riser, panes with goods behind, a fascia of colour2 with its name."""
    height = n[6] if n[6] > 2.0 else 3.4
    bay = height * (0.5 + 0.35 * hash01(21, 0, seed))
    column = math.floor(u / bay)
    x, y = u - column * bay, v / height
    dy = fv / height
    door = hash01(int(column), 5, seed) < 0.28
    foot = 0.02 if door else 0.1 + 0.07 * hash01(22, 0, seed)
    shade(surface, 1.0 + 0.25 * layered(u, v, 1.0, 3, max(fu, fv), seed))
    glass = band(x, 0.07, bay - 0.07, fu) * band(y, foot, 0.74, dy)
    glass *= 1.0 - 0.8 * band(y, 0.575, 0.6, dy)
    if glass > 0.0:
        deep = 0.012 + 0.05 * hash01(int(column), 9, seed)
        goods = value_noise(u * 3.1, v * 2.3, seed + 2) * value_noise(u * 9.0, v * 7.0, seed + 3)
        goods *= max(0.0, 1.0 - 2.2 * max(0.0, y - 0.3)) * fade(max(fu, fv), 0.6)
        hue = hash01(math.floor(u * 2.3), 4, seed)
        red = deep + 0.8 * goods * (0.25 + 0.5 * hue)
        green = deep + 0.8 * goods * (0.55 - 0.3 * hue)
        blue = deep + 0.8 * goods * (0.2 + 0.4 * abs(hue - 0.5))
        tint(surface, glass, red, green, blue)
        surface[3] += (0.65 - surface[3]) * glass
        lamps = value_noise(u * 1.9, 3.0, seed + 8)
        if hash01(23, 0, seed) < 0.5 and lamps > 0.55:
            surface[4] += glass * 1.2 * (lamps - 0.55) * band(y, 0.5, 0.72, max(dy, 0.1))
    fascia = band(y, 0.78, 0.96, dy)
    if fascia > 0.0:
        tint(surface, fascia, n[3], n[4], n[5])
        surface[3] *= 1.0 - fascia
        letters = lettering(
            (u - math.floor(u / (3.0 * bay)) * 3.0 * bay) / (0.1 * height),
            (y - 0.81) / 0.12,
            fu / (0.1 * height),
            dy / 0.12,
            seed,
        )
        bright = 0.3 * n[3] + 0.6 * n[4] + 0.1 * n[5]
        ink = 0.75 if bright < 0.3 else 0.03
        tint(surface, fascia * letters, ink, ink, 0.95 * ink)
    shade(surface, 1.0 - 0.55 * band(y, 0.7, 0.775, dy))


@inner
def lettering(x: float, y: float, fx: float, fy: float, seed: int) -> float:
    """The share of a pixel that letters cover in a line of writing; letters are one unit high and wide."""
    letter = math.floor(x)
    if y < 0.0 or y > 1.0 or x < 2.0 or hash01(letter, 1, seed) < 0.15 or x > 6.0 + 9.0 * hash01(0, 2, seed):
        return 0.0
    if fx > 0.7 or fy > 0.7:
        return 0.35
    a, b = x - letter, y
    form = int(hash01(letter, 3, seed) * 64.0)
    ink = 0.0
    if form & 1:
        ink += band(a, 0.1, 0.3, fx)
    if form & 2:
        ink += band(a, 0.65, 0.85, fx)
    if form & 4:
        ink += band(b, 0.8, 1.0, fy) * band(a, 0.1, 0.85, fx)
    if form & 8:
        ink += band(b, 0.42, 0.6, fy) * band(a, 0.1, 0.85, fx)
    if form & 16:
        ink += band(b, 0.0, 0.2, fy) * band(a, 0.1, 0.85, fx)
    if not form & 3:
        ink += band(a, 0.4, 0.6, fx)
    return min(1.0, ink)
