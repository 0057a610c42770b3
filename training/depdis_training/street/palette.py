"""The colours that a street is painted in: fixed for source and target, drawn anew for every random picture."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from depdis_training.street.mesh import Rgb

Domain = Literal["source", "target", "random", "near"]
EVERY_LOOK: tuple[Domain, ...] = ("random", "near")  # those whose every picture has a look of its own
Colours = tuple[Rgb, ...]


@dataclass(frozen=True)
class Palette:
    """What each kind of surface may be painted in: tuples of sRGB colours, 0..255."""

    road: Colours
    pavement: Colours
    kerb: Colours
    marking: Colours
    building: Colours
    trim: Colours
    roof: Colours
    glass: Colours
    shop: Colours
    wall: Colours
    fence: Colours
    pole: Colours
    foliage: Colours
    bark: Colours
    grass: Colours
    car: Colours
    clothes: Colours
    skin: Colours
    hair: Colours
    sign: Colours
    near_detail: bool = False  # glass of vehicles mirrors a street of its own; roofs in colours of their own


def pick(rng: np.random.Generator, colours: Colours, jitter: float = 0.08) -> Rgb:
    """One of the colours, its luminance jittered by a share of itself.

    Only the luminance: noise per channel would tint grey roads green.
    """
    red, green, blue = colours[int(rng.integers(len(colours)))]
    gain = math.exp(float(rng.normal(0.0, jitter)))
    return (min(255.0, red * gain), min(255.0, green * gain), min(255.0, blue * gain))


def palette_for(domain: Domain, rng: np.random.Generator) -> Palette:
    """The palette of a domain.

    source, target: fixed lists that share about half of their colours. random, near: drawn from `rng`.
    Raises ValueError for another domain.
    """
    if domain == "source":
        return SOURCE
    if domain == "target":
        return TARGET
    if domain in EVERY_LOOK:
        return _drawn(rng)
    raise ValueError(f"expected the domain source, target, random or near, got {domain!r}")


def _hsv(hue: float, saturation: float, value: float) -> Rgb:
    """sRGB 0..255 of hue 0..1, saturation 0..1 and value 0..255."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(1.0, max(0.0, saturation)), 1.0)
    return (red * value, green * value, blue * value)


def _greys(
    rng: np.random.Generator, count: int, low: float, high: float, *, tint: float = 0.06,
    hue: float | None = None,
) -> Colours:  # fmt: skip
    """Nearly grey colours between two levels; warm or cold by at most `tint`, or of the given hue."""
    shade = float(rng.choice([0.08, 0.1, 0.6, 0.62])) if hue is None else hue
    return tuple(_hsv(shade, rng.uniform(0.0, tint), rng.uniform(low, high)) for _ in range(count))


def _hues(
    rng: np.random.Generator, count: int, hues: tuple[float, float], saturation: tuple[float, float],
    value: tuple[float, float],
) -> Colours:  # fmt: skip
    """Colours drawn evenly from ranges of hue, saturation and value."""
    return tuple(_hsv(rng.uniform(*hues), rng.uniform(*saturation), rng.uniform(*value)) for _ in range(count))


_SKIN: Colours = (
    (236, 196, 168), (224, 178, 146), (206, 158, 124), (176, 126, 92), (138, 92, 64), (96, 64, 46),
    (70, 46, 36),
)  # fmt: skip
_HAIR: Colours = ((24, 20, 18), (48, 34, 26), (84, 58, 38), (126, 96, 62), (172, 142, 96), (140, 138, 136))
_SIGNS: Colours = (
    (190, 24, 30), (24, 70, 160), (238, 238, 236), (235, 190, 30), (20, 104, 60), (210, 90, 24), (30, 30, 34),
)  # fmt: skip
_CARS: Colours = (
    (22, 23, 26), (36, 38, 44), (64, 66, 70), (112, 116, 120), (160, 164, 168), (196, 199, 202),
    (232, 233, 232), (34, 52, 98), (28, 40, 66), (124, 22, 26), (160, 30, 34), (40, 74, 58), (178, 164, 132),
    (104, 132, 160),
    (86, 64, 48),
)  # fmt: skip


def _drawn(rng: np.random.Generator) -> Palette:
    """A palette of its own: one tone of road and paving, one mix of façades, one season.

    Pavements are as often as not of the road's own tone, so that neither colour tells them apart.
    """
    road_level = float(
        rng.choice([rng.uniform(45, 90), rng.uniform(80, 135), rng.uniform(125, 185)], p=[0.3, 0.5, 0.2])
    )
    road_hue = float(rng.choice([0.08, 0.6, 0.75, 0.02]))
    road_tint = float(rng.choice([0.03, 0.08, 0.16], p=[0.55, 0.35, 0.1]))
    road = _greys(rng, 3, road_level * 0.9, road_level * 1.1, tint=road_tint, hue=road_hue)
    kind = rng.random()
    if kind < 0.52:  # the road's own tone
        level = road_level * rng.uniform(0.7, 1.15)
        pavement = _greys(rng, 3, level * 0.92, level * 1.08, tint=0.06)
    elif kind < 0.88:  # grey or buff slabs
        level = rng.uniform(75, 185)
        pavement = _greys(
            rng, 3, level * 0.9, min(225.0, level * 1.1), tint=0.14, hue=float(rng.uniform(0.05, 0.13))
        )
    else:  # red or brown brick
        pavement = _hues(rng, 3, (0.0, 0.09), (0.12, 0.36), (90, 170))
    season = rng.random()
    if season < 0.7:
        foliage = _hues(rng, 4, (0.17, 0.36), (0.15, 0.6), (40, 150))
    elif season < 0.88:  # dusty, dark or olive
        foliage = _hues(rng, 4, (0.11, 0.3), (0.06, 0.35), (34, 140))
    else:  # autumn
        foliage = _hues(rng, 4, (0.03, 0.2), (0.25, 0.75), (50, 150))
    dry = rng.random() < 0.2
    grass = _hues(rng, 3, (0.11, 0.18) if dry else (0.19, 0.32), (0.15, 0.6), (60, 150))
    return Palette(
        road=road,
        pavement=pavement,
        kerb=_greys(rng, 2, 95, 215, tint=0.08),
        marking=(*_greys(rng, 2, 190, 248, tint=0.05), _hsv(0.13, rng.uniform(0.35, 0.8), 205)),
        building=_facades(rng),
        trim=(*_greys(rng, 3, 150, 248, tint=0.1), *_hues(rng, 2, (0.0, 1.0), (0.1, 0.5), (40, 140))),
        roof=(*_greys(rng, 2, 35, 110, tint=0.12), *_hues(rng, 2, (0.0, 0.07), (0.2, 0.6), (60, 150))),
        glass=(*_hues(rng, 3, (0.52, 0.64), (0.02, 0.3), (18, 90)), *_greys(rng, 2, 60, 190)),
        shop=(*_hues(rng, 5, (0.0, 1.0), (0.15, 0.9), (25, 225)), *_greys(rng, 4, 12, 70), (240, 240, 238)),
        wall=(*_hues(rng, 3, (0.0, 0.1), (0.1, 0.5), (70, 175)), *_greys(rng, 3, 80, 215, tint=0.14)),
        fence=(*_greys(rng, 4, 14, 70), *_greys(rng, 2, 120, 240),
               *_hues(rng, 3, (0.05, 0.12), (0.2, 0.6), (60, 165)), _hsv(0.4, 0.4, 60)),
        pole=(*_greys(rng, 5, 18, 150), *_greys(rng, 1, 150, 215),
              *_hues(rng, 2, (0.25, 0.65), (0.1, 0.5), (30, 90))),
        foliage=foliage,
        bark=(*_hues(rng, 3, (0.04, 0.12), (0.1, 0.45), (35, 110)), *_greys(rng, 1, 70, 150, tint=0.1)),
        grass=grass,
        car=_cars(rng),
        clothes=(*_greys(rng, 7, 10, 60), *_hues(rng, 4, (0.56, 0.68), (0.2, 0.7), (25, 120)),
                 *_hues(rng, 4, (0.0, 1.0), (0.3, 0.9), (50, 230)), *_greys(rng, 3, 90, 235, tint=0.15)),
        skin=_SKIN,
        hair=_HAIR,
        sign=_SIGNS,
        near_detail=True,
    )  # fmt: skip


def _facades(rng: np.random.Generator) -> Colours:
    """A street's mix of brick, stone, plaster and paint."""
    kinds = (
        lambda: _hues(rng, 2, (0.0, 0.06), (0.25, 0.6), (70, 165)),  # red and brown brick
        lambda: _hues(rng, 2, (0.07, 0.14), (0.12, 0.42), (110, 210)),  # yellow brick, sandstone
        lambda: _greys(rng, 2, 170, 240, tint=0.12),  # white and cream render
        lambda: _greys(rng, 2, 55, 150, tint=0.1),  # concrete, slate, soot
        lambda: _hues(rng, 2, (0.0, 1.0), (0.04, 0.26), (120, 225)),  # painted
    )
    order = rng.permutation(len(kinds))[: int(rng.integers(2, 5))]
    return tuple(colour for index in order for colour in kinds[int(index)]())


def _cars(rng: np.random.Generator) -> Colours:
    """Mostly black, grey, silver and white, some blue and red, few of any hue."""
    return (
        *_CARS,
        *_greys(rng, 4, 15, 70),
        *_greys(rng, 3, 150, 240),
        *_hues(rng, 3, (0.0, 1.0), (0.4, 0.9), (60, 210)),
    )


SOURCE = Palette(
    road=((92, 92, 96), (100, 99, 98), (84, 85, 90)),
    pavement=((158, 152, 144), (148, 146, 142), (166, 158, 146)),
    kerb=((178, 176, 170),),
    marking=((232, 232, 228), (224, 180, 52)),
    building=((164, 92, 70), (186, 150, 116), (206, 192, 166), (142, 132, 124), (176, 114, 84),
              (214, 208, 198)),
    trim=((228, 224, 214), (196, 188, 174), (92, 70, 54)),
    roof=((96, 60, 50), (78, 80, 86), (128, 78, 60)),
    glass=((52, 66, 82), (70, 86, 100), (40, 48, 58)),
    shop=((150, 34, 36), (34, 66, 120), (36, 92, 62), (30, 30, 34), (222, 214, 198), (200, 138, 40)),
    wall=((158, 118, 94), (172, 164, 152), (134, 126, 116)),
    fence=((44, 46, 48), (124, 92, 62), (196, 196, 190), (52, 74, 58)),
    pole=((78, 80, 82), (110, 112, 112), (52, 62, 56), (150, 152, 152)),
    foliage=((64, 96, 42), (78, 108, 50), (50, 82, 40), (92, 116, 58)),
    bark=((92, 74, 58), (76, 64, 52)),
    grass=((96, 122, 60), (108, 130, 66)),
    car=_CARS,
    clothes=((34, 36, 44), (52, 58, 78), (120, 40, 44), (70, 96, 132), (188, 180, 168), (86, 78, 70),
             (40, 72, 60), (208, 180, 84)),
    skin=_SKIN,
    hair=_HAIR,
    sign=_SIGNS,
)  # fmt: skip

# Half of the colours are the source's; the rest lies where a camera of another town would put it: a bluer,
# darker road and paving of the road's own tone, colder façades, duller green.
TARGET = Palette(
    road=((70, 74, 82), (92, 92, 96), (78, 82, 92)),
    pavement=((112, 116, 124), (148, 146, 142), (102, 108, 112)),
    kerb=((146, 150, 156), (178, 176, 170)),
    marking=((206, 212, 218), (224, 180, 52)),
    building=((164, 92, 70), (206, 192, 166), (142, 132, 124), (112, 118, 128), (166, 178, 186),
              (126, 140, 120)),
    trim=((228, 224, 214), (120, 126, 134), (54, 60, 72)),
    roof=((78, 80, 86), (54, 58, 66), (128, 78, 60)),
    glass=((52, 66, 82), (88, 112, 132), (34, 40, 52)),
    shop=((150, 34, 36), (22, 26, 34), (60, 110, 128), (114, 52, 104), (222, 214, 198), (46, 52, 58)),
    wall=((172, 164, 152), (134, 126, 116), (110, 114, 122)),
    fence=((44, 46, 48), (30, 34, 42), (152, 156, 162), (98, 82, 70)),
    pole=((78, 80, 82), (58, 62, 70), (134, 140, 148), (34, 40, 48)),
    foliage=((64, 96, 42), (52, 78, 58), (74, 90, 46), (42, 62, 46)),
    bark=((76, 64, 52), (66, 66, 68)),
    grass=((96, 122, 60), (82, 104, 72)),
    car=_CARS,
    clothes=((34, 36, 44), (22, 24, 32), (52, 58, 78), (96, 52, 88), (70, 96, 132), (130, 136, 142),
             (150, 150, 60)),
    skin=_SKIN,
    hair=_HAIR,
    sign=_SIGNS,
)  # fmt: skip
