from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_model import COLOURS

from depdis_deploy import Predictor
from depdis_deploy.colours import depth_levels, depth_position
from depdis_deploy.command import UsageError
from depdis_deploy.legends import bar_legend, class_legend, title
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_deploy.visualize import density_colours, depth_colours, label_colours, overlay


def test_an_overlay_is_half_picture_half_palette() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (21, 33, 3), dtype=np.uint8)
    labels = rng.integers(0, 16, (21, 33), dtype=np.uint8)
    labels[:4] = 255
    palette = np.array(CITYSCAPES_16.palette)
    found = overlay(image, labels, CITYSCAPES_16.palette, 0.25)
    expected = 0.75 * image[4:] + 0.25 * palette[labels[4:]]
    assert np.abs(found[4:] - expected).max() <= 1
    assert (found[:4] == image[:4]).all()
    assert (label_colours(labels, CITYSCAPES_16.palette)[:4] == 0).all()


def test_depth_colours_have_a_fixed_logarithmic_range() -> None:
    depth_m = np.array([[0.0, 2.0, 12.7, 80.0, 655.35]], np.float32)
    assert depth_levels(depth_m).tolist() == [[0, 0, 128, 255, 255]]
    assert depth_position(160**0.5) == pytest.approx(0.5, abs=1e-3)
    alone = depth_colours(depth_m[:, 2:3])
    assert (alone[0, 0] == depth_colours(depth_m)[0, 2]).all()
    near, far = (depth_colours(np.full((1, 1), value, np.float32))[0, 0].astype(int) for value in (3, 70))
    assert near[0] > near[2]  # warm
    assert far[2] > far[0]  # cold


def test_density_colours_brighten() -> None:
    colours = density_colours(np.array([[0, 0.5, 1]], np.float32)).astype(int).sum(axis=2)[0]
    assert colours[0] < colours[1] < colours[2]


@pytest.mark.parametrize("size", [(1, 1), (15, 9), (101, 67), (147, 99), (321, 203), (640, 320), (200, 700)])
def test_panels_of_any_size(model: Path, size: tuple[int, int]) -> None:
    width, height = size
    picture = np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = picture.copy()
    prediction = Predictor(model)(picture)
    assert prediction.plot().shape == (height, width, 3)
    assert prediction.plot("side-by-side").shape == (height, 2 * width, 3)
    assert prediction.plot("quad").shape == (2 * height, 2 * width, 3)
    assert (picture == before).all()
    assert (prediction.plot("quad") == prediction.plot("quad")).all()


def test_the_quads_parts_are_where_they_belong(model: Path) -> None:
    picture = np.zeros((320, 640, 3), np.uint8)
    picture[..., 0] = 200  # all red: class 0, 22 m
    prediction = Predictor(model)(picture)
    quad = prediction.plot("quad")
    assert tuple(quad[160, 960]) == COLOURS.palette[0]
    assert (quad[160, 320] == prediction.plot()[160, 320]).all()
    assert (quad[480, 320] == depth_colours(np.full((1, 1), 22, np.float32))[0, 0]).all()
    assert (quad[480, 960] == density_colours(np.zeros((1, 1), np.float32))[0, 0]).all()


def test_an_unknown_panel_is_refused(model: Path) -> None:
    with pytest.raises(UsageError, match="quad"):
        Predictor(model)(np.zeros((8, 8, 3), np.uint8)).plot("cinema")


@pytest.mark.parametrize("width", [144, 333, 640, 1920])
def test_legends_stay_within_their_tile(width: int) -> None:
    height = width // 2 + 40
    everything = tuple(range(16))
    for patch in (
        title("Depth", width, height), bar_legend("depth", width, height), bar_legend("density", width, height),
        class_legend(CITYSCAPES_16, everything, width, height),
    ):  # fmt: skip
        assert patch is not None
        assert patch.adds.shape == patch.passes.shape
        assert patch.adds.shape[1] <= width
        assert patch.adds.shape[0] <= 0.5 * height
    assert title("Depth", 60, 40) is None


def test_a_class_legend_shows_the_colours_of_those_present() -> None:
    patch = class_legend(CITYSCAPES_16, (0, 12), 640, 320)
    assert patch is not None
    shown = {tuple(colour) for colour in patch.adds.reshape(-1, 3).tolist()}
    assert CITYSCAPES_16.palette[0] in shown
    assert CITYSCAPES_16.palette[12] in shown
    assert CITYSCAPES_16.palette[9] not in shown
