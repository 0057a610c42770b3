"""The plan of a street: lanes, kerbs, pavements and what kind of block stands along each side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depdis_training.street.course import Course

# What may line a street of each style, with weights, and how wide its parts are:
# (lanes, lane width m, pavement m, share of streets with parked cars at a kerb).
STYLES: dict[str, dict[str, float]] = {
    "high_street": {"shops": 8, "offices": 1.5, "apartments": 1, "park": 0.8, "church": 0.5},
    "terraces": {"terrace": 8, "shops": 0.8, "park": 0.5, "wall": 0.6, "apartments": 0.7},
    "suburb": {"houses": 7, "terrace": 1.5, "park": 1.2, "wall": 0.5, "field": 0.8},
    "city": {"offices": 5, "shops": 3, "apartments": 2, "park": 0.7, "square": 0.7, "hoarding": 0.5},
    "park_side": {"park": 6, "terrace": 2, "apartments": 2, "church": 1, "wall": 1, "shops": 1},
    "country": {"field": 6, "houses": 1.2, "park": 1.2, "wall": 0.4},
    "retail": {"carpark": 5, "retail": 3, "offices": 1, "field": 1.5, "park": 1, "hoarding": 0.7},
}
_STYLE_SHARE = {
    "high_street": 0.24, "terraces": 0.15, "suburb": 0.13, "city": 0.16, "park_side": 0.18, "country": 0.05,
    "retail": 0.09,
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A stretch of one side, from z0 to z1; a side street before it: `corner0`, after it: `corner1`."""

    z0: float
    z1: float
    kind: str
    setback: float
    corner0: bool
    corner1: bool


@dataclass(frozen=True)
class Side:
    """One side of the street: sign -1 left, +1 right; widths in metres from the centre line outwards."""

    sign: int
    kerb: float
    verge: float
    pavement: float
    parking: bool
    blocks: tuple[Block, ...]

    @property
    def frontage(self) -> float:
        """Where the pavement ends and the plots begin."""
        return self.kerb + self.verge + self.pavement


@dataclass(frozen=True)
class Layout:
    """A street: traffic keeps to the side of `drive_sign` (-1 left, +1 right); it ends at `end` when closed."""

    style: str
    lanes: int
    lane_width: float
    drive_sign: int
    left: Side
    right: Side
    start: float
    end: float
    closed: bool
    crossing: float | None
    island: float | None
    course: Course

    @property
    def sides(self) -> tuple[Side, Side]:
        """Left and right."""
        return self.left, self.right


def draw_layout(rng: np.random.Generator) -> Layout:
    """A street of one of the styles."""
    style = str(rng.choice(list(_STYLE_SHARE), p=np.array(list(_STYLE_SHARE.values()))))
    lanes = int(rng.choice([1, 2, 3, 4], p=[0.1, 0.66, 0.12, 0.12]))
    if style in ("country", "terraces"):
        lanes = min(lanes, 2)
    lane_width = float(rng.uniform(2.7, 3.7))
    closed = rng.random() < 0.25
    end = float(rng.uniform(45, 130)) if closed else 170.0
    start = -45.0
    left, right = (_side(rng, style, sign, lanes * lane_width / 2, start, end) for sign in (-1, 1))
    corner = next((b.z0 for b in (*left.blocks, *right.blocks) if b.corner0 and b.z0 > 4), None)
    crossing = None
    if rng.random() < 0.4:
        crossing = (
            float(corner - 2.5) if corner is not None and rng.random() < 0.6 else float(rng.uniform(5, 45))
        )
    island = None
    if lanes % 2 == 0 and lane_width > 2.9 and style != "country" and rng.random() < 0.3:
        island = crossing + 1.5 if crossing is not None and rng.random() < 0.7 else float(rng.uniform(8, 60))
    return Layout(
        style,
        lanes,
        lane_width,
        int(rng.choice([-1, 1])),
        left,
        right,
        start,
        end,
        closed,
        crossing,
        island,
        _course(rng),
    )


def _course(rng: np.random.Generator) -> Course:
    bent, steep = rng.random() < 0.45, rng.random() < 0.35
    return Course(
        bend_start=float(rng.uniform(0, 60)),
        curvature=float(rng.choice([-1, 1]) / rng.uniform(50, 350)) if bent else 0.0,
        slope_limit=float(rng.uniform(0.15, 0.8)),
        climb_start=float(rng.uniform(0, 50)),
        climb=float(rng.uniform(-0.05, 0.07)) if steep else 0.0,
    )


def _side(rng: np.random.Generator, style: str, sign: int, half: float, start: float, end: float) -> Side:
    parking = rng.random() < {"country": 0.05, "retail": 0.1, "high_street": 0.45, "city": 0.4}.get(style, 0.65)
    verge = (
        float(rng.uniform(1, 3.5)) if rng.random() < (0.4 if style in ("suburb", "retail") else 0.08) else 0.0
    )
    pavement = float(rng.uniform(1.3, 3.2) if style in ("terraces", "suburb") else rng.uniform(1.6, 6.0))
    if style == "country":
        verge, pavement = float(rng.uniform(1, 4)), float(rng.choice([0.0, 1.5]))
    kerb = half + (2.1 if parking else float(rng.choice([0.0, 0.3, 1.4])))
    kinds = list(STYLES[style])
    weights = np.array([STYLES[style][kind] for kind in kinds])
    blocks: list[Block] = []
    z, corner0 = start, False
    kind = str(rng.choice(kinds, p=weights / weights.sum()))
    while z < end - 6:
        z1 = min(end, z + float(rng.uniform(18, 75)))
        corner1 = z1 < end - 12 and rng.random() < 0.6
        setback = _setback(rng, kind)
        blocks.append(Block(z, z1, kind, setback, corner0, corner1))
        z = z1 + (float(rng.uniform(5, 10)) if corner1 else 0.0)
        corner0 = corner1
        kind = str(rng.choice(kinds, p=weights / weights.sum())) if rng.random() < 0.7 else kind
    return Side(sign, kerb, verge, pavement, parking, tuple(blocks))


def _setback(rng: np.random.Generator, kind: str) -> float:
    """How far the buildings of a block stand behind the pavement."""
    low, high, flush = {
        "shops": (0, 0.5, 0.9), "offices": (0, 5, 0.5), "terrace": (1.5, 5, 0.25), "apartments": (1, 8, 0.3),
        "houses": (4, 11, 0.0), "church": (2, 9, 0.1), "retail": (3, 18, 0.2), "hoarding": (0, 0.5, 1.0),
    }.get(kind, (0, 0, 1.0))  # fmt: skip
    return 0.0 if rng.random() < flush else float(rng.uniform(low, high))
