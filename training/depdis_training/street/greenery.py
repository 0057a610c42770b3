"""Trees and bushes: along the kerbs, in gardens, in parks."""

from __future__ import annotations

from functools import partial

from depdis_training.street.ground import KERB_HEIGHT
from depdis_training.street.layout import Block, Layout, Side
from depdis_training.street.mesh import Mesh
from depdis_training.street.plants import TreeKind, bush, tree
from depdis_training.street.stock import Stage


def _tree(stage: Stage, x: float, z: float, kind: TreeKind, height: float) -> Mesh:
    detail = stage.detail(x, z)
    if stage.view.distance(x, z) > 60:
        detail = 0.15
    size = round(height / 3)
    return stage.stocked(
        ("tree", kind, size, detail),
        partial(tree, stage.rng, stage.palette, kind=kind, height=height, detail=detail),
        2,
    )[0]  # fmt: skip


def _plant(stage: Stage, x: float, z: float, kind: TreeKind, height: float, trunk: float = 0.3) -> None:
    if stage.sees(x, z, height * 0.4) and stage.free(x, z, trunk, trunk):
        mesh = _tree(stage, x, z, kind, height)
        stage.put(mesh, x, z, y=KERB_HEIGHT, yaw=stage.uniform(0, 6.28), scale=stage.uniform(0.88, 1.12))


def plant_trees(stage: Stage, layout: Layout) -> None:
    """All trees of a street: bare or leafy by its season."""
    bare = stage.chance(0.42)
    season: TreeKind = "bare" if bare else "leafy"
    for side in layout.sides:
        share = {"park_side": 0.6, "suburb": 0.45, "city": 0.3, "terraces": 0.25}.get(layout.style, 0.2)
        if stage.chance(share) and side.pavement + side.verge > 1.4:
            _avenue(stage, side, season)
        for block in side.blocks:
            _block_trees(stage, side, block, season)


def _avenue(stage: Stage, side: Side, season: TreeKind) -> None:
    """Street trees at the kerb."""
    spacing, height = stage.uniform(6, 15), stage.uniform(4, 12)
    kind: TreeKind = "young" if height < 5.5 and stage.chance(0.5) else season
    z = stage.uniform(-6, 4)
    x = side.sign * (side.kerb + (side.verge / 2 if side.verge > 0.8 else 0.75))
    while z < 110:
        if stage.chance(0.85):
            _plant(stage, x, z, kind, height * stage.uniform(0.8, 1.15))
        z += spacing * stage.uniform(0.8, 1.2)


def _block_trees(stage: Stage, side: Side, block: Block, season: TreeKind) -> None:
    near, far, density, heights = {
        "park": (1.5, 40, 0.24, (5, 17)), "field": (1.5, 45, 0.1, (4, 14)), "wall": (1.2, 16, 0.2, (4, 14)),
        "houses": (1.2, block.setback - 1.0, 0.12, (2.5, 8)),
        "terrace": (1.0, block.setback - 0.8, 0.05, (2, 5)),
        "carpark": (2, 34, 0.05, (4, 11)), "square": (2, 25, 0.1, (5, 12)),
        "church": (1.5, block.setback, 0.1, (5, 12)),
        "retail": (1.5, block.setback - 1, 0.06, (3, 9)), "apartments": (1.2, block.setback - 1, 0.1, (3, 9)),
    }.get(block.kind, (0, 0, 0, (0, 0)))  # fmt: skip
    if far - near < 0.3:
        return
    count = int(stage.rng.poisson(density * (block.z1 - block.z0)))
    for _ in range(min(count, 16)):
        x = side.sign * (side.frontage + near + (far - near) * stage.rng.random() ** 1.7)
        z = stage.uniform(block.z0 + 1, block.z1 - 1)
        if stage.chance(0.25) or far - near < 2:
            if stage.sees(x, z, 1.5) and stage.free(x, z, 0.6, 0.6):
                detail = stage.detail(x, z)
                mesh = stage.stocked(
                    ("bush", detail), partial(bush, stage.rng, stage.palette, detail=detail), 3
                )[0]
                stage.put(mesh, x, z, y=KERB_HEIGHT, yaw=stage.uniform(0, 6.28), scale=stage.uniform(0.7, 1.5))
        else:
            kind: TreeKind = "conifer" if stage.chance(0.12) else season if stage.chance(0.85) else "bare"
            _plant(stage, x, z, kind, stage.uniform(*heights))
