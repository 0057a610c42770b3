"""What surfaces look like close up: a colour for every (u, v), filtered to what a pixel covers."""

from __future__ import annotations

import math

from depdis_training.street.facades import (
    Numbers,
    Surface,
    brick,
    lettering,
    plaster,
    shade,
    shopfront,
    stone,
    tint,
    windows,
)  # fmt: skip
from depdis_training.street.kernel import inner
from depdis_training.street.noise import band, bands, fade, hash01, layered, value_noise

PATTERNS = (
    "plain", "noise", "asphalt", "brick", "stone", "plaster", "windows", "shopfront", "paving", "tiles",
    "planks", "foliage", "bark", "cloth", "grass", "stripes", "checker", "sign_text", "glass",
)  # fmt: skip


@inner
def _asphalt(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    footprint = 0.6 * max(fu, fv) + 0.4 * min(fu, fv)
    scale = n[6]
    shade(surface, 1.0 + 0.22 * layered(u, v * 0.35, 3.0 * scale, 3, footprint, seed))
    shade(surface, 1.0 + 0.22 * layered(u, v, 0.06, 2, footprint, seed + 1))
    # Patches: a rectangle in some cells of a grid, laid later and of another tone.
    cu, cv = math.floor(u / 3.7), math.floor(v / 9.1)
    a, b = int(cu), int(cv)
    if hash01(a, b, seed + 11) < 0.3:
        x, y = u - cu * 3.7, v - cv * 9.1
        x0, y0 = 2.0 * hash01(a, b, seed + 12), 5.0 * hash01(a, b, seed + 13)
        w, h = 0.5 + 1.2 * hash01(a, b, seed + 14), 0.8 + 3.2 * hash01(a, b, seed + 15)
        patch = band(x, x0, x0 + w, fu) * band(y, y0, y0 + h, fv)
        tone = hash01(a, b, seed + 16)
        tint(surface, patch * (0.15 + 0.5 * tone), n[3], n[4], n[5])
        seam = patch - band(x, x0 + 0.04, x0 + w - 0.04, fu) * band(y, y0 + 0.04, y0 + h - 0.04, fv)
        shade(surface, 1.0 - 0.4 * max(0.0, seam))
    # Cracks: lines where slow noise crosses its mean.
    if hash01(5, 5, seed) < 0.6:
        wander = 0.35 * value_noise(u * 2.1, v * 2.1, seed + 22)
        ridge = abs(value_noise(0.31 * u + 0.3 * wander, 0.22 * v + 0.3 * wander, seed + 21) - 0.5) * 3.0
        width = max(fu, fv) + 0.012
        if ridge < width and value_noise(0.2 * u, 0.2 * v, seed + 23) > 0.5:
            shade(surface, 1.0 - min(0.55, 0.55 * 0.02 / width + 0.03))
    stain = value_noise(u * 0.7, v * 0.16, seed + 24)
    if stain > 0.68:
        shade(surface, 1.0 - 0.9 * (stain - 0.68))


@inner
def _paving(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    scale = n[6]
    long = scale * (1.0 if hash01(1, 0, seed) < 0.5 else 1.5)
    row = math.floor(u / scale)
    along = v + long * 0.5 * (row - 2.0 * math.floor(row / 2.0))
    slab = hash01(int(row), math.floor(along / long), seed) - 0.5
    shade(surface, 1.0 + 0.28 * slab * fade(max(fu, fv), 3.0 * scale))
    joint = min(0.02, 0.05 * scale)
    open_ = bands(u, scale, joint, fu) + bands(along, long, joint, fv)
    tint(surface, 0.7 * min(1.0, open_), n[3], n[4], n[5])
    footprint = 0.6 * max(fu, fv) + 0.4 * min(fu, fv)
    shade(surface, 1.0 + 0.35 * layered(u, v, 2.0, 5, footprint, seed + 1))
    near = fade(max(fu, fv), 0.4)
    if near > 0.0:
        gum = value_noise(u * 5.0, v * 5.0, seed + 9)
        if gum > 0.86:
            shade(surface, 1.0 - 1.6 * (gum - 0.86) * near)


@inner
def _tiles(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    course = n[6] if n[6] < 0.6 else 0.3
    row = math.floor(v / course)
    along = u + 0.5 * course * (row - 2.0 * math.floor(row / 2.0))
    tone = hash01(math.floor(along / course), int(row), seed) - 0.5
    shade(surface, 1.0 + 0.4 * tone * fade(max(fu, fv), 2.0 * course))
    shade(surface, 1.0 - 0.55 * bands(v, course, 0.14 * course, fv))
    shade(surface, 1.0 - 0.35 * bands(along, course, 0.07 * course, fu))
    shade(surface, 1.0 + 0.4 * layered(u, v, 3.0, 4, max(fu, fv), seed))


@inner
def _planks(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    board = n[6] if n[6] < 0.5 else 0.15
    tone = hash01(math.floor(u / board), 1, seed) - 0.5
    shade(surface, 1.0 + 0.4 * tone * fade(fu, 3.0 * board))
    shade(surface, 1.0 - 0.7 * bands(u, board, 0.09 * board, fu))
    shade(surface, 1.0 + 0.4 * layered(u * 4.0, v * 0.6, 0.6, 4, max(4.0 * fu, 0.6 * fv), seed))


@inner
def _grass(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    footprint = 0.6 * max(fu, fv) + 0.4 * min(fu, fv)
    tint(surface, value_noise(u / (3.0 * n[6]), v / (3.0 * n[6]), seed), n[3], n[4], n[5])
    shade(surface, 1.0 + 0.55 * layered(u, v, 1.6 * n[6], 4, footprint, seed + 1))
    shade(surface, 1.0 + 0.9 * layered(u, v, 0.12, 2, footprint, seed + 2))


@inner
def _sign(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    line = n[6] * 0.28
    row = math.floor(v / line)
    written = lettering(
        u / (0.6 * line) + 1.7,
        (v - row * line) / (0.62 * line),
        fu / (0.6 * line),
        fv / (0.62 * line),
        seed + int(row),
    )
    tint(surface, written, n[3], n[4], n[5])


@inner
def _glass(surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int) -> None:
    """What is seen through a vehicle's pane: a dark inside, seats, and colour2 where light comes through."""
    clear = hash01(31, 0, seed)
    through = 0.75 * clear * clear * min(1.0, max(0.0, 3.0 * value_noise(1.5 * u, 1.9 * v, seed + 1) - 1.1))
    seat = u / 0.62 + hash01(32, 0, seed)
    across = (seat - math.floor(seat) - 0.5) * 0.62
    height = (v + hash01(33, 0, seed)) / 1.5
    upright = (height - math.floor(height) - 0.35) * 1.5
    head = across * across * 2.2 + max(0.0, upright) * max(0.0, upright)
    through *= min(1.0, max(0.12, 40.0 * (head - 0.02)))
    tint(surface, through, n[3], n[4], n[5])
    shade(surface, 1.0 + 0.7 * layered(u, v, 0.7, 2, max(fu, fv), seed + 3))


@inner
def paint(
    pattern: int, surface: Surface, n: Numbers, u: float, v: float, fu: float, fv: float, seed: int
) -> None:  # fmt: skip
    """Fill `surface` at (u, v) metres, for a pixel that covers fu by fv of them; n: the material's numbers."""
    for k in range(3):
        surface[k] = n[k]
    surface[3], surface[4] = n[9], n[10]
    footprint = max(fu, fv)
    if pattern == 1:
        shade(surface, 1.0 + 0.3 * layered(u, v, n[6], 4, footprint, seed))
    elif pattern == 2:
        _asphalt(surface, n, u, v, fu, fv, seed)
    elif pattern == 3:
        brick(surface, n, u, v, fu, fv, seed)
    elif pattern == 4:
        stone(surface, n, u, v, fu, fv, seed)
    elif pattern == 5:
        plaster(surface, u, v, fu, fv, seed)
    elif pattern == 6:
        windows(surface, n, u, v, fu, fv, seed)
    elif pattern == 7:
        shopfront(surface, n, u, v, fu, fv, seed)
    elif pattern == 8:
        _paving(surface, n, u, v, fu, fv, seed)
    elif pattern == 9:
        _tiles(surface, n, u, v, fu, fv, seed)
    elif pattern == 10:
        _planks(surface, n, u, v, fu, fv, seed)
    elif pattern == 11:
        tint(surface, 0.6 * value_noise(u / n[6], v / n[6], seed + 4), n[3], n[4], n[5])
        shade(surface, 1.0 + 1.1 * layered(u, v, 0.8 * n[6], 3, 0.5 * footprint, seed))
        shade(
            surface, 1.0 + 1.5 * layered(u, v, 0.11, 2, 0.5 * footprint, seed + 6)
        )  # leaves, gaps between them
    elif pattern == 12:
        shade(surface, 1.0 + 0.9 * layered(u * 5.0, v * 0.8, 0.5, 4, footprint, seed))
    elif pattern == 13:
        shade(surface, 1.0 + 0.5 * layered(u * 1.6, v * 0.7, 0.25, 3, footprint, seed))
    elif pattern == 14:
        _grass(surface, n, u, v, fu, fv, seed)
    elif pattern == 15:
        tint(surface, bands(u, n[6], 0.5 * n[6], fu), n[3], n[4], n[5])
    elif pattern == 16:
        a, b = bands(u, n[6], 0.5 * n[6], fu), bands(v, n[6], 0.5 * n[6], fv)
        tint(surface, a + b - 2.0 * a * b, n[3], n[4], n[5])
    elif pattern == 17:
        _sign(surface, n, u, v, fu, fv, seed)
    elif pattern == 18:
        _glass(surface, n, u, v, fu, fv, seed)
    if n[11] > 0.0 and n[9] < 0.2 and pattern != 11:
        fine = 0.6 * footprint + 0.4 * min(fu, fv)
        shade(
            surface,
            max(
                0.0,
                1.0
                + n[11]
                * (
                    0.8 * layered(u, v, 0.15, 2, fine, seed + 77) + 1.4 * layered(u, v, 4.0, 2, fine, seed + 78)
                ),
            ),
        )
