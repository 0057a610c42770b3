"""Scenes: drawn from their arguments alone, all classes, depth that agrees with the ground's geometry."""

from __future__ import annotations

import numpy as np
import pytest

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.street import drive, picture
from depdis_training.street.course import Course
from depdis_training.street.mesh import Builder, Material
from depdis_training.street.palette import SOURCE, TARGET, palette_for
from depdis_training.street.renderer import render
from depdis_training.street.scene import make_scene
from depdis_training.street.surfaces import box, quads

SIZE = (160, 96)
ROAD, SKY = CITYSCAPES_16.index("road"), CITYSCAPES_16.index("sky")


def test_a_picture_depends_on_its_arguments_alone() -> None:
    first = picture("random", 3, 5, SIZE)
    picture("source", 3, 6, SIZE)
    again = picture("random", 3, 5, SIZE)
    other = picture("random", 3, 6, SIZE)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(first.depth_m, again.depth_m)
    assert not np.array_equal(first.labels, other.labels)


def test_every_class_shows_and_no_other_label() -> None:
    seen = np.zeros(256, int)
    for index in range(30):
        scene = make_scene("random", 11, index, SIZE)
        drawn = render(scene.mesh, scene.camera, scene.appearance, 0, supersample=1, image=False)
        seen += np.bincount(drawn.labels.ravel(), minlength=256)
    assert not seen[len(CITYSCAPES_16) :].any()
    missing = [name for name, count in zip(CITYSCAPES_16.names, seen, strict=False) if count == 0]
    assert not missing


@pytest.mark.parametrize("domain", ["source", "target"])
def test_road_pixels_lie_on_the_road_plane(domain: str) -> None:
    """For a level road the depth is the camera's height over the ray's fall (pinhole geometry, no renderer)."""
    checked = 0
    for index in range(12):
        scene = make_scene(domain, 2, index, SIZE)  # type: ignore[arg-type]
        if scene.layout.course.climb != 0.0:
            continue
        drawn = render(scene.mesh, scene.camera, scene.appearance, 0, supersample=1, image=False)
        camera, (width, height) = scene.camera, SIZE
        rows = np.arange(height - 20, height)
        fall = (rows + 0.5 - height / 2) / camera.focal_px * np.cos(camera.pitch) - np.sin(camera.pitch)
        expected = camera.y / fall
        near = slice(height - 20, height), width // 2
        road = drawn.labels[near] == ROAD
        # Car parks and paint are road too, up to a kerb's height over the plane.
        low = (camera.y - 0.14) / camera.y
        measured = drawn.depth_m[near][road]
        assert np.all(measured < expected[road] * 1.02)
        assert np.all(measured > expected[road] * low * 0.98)
        checked += int(road.sum())
    assert checked > 60


def test_sky_is_far_and_everything_else_in_reach() -> None:
    drawn = picture("random", 1, 2, SIZE)
    sky = drawn.labels == SKY
    assert np.all(drawn.depth_m[sky] == np.float32(655.35))
    assert np.all((drawn.depth_m[~sky] > 0.05) & (drawn.depth_m[~sky] < 600))


def test_a_drive_moves_forward_and_repeats() -> None:
    frames = list(drive("source", 4, 3, SIZE, 5.0, supersample=1))
    assert len(frames) == 3
    assert not np.array_equal(frames[0].image, frames[2].image)
    again = list(drive("source", 4, 3, SIZE, 5.0, supersample=1))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, again, strict=True))
    assert all(frame.focal_px == frames[0].focal_px for frame in frames)


def test_a_drive_refuses_a_rate_of_zero() -> None:
    with pytest.raises(ValueError, match="positive frame rate"):
        next(drive("source", 4, 3, SIZE, 0.0))


def test_an_unknown_domain_is_named() -> None:
    with pytest.raises(ValueError, match="source, target, random or near, got 'night'"):
        make_scene("night", 0, 0, SIZE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got 'night'"):
        palette_for("night", np.random.default_rng(0))  # type: ignore[arg-type]


def test_source_and_target_share_part_of_their_colours() -> None:
    for kind in ("road", "pavement", "building", "foliage", "fence"):
        source, target = set(getattr(SOURCE, kind)), set(getattr(TARGET, kind))
        assert source & target, kind
        assert target - source, kind


def test_a_course_bends_and_climbs_smoothly() -> None:
    course = Course(bend_start=10.0, curvature=0.01, slope_limit=0.3, climb_start=5.0, climb=0.05)
    z = np.linspace(-20.0, 200.0, 2201)
    points = course.points(np.stack([0 * z, 0 * z, z], 1))
    slope = np.gradient(points[:, 0], z)
    assert np.allclose(slope, [course.slope(float(at)) for at in z], atol=2e-3)
    assert slope.max() == pytest.approx(0.3, abs=1e-6)
    assert np.all(points[z <= 5, 1] == 0)
    assert np.all(np.abs(np.diff(points[:, 1], 2)) < 1e-4)
    for at, (x, y, _) in zip(z[::100], points[::100], strict=True):
        assert (course.offset(float(at)), course.height(float(at))) == pytest.approx((x, y), abs=1e-12)


def test_many_quads_at_once_equal_the_builders_own() -> None:
    material = Material(0, (1.0, 2.0, 3.0))
    corners = [(0.0, 0.0, 1.0), (2.0, 0.0, 1.0), (2.0, 3.0, 1.5), (0.0, 3.0, 1.5)]
    one, many = Builder(), Builder()
    one.quad(*corners, material)  # type: ignore[arg-type]
    quads(many, [corners], material)
    for part in ("vertices", "normals", "uv", "faces"):
        assert np.allclose(getattr(one.build(), part), getattr(many.build(), part)), part


def test_a_box_encloses_its_volume() -> None:
    builder = Builder()
    box(builder, (-1.0, 0.0, 2.0), (2.0, 1.5, 4.0), Material(0, (1.0, 2.0, 3.0)), bottom=True)
    mesh = builder.build()
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert area == pytest.approx(2 * (3 * 1.5 + 3 * 2 + 1.5 * 2))
    assert np.allclose(np.abs(mesh.normals).sum(axis=1), 1.0)
