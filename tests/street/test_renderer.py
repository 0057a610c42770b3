"""The renderer against a ray caster, and what must hold of any picture."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from depdis_training.street.appearance import Appearance
from depdis_training.street.mesh import Builder, Material, Mesh
from depdis_training.street.renderer import HOLES, PATTERNS, SKY_DEPTH_M, Camera, render

CAMERA = Camera(0.3, 1.5, -0.4, 0.21, -0.07, 0.04, 61.0, 64, 48)
ROAD = Material(0, (100.0, 100.0, 100.0))
QUIET = Appearance(noise_sigma=0.0, blur_sigma=0.0, sharpen=0.0, vignette=0.0)


def _soup(count: int, seed: int) -> Mesh:
    """Random triangles round the camera, many of them cut by the near plane."""
    rng = np.random.default_rng(seed)
    builder = Builder()
    for k in range(count):
        corners = rng.normal(0, 3, (1, 3)) * [1, 0.5, 3] + [0, 1, 5] + rng.normal(0, 3, (3, 3))
        builder.triangles(
            corners, [[0, 1, 2]], Material(k % 9, (90.0, 90.0, 90.0)), uv=corners[:, :2],
            normals=np.tile([0.0, 1.0, 0.0], (3, 1)),
        )  # fmt: skip
    return builder.build()


def _cast(mesh: Mesh, camera: Camera) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Depth and label at pixel centres: Möller and Trumbore's test of every ray with every triangle."""
    x = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal_px
    y = -(np.arange(camera.height) + 0.5 - camera.height / 2) / camera.focal_px
    rays = np.stack([*np.meshgrid(x, y), np.ones((camera.height, camera.width))], -1) @ camera.axes()
    depth = np.full(rays.shape[:2], np.inf)
    labels = np.full(rays.shape[:2], 9)
    for face, material in zip(mesh.faces, mesh.face_material, strict=True):
        a, b, c = mesh.vertices[face]
        p = np.cross(rays, c - a)
        determinant = p @ (b - a)
        q = np.cross(camera.position() - a, b - a)
        u = p @ (camera.position() - a) / determinant
        v = rays @ q / determinant
        t = (c - a) @ q / determinant
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0.1) & (t < depth)
        depth[hit] = t[hit]
        labels[hit] = mesh.materials[material].label
    return depth, labels


@pytest.mark.parametrize("seed", range(3))
def test_labels_and_depth_are_those_of_rays_through_pixel_centres(seed: int) -> None:
    mesh = _soup(25, seed)
    depth, labels = _cast(mesh, CAMERA)
    drawn = render(mesh, CAMERA, QUIET, 0, image=False)
    same = drawn.labels == labels
    assert same.mean() > 0.998  # vertices lie on a grid of 15 micrometres
    both = same & np.isfinite(depth)
    assert both.mean() > 0.3
    np.testing.assert_allclose(drawn.depth_m[both], depth[both], rtol=2e-3)
    assert (drawn.depth_m[drawn.labels == 9] == np.float32(SKY_DEPTH_M)).all()


def test_the_ground_is_where_the_pinhole_says() -> None:
    builder = Builder()
    builder.quad((-500, 0, -500), (500, 0, -500), (500, 0, 500), (-500, 0, 500), ROAD)
    camera = Camera(0, 1.6, 0, 0, 0, 0, 320.0, 64, 32)
    drawn = render(builder.build(), camera, QUIET, 0, image=False)
    assert (drawn.labels[:16] == 9).all()
    below = np.arange(16) + 0.5
    expected = np.broadcast_to(1.6 * 320 / below[:, None], (16, 64))
    near = expected < 499
    np.testing.assert_allclose(drawn.depth_m[16:][near], expected[near], rtol=1e-6)


def test_yaw_turns_right_pitch_looks_up_and_roll_lifts_the_right() -> None:
    builder = Builder()
    builder.box((4.5, 4.5, 9.5), (5.5, 5.5, 10.5), Material(12, (200.0, 0.0, 0.0)))
    mesh = builder.build()

    def centre(**turn: float) -> tuple[float, float]:
        camera = dataclasses.replace(Camera(0, 0, 0, 0, 0, 0, 30.0, 64, 64), **turn)
        rows, columns = np.nonzero(render(mesh, camera, QUIET, 0, image=False).labels == 12)
        return float(columns.mean()), float(rows.mean())

    column, row = centre()
    assert column > 40
    assert row < 24
    assert centre(yaw=0.3)[0] < column - 5
    assert centre(pitch=0.3)[1] > row + 5
    assert centre(roll=0.3)[0] > column + 2  # what was up moves to the right


def test_neighbouring_triangles_leave_no_crack_and_seams_do_not_depend_on_order() -> None:
    rng = np.random.default_rng(5)
    grid = np.stack([*np.meshgrid(np.arange(-9.0, 10), np.arange(-9.0, 10)), np.zeros((19, 19))], -1)
    grid[1:-1, 1:-1, :2] += rng.uniform(-0.3, 0.3, (17, 17, 2))
    first = (np.arange(18)[:, None] * 19 + np.arange(18)).ravel()[:, None]
    faces = np.concatenate([first + np.array([0, 1, 20]), first + np.array([0, 20, 19])])
    mesh = Builder()
    mesh.triangles(
        grid.reshape(-1, 3) + np.array([0, 0, 6]), rng.permutation(faces), ROAD, uv=grid.reshape(-1, 3)[:, :2],
        normals=np.tile([0.0, 0.0, -1.0], (361, 1)),
    )  # fmt: skip
    drawn = render(mesh.build(), Camera(0, 0, 0, 0, 0, 0, 90.0, 160, 160), QUIET, 0, image=False)
    assert (drawn.labels == 0).all()


def test_every_pattern_and_opening_draws_finite_and_changes_the_picture() -> None:
    pictures = {}
    camera = Camera(0, 1, -4, 0, 0, 0, 60.0, 64, 48)
    for pattern, holes in [(name, "") for name in PATTERNS] + [("plain", name) for name in HOLES[1:]]:
        builder = Builder()
        material = Material(
            2,
            (150.0, 110.0, 80.0),
            pattern,
            (230.0, 230.0, 90.0),
            scale=0.8,
            holes=holes,
            coverage=0.4,
            grain=0.0,
        )
        corners = np.array([(-3, -1, 0), (3, -1, 0), (3, 3, 0), (-3, 3, 0)], float)
        builder.triangles(
            corners, [[0, 1, 2], [0, 2, 3]], material, uv=corners[:, :2] - [0, 1], normals=[(0, 0, -1)] * 4
        )
        drawn = render(builder.build(), camera, QUIET, 0)
        assert drawn.image.std() > 1
        pictures[pattern, holes] = drawn.image.tobytes()
    assert len(set(pictures.values())) == len(pictures)


def test_fences_are_labelled_as_one_area_but_seen_through() -> None:
    builder = Builder()
    bars = Material(4, (10.0, 10.0, 10.0), holes="bars", scale=0.5, coverage=0.3)
    builder.quad((-3, 0, 2), (3, 0, 2), (3, 3, 2), (-3, 3, 2), bars)
    camera = Camera(0, 1, 0, 0, 0, 0, 60.0, 64, 48)
    drawn = render(builder.build(), camera, QUIET, 0)
    assert (drawn.labels == 4).mean() > 0.9
    bright = drawn.image.mean(-1) > 120  # the sky between the bars
    assert 0.4 < bright[drawn.labels == 4].mean() < 0.85


def test_walls_throw_shadows_away_from_the_sun() -> None:
    builder = Builder()
    builder.quad((-30, 0, -30), (30, 0, -30), (30, 0, 30), (-30, 0, 30), ROAD)
    builder.box((-1, 0, 9), (1, 3, 11), Material(2, (120.0, 120.0, 120.0)))
    camera = Camera(0, 5, -2, 0, -0.25, 0, 60.0, 96, 64)
    east = dataclasses.replace(
        QUIET, sun_azimuth=np.pi / 2, sun_elevation=0.6, sun_strength=4.0, cloud_cover=0.0
    )
    drawn = render(builder.build(), camera, east, 0)
    grey = np.where(drawn.labels == 0, drawn.image.mean(-1), np.nan)
    rows = np.nonzero((drawn.labels == 2).any(1))[0][-4:]  # the ground beside the box's foot
    assert np.nanmean(grey[rows, 30:40]) < 0.8 * np.nanmean(grey[rows, 56:66])


def test_equal_seeds_give_equal_bytes_and_the_seed_draws_only_noise() -> None:
    mesh = _soup(10, 4)
    noisy = dataclasses.replace(QUIET, noise_sigma=3.0, jpeg_quality=80)
    one, again, other = (render(mesh, CAMERA, noisy, seed) for seed in (1, 1, 2))
    assert one.image.tobytes() == again.image.tobytes()
    assert one.image.tobytes() != other.image.tobytes()
    assert one.labels.tobytes() == other.labels.tobytes()


def test_unknown_patterns_and_holes_name_those_that_exist() -> None:
    for material, word in (
        (Material(0, (1.0, 1.0, 1.0), "tartan"), "asphalt"),
        (Material(0, (1.0, 1.0, 1.0), holes="x"), "leaves"),
    ):
        builder = Builder()
        builder.box((0, 0, 0), (1, 1, 1), material)
        with pytest.raises(ValueError, match=word):
            render(builder.build(), CAMERA, QUIET, 0)
