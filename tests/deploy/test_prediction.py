from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import COLOURS

from depdis_deploy import Predictor
from depdis_deploy.class_statistics import class_statistics
from depdis_deploy.command import UsageError
from depdis_deploy.sources import Frame


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (30, 50, 3), dtype=np.uint8)


def test_statistics_are_numpys(picture: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    labels = rng.choice(np.array([0, 1, 3], np.uint8), (40, 80), p=[0.7, 0.298, 0.002])
    depth_m = rng.uniform(0, 655.35, (40, 80)).astype(np.float32)
    found = class_statistics(labels, depth_m, 4, 655.35)
    for index, statistics in enumerate(found):
        mask = labels == index
        assert statistics.share == pytest.approx(mask.mean())
        if mask.any():
            assert statistics.median_depth_m == pytest.approx(np.median(depth_m[mask]), abs=1e-3)
            assert statistics.nearest_depth_m == pytest.approx(np.percentile(depth_m[mask], 5), abs=1e-3)
        else:
            assert statistics.median_depth_m is None


def test_statistics_of_a_coarser_depth_grid() -> None:
    labels = np.repeat(np.array([[0, 1]], np.uint8), 32, axis=1).repeat(32, axis=0)
    depth_m = np.repeat(np.array([[5.0, 60.0]], np.float32), 4, axis=1).repeat(4, axis=0)
    near, far = class_statistics(labels, depth_m, 2, 100.0)
    assert near.median_depth_m == pytest.approx(5, abs=1e-3)
    assert far.nearest_depth_m == pytest.approx(60, abs=1e-3)


def test_padding_counts_for_nothing(model: Path) -> None:
    """A 64 x 30 picture is padded to 64 x 32 by repeating its last row."""
    picture = np.zeros((25, 64, 3), np.uint8)
    picture[:-1, :, 0] = 200
    picture[-1, :, 2] = 200
    prediction = Predictor(model)(picture)
    assert prediction.geometry.content != prediction.geometry.input
    shares = [found.share for found in prediction.statistics]
    assert shares == pytest.approx([24 / 25, 0, 1 / 25], abs=0.03)


def test_json_is_one_line_and_says_the_units(model: Path, picture: np.ndarray) -> None:
    line = Predictor(model)(Frame(picture, "drive.mp4", 12, 0.5)).to_json()
    assert "\n" not in line
    record = json.loads(line)
    assert (record["source"], record["frame"], record["time_s"]) == ("drive.mp4", 12, 0.5)
    assert (record["width"], record["height"]) == (50, 30)
    assert list(record["classes"]) == list(COLOURS.names)
    assert sum(found["share"] for found in record["classes"].values()) == pytest.approx(1, abs=1e-3)
    for found in record["classes"].values():
        assert 2 <= found["nearest_depth_m"] <= found["median_depth_m"] <= 27.5
    assert record["units"]["depth"] == "m"
    assert record["units"]["depth_png"] == "cm"
    assert record["camera"]["assumed"] is True
    assert set(record["speed"]) == {"preprocess", "inference", "postprocess"}


def test_a_name_that_is_no_utf8_stays_readable_json(model: Path, picture: np.ndarray, tmp_path: Path) -> None:
    path = os.fsdecode(b"street\xff.png")
    prediction = Predictor(model)(Frame(picture, path))
    (written,) = prediction.save_as(tmp_path, "a", {"json"})
    assert json.loads(written.read_text("utf-8"))["source"] == path


def test_everything_saved_is_what_was_predicted(model: Path, picture: np.ndarray, tmp_path: Path) -> None:
    prediction = Predictor(model)(picture)
    kinds = ("overlay", "labels", "depth", "density", "confidence", "npz", "json")
    names = sorted(path.name for path in prediction.save(tmp_path / "new", kinds))
    assert names == sorted(path.name for path in (tmp_path / "new").iterdir())
    assert "picture_labels.png" in names
    assert "picture.ndjson" in names
    with Image.open(tmp_path / "new/picture_labels.png") as file:
        assert (np.asarray(file) == prediction.labels).all()
    with Image.open(tmp_path / "new/picture_depth.png") as file:
        assert np.abs(np.asarray(file) / 100 - prediction.depth).max() <= 0.0051
    with np.load(tmp_path / "new/picture.npz") as arrays:
        assert set(arrays) == {"labels", "depth", "density", "confidence", "names"}
        assert (arrays["depth"] == prediction.depth).all()
        assert tuple(arrays["names"]) == COLOURS.names
    with Image.open(tmp_path / "new/picture_overlay.png") as file:
        assert (np.asarray(file) == prediction.plot()).all()


def test_a_frames_files_are_numbered(model: Path, picture: np.ndarray, tmp_path: Path) -> None:
    prediction = Predictor(model)(Frame(picture, "x/drive.mp4", 41, 1.0))
    paths = prediction.save_frame(tmp_path, "drive", {"labels", "npz"})
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "drive_labels/000041.png", "drive_npz/000041.npz",
    ]  # fmt: skip
    assert [path.name for path in prediction.save(tmp_path)] == [
        "drive_000041_overlay.png", "drive_000041.ndjson",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="expected one of"):
        prediction.save(tmp_path, ["pdf"])
