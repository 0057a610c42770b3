"""The human body, dressed, in any pose: what people in the street and riders are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depdis_training.street.geometry import cross
from depdis_training.street.mesh import Builder, Material, Rgb
from depdis_training.street.palette import Palette, pick
from depdis_training.street.shapes import Floats, ellipsoids, sweep


@dataclass(frozen=True)
class Outfit:
    """What somebody wears. coat: length of a skirt or coat below the hips as a share of the legs, or 0."""

    skin: Material
    hair: Material
    top: Material
    legs: Material
    shoes: Material
    bag: Material
    coat: float
    coat_material: Material
    bulk: float
    hair_style: str
    bare_legs: bool
    sleeves: bool


@dataclass(frozen=True)
class Joints:
    """Where the body's joints are, metres; arrays (2, 3) are left (x < 0) and right."""

    hips: Floats
    chest: Floats
    neck: Floats
    head: Floats
    hip: Floats
    knee: Floats
    ankle: Floats
    toe: Floats
    shoulder: Floats
    elbow: Floats
    hand: Floats
    height: float


def draw_outfit(
    rng: np.random.Generator, palette: Palette, label: int, *, dark: float = 0.0, bright: float = 0.0,
    coat: float = 0.3, helmet: bool = False,
) -> Outfit:  # fmt: skip
    """Clothes of the palette; dark, bright, coat: shares of dark clothes, high-visibility jackets, coats."""
    grey = float(rng.uniform(14, 42))
    gloom: tuple[Rgb, ...] = ((grey, grey, grey * 1.08), (grey * 0.8, grey * 0.85, grey * 1.2))
    choice = rng.random()
    tops = gloom if choice < dark else palette.clothes
    if 1 - choice < bright:
        tops = ((206, 222, 40), (236, 110, 30), (214, 226, 60))
    trousers = gloom if rng.random() < 0.35 + 0.4 * dark else (*palette.clothes, (42, 52, 82), (58, 70, 104))
    pattern = "stripes" if rng.random() < 0.05 else "cloth"
    top = Material(
        label, pick(rng, tops), pattern=pattern, colour2=pick(rng, palette.clothes), scale=0.09, grain=0.14
    )
    legs = Material(label, pick(rng, trousers), pattern="cloth", scale=0.06, grain=0.14)
    skin = Material(label, pick(rng, palette.skin), grain=0.06)
    bare = rng.random() < 0.12
    skirted = rng.random() < coat
    long_coat = skirted and rng.random() < 0.55
    style = "helmet" if helmet else str(
        rng.choice(["short", "long", "hat", "hood", "cap", "bald"], p=[0.45, 0.25, 0.1, 0.09, 0.06, 0.05])
    )  # fmt: skip
    heads: dict[str, tuple[Rgb, ...]] = {
        "hat": palette.clothes, "cap": palette.clothes, "hood": (top.colour,),
        "helmet": ((28, 28, 32), (220, 222, 224), (40, 60, 120), (170, 30, 34), (24, 24, 26)),
    }  # fmt: skip
    gloss = 0.25 if style == "helmet" else 0.0
    return Outfit(
        skin=skin,
        hair=Material(label, pick(rng, heads.get(style, palette.hair)), gloss=gloss, grain=0.12),
        top=top,
        legs=skin if bare else legs,
        shoes=Material(
            label, pick(rng, ((22, 21, 22), (36, 28, 24), (24, 24, 30), (205, 204, 200))), grain=0.05
        ),
        bag=Material(
            label, pick(rng, (*palette.clothes, (20, 20, 24), (90, 60, 40))), pattern="cloth", scale=0.08
        ),
        coat=float(rng.uniform(0.2, 0.6)) if skirted else 0.0,
        coat_material=top if long_coat else Material(label, pick(rng, trousers), pattern="cloth", scale=0.07),
        bulk=float(rng.uniform(0.9, 1.2)),
        hair_style=style,
        bare_legs=bare,
        sleeves=not bare or rng.random() < 0.5,
    )


def dress(builder: Builder, joints: Joints, outfit: Outfit, *, detail: float = 1.0) -> None:
    """Adds the body with its clothes and hair."""
    sides = 8 if detail > 0.6 else 6 if detail > 0.3 else 4
    size = joints.height / 1.75
    _torso(builder, joints, outfit, size, sides)
    for side in (0, 1):
        _leg(builder, joints, outfit, side, size, sides)
        _arm(builder, joints, outfit, side, size, max(4, sides - 1))
    _head(builder, joints, outfit, size, detail)
    if outfit.coat > 0:
        _skirt(builder, joints, outfit, size, sides)


def _forward(joints: Joints) -> Floats:
    """Forwards for the trunk: perpendicular to the line of the shoulders, and to the spine."""
    across = joints.shoulder[1] - joints.shoulder[0]
    spine = joints.neck - joints.hips
    forward = cross(across, spine)
    return np.asarray(forward / np.linalg.norm(forward))


def _torso(builder: Builder, joints: Joints, outfit: Outfit, size: float, sides: int) -> None:
    bulk = outfit.bulk
    hips, chest, neck = joints.hips, joints.chest, joints.neck
    low = hips - 0.09 * size * (chest - hips) / np.linalg.norm(chest - hips)
    waist, ribs = hips * 0.6 + chest * 0.4, chest * 0.75 + neck * 0.25
    yoke = chest * 0.25 + neck * 0.75
    path = np.stack([low, hips, waist, chest, ribs, yoke, neck])
    across = np.array([0.12, 0.168, 0.152, 0.178, 0.185, 0.135, 0.06]) * bulk
    along = np.array([0.085, 0.118, 0.105, 0.125, 0.12, 0.085, 0.05]) * bulk
    radii = np.stack([across, along], 1) * size
    forward = _forward(joints)
    # the jacket ends at the hips; what is lower is of the trousers' cloth
    sweep(builder, path[:2], radii[:2], outfit.legs, sides=sides, facing=forward)
    sweep(builder, path[1:], radii[1:] * 1.03, outfit.top, sides=sides + 1, facing=forward)


def _leg(builder: Builder, joints: Joints, outfit: Outfit, side: int, size: float, sides: int) -> None:
    hip, knee, ankle, toe = joints.hip[side], joints.knee[side], joints.ankle[side], joints.toe[side]
    path = np.stack([hip, hip * 0.5 + knee * 0.5, knee, knee * 0.55 + ankle * 0.45, ankle])
    loose = 0.85 if outfit.bare_legs else 1.0
    radii = np.array([0.095, 0.085, 0.064, 0.062, 0.05]) * size * loose * (0.5 + 0.5 * outfit.bulk)
    forward = toe - ankle
    sweep(builder, path, radii, outfit.legs, sides=sides, facing=forward)
    foot = (ankle + toe) / 2 + np.array([0.0, 0.01 * size, 0.0])
    length = float(np.linalg.norm(toe - ankle)) * 0.5 + 0.04 * size
    _shoe(builder, foot, toe - ankle, length, size, outfit.shoes)


def _shoe(
    builder: Builder, centre: Floats, along: Floats, length: float, size: float, material: Material
) -> None:
    direction = along / max(float(np.linalg.norm(along)), 1e-9)
    steps = np.array([-1.0, -0.8, 0.1, 0.8, 1.0])
    path = centre + direction * (steps * length)[:, None]
    width = np.array([0.012, 0.042, 0.047, 0.04, 0.012]) * size
    height = np.array([0.015, 0.05, 0.044, 0.034, 0.01]) * size
    up = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    sweep(builder, path, np.stack([width, height], 1), material, sides=5, facing=up)


def _arm(builder: Builder, joints: Joints, outfit: Outfit, side: int, size: float, sides: int) -> None:
    shoulder, elbow, hand = joints.shoulder[side], joints.elbow[side], joints.hand[side]
    wrist = elbow * 0.1 + hand * 0.9
    inwards = joints.neck - shoulder
    cap = shoulder + inwards * 0.3 + np.array([0.0, 0.012 * size, 0.0])
    path = np.stack([cap, shoulder, shoulder * 0.55 + elbow * 0.45, elbow, elbow * 0.5 + wrist * 0.5, wrist])
    radii = np.array([0.03, 0.058, 0.056, 0.05, 0.045, 0.036]) * size * outfit.bulk
    bent = cross(elbow - shoulder, hand - elbow)
    facing = bent if float(np.linalg.norm(bent)) > 1e-3 else np.array([0.0, 0.0, 1.0])
    cut = 6 if outfit.sleeves else 3
    sweep(builder, path[:cut], radii[:cut], outfit.top, sides=sides, facing=facing)
    if cut < 6:
        sweep(builder, path[cut - 1 :], radii[cut - 1 :] * 0.82, outfit.skin, sides=sides, facing=facing)
    reach = (hand - elbow) / max(float(np.linalg.norm(hand - elbow)), 1e-9)
    ellipsoids(
        builder,
        [hand + reach * 0.03 * size],
        np.array([0.04, 0.055, 0.045]) * size,
        outfit.skin,
        rings=3,
        sides=5,
    )


def _head(builder: Builder, joints: Joints, outfit: Outfit, size: float, detail: float) -> None:
    head, neck = joints.head, joints.neck
    size = 0.35 + 0.65 * size  # children's heads are larger for their height
    rings, sides = (6, 9) if detail > 0.6 else (4, 6)
    forward = _forward(joints)
    forward = np.array([forward[0], 0.0, forward[2]]) / max(float(np.hypot(forward[0], forward[2])), 1e-9)
    sweep(
        builder, np.stack([neck * 1.05 - head * 0.05, head]), [0.062 * size, 0.052 * size], outfit.skin, sides=6
    )
    ellipsoids(builder, [head], np.array([0.078, 0.118, 0.098]) * size, outfit.skin, rings=rings, sides=sides)
    up = np.array([0.0, 1.0, 0.0])
    style = outfit.hair_style
    if style == "bald":
        return
    lift, back, radii = {
        "short": (0.03, -0.018, (0.085, 0.102, 0.1)),
        "long": (0.005, -0.045, (0.09, 0.128, 0.088)),
        "hat": (0.06, -0.006, (0.094, 0.082, 0.11)),
        "cap": (0.05, -0.006, (0.088, 0.078, 0.106)),
        "hood": (0.0, -0.045, (0.108, 0.145, 0.1)),
        "helmet": (0.055, -0.008, (0.1, 0.1, 0.135)),
    }[style]
    centre = head + (up * lift + forward * back) * size
    ellipsoids(builder, [centre], np.array(radii) * size, outfit.hair, rings=rings, sides=sides)
    if style in ("cap", "hat"):
        brim = head + (up * 0.045 + forward * (0.09 if style == "cap" else 0.0)) * size
        width = (0.07, 0.012, 0.07) if style == "cap" else (0.13, 0.012, 0.14)
        ellipsoids(builder, [brim], np.array(width) * size, outfit.hair, rings=3, sides=7)
    if style == "long":
        fall = head + (up * -0.13 + forward * -0.06) * size
        ellipsoids(builder, [fall], np.array([0.085, 0.12, 0.045]) * size, outfit.hair, rings=4, sides=6)


def _skirt(builder: Builder, joints: Joints, outfit: Outfit, size: float, sides: int) -> None:
    """A coat's or skirt's tail: from the hips down, wide enough for the stride."""
    hem = joints.hip + (joints.knee - joints.hip) * min(1.0, outfit.coat * 2)
    if outfit.coat > 0.5:
        hem = hem + (joints.ankle - joints.knee) * (outfit.coat - 0.5) * 1.6
    centre = hem.mean(axis=0)
    spread = float(np.abs(hem[1] - hem[0])[2]) / 2
    low = np.array([0.17, 0.13 + spread * 0.9]) * [size, 1.0]
    path = np.stack(
        [joints.hips * 0.7 + joints.chest * 0.3, joints.hips, joints.hips * 0.4 + centre * 0.6, centre]
    )
    radii = np.array([[0.16, 0.115], [0.178, 0.13], [0.172, 0.135 + spread * 0.5], [0.0, 0.0]]) * size
    radii[-1] = low
    radii[2, 1] = 0.135 * size + spread * 0.5
    sweep(builder, path, radii * (0.5 + 0.5 * outfit.bulk), outfit.coat_material, sides=sides + 1)


def limb(root: Floats, tip: Floats, upper: float, lower: float, towards: Floats) -> Floats:
    """The joint between two bones from root to tip, bent `towards`; straight where the tip is out of reach."""
    line = tip - root
    distance = max(float(np.linalg.norm(line)), 1e-6)
    axis = line / distance
    reach = min(distance, (upper + lower) * 0.999)
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    out = math.sqrt(max(upper**2 - along**2, 0.0))
    side = towards - axis * float(towards @ axis)
    side = side / max(float(np.linalg.norm(side)), 1e-6)
    return np.asarray(root + axis * along * (distance / reach) + side * out)
