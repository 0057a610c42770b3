"""People on foot: standing, walking, sitting; adults and children."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street.figures import Joints, Outfit, draw_outfit, dress, limb
from depdis_training.street.mesh import Builder, Mesh
from depdis_training.street.palette import Palette
from depdis_training.street.shapes import Floats, Unit, boxes, ellipsoids, revolved, sweep, tubes

PERSON = CITYSCAPES_16.index("person")

Pose = Literal["standing", "walking", "sitting"]
Bag = Literal["none", "rucksack", "shoulder", "shopping"]


def person(
    rng: np.random.Generator, palette: Palette, *, pose: Pose = "walking", phase: float | None = None,
    child: bool = False, bag: Bag | None = None, umbrella: bool | None = None, detail: float = 1.0,
) -> Mesh:  # fmt: skip
    """Somebody 1.5 to 1.95 m tall (children 0.95 to 1.45), facing +z, label person.

    phase: of the walk, 0..1; None draws it. bag, umbrella: None draws them. sitting: on a seat 0.45 m
    high at z = 0.
    """
    height = float(rng.uniform(0.95, 1.45)) if child else float(np.clip(rng.normal(1.71, 0.09), 1.5, 1.95))
    outfit = draw_outfit(rng, palette, PERSON, dark=0.35, bright=0.03, coat=0.1 if child else 0.34)
    stride = float(rng.random()) if phase is None else phase
    joints = _joints(rng, pose, stride, height)
    kinds: list[Bag] = ["none", "rucksack", "shoulder", "shopping"]
    carried = kinds[int(rng.choice(4, p=[0.52, 0.2, 0.18, 0.1]))] if bag is None else bag
    sheltered = rng.random() < 0.03 if umbrella is None else umbrella
    if sheltered and pose != "sitting":
        joints = _holding(joints)
    builder = Builder()
    dress(builder, joints, outfit, detail=detail)
    _carry(builder, joints, outfit, carried)
    if sheltered:
        _umbrella(builder, joints, outfit)
    return builder.build()


def _joints(rng: np.random.Generator, pose: Pose, phase: float, height: float) -> Joints:
    """The skeleton of a pose; proportions of the average adult, scaled."""
    s = height / 1.75
    swing = 2 * math.pi * phase
    walking = pose == "walking"
    hip_y = (0.5 if pose == "sitting" else 0.945) * s
    lean = 0.03 if walking else float(rng.uniform(-0.01, 0.02))
    if walking:
        hip_y -= 0.045 * s * abs(math.sin(swing))
    shoulder_turn = 0.06 * math.sin(swing) if walking else 0.0
    sway = 0.0 if walking else float(rng.uniform(-0.03, 0.03)) * s
    hips = np.array([sway, hip_y + 0.05 * s, 0.0])
    chest = hips + np.array([-sway * 0.5, 0.28 * s, lean * s])
    neck = hips + np.array([-sway, 0.535 * s, 2 * lean * s])
    head = neck + np.array([0.0, (height - 0.118 * s) - (hip_y + 0.585 * s), 0.035 * s])
    if pose == "sitting":
        head = neck + np.array([0.0, 0.17 * s, 0.03])
    signs = np.array([-1.0, 1.0])
    hip = np.stack([hips + np.array([0.088 * s * sign, -0.07 * s, 0.0]) for sign in signs])
    shoulder = np.stack(
        [neck + np.array([0.168 * s * sign, -0.085 * s, -sign * shoulder_turn]) for sign in signs]
    )
    if walking:
        ankle, toe = _stride(hip, swing, s)
    elif pose == "sitting":
        ankle = hip + np.array([[-0.02, -0.43 * s + 0.06, 0.42 * s], [0.02, -0.43 * s + 0.06, 0.36 * s]])
        ankle[:, 1] = 0.075 * s
        toe = ankle + np.array([0.0, -0.035 * s, 0.14 * s])
    else:
        spread = float(rng.uniform(0.0, 0.06))
        ankle = np.stack(
            [[sign * (0.085 * s + spread), 0.075 * s, rng.uniform(-0.08, 0.08) * s] for sign in signs]
        )
        toe = ankle + np.stack([[sign * 0.04 * s, -0.035 * s, 0.14 * s] for sign in signs])
    forward = np.array([0.0, 0.0, 1.0])
    knee = np.stack([limb(hip[i], ankle[i], 0.43 * s, 0.42 * s, forward) for i in (0, 1)])
    hand = _hands(rng, shoulder, pose, swing, s)
    back = np.array([0.0, -0.2, -1.0])
    outwards = [back + np.array([0.35 * sign, 0.0, 0.0]) for sign in signs]
    elbow = np.stack([limb(shoulder[i], hand[i], 0.29 * s, 0.27 * s, outwards[i]) for i in (0, 1)])
    return Joints(hips, chest, neck, head, hip, knee, ankle, toe, shoulder, elbow, hand, height)


def _stride(hip: Floats, swing: float, s: float) -> tuple[Floats, Floats]:
    """Ankles and toes (2, 3) at an angle of the step."""
    ankles, toes = [], []
    for side in (0, 1):
        turn = swing + math.pi * side
        lift = max(0.0, math.cos(turn))  # the leg swings forwards
        along = 0.31 * s * math.sin(turn)
        x = hip[side, 0] * 0.75
        trailing = max(0.0, -along / (0.31 * s) - 0.6) / 0.4
        y = 0.075 * s + 0.08 * s * lift + 0.07 * s * trailing
        ankles.append([x, y, along])
        tilt = -0.09 * s if along < -0.1 * s else 0.02 * s if along > 0.15 * s else -0.035 * s
        toes.append([x * 1.1, max(y + tilt, 0.03 * s), along + 0.14 * s])
    return np.array(ankles), np.array(toes)


def _hands(rng: np.random.Generator, shoulder: Floats, pose: Pose, swing: float, s: float) -> Floats:
    """Where the hands are: swinging, on the knees, folded, in a pocket, hanging."""
    hands = []
    folded = rng.random()
    for side, sign in ((0, -1.0), (1, 1.0)):
        if pose == "walking":
            along = -0.24 * s * math.sin(swing + math.pi * side)
            offset = [0.05 * sign * s, -0.51 * s + 0.35 * abs(along), along + 0.06 * s]
        elif pose == "sitting":
            offset = [-0.06 * sign * s, -0.36 * s, 0.28 * s]
        elif folded < 0.2:  # arms before the chest, a telephone, folded
            offset = [-0.12 * sign * s, -0.28 * s, 0.24 * s]
        elif folded < 0.45 and side:  # in a pocket
            offset = [-0.02 * s, -0.44 * s, 0.1 * s]
        else:
            offset = [0.05 * sign * s, -0.53 * s, 0.04 * s]
        hands.append(shoulder[side] + offset)
    return np.array(hands)


def _holding(joints: Joints) -> Joints:
    """The right hand raised before the chest."""
    s = joints.height / 1.75
    hand = joints.hand.copy()
    hand[1] = joints.shoulder[1] + np.array([-0.05, -0.18, 0.24]) * s
    elbow = joints.elbow.copy()
    elbow[1] = limb(joints.shoulder[1], hand[1], 0.29 * s, 0.27 * s, np.array([0.5, -1.0, -0.3]))
    return Joints(**{**joints.__dict__, "hand": hand, "elbow": elbow})


def _carry(builder: Builder, joints: Joints, outfit: Outfit, bag: Bag) -> None:
    s = joints.height / 1.75
    if bag == "rucksack":
        centre = (joints.chest + joints.neck) / 2 + np.array([0.0, -0.08, -0.19]) * s
        ellipsoids(builder, [centre], np.array([0.16, 0.23, 0.11]) * s, outfit.bag, rings=5, sides=8)
    elif bag == "shoulder":
        at = joints.hip[1] + np.array([0.14, 0.02, -0.02]) * s
        half = np.array([0.05, 0.12, 0.15]) * s
        boxes(builder, [at - half], [at + half], outfit.bag)
        top = joints.shoulder[0] * 0.6 + joints.neck * 0.4
        strap = [
            top + np.array([0.0, 0.03, 0.02]), joints.chest + np.array([0.03, 0.04, 0.16]),
            at + np.array([0.0, half[1], 0.04]),
        ]  # fmt: skip
        sweep(builder, np.stack(strap), [0.022 * s] * 3, outfit.bag, sides=3)
    elif bag == "shopping":
        at = joints.hand[0] + np.array([0.0, -0.24, 0.0]) * s
        half = np.array([0.06, 0.19, 0.15]) * s
        boxes(builder, [np.maximum(at - half, [-9, 0.03, -9])], [at + half], outfit.bag)


def _umbrella(builder: Builder, joints: Joints, outfit: Outfit) -> None:
    hand = joints.hand[1]
    top = np.array([hand[0] * 0.5, max(joints.head[1] + 0.34, hand[1] + 0.5), hand[2] * 0.7])
    tubes(builder, [hand], [top], 0.012, outfit.shoes, sides=4)
    dome: Unit = revolved(((0.0, 1.0), (0.2, 0.8), (0.34, 0.45), (0.4, 0.0)), 9)
    turned = Unit(dome.vertices[:, [1, 0, 2]], dome.normals[:, [1, 0, 2]], dome.uv, dome.faces)
    points = turned.vertices * 0.52 + top - np.array([0.0, 0.19, 0.0])
    builder.triangles(points, turned.faces, outfit.bag, uv=turned.uv, normals=turned.normals)
