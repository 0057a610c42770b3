"""Boundary IoU, calibration, bootstrap and flips, each against another computation of the same."""

import cv2
import numpy as np
import pytest
from scipy import stats

from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_7, CITYSCAPES_16, CLASSES_13, IGNORE, Taxonomy
from depdis_training.bootstrap import Replicates, counts, interval
from depdis_training.boundary import BoundaryCounts
from depdis_training.calibration import Calibration
from depdis_training.evaluation import class_iou, mean_iou
from depdis_training.flips import Flips
from depdis_training.label_figures import class_accuracy, class_view, label_figures

TWO_CLASSES = Taxonomy(("one", "other"), ((0, 0, 0), (9, 9, 9)))


def _regions(rng, classes, shape):
    """A map of blobs, and another that is like it in most places."""
    scores = np.stack(
        [cv2.GaussianBlur(rng.random(shape).astype(np.float32), (0, 0), 3) for _ in range(classes)]
    )
    truth = scores.argmax(axis=0).astype(np.uint8)
    moved = np.roll(truth, 2, axis=1)
    moved[: shape[0] // 3] = truth[: shape[0] // 3]
    return moved, truth


def _eroded(mask, distance):
    """A mask's border as its definition has it: the mask without what erosions of a padded copy leave."""
    padded = np.pad(mask.astype(np.uint8), 1)
    left = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]
    return mask & (left == 0)


def test_boundary_iou_equals_erosions_class_by_class():
    rng = np.random.default_rng(0)
    counted = BoundaryCounts(5, ratio=0.04)
    both, either = np.zeros(5), np.zeros(5)
    for shape in ((40, 60), (33, 21)):
        prediction, truth = _regions(rng, 4, shape)
        truth[rng.random(shape) < 0.02] = IGNORE
        counted.add(prediction, truth)
        distance = max(1, round(0.04 * float(np.hypot(*shape))))
        for label in range(5):
            known = truth != IGNORE
            one, other = (_eroded((labels == label) & known, distance) for labels in (truth, prediction))
            both[label] += (one & other).sum()
            either[label] += (one | other).sum()
    assert 0 < both[:4].min() < either[:4].min()
    np.testing.assert_allclose(counted.iou()[:4], both[:4] / either[:4])
    assert np.isnan(counted.iou()[4])


def test_what_equals_the_truth_meets_every_border_beside_the_unlabelled_too():
    prediction, truth = _regions(np.random.default_rng(3), 4, (40, 60))
    truth[25:] = IGNORE
    counted = BoundaryCounts(4)
    counted.add(np.where(truth == IGNORE, prediction, truth), truth)
    np.testing.assert_array_equal(counted.iou(), np.ones(4))


def test_the_calibration_error_equals_a_loop_over_the_bins():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.05, 1, 5000).astype(np.float32)
    confidence[:3] = 1.0
    correct = rng.random(5000) < confidence**1.5
    calibration = Calibration(15)
    for part in np.split(np.arange(5000), [100, 2300]):
        calibration.add(confidence[part], correct[part])
    expected = 0.0
    for low in range(15):
        inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].astype(float).mean())
    assert calibration.error() == pytest.approx(expected, rel=1e-6)
    assert 0.05 < calibration.error() < 0.3
    bins = calibration.plain()
    assert sum(one["pixels"] for one in bins) == 5000
    assert bins[-1]["to"] == 1


def test_a_model_that_is_right_as_often_as_it_says_has_no_error():
    calibration = Calibration(10)
    calibration.add(np.full(1000, 0.75, np.float32), np.arange(1000) < 750)
    assert calibration.error() == pytest.approx(0, abs=1e-6)
    assert np.isnan(Calibration().error())


def _pictures(rng, number):
    """Confusion matrices of two classes of pictures of uneven difficulty."""
    return [
        np.array([[hits := rng.integers(50, 100), 100 - hits], [miss := rng.integers(0, 40), 60 - miss]])
        for _ in range(number)
    ]


def test_the_interval_is_that_of_a_bootstrap_of_fixed_length():
    """scipy draws as many pictures as there are, and takes the mean IoU of their summed counts."""
    pictures = np.array(_pictures(np.random.default_rng(2), 60))
    replicates = Replicates((2, 2))
    for index, picture in enumerate(pictures):
        replicates.add(counts(index), picture)
    low, high = interval(label_figures(replicates.sums, TWO_CLASSES)["mIoU 2 (%)"])

    def statistic(drawn):
        return 100 * mean_iou(pictures[drawn].sum(axis=0))

    reference = stats.bootstrap(
        (np.arange(60),), statistic, n_resamples=3000, method="percentile", vectorized=False,
        random_state=np.random.default_rng(3),
    )  # fmt: skip
    width = reference.confidence_interval.high - reference.confidence_interval.low
    assert low == pytest.approx(reference.confidence_interval.low, abs=0.12 * width)
    assert high == pytest.approx(reference.confidence_interval.high, abs=0.12 * width)
    assert low < 100 * mean_iou(pictures.sum(axis=0)) < high


def test_a_replicate_is_the_sum_of_its_pictures_as_often_as_they_were_drawn():
    pictures = _pictures(np.random.default_rng(4), 5)
    replicates = Replicates((2, 2), 20)
    for index, picture in enumerate(pictures):
        replicates.add(counts(index, 20), picture)
    drawn = np.array([counts(index, 20) for index in range(5)])
    for number in range(20):
        plain = sum(times * picture for times, picture in zip(drawn[:, number], pictures, strict=True))
        np.testing.assert_array_equal(replicates.sums[number], plain)
    assert interval(np.array([np.nan, np.nan, 1.0])) is None


def test_all_figures_of_a_confusion_matrix_equal_those_of_mapped_labels():
    rng = np.random.default_rng(5)
    prediction, truth = (rng.integers(0, 15, 4000) for _ in range(2))  # bicycles nowhere
    confusion = np.zeros((16, 16), np.int64)
    np.add.at(confusion, (truth, prediction), 1)
    figures = label_figures(confusion, CITYSCAPES_16)
    ious = class_iou(confusion)
    kept = [CITYSCAPES_16.index(name) for name in CLASSES_13]
    assert figures["mIoU 16 (%)"] == pytest.approx(100 * np.nanmean(ious))
    assert figures["mIoU 13 (%)"] == pytest.approx(100 * np.nanmean(ious[kept]))
    for view in (CITYSCAPES_7, CAMVID_11):
        table = class_view(CITYSCAPES_16, view)
        folded = np.zeros((len(view), len(view)))
        np.add.at(folded, (table[truth], table[prediction]), 1)
        assert figures[f"mIoU {len(view)} (%)"] == pytest.approx(100 * mean_iou(folded))
    assert figures["pixel accuracy (%)"] == pytest.approx(100 * (truth == prediction).mean())
    recall = [(prediction[truth == label] == label).mean() for label in range(15)]
    np.testing.assert_allclose(class_accuracy(confusion)[:15], recall)
    assert figures["mean accuracy (%)"] == pytest.approx(100 * np.mean(recall))
    assert np.isnan(figures["  bicycle"])
    together = label_figures(np.stack([confusion, 2 * confusion]), CITYSCAPES_16)
    np.testing.assert_allclose(together["mIoU 11 (%)"], figures["mIoU 11 (%)"])


def test_flips_are_counted_where_the_truth_stands_still():
    truth = np.array([[[0, 0, 1, IGNORE]], [[0, 1, 1, IGNORE]], [[0, 1, 1, 1]]], np.uint8)
    found = np.array([[[0, 0, 0, 0]], [[1, 1, 1, 1]], [[1, 1, 0, 0]]], np.uint8)
    flips = Flips(10.0)
    for prediction, labels in zip(found, truth, strict=True):
        flips.add(prediction, labels)
    # first step: two pixels stand still and both flip; second: three, of which the last flips
    assert flips.per_second() == pytest.approx(10 * 3 / 5)
    flips.add(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
    assert flips.pixels == 5
    assert np.isnan(Flips(25.0).per_second())
