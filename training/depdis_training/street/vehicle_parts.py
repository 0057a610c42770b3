"""Materials and small parts that all vehicles share."""

from __future__ import annotations

import numpy as np

from depdis_training.street.mesh import Builder, Material, Point, Rgb
from depdis_training.street.palette import Palette
from depdis_training.street.shapes import cards


def shade(label: int, level: float, *, gloss: float = 0.05) -> Material:
    """Dark plastic, rubber, glass or metal: a grey of the given level, 0..255."""
    return Material(label, (level, level * 1.01, level * 1.04), gloss=gloss, grain=0.03)


def glazing(rng: np.random.Generator, palette: Palette, label: int, level: float, gloss: float) -> Material:
    """A vehicle's panes: dark grey that mirrors; with `near_detail`, what is in, behind and before them."""
    if not palette.near_detail:
        return shade(label, level, gloss=gloss)
    tone = float(rng.uniform(60, 190))
    behind = (tone * float(rng.uniform(0.86, 1.0)), tone, tone * float(rng.uniform(0.88, 1.04)))
    return Material(
        label, (0.8 * level, 0.85 * level, 0.86 * level), "glass", behind,
        gloss=float(rng.choice([0.5, 1.3, 2.8]) * rng.uniform(0.8, 1.3)), phase=float(rng.random()), grain=0.0,
    )  # fmt: skip


def lamp(label: int, colour: Rgb, emission: float) -> Material:
    """A lamp's glass."""
    return Material(label, colour, gloss=0.35, emission=emission, grain=0.02)


def number_plate(
    builder: Builder, rng: np.random.Generator, label: int, y: float, z: float, *, rear: bool
) -> None:
    """A plate facing +z where z > 0, -z otherwise; rear ones may be yellow."""
    yellow = rear and rng.random() < 0.5
    ground: Rgb = (222, 178, 40) if yellow else (226, 226, 222)
    board = Material(label, ground, pattern="sign_text", colour2=(30, 30, 34), scale=0.38, grain=0.02)
    centre: Point = (0.0, float(y), z)
    right = (-0.26 if z > 0 else 0.26, 0.0, 0.0)
    cards(builder, [centre], [right], [(0.0, 0.057, 0.0)], board)
