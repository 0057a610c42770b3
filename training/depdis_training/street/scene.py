"""A whole street: layout, ground, buildings and all that stands or moves on it, its camera and light."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from depdis_training.street.appearance import Appearance, appearance_for
from depdis_training.street.built import build_up
from depdis_training.street.cameras import View, draw_camera
from depdis_training.street.close_up import close_up
from depdis_training.street.fixtures import furnish
from depdis_training.street.geometry import faces_ahead
from depdis_training.street.greenery import plant_trees
from depdis_training.street.ground import build_ground, draw_grounds
from depdis_training.street.layout import Layout, draw_layout
from depdis_training.street.mesh import Mesh, merged
from depdis_training.street.palette import EVERY_LOOK, Domain, palette_for
from depdis_training.street.renderer import Camera
from depdis_training.street.stock import Mover, Stage
from depdis_training.street.traffic import cross_traffic, drive_lanes, fill_lots, park_along, rack, ride
from depdis_training.street.walkers import cross_road, walk_pavement

_DOMAIN_CODE = {"source": 1, "target": 2, "random": 3, "near": 4}


@dataclass(frozen=True)
class Scene:
    """mesh: all that stands still; movers: what moves from its place at time 0."""

    mesh: Mesh
    movers: tuple[Mover, ...]
    camera: Camera
    appearance: Appearance
    layout: Layout

    def at(self, time_s: float) -> Mesh:
        """Everything, with the movers where they are at a time."""
        return merged([self.mesh, *(mover.at(time_s, self.layout.course) for mover in self.movers)])


def make_scene(
    domain: Domain, seed: int, index: int, size: tuple[int, int], *, moving: bool = False
) -> Scene:  # fmt: skip
    """The street of picture `index` of a domain's set: a pure function of its arguments.

    size: the picture's (width, height). moving: for a drive, with everything in reach of the way ahead built.
    Raises ValueError for an unknown domain.
    """
    if domain not in _DOMAIN_CODE:
        raise ValueError(f"expected the domain source, target, random or near, got {domain!r}")
    rng = np.random.default_rng([seed, index, _DOMAIN_CODE[domain]])
    palette = palette_for(domain, rng)
    appearance = appearance_for(domain, rng)
    layout = draw_layout(rng)
    camera = draw_camera(rng, domain, layout, size, driving=moving)
    view = View(0.0, 0.0, 0.0, 3.2, 200.0) if moving else View.of(camera)
    stage = Stage(rng, palette, view, layout.course, moving)
    stage.still.append(build_ground(rng, layout, palette, draw_grounds(rng, palette)))
    build_up(stage, layout)
    populate(stage, layout, domain)
    if not moving:
        mesh = merged([*stage.still, *(mover.at(0.0, layout.course) for mover in stage.movers)])
        return Scene(_culled(mesh, camera), (), camera, appearance, layout)
    return Scene(merged(stage.still), tuple(stage.movers), camera, appearance, layout)


def populate(stage: Stage, layout: Layout, domain: Domain) -> None:
    """Vehicles, people, trees and furniture, those first that matter most near the camera."""
    if not stage.moving and domain in EVERY_LOOK:
        close_up(stage, more=domain == "near")
    ride(stage, layout)
    for side in layout.sides:
        if side.parking:
            park_along(stage, side)
    drive_lanes(stage, layout)
    if not stage.moving:  # none may cross the way of a moving camera
        cross_traffic(stage, layout)
        cross_road(stage, layout)
    furnish(stage, layout)
    for side in layout.sides:
        rack(stage, side)
        walk_pavement(stage, layout, side)
        fill_lots(stage, side)
    plant_trees(stage, layout)


def _culled(mesh: Mesh, camera: Camera, behind: float = 14.0) -> Mesh:
    """Without the triangles that lie wholly further than `behind` metres behind the camera."""
    forward = np.array([np.sin(camera.yaw), 0.0, np.cos(camera.yaw)])
    faces, material = faces_ahead(
        mesh.vertices, mesh.faces, mesh.face_material, np.array([camera.x, 0.0, camera.z]), forward, -behind
    )
    return dataclasses.replace(mesh, faces=faces, face_material=material)
