"""Refined labels against a plain flood fill and a plain OpenCV version; sizes against the published ones."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from plain_refine import Labels, class_by_class, flood_fill

from depdis_training.spatial_prior import minimum_sizes, refine, scaled_sizes
from depdis_training.street.renderer import render
from depdis_training.street.scene import make_scene

# Published with the paper for Cityscapes' 16 classes, and the source's class frequencies that follow from the
# released class weights.
SIZES_16 = [3165, 3311, 5000, 89, 89, 219, 50, 61, 1788, 1202, 762, 123, 730, 302, 78, 81]
FREQUENCIES_16 = [
    0.191131498, 0.199680511, 0.303398058, 0.002786819, 0.002770636, 0.010755464, 0.000401560, 0.001049926,
    0.106655290, 0.070861678, 0.043921293, 0.004855878, 0.042002688, 0.015802781, 0.002143053, 0.002267533,
]  # fmt: skip
SIZES_7 = [1000, 772, 100, 316, 234, 173, 173]
FREQUENCIES_7 = [0.409332788, 0.309214595, 0.012340804, 0.107816712, 0.071679450, 0.044420753, 0.044754744]


def random_maps(count: int) -> Iterator[tuple[Labels, NDArray[np.int64]]]:
    """From dust to large blots, any height and width, with and without unlabelled pixels."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        height, width, classes = (int(value) for value in rng.integers(1, [40, 40, 17]))
        labels = rng.integers(0, classes, (height, width)).astype(np.uint8)
        grain = int(rng.integers(1, 5))
        labels = np.kron(labels, np.ones((grain, grain), np.uint8))[:height, :width]
        labels[rng.random(labels.shape) < rng.choice([0, 0.1, 0.6])] = 255
        yield labels, rng.integers(0, 25, classes)


def street_maps(count: int) -> Iterator[tuple[Labels, NDArray[np.int64]]]:
    """Labels of generated streets with frayed edges, stray dots and unsure patches, as a network's are."""
    scenes = []
    for index in range(4):
        scene = make_scene("target", 3, index, (192, 96))
        scenes.append(render(scene.mesh, scene.camera, scene.appearance, index, image=False).labels)
    for seed in range(count):
        rng = np.random.default_rng([1, seed])
        top, left = rng.integers(0, [32, 64])
        labels = scenes[seed % len(scenes)][top : top + 64, left : left + 128]
        y, x = np.mgrid[:64, :128] + np.rint(rng.normal(0, 1.2, (2, 64, 128))).astype(int)
        labels = labels[np.clip(y, 0, 63), np.clip(x, 0, 127)]
        unsure = cv2.resize(rng.random((8, 16)), (128, 64), interpolation=cv2.INTER_CUBIC)
        labels[unsure > rng.uniform(0.5, 1)] = 255
        yield labels, scaled_sizes(SIZES_16, (192, 96))


def test_random_maps_agree_with_both_plain_versions() -> None:
    for labels, least in random_maps(250):
        found = refine(labels, least)
        np.testing.assert_array_equal(found, flood_fill(labels, least))
        np.testing.assert_array_equal(found, class_by_class(labels, least))


def test_streets_agree_with_both_plain_versions() -> None:
    changed = kept = 0
    for number, (labels, least) in enumerate(street_maps(120)):
        before = labels.copy()
        found = refine(labels, least)
        np.testing.assert_array_equal(labels, before)  # the argument stays as it was
        np.testing.assert_array_equal(found, class_by_class(labels, least))
        if number % 4 == 0:
            np.testing.assert_array_equal(found, flood_fill(labels, least))
        changed += int((found != labels).sum())
        kept += int((found != 255).sum())
    assert changed > 10_000
    assert kept > 100_000


def test_a_piece_exactly_as_large_as_asked_stays() -> None:
    labels = np.full((6, 9), 255, np.uint8)
    labels[1:3, 1:4] = 1  # 6 pixels
    labels[1:3, 6:8] = 0  # 4 pixels
    np.testing.assert_array_equal(refine(labels, [4, 6]), labels)
    assert (refine(labels, [4, 7]) == 1).sum() == 0
    assert (refine(labels, [4, 7]) == 0).sum() == 4
    assert (refine(labels, [4.5, 6])[1:3, 6:8] == 255).all()


def test_diagonal_neighbours_are_of_one_piece_and_other_classes_are_not() -> None:
    labels = np.full((5, 5), 1, np.uint8)
    labels[np.arange(5), np.arange(5)] = 0
    np.testing.assert_array_equal(refine(labels, [5, 20]), labels)  # both sides meet across the diagonal
    assert (refine(labels, [6, 20]) == np.where(labels == 0, 255, 1)).all()


def test_a_row_ends_where_it_ends() -> None:
    labels = np.full((2, 6), 255, np.uint8)
    labels[0, 4:] = labels[1, :2] = 3  # neighbours in memory only
    assert (refine(labels, [1, 1, 1, 3]) == 255).all()


def test_unlabelled_stays_unlabelled_and_empty_maps_pass() -> None:
    assert (refine(np.full((3, 4), 255, np.uint8), [1, 1]) == 255).all()
    assert refine(np.zeros((0, 4), np.uint8), [1]).shape == (0, 4)


@pytest.mark.parametrize(
    ("labels", "least", "message"),
    [
        (np.zeros((2, 2), np.int64), [1], "uint8"),
        (np.zeros((1, 2, 2), np.uint8), [1], r"\(H, W\)"),
        (np.full((2, 2), 3, np.uint8), [1, 1, 1], "0..2 .* got 3"),
        (np.zeros((2, 2), np.uint8), [[1]], "one number a class"),
        (np.zeros((2, 2), np.uint8), [np.nan], "one number a class"),
    ],
)
def test_input_that_does_not_fit(labels: NDArray[np.uint8], least: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refine(labels, least)


@pytest.mark.parametrize(
    ("frequencies", "base", "span", "published"),
    [(FREQUENCIES_16, 50, 4950, SIZES_16), (FREQUENCIES_7, 100, 900, SIZES_7)],
)
def test_sizes_agree_with_the_published_ones(
    frequencies: list[float], base: float, span: float, published: list[int]
) -> None:
    found = minimum_sizes(np.array(frequencies) * 1e9, base, span)
    assert found.dtype == np.int64
    allowed = np.maximum(1, 0.002 * np.array(published))
    assert (np.abs(found - published) <= allowed).all()
    assert found.min() == base
    assert found.max() == base + span


def test_sizes_of_special_counts() -> None:
    assert minimum_sizes([7, 7, 7]).tolist() == [50, 50, 50]
    assert minimum_sizes([0, 10, 5], base=10, span=90).tolist() == [10, 100, 55]
    for counts in ([], [[1, 2]], [1, -1], [1, np.nan]):
        with pytest.raises(ValueError, match="pixel counts"):
            minimum_sizes(counts)


def test_sizes_follow_the_pictures_area() -> None:
    assert scaled_sizes([3165, 50], (640, 380)).tolist() == [791, 12]
    assert scaled_sizes(SIZES_16, (1280, 760)).tolist() == SIZES_16
    assert scaled_sizes([10], (32, 16)).tolist() == [1]
