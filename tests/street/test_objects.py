"""The streets' objects: sizes, labels, triangles, and that the same random source gives the same object."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street import furniture, people, plants, posts, two_wheelers, vehicles
from depdis_training.street.figures import limb
from depdis_training.street.mesh import Builder, Material, Mesh
from depdis_training.street.palette import palette_for
from depdis_training.street.shapes import boxes, copies, creased, ellipsoids, sweep, tubes, unit_sphere

PALETTE = palette_for("source", np.random.default_rng(0))
PLAIN = Material(0, (100.0, 100.0, 100.0))

# name: (builder, labels, size along x, y, z in metres: low and high, triangles at most)
OBJECTS: dict[str, tuple[Callable[..., Mesh], set[str], tuple[tuple[float, float], ...], int]] = {
    "hatchback": (
        lambda r: vehicles.car(r, PALETTE, kind="hatchback"),
        {"car"},
        ((1.6, 2.3), (1.3, 1.7), (3.6, 4.4)),
        2000,
    ),
    "saloon": (
        lambda r: vehicles.car(r, PALETTE, kind="saloon"),
        {"car"},
        ((1.6, 2.3), (1.3, 1.6), (4.1, 5.0)),
        2000,
    ),
    "estate": (
        lambda r: vehicles.car(r, PALETTE, kind="estate"),
        {"car"},
        ((1.6, 2.3), (1.3, 1.7), (4.1, 5.0)),
        2000,
    ),
    "suv": (
        lambda r: vehicles.car(r, PALETTE, kind="suv"),
        {"car"},
        ((1.7, 2.4), (1.6, 1.9), (4.0, 4.9)),
        2000,
    ),
    "van": (
        lambda r: vehicles.car(r, PALETTE, kind="van"),
        {"car"},
        ((1.8, 2.5), (2.0, 2.5), (4.6, 5.5)),
        2000,
    ),
    "pickup": (
        lambda r: vehicles.car(r, PALETTE, kind="pickup"),
        {"car"},
        ((1.7, 2.4), (1.6, 1.9), (4.8, 5.7)),
        2000,
    ),
    "lorry": (lambda r: vehicles.lorry(r, PALETTE), {"car"}, ((2.2, 2.9), (2.2, 4.0), (6.0, 9.2)), 2000),
    "bus": (lambda r: vehicles.bus(r, PALETTE), {"bus"}, ((2.4, 3.0), (2.8, 3.5), (9.8, 12.5)), 2000),
    "double decker": (
        lambda r: vehicles.bus(r, PALETTE, double_decker=True),
        {"bus"},
        ((2.4, 3.0), (4.1, 4.5), (9.3, 11.3)),
        2000,
    ),
    "bicycle": (
        lambda r: two_wheelers.bicycle(r, PALETTE, rider=False),
        {"bicycle"},
        ((0.3, 0.7), (0.9, 1.2), (1.6, 1.9)),
        900,
    ),
    "cyclist": (
        lambda r: two_wheelers.bicycle(r, PALETTE),
        {"bicycle", "rider"},
        ((0.4, 1.1), (1.5, 2.05), (1.6, 1.9)),
        1900,
    ),
    "motorcycle": (
        lambda r: two_wheelers.motorcycle(r, PALETTE, rider=False, kind="motorcycle"),
        {"motorcycle"},
        ((0.6, 0.9), (1.0, 1.4), (1.8, 2.2)),
        1400,
    ),
    "motorcyclist": (
        lambda r: two_wheelers.motorcycle(r, PALETTE),
        {"motorcycle", "rider"},
        ((0.6, 1.1), (1.4, 2.0), (1.6, 2.2)),
        2300,
    ),
    "person": (
        lambda r: people.person(r, PALETTE, umbrella=False),
        {"person"},
        ((0.35, 1.0), (1.45, 2.0), (0.25, 1.4)),
        1100,
    ),
    "child": (
        lambda r: people.person(r, PALETTE, child=True, umbrella=False),
        {"person"},
        ((0.2, 0.8), (0.85, 1.5), (0.15, 1.1)),
        1100,
    ),
    "leafy tree": (
        lambda r: plants.tree(r, PALETTE, kind="leafy", height=10.0),
        {"vegetation"},
        ((2.5, 13.0), (8.5, 11.5), (2.5, 13.0)),
        1700,
    ),
    "bare tree": (
        lambda r: plants.tree(r, PALETTE, kind="bare", height=10.0),
        {"vegetation"},
        ((2.0, 13.0), (6.5, 13.0), (2.0, 13.0)),
        1700,
    ),
    "conifer": (
        lambda r: plants.tree(r, PALETTE, kind="conifer", height=10.0),
        {"vegetation"},
        ((1.5, 7.0), (9.0, 11.5), (1.5, 7.0)),
        1700,
    ),
    "young tree": (
        lambda r: plants.tree(r, PALETTE, kind="young", height=4.0),
        {"vegetation"},
        ((0.8, 5.5), (2.5, 5.2), (0.8, 5.5)),
        1700,
    ),
    "bush": (
        lambda r: plants.bush(r, PALETTE, height=1.5),
        {"vegetation"},
        ((1.0, 4.5), (0.9, 2.4), (1.0, 4.5)),
        1000,
    ),
    "traffic light": (
        lambda r: furniture.traffic_light(r, PALETTE, arm=0.0),
        {"traffic light", "pole"},
        ((0.2, 0.7), (2.7, 3.7), (0.2, 1.1)),
        400,
    ),
    "sign": (
        lambda r: furniture.traffic_sign(r, PALETTE, kind="round"),
        {"traffic sign", "pole"},
        ((0.5, 0.9), (2.4, 3.7), (0.05, 0.3)),
        200,
    ),
    "street lamp": (
        lambda r: furniture.street_lamp(r, PALETTE),
        {"pole", "traffic sign"},
        ((0.1, 0.7), (3.3, 12.0), (0.15, 5.5)),
        400,
    ),
    "bollard": (
        lambda r: furniture.bollard(r, PALETTE),
        {"pole"},
        ((0.08, 0.42), (0.6, 1.35), (0.08, 0.42)),
        320,
    ),
    "grooved bollard": (
        lambda r: posts.grooved_bollard(r, PALETTE),
        {"pole"},
        ((0.15, 0.3), (0.74, 1.11), (0.15, 0.3)),
        400,
    ),
    "low lamp": (
        lambda r: posts.low_lamp(r, PALETTE),
        {"pole"},
        ((0.15, 0.42), (3.1, 7.2), (0.5, 2.5)),
        400,
    ),
    "bus shelter": (
        lambda r: furniture.bus_shelter(r, PALETTE),
        {"building"},
        ((3.0, 5.0), (2.3, 2.6), (1.2, 2.0)),
        300,
    ),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_have_real_sizes_labels_and_few_triangles(name: str) -> None:
    build, labels, sizes, budget = OBJECTS[name]
    used: set[str] = set()
    for seed in range(6):
        mesh = build(np.random.default_rng(seed))
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        for axis, (least, most) in enumerate(sizes):
            assert least <= high[axis] - low[axis] <= most, f"{name}, seed {seed}, axis {axis}"
        assert -0.3 <= low[1] <= 0.07, f"{name}, seed {seed} does not stand on the ground"
        used |= {CITYSCAPES_16.names[mesh.materials[i].label] for i in np.unique(mesh.face_material)}
        assert len(mesh.faces) <= budget
        assert np.isfinite(mesh.vertices).all()
        assert np.isfinite(mesh.uv).all()
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-6)
        assert mesh.faces.min() >= 0
        assert mesh.faces.max() < len(mesh.vertices)
    assert used == labels


@pytest.mark.parametrize("name", OBJECTS)
def test_the_same_random_source_gives_the_same_object(name: str) -> None:
    build = OBJECTS[name][0]
    first, second = build(np.random.default_rng(3)), build(np.random.default_rng(3))
    np.testing.assert_array_equal(first.vertices, second.vertices)
    assert first.materials == second.materials


def test_far_objects_have_fewer_triangles() -> None:
    builders: list[Callable[[float], Mesh]] = [
        lambda detail: vehicles.car(np.random.default_rng(1), PALETTE, kind="hatchback", detail=detail),
        lambda detail: people.person(np.random.default_rng(1), PALETTE, detail=detail),
        lambda detail: plants.tree(np.random.default_rng(1), PALETTE, detail=detail),
        lambda detail: plants.tree(np.random.default_rng(1), PALETTE, kind="bare", detail=detail),
    ]
    for build in builders:
        near, middle, far = (len(build(detail).faces) for detail in (1.0, 0.6, 0.3))
        assert near > middle >= far
        assert far < 0.75 * near


def test_a_walk_is_one_person_whose_step_repeats() -> None:
    def at(phase: float) -> Mesh:
        return people.person(np.random.default_rng(5), PALETTE, pose="walking", phase=phase)

    first = at(0.1)
    for phase in (0.35, 0.6):
        assert at(phase).materials == first.materials
        assert np.abs(at(phase).vertices - first.vertices).max() > 0.1
    np.testing.assert_allclose(at(1.1).vertices, first.vertices, atol=1e-9)


def test_car_windows_are_above_the_belt_and_wheels_on_the_ground() -> None:
    hull = vehicles.HULLS["hatchback"]
    mesh = vehicles.car(np.random.default_rng(2), PALETTE, kind="hatchback")
    glass = max(range(len(mesh.materials)), key=lambda i: mesh.materials[i].gloss)
    corners = mesh.vertices[np.unique(mesh.faces[mesh.face_material == glass])]
    lowest_belt = min(y for d, y in hull.belt if hull.glass[0][0] <= d <= hull.glass[-1][1])
    assert corners[:, 1].min() > 0.85 * lowest_belt
    assert mesh.vertices[:, 1].min() == pytest.approx(0.0, abs=0.01)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(KeyError):
        vehicles.car(np.random.default_rng(0), PALETTE, kind="tank")  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        plants.tree(np.random.default_rng(0), PALETTE, kind="cactus")  # type: ignore[arg-type]


def test_spheres_tubes_and_boxes_have_their_volumes_and_outward_normals() -> None:
    builder = Builder()
    ellipsoids(builder, [(1.0, 2.0, 3.0)], (1.0, 2.0, 0.5), PLAIN, rings=24, sides=32)
    assert _area_weighted_volume(builder.build()) == pytest.approx(4 / 3 * np.pi, rel=0.03)
    builder = Builder()
    boxes(builder, [(0, 0, 0), (5, 5, 5)], [(1, 2, 3), (6, 6, 6)], PLAIN)
    assert _area_weighted_volume(builder.build()) == pytest.approx(7.0)
    builder = Builder()
    tubes(builder, [(0, 0, 0)], [(0, 3, 4)], 0.5, PLAIN, sides=64)
    mesh = builder.build()
    across = mesh.vertices - np.array([0, 0.6, 0.8]) * (mesh.vertices @ [0, 0.6, 0.8])[:, None]
    np.testing.assert_allclose(np.linalg.norm(across, axis=1), 0.5, atol=1e-9)
    np.testing.assert_allclose((mesh.normals * across).sum(axis=1), 0.5, atol=1e-9)


def test_a_sweep_is_a_closed_ring_about_its_path() -> None:
    builder = Builder()
    sweep(builder, [(0, 0, 0), (0, 1, 0), (0, 2, 0)], np.array([[0.2, 0.1]] * 3), PLAIN, sides=16)
    mesh = builder.build()
    assert np.abs(mesh.vertices[:, 0]).max() == pytest.approx(0.2)
    assert np.abs(mesh.vertices[:, 2]).max() == pytest.approx(0.1)
    rows = mesh.vertices.reshape(3, 17, 3)
    np.testing.assert_array_equal(rows[:, 0], rows[:, -1])


def test_creased_shades_a_gentle_bend_smoothly_and_a_sharp_one_not() -> None:
    for angle, smooth in ((20.0, True), (70.0, False)):
        turn = np.radians(angle)
        line = np.array([[-1.0, 0.0], [0.0, 0.0], [np.cos(turn), np.sin(turn)]])
        grid = np.array([[(x, y, z) for x, y in line] for z in (0.0, 1.0)])
        builder = Builder()
        creased(builder, grid, np.zeros((1, 2), int), [PLAIN])
        mesh = builder.build()
        seam = mesh.normals[np.abs(mesh.vertices[:, 0]) < 1e-9]
        same = np.ptp(seam, axis=0).max() < 1e-6
        assert same == smooth


def test_copies_scale_normals_by_the_inverse() -> None:
    builder = Builder()
    copies(builder, unit_sphere(8, 8), [(0, 0, 0)], (2.0, 1.0, 1.0), PLAIN)
    mesh = builder.build()
    gradient = mesh.vertices / np.array([4.0, 1.0, 1.0])
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    np.testing.assert_allclose(mesh.normals, gradient, atol=1e-6)


def test_a_limb_keeps_its_bones_lengths() -> None:
    root, tip = np.array([0.0, 1.0, 0.0]), np.array([0.1, 0.3, 0.2])
    joint = limb(root, tip, 0.43, 0.42, np.array([0.0, 0.0, 1.0]))
    assert np.linalg.norm(joint - root) == pytest.approx(0.43)
    assert np.linalg.norm(tip - joint) == pytest.approx(0.42)
    assert joint[2] > 0.1


def _area_weighted_volume(mesh: Mesh) -> float:
    """The enclosed volume by the divergence theorem, with the stored normals for directions."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    normal = mesh.normals[mesh.faces].mean(axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return float((area * ((a + b + c) / 3 * normal).sum(axis=1)).sum() / 3)
