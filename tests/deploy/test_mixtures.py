"""A manifest's mixtures evaluated without torch, against the training's own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from depdis_deploy import Predictor
from depdis_deploy.command import UsageError
from depdis_deploy.mixtures import class_density
from depdis_training.depth_distribution import DepthDistribution


@pytest.fixture(scope="module")
def manifest():
    return Predictor(device="cpu", threads=1).manifest


@pytest.mark.parametrize("name", ["road", "car", "sky"])
@pytest.mark.parametrize("depth_m", [3.0, 20.0, 655.35])
def test_it_is_the_training_s_density(manifest, name, depth_m):
    distribution = DepthDistribution.from_dict(manifest.density)
    rows, columns = manifest.density["grid"]
    labels = torch.full((1, rows, columns), manifest.taxonomy.index(name))
    inverse = torch.full((1, rows, columns), 65536 / (100 * depth_m + 1))
    wanted = distribution.density(labels, inverse)[0].numpy() / 255
    found = class_density(manifest, name, depth_m, (columns, rows))
    assert found.dtype == np.float32
    assert np.abs(found - wanted).max() < 1e-4


def test_a_map_of_another_size_has_the_same_corners(manifest):
    rows, columns = manifest.density["grid"]
    one = class_density(manifest, "building", 15.0, (columns, rows))
    other = class_density(manifest, "building", 15.0, (3 * columns, 2 * rows))
    assert other.shape == (2 * rows, 3 * columns)
    for place in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert one[place] == pytest.approx(other[place], abs=1e-6)


def test_what_cannot_be_asked_is_said(manifest):
    for name, depth_m, message in (("tram", 9.0, "no class 'tram'"), ("car", 0.0, "above 0 metres")):
        with pytest.raises(UsageError, match=message):
            class_density(manifest, name, depth_m, (4, 4))
    with pytest.raises(UsageError, match="does not say its mixtures"):
        class_density(replace(manifest, density=None), "car", 9.0, (4, 4))


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": []}, {"means": [[1.0]] * 16}, {"variances": None}, {"grid": [1]}, {"grid": "ab"},
        {"scale": "much"}, {"variance_floor": []}, {"weights": [["x"] * 5] * 16}, {"means": {}},
        {"weights": [[0.2] * 4 + [float("nan")]] * 16}, {"weights": [[-1.0] * 5] * 16},
        {"variances": [[[0.0] * 3] * 5] * 16}, {"means": [[[float("inf")] * 3] * 5] * 16},
        {"grid": [10**9, 10**9]}, {"grid": [-1, 4]}, {"scale": float("inf")},
        {
            "weights": [[0.1] * 300] * 16, "means": [[[1.0] * 3] * 300] * 16,
            "variances": [[[1.0] * 3] * 300] * 16,
        },
    ],
)  # fmt: skip
def test_mixtures_that_make_no_sense_are_refused(manifest, wrong):
    with pytest.raises(UsageError, match="malformed"):
        class_density(replace(manifest, density={**manifest.density, **wrong}), "car", 9.0, (4, 4))
