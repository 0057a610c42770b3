"""Depth scaled by the road: an exact plane seen by a known camera, in a real model's depth and labels."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from calling import infer, lines
from numpy.typing import NDArray
from tiny_model import write_tiny_model

from depdis_deploy import Predictor
from depdis_deploy.camera_height import RULER, RoadScale
from depdis_deploy.command import UsageError
from depdis_deploy.preprocess import Geometry
from depdis_deploy.road_plane import RoadPlane, road_plane
from depdis_deploy.sources import Frame

SIZE = (512, 256)
FOCAL_PX = 300.0  # of the model's canonical camera
FOV = math.degrees(2 * math.atan(SIZE[0] / 2 / FOCAL_PX))
GRID = (33, 65)
WHOLE = Geometry(SIZE, SIZE, SIZE)


@pytest.fixture(scope="module")
def road_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red is road, and 2 m + a decimetre for each level of red is its depth (see tiny_model)."""
    path = tmp_path_factory.mktemp("model") / "road.onnx"
    return write_tiny_model(path, names=("road", "wall", "sky"), size=SIZE, canonical_focal_px=FOCAL_PX)


def street(height_m: float, *, horizon: float = 0.0) -> NDArray[np.uint8]:
    """A road whose depth the model sees as that of a camera at `height_m`; above it the sky.

    horizon: in pixels below the middle.
    """
    width, height = SIZE
    image = np.zeros((height, width, 3), np.uint8)
    below = np.arange(height) + 0.5 - height / 2 - horizon
    depth_m = height_m * FOCAL_PX / np.maximum(below, 1e-3)
    levels = np.rint(10 * (depth_m - 2))
    road = (below > 0) & (levels <= 255)
    assert levels[road].min() >= 1
    image[road, :, 0] = levels[road, None]
    image[~road, :, 2] = 200
    return image


def plane_maps(
    height_m: float, pitch_degrees: float, roll_degrees: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Labels (road 0) and exact depth of a plane on GRID for a camera turned so."""
    v, u = (np.linspace(0, size - 1, cells) for size, cells in zip(SIZE[::-1], GRID, strict=True))
    x = (u + 0.5 - SIZE[0] / 2)[None] / FOCAL_PX
    y = (v + 0.5 - SIZE[1] / 2)[:, None] / FOCAL_PX
    normal = np.array([math.tan(math.radians(roll_degrees)), 1.0, -math.tan(math.radians(pitch_degrees))])
    normal /= np.linalg.norm(normal)
    inverse = (normal[0] * x + normal[1] * y + normal[2]) / height_m
    seen = inverse > 1 / 60
    return np.where(seen, 0, 1).astype(np.uint8), np.where(seen, 1 / np.maximum(inverse, 1e-6), 655.35).astype(
        np.float32
    )


@pytest.mark.parametrize("height_m", [1.2, 4.0])
@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (-3.0, 0.0), (2.0, 1.5), (-6.0, -2.0)])
def test_an_exact_plane_is_found(height_m: float, pitch: float, roll: float) -> None:
    labels, depth_m = plane_maps(height_m, pitch, roll)
    plane = road_plane(labels, depth_m, 0, WHOLE, focal_px=FOCAL_PX, expected_m=1.5)
    assert plane is not None
    # it takes the camera for level until it sees more: a few hundredths of the angle
    assert plane.height_m == pytest.approx(height_m, rel=0.03)
    assert plane.pitch_degrees == pytest.approx(pitch, abs=0.5)
    assert plane.roll_degrees == pytest.approx(roll, abs=0.3)
    assert plane.uncertainty < 0.1


def test_a_fifth_of_wrong_depths_and_noise_do_not_move_it() -> None:
    labels, depth_m = plane_maps(1.5, -1.0, 0.0)
    rng = np.random.default_rng(0)
    noisy = depth_m * np.exp(rng.normal(0, 0.1, GRID)).astype(np.float32)
    noisy[rng.random(GRID) < 0.2] *= 0.3  # a car taken for road
    plane = road_plane(labels, noisy, 0, WHOLE, focal_px=FOCAL_PX, expected_m=1.5)
    assert plane is not None
    assert plane.height_m == pytest.approx(1.5, rel=0.06)


def test_padding_and_another_size_of_the_picture_change_nothing() -> None:
    """The same view in a picture of twice the size, in an input that is padded below."""
    geometry = Geometry((1024, 512), SIZE, (512, 288))
    labels, depth_m = plane_maps(1.5, 0.0, 0.0)
    tall = np.vstack([depth_m, np.full((4, 65), 3.0, np.float32)])  # what lies over the padding is nonsense
    plane = road_plane(
        np.vstack([labels, np.zeros((4, 65), np.uint8)]),
        tall,
        0,
        geometry,
        focal_px=2 * FOCAL_PX,
        expected_m=1.5,
    )
    assert plane is not None
    assert plane.height_m == pytest.approx(1.5, rel=0.05)


def test_fits_the_road_of_a_video_whose_pixels_are_not_square() -> None:
    geometry = Geometry((256, 256), SIZE, SIZE, aspect=2.0)  # the same view, in pixels of twice the width
    labels, depth_m = plane_maps(1.5, 0.0, 0.0)
    plane = road_plane(labels, depth_m, 0, geometry, focal_px=FOCAL_PX / 2, expected_m=1.5)
    assert plane is not None
    assert plane.height_m == pytest.approx(1.5, rel=0.05)


def test_too_little_road_is_none() -> None:
    labels, depth_m = plane_maps(1.5, 0.0, 0.0)
    labels[:, 2:] = 1
    assert road_plane(labels, depth_m, 0, WHOLE, focal_px=FOCAL_PX, expected_m=1.5) is None


@pytest.mark.parametrize("fov", [None, FOV, 40.0])
def test_a_pictures_depth_becomes_that_of_the_given_height(road_model: Path, fov: float | None) -> None:
    """The road seen at half its height doubles depth, whatever lens is given: the road cannot tell that."""
    image = street(1.5)
    without = Predictor(road_model, camera_fov=fov)(image)
    scaled = Predictor(road_model, camera_fov=fov, camera_height=3.0)(image)
    assert scaled.camera is not None
    height = scaled.camera.height
    assert height is not None
    assert height.source == "road"
    assert height.seen_m == pytest.approx(1.5, rel=0.05)
    full = math.log(3.0 / height.seen_m)
    assert math.log(height.scale) == pytest.approx(full - RULER**2 / full)
    assert np.allclose(scaled.maps["depth"], without.maps["depth"] * np.float32(height.scale))
    assert scaled.record()["camera"]["height"]["scale"] == pytest.approx(height.scale, abs=1e-4)
    assert without.record()["camera"]["height"] is None


def test_what_the_ruler_cannot_tell_changes_nothing(road_model: Path) -> None:
    found = Predictor(road_model, camera_height=1.6)(street(1.5))
    assert found.camera is not None
    assert found.camera.height is not None
    assert (found.camera.height.source, found.camera.height.scale) == ("road", 1.0)


def test_a_picture_without_road_says_that_no_scale_was_found(road_model: Path) -> None:
    wall = np.full((*SIZE[::-1], 3), (0, 90, 10), np.uint8)
    found = Predictor(road_model, camera_height=3.0)(wall)
    assert found.camera is not None
    assert found.camera.height is not None
    assert (found.camera.height.source, found.camera.height.scale) == (None, 1.0)
    assert found.record()["camera"]["height"]["seen_m"] is None
    assert found.depth == pytest.approx(2.0)


def test_a_film_keeps_the_last_scale_and_begins_anew_with_another(road_model: Path) -> None:
    predictor = Predictor(road_model, camera_height=3.0)
    film = predictor.film()
    wall = np.full((*SIZE[::-1], 3), (0, 90, 10), np.uint8)
    frames = [
        Frame(street(1.5), "a.mp4", 0, 0.0), Frame(wall, "a.mp4", 1, 0.04),
        Frame(street(1.5), "a.mp4", 2, 0.08), Frame(wall, "b.mp4", 0, 0.0),
    ]  # fmt: skip
    heights = []
    for prediction in predictor.predict(frames, settled=False):
        film.settle(prediction)
        assert prediction.camera is not None
        assert prediction.camera.height is not None
        heights.append(prediction.camera.height)
    assert [height.source for height in heights] == ["road", "earlier frames", "road", None]
    assert heights[1].scale == heights[0].scale > 1.5
    assert heights[3].scale == 1.0


def test_the_mean_forgets_in_seconds_and_weighs_by_certainty() -> None:
    scale = RoadScale(2.0)
    scale._add(RoadPlane(1.0, 0, 0, 0.02), 0.0)
    scale._add(RoadPlane(4.0, 0, 0, 0.25), 0.04)  # unsure: counts a quarter
    assert 0.2 < scale._shrunk() < math.log(2)
    for tenth in range(100):
        scale._add(RoadPlane(4.0, 0, 0, 0.02), 0.1 * tenth)
    full = math.log(0.5)
    assert scale._shrunk() == pytest.approx(full - RULER**2 / full, abs=0.02)


def test_wrong_heights_and_models(road_model: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="to 50 metres"):
        Predictor(road_model, camera_height=0)
    with pytest.raises(UsageError, match="no class road"):
        Predictor(model, camera_height=1.5)
    flat = write_tiny_model(tmp_path / "flat.onnx", names=("road", "wall", "sky"), outputs=("labels",))
    with pytest.raises(UsageError, match="no depth output"):
        Predictor(flat, camera_height=1.5)
    metric = write_tiny_model(tmp_path / "m.onnx", names=("road", "wall", "sky"), canonical_focal_px=None)
    with pytest.raises(UsageError, match="one camera's metres"):
        Predictor(metric, camera_height=1.5)


def test_the_command_scales_and_says_so(
    road_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cv2.imwrite(str(tmp_path / "a.png"), street(1.5)[..., ::-1])
    assert cv2.imwrite(str(tmp_path / "b.png"), np.full((*SIZE[::-1], 3), (10, 90, 0), np.uint8))
    result = infer(
        capfd, monkeypatch, "--model", road_model, "--camera-height", "3", "a.png", "b.png", "--outdir", "out"
    )
    assert result.status == 0
    assert "the road seen in 1 of 2; in 1 no scale was found" in result.err
    assert f"sees {FOV:.0f} degrees" in result.err
    (found,) = lines(tmp_path / "out/a.ndjson")
    assert found["camera"]["height"]["source"] == "road"
    assert found["classes"]["road"]["median_depth_m"] > 5
    wrong = infer(capfd, monkeypatch, "--model", road_model, "--camera-height", "0", "a.png")
    assert wrong.status == 2
    assert "0.2 to 50 metres" in wrong.errors[0]
