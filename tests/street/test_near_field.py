"""What pictures hold close to the camera: walls, roofs from above, panes that mirror, posts before vehicles."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street.cameras import View
from depdis_training.street.close_up import close_up
from depdis_training.street.course import Course
from depdis_training.street.mesh import Mesh, merged
from depdis_training.street.near_wall import near_wall
from depdis_training.street.palette import SOURCE, palette_for
from depdis_training.street.posts import low_lamps, row_before_vehicle
from depdis_training.street.scene import make_scene
from depdis_training.street.stock import Stage
from depdis_training.street.vehicle_parts import glazing
from depdis_training.street.vehicles import bus


def stage(seed: int, view: View) -> Stage:
    rng = np.random.default_rng(seed)
    return Stage(rng, palette_for("random", rng), view, Course())


def triangles(mesh: Mesh, *labels: str) -> NDArray[np.float64]:
    """(T, 3, 3): the corners of the faces that have one of the labels."""
    label = np.array([material.label for material in mesh.materials])[mesh.face_material]
    return mesh.vertices[mesh.faces[np.isin(label, [CITYSCAPES_16.index(name) for name in labels])]]


@pytest.mark.parametrize("seed", range(6))
def test_a_near_wall_stands_in_view_and_off_the_camera(seed: int) -> None:
    view = View(0.0, 0.0, 0.3, 0.6)
    scene = stage(seed, view)
    near_wall(scene)
    mesh = merged(scene.still)
    wall = triangles(mesh, "building", "wall")
    ahead = np.array([np.sin(view.yaw), 0.0, np.cos(view.yaw)])
    assert (wall @ ahead).max() > 2.0
    assert np.hypot(wall[..., 0], wall[..., 2]).min() > 1.0
    assert len(triangles(mesh, "sidewalk"))
    x, _, z = wall.mean(axis=(0, 1))
    assert not scene.free(float(x), float(z), 0.3, 0.3)  # nothing else is put into it


@pytest.mark.parametrize("seed", range(4))
def test_a_camera_that_looks_down_has_a_vehicle_below(seed: int) -> None:
    scene = stage(seed, View(0.0, 0.0, 0.0, np.pi, 28.0, below=(0.0, 4.0)))
    close_up(scene)
    corners = triangles(merged(scene.still), "car", "bus")[..., [0, 2]].reshape(-1, 2)
    assert np.linalg.norm(corners - [0.0, 4.0], axis=1).min() < 5.0
    assert not scene.free(0.5, 0.5, 0.2, 0.2)


def test_only_random_pictures_have_panes_that_mirror_their_own_street() -> None:
    rng = np.random.default_rng(3)
    assert glazing(rng, SOURCE, 0, 30.0, 0.6).pattern == "plain"
    assert glazing(rng, palette_for("random", rng), 0, 30.0, 0.6).pattern == "glass"


def test_roofs_of_buses_differ_in_random_pictures() -> None:
    rng = np.random.default_rng(0)
    palette = palette_for("random", rng)
    roofs = set()
    for _ in range(6):
        mesh = bus(rng, palette, detail=0.3)
        flat = np.abs(mesh.normals[mesh.faces[:, 0], 1]) > 0.95
        high = mesh.vertices[mesh.faces[:, 0], 1] > 2.7
        roofs.add(mesh.materials[int(mesh.face_material[flat & high][0])].colour)
    assert len(roofs) > 3


@pytest.mark.parametrize("seed", range(12))
def test_a_row_of_posts_stands_between_the_camera_and_a_vehicle(seed: int) -> None:
    view = View(0.0, 0.0, 0.3, 0.6)
    scene = stage(seed, view)
    row_before_vehicle(scene)
    vehicle, *posts = scene.still
    assert {"car", "bus"} & labels_of(vehicle)
    assert len(posts) >= 2
    assert all(labels_of(post) == {"pole"} for post in posts)
    feet = np.array([post.vertices[:, [0, 2]].mean(axis=0) for post in posts])
    along = (feet[-1] - feet[0]) / np.linalg.norm(feet[-1] - feet[0])
    across = np.array([-along[1], along[0]]) * np.sign(np.array([-along[1], along[0]]) @ feet[0])
    row, side = float(across @ feet[0]), vehicle.vertices[:, [0, 2]] @ across
    assert 0.3 < row < side.min()  # the camera, at 0, is on the posts' side
    assert side.min() - row < 2.3
    centre = vehicle.vertices[:, [0, 2]].mean(axis=0)
    assert not scene.free(float(centre[0]), float(centre[1]), 0.3, 0.3)  # nothing else is put into it


def test_low_lamps_stand_in_view() -> None:
    view = View(0.0, 0.0, 0.3, 0.6)
    for seed in range(6):
        scene = stage(seed, view)
        low_lamps(scene)
        for lamp in scene.still:
            x, _, z = lamp.vertices.mean(axis=0)
            assert view.sees(float(x), float(z), 1.0)


def test_the_domain_near_has_more_posts_than_random() -> None:
    shares = []
    for domain in ("random", "near"):
        found = 0
        for index in range(12):
            mesh = make_scene(domain, 3, index, (96, 64)).mesh
            material = np.array([material.label for material in mesh.materials])[mesh.face_material]
            found += int((material == CITYSCAPES_16.index("pole")).sum())
        shares.append(found)
    assert shares[1] > 1.1 * shares[0]


def labels_of(mesh: Mesh) -> set[str]:
    return {CITYSCAPES_16.names[mesh.materials[i].label] for i in np.unique(mesh.face_material)}
