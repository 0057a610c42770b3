import itertools

import numpy as np
import pytest

from depdis_deploy.taxonomy import CITYSCAPES_7, CITYSCAPES_16, IGNORE, view_7
from depdis_training.evaluation import RowConstants, class_iou, confusion, depth_metrics, mean_iou, viewed


def _maps(rng, classes=5, shape=(13, 17)):
    truth = rng.integers(0, classes, shape).astype(np.uint8)
    prediction = np.where(rng.random(shape) < 0.6, truth, rng.integers(0, classes, shape)).astype(np.uint8)
    truth[rng.random(shape) < 0.2] = IGNORE
    return prediction, truth


def test_iou_equals_counting_pixel_sets_one_by_one():
    rng = np.random.default_rng(0)
    prediction, truth = _maps(rng)
    prediction[prediction == 3], truth[truth == 3] = 0, 0  # class 3 nowhere
    counts = confusion(prediction, truth, 5)
    seen = [(p, t) for p, t in zip(prediction.ravel(), truth.ravel(), strict=True) if t != IGNORE]
    expected = []
    for label in range(5):
        both = sum(p == label and t == label for p, t in seen)
        either = sum(p == label or t == label for p, t in seen)
        expected.append(both / either if either else np.nan)
    np.testing.assert_allclose(class_iou(counts), expected)
    assert mean_iou(counts) == pytest.approx(np.mean([value for value in expected if not np.isnan(value)]))


def test_a_confusion_matrix_has_the_truth_in_its_rows():
    counts = confusion(np.array([[1, 1, 0]], np.uint8), np.array([[0, 0, IGNORE]], np.uint8), 2)
    assert counts.tolist() == [[0, 2], [0, 0]]


def test_labels_out_of_range_or_of_another_size_are_refused():
    labels = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match=r"0\.\.2 .* got 3"):
        confusion(labels + 3, labels, 3)
    with pytest.raises(ValueError, match="differ in size"):
        confusion(labels, labels[:1], 3)


def test_a_coarser_view_equals_mapping_the_labels_first():
    rng = np.random.default_rng(1)
    prediction, truth = _maps(rng, 16, (40, 50))
    table = view_7()
    mapped = confusion(table[prediction], table[truth], len(CITYSCAPES_7))
    counts = viewed(confusion(prediction, truth, len(CITYSCAPES_16)), table, len(CITYSCAPES_7))
    np.testing.assert_array_equal(counts, mapped)


def test_depth_metrics_equal_their_formulas():
    rng = np.random.default_rng(2)
    truth = rng.uniform(1, 100, (9, 11))
    truth[0, :3] = 0
    prediction = truth * rng.uniform(0.5, 2, truth.shape) + 0.1
    pairs = [(p, t) for p, t in zip(prediction.ravel(), truth.ravel(), strict=True) if 0 < t <= 80]
    scale = np.median([t for _, t in pairs]) / np.median([p for p, _ in pairs])
    for align, factor in (("none", 1.0), ("median", scale)):
        fitted = [(min(p * factor, 80.0), t) for p, t in pairs]
        expected = {
            "abs_rel": np.mean([abs(p - t) / t for p, t in fitted]),
            "sq_rel": np.mean([(p - t) ** 2 / t for p, t in fitted]),
            "rms": np.sqrt(np.mean([(p - t) ** 2 for p, t in fitted])),
            "rms_log": np.sqrt(np.mean([(np.log(p) - np.log(t)) ** 2 for p, t in fitted])),
            **{f"delta{k}": np.mean([max(p / t, t / p) < 1.25**k for p, t in fitted]) for k in (1, 2, 3)},
        }
        assert depth_metrics(prediction, truth, 80.0, align) == pytest.approx(expected)


def test_depth_without_truth_or_with_an_unknown_alignment_is_refused():
    zeros = np.zeros((2, 2))
    with pytest.raises(ValueError, match="no pixel has a true depth up to 10 m"):
        depth_metrics(zeros, zeros + 11, 10.0)
    with pytest.raises(ValueError, match="none or median, got 'mean'"):
        depth_metrics(zeros, zeros + 1, align="mean")


@pytest.mark.parametrize("relative", [False, True])
def test_no_constant_per_row_beats_the_row_baseline(relative):
    rng = np.random.default_rng(3)
    maps = [rng.uniform(0.5, 9, (3, 5)).astype(np.float32) for _ in range(4)]
    known = [rng.random((3, 5)) < 0.8 for _ in maps]
    rows = RowConstants(rows=3, columns=5)
    for values, where in zip(maps, known, strict=True):
        rows.add(values, where)
    total = points = 0.0
    for row in range(3):
        values = np.concatenate([m[row][k[row]] for m, k in zip(maps, known, strict=True)]).astype(float)
        weights = 1 / values if relative else np.ones_like(values)
        # the error is piecewise linear in the constant: its least value stands at one of the values
        total += min((weights * np.abs(values - guess)).sum() for guess in values)
        points += len(values)
        others = itertools.chain(np.linspace(0, 10, 101), [values.mean()])
        best = min((weights * np.abs(values - guess)).sum() for guess in values)
        assert all((weights * np.abs(values - guess)).sum() >= best - 1e-9 for guess in others)
    assert rows.error(relative=relative) == pytest.approx(total / points)
