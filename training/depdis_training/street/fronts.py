"""What is set into a building's front: windows, doors, shop fronts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from depdis_training.street.classes import BUILDING, TRAFFIC_SIGN
from depdis_training.street.mesh import Builder, Material
from depdis_training.street.palette import Palette, pick
from depdis_training.street.surfaces import box, quads, rectangles

_WALLS = ("brick", "brick", "stone", "plaster", "plaster", "noise", "planks")
_WALL_SCALE = {
    "brick": (0.15, 0.3),
    "stone": (0.3, 0.8),
    "plaster": (0.8, 3),
    "noise": (0.8, 3),
    "planks": (0.12, 0.3),
}


@dataclass(frozen=True)
class Facade:
    """The materials of one building."""

    wall: Material
    side: Material
    trim: Material
    glass: Material
    door: Material

    @staticmethod
    def drawn(
        rng: np.random.Generator, palette: Palette, *, modern: bool = False, pattern: str | None = None
    ) -> Facade:
        """A building's materials; modern ones are smooth."""
        chosen = pattern or str(rng.choice(["plaster", "plain", "noise", "brick"] if modern else _WALLS))
        wall = facade_material(rng, palette, chosen, None)
        glass = glass_material(rng, palette)
        draw = rng.random()
        if draw < 0.3:  # windows in the flanks too
            side = dataclasses.replace(
                wall, pattern="windows", colour2=glass.colour, scale=float(rng.uniform(2.7, 3.4))
            )
        else:
            side = wall if draw < 0.7 else facade_material(rng, palette, str(rng.choice(_WALLS)), None)
        return Facade(
            wall,
            side,
            Material(BUILDING, pick(rng, palette.trim)),
            glass,
            Material(BUILDING, pick(rng, palette.shop), "planks", scale=0.3),
        )


def facade_material(rng: np.random.Generator, palette: Palette, pattern: str, storey: float | None) -> Material:
    """A wall's material; for "windows", `storey` metres high."""
    colour = pick(rng, palette.building, 0.12)
    if pattern == "windows":
        return Material(BUILDING, colour, pattern, pick(rng, palette.glass), scale=storey or 3.0, gloss=0.25,
                        phase=float(rng.random()))  # fmt: skip
    shade = float(rng.uniform(0.65, 0.95))
    low, high = _WALL_SCALE.get(pattern, (1.0, 2.0))
    return Material(
        BUILDING, colour, pattern, (colour[0] * shade, colour[1] * shade, colour[2] * shade),
        scale=float(rng.uniform(low, high)), phase=float(rng.random()), grain=float(rng.uniform(0.03, 0.14)),
    )  # fmt: skip


def glass_material(rng: np.random.Generator, palette: Palette, *, shop: bool = False) -> Material:
    """Window glass, dark inside or mirroring; a shop's shows what is in the window."""
    colour = pick(rng, palette.glass, 0.15)
    if shop:
        dark = rng.random() < 0.6
        colour = (colour[0] * 0.4, colour[1] * 0.4, colour[2] * 0.4) if dark else colour
        return Material(BUILDING, colour, "shopfront", pick(rng, palette.shop),
                        scale=float(rng.uniform(1.2, 3)),
                        gloss=float(rng.uniform(0.1, 0.5)), phase=float(rng.random()))  # fmt: skip
    return Material(BUILDING, colour, "noise", scale=2.0, gloss=float(rng.uniform(0.1, 0.7)), grain=0.15)


def add_windows(
    builder: Builder, rng: np.random.Generator, facade: Facade, width: float, base: float, storeys: int,
    storey: float, *, door: float | None = None, skip_ground: bool = False, fine: bool = True,
) -> None:  # fmt: skip
    """Rows of framed windows from the height `base`, and a door at x = `door` in the lowest row."""
    wide, pitch = float(rng.uniform(0.8, 1.8)), float(rng.uniform(1.9, 3.6))
    tall = min(float(rng.uniform(1.1, 2.1)), storey - 1.0)
    count = max(1, int((width - 0.8) / max(pitch, wide + 0.4)))
    columns = (np.arange(count) - (count - 1) / 2) * (width / count)
    sill = base + storey * np.arange(storeys) + float(rng.uniform(0.75, 0.95))
    x, y = (grid.ravel() for grid in np.meshgrid(columns, sill))
    keep = np.ones(len(x), bool)
    lowest = y < base + storey
    if skip_ground:
        keep &= ~lowest
    if door is not None:
        keep &= ~(lowest & (np.abs(x - door) < wide / 2 + 0.6))
    x, y = x[keep], y[keep]
    frame = float(rng.uniform(0.05, 0.16))
    if fine:
        quads(
            builder,
            rectangles(x - wide / 2 - frame, x + wide / 2 + frame, y - frame, y + tall + frame, 0.012),
            facade.trim,
        )
    quads(builder, rectangles(x - wide / 2, x + wide / 2, y, y + tall, 0.025), facade.glass)
    if fine:
        if rng.random() < 0.7:
            quads(builder, rectangles(x - 0.03, x + 0.03, y, y + tall, 0.035), facade.trim)
            bar = y + tall * 0.55
            quads(builder, rectangles(x - wide / 2, x + wide / 2, bar, bar + 0.06, 0.035), facade.trim)
        if rng.random() < 0.5:
            quads(
                builder,
                rectangles(x - wide / 2 - 0.15, x + wide / 2 + 0.15, y - 0.16, y - 0.04, 0.08),
                facade.trim,
            )
        if rng.random() < 0.3:
            band = base + storey * np.arange(1, storeys + 1) - 0.15
            quads(builder, rectangles(-width / 2, width / 2, band, band + 0.2, 0.05), facade.trim)
    if door is not None:
        quads(builder, rectangles(door - 0.6, door + 0.6, 0, 2.35, 0.02), facade.trim)
        quads(builder, rectangles(door - 0.47, door + 0.47, 0, 2.2, 0.04), facade.door)


def add_shop(
    builder: Builder, rng: np.random.Generator, palette: Palette, width: float, ground: float, *,
    fine: bool = True,
) -> None:  # fmt: skip
    """A shop front `ground` metres high: frame, riser, panes, door, fascia, awning, hanging sign."""
    frame = Material(BUILDING, pick(rng, palette.shop))
    x = width / 2 - float(rng.uniform(0.1, 0.5))
    fascia = ground - float(rng.uniform(0.5, 1.0))
    riser = float(rng.choice([0.1, 0.35, 0.6]))
    quads(builder, rectangles(-x, x, 0, fascia, 0.02), frame)
    panes = max(1, round(2 * x / float(rng.uniform(1.2, 3.2))))
    edges = np.linspace(-x, x, panes + 1)
    gap = float(rng.uniform(0.05, 0.15))
    glass = glass_material(rng, palette, shop=True)
    foot = np.where(np.arange(panes) == int(rng.integers(panes)), 0.05, riser)
    quads(builder, rectangles(edges[:-1] + gap, edges[1:] - gap, foot, fascia - 0.15, 0.035), glass)
    if fine:
        transom = fascia - float(rng.uniform(0.6, 0.9))
        quads(builder, rectangles(-x, x, transom, transom + 0.07, 0.045), frame)
    board = Material(BUILDING, pick(rng, palette.shop))
    box(builder, (-x - 0.1, fascia, 0), (x + 0.1, ground - 0.1, float(rng.uniform(0.08, 0.3))), board)
    letters = pick(rng, palette.shop) if rng.random() < 0.4 else (240.0, 236.0, 226.0)
    size = (ground - fascia) * 0.7
    text = Material(BUILDING, board.colour, "sign_text", letters, scale=size, phase=float(rng.random()))
    half = x * float(rng.uniform(0.4, 0.9))
    quads(builder, rectangles(-half, half, fascia + 0.08, ground - 0.18, 0.32), text)
    if rng.random() < 0.25:
        _add_awning(builder, rng, palette, x, fascia)
    if fine and rng.random() < 0.3:
        add_hanging_sign(
            builder, rng, palette, float(rng.uniform(-x, x)), ground + float(rng.uniform(-0.2, 1.0))
        )


def _add_awning(builder: Builder, rng: np.random.Generator, palette: Palette, x: float, high: float) -> None:
    deep, low = float(rng.uniform(0.8, 1.8)), float(rng.uniform(2.2, 2.6))
    pattern = "stripes" if rng.random() < 0.5 else "cloth"
    cloth = Material(BUILDING, pick(rng, palette.shop), pattern, (230.0, 228.0, 220.0), scale=0.4)
    slope = [(-x, low, deep), (x, low, deep), (x, high, 0.05), (-x, high, 0.05)]
    skirt = [(-x, low - 0.22, deep), (x, low - 0.22, deep), (x, low, deep), (-x, low, deep)]
    quads(builder, [slope, skirt], cloth)


def add_hanging_sign(builder: Builder, rng: np.random.Generator, palette: Palette, x: float, y: float) -> None:
    """A board that stands out from a front, to be read along the street."""
    out, tall = float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.5, 1.1))
    colour = pick(rng, palette.shop + palette.sign)
    face = Material(TRAFFIC_SIGN, colour, "sign_text", pick(rng, palette.sign), scale=0.25)
    box(builder, (x - 0.05, y, 0.25), (x + 0.05, y + tall, 0.25 + out), face, bottom=True)
    arm = Material(BUILDING, (40.0, 40.0, 42.0))
    box(builder, (x - 0.02, y + tall, 0), (x + 0.02, y + tall + 0.04, 0.25 + out), arm)
