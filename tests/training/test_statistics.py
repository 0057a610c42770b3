"""Mixtures and counts of a source: what is kept, what is not done twice, and what is drawn."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_run import tiny_config

from depdis_deploy.command import InputError
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training import statistics
from depdis_training.comparison import compare, verdict
from depdis_training.data import open_dataset
from depdis_training.data_settings import Data
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.grids import sampled
from depdis_training.loading import Batches, RandomViews
from depdis_training.statistics import (
    count_classes,
    fingerprint,
    fit_set,
    fit_source_mixtures,
    without_pixels,
)
from depdis_training.statistics_report import report
from depdis_training.street.writer import write_street

GRID = (6, 8)


def batches(root: Path, seed: int = 0) -> Batches:
    return Batches(
        open_dataset("synthia", root, "train", CITYSCAPES_16), size=2, seed=seed,
        take=RandomViews(crop=(64, 48), scale=(1, 1), flip=0.5, colour=0.0), canonical_focal_px=80.0,
    )  # fmt: skip


def fit(cache: Path, root: Path, **changes: int) -> DepthDistribution:
    settings = {"num_classes": 16, "components": 2, "per_class": 200, "pictures": 10, "seed": 0, **changes}
    return fit_source_mixtures(cache, batches(root), GRID, scale="data", variance_floor=1.0, **settings)


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / statistics.FOLDER).iterdir())


def test_the_same_set_is_fitted_once_wherever_it_lies(tmp_path: Path, blocks: Path) -> None:
    first = fit(tmp_path / "cache", blocks)
    names = kept(tmp_path / "cache")
    shutil.copytree(blocks, tmp_path / "moved")
    again = fit(tmp_path / "cache", tmp_path / "moved")
    assert kept(tmp_path / "cache") == names
    assert again.to_dict() == first.to_dict()
    anew = fit(tmp_path / "other cache", blocks)
    assert anew.to_dict() == first.to_dict()


def test_other_labels_or_settings_are_fitted_anew(tmp_path: Path, blocks: Path) -> None:
    fit(tmp_path / "cache", blocks)
    fit(tmp_path / "cache", blocks, per_class=100)
    assert len(kept(tmp_path / "cache")) == 2
    shutil.copytree(blocks, tmp_path / "changed")
    file = tmp_path / "changed" / "parsed_LABELS" / "0000003.png"
    labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    labels[0, 0] = 3 if labels[0, 0] != 3 else 4
    cv2.imwrite(str(file), labels)
    fit(tmp_path / "cache", tmp_path / "changed")
    assert len(kept(tmp_path / "cache")) == 3


def test_counts_are_those_of_the_views(tmp_path: Path, blocks: Path) -> None:
    views = batches(blocks)
    counts = count_classes(tmp_path, views, num_classes=16, pictures=6)
    expected: NDArray[np.int64] = np.zeros(16, np.int64)
    for index in range(3):
        labels = views(index).labels.numpy()
        expected += [int((labels == value).sum()) for value in range(16)]
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(count_classes(tmp_path, views, num_classes=16, pictures=6), expected)
    assert len(kept(tmp_path)) == 1


def test_the_fingerprint_knows_names_and_truth(tmp_path: Path, blocks: Path) -> None:
    def of(root: Path) -> str:
        return fingerprint(open_dataset("synthia", root, "train", CITYSCAPES_16))

    shutil.copytree(blocks, tmp_path / "set")
    assert of(tmp_path / "set") == of(blocks)
    depth = tmp_path / "set" / "Depth" / "0000000.png"
    cv2.imwrite(str(depth), cv2.imread(str(depth), cv2.IMREAD_UNCHANGED) + 1)
    assert of(tmp_path / "set") != of(blocks)


def test_classes_without_pixels_are_named() -> None:
    assert without_pixels((), ("road", "bus")) is None
    line = without_pixels((1,), ("road", "bus"))
    assert line is not None
    assert "source: bus;" in line


def test_a_source_without_any_depth_is_refused(tmp_path: Path, blocks: Path) -> None:
    shutil.copytree(blocks, tmp_path / "set")
    for file in (tmp_path / "set" / "parsed_LABELS").iterdir():
        cv2.imwrite(str(file), np.zeros((64, 96), np.uint8))
    with pytest.raises(ValueError, match="no pixel with both a class and a depth"):
        fit(tmp_path / "cache", tmp_path / "set")


def one_class(mean: tuple[float, float, float], classes: int = 2, seen: int = 2) -> DepthDistribution:
    """Classes of one component each; the second stands 40 columns to the right of the first."""
    means = np.zeros((classes, 1, 3))
    means[:, 0] = mean
    means[1, 0, 0] += 40
    weights = np.ones((classes, 1))
    weights[seen:] = 0
    return DepthDistribution(weights, means, np.full((classes, 1, 3), 4.0), grid=GRID)


def test_divergence_against_numerical_integration() -> None:
    """Two Gaussians that differ in one axis alone: the integral over that axis, by a plain sum."""
    found = compare(one_class((10, 5, 100)), one_class((10, 5, 103)), samples=20_000)
    x = np.linspace(80, 120, 4001)
    p, q = (np.exp(-0.5 * (x - mean) ** 2 / 4) / np.sqrt(8 * np.pi) for mean in (100, 103))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.nan_to_num(of * np.log2(2 * of / (p + q))) for of in (p, q)]
    expected = 0.5 * sum(terms).sum() * (x[1] - x[0])  # type: ignore[union-attr]
    np.testing.assert_allclose(found.same(), expected, atol=0.01)
    np.testing.assert_allclose(np.diagonal(found.depth), expected, atol=0.01)
    # the other class is 20 deviations away over the columns, but as far as its own in depth
    np.testing.assert_allclose(found.different(), 1, atol=1e-6)
    np.testing.assert_allclose(found.depth[0, 1], expected, atol=0.01)
    assert found.nearest().tolist() == [0, 1]
    assert "2 of 2 are closer to themselves" in verdict(found)


def test_the_same_distribution_and_classes_that_one_side_lacks() -> None:
    source, target = one_class((10, 5, 100), 3, seen=3), one_class((10, 5, 100), 3, seen=2)
    found = compare(source, target, samples=500)
    np.testing.assert_allclose(found.same()[:2], 0, atol=1e-12)
    assert np.isnan(found.joint[:, 2]).all()
    assert found.nearest().tolist() == [0, 1, -1]
    assert "2 classes are in both" in verdict(found)
    assert "nothing to compare" in verdict(compare(source, one_class((1, 1, 1), 3, seen=0), samples=10))
    with pytest.raises(ValueError, match="same classes on the same grid"):
        compare(source, one_class((10, 5, 100)))


def test_depths_of_classes(tmp_path: Path, blocks: Path) -> None:
    views = batches(blocks)
    fitted = fit_set(
        tmp_path, views, GRID, num_classes=16, components=1, per_class=100, pictures=10, seed=0, scale=1.0,
        variance_floor=1.0,
    )  # fmt: skip
    depth_m: dict[int, list[float]] = {}
    for index in range(5):
        batch = views(index)
        labels, z = (sampled(of, GRID).numpy().ravel() for of in (batch.labels, batch.inverse_depth))
        for label, value in zip(labels, z, strict=True):
            depth_m.setdefault(int(label), []).append((65536 / float(value) - 1) / 100)
    pixels, means, medians = fitted.depths.pixels, fitted.depths.mean_m(), fitted.depths.median_m()
    assert pixels.sum() == sum(map(len, depth_m.values()))
    for label, values in depth_m.items():
        assert pixels[label] == len(values)
        assert means[label] == pytest.approx(np.mean(values), rel=1e-5)
        assert sum(value <= medians[label] * 1.04 for value in values) >= len(values) / 2
        assert sum(value >= medians[label] / 1.04 for value in values) >= len(values) / 2


def test_the_command_prints_draws_and_compares(tmp_path: Path, blocks: Path) -> None:
    shutil.copytree(blocks, tmp_path / "target")
    for file in (tmp_path / "target" / "parsed_LABELS").iterdir():  # one class is not in the target
        labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        labels[labels == 19] = 0
        cv2.imwrite(str(file), labels)
    config = tiny_config(tmp_path, blocks, "mixtures.per_class=100")
    target = Data(layout="synthia", root=str(tmp_path / "target"))
    text = report(config, tmp_path / "cache", plot=tmp_path / "out" / "a.png", target=target)
    table, matrix, line = text.split("\n\n")
    assert [row.split("  ")[0].strip() for row in table.splitlines()[1:]] == list(CITYSCAPES_16.names)
    assert next(row for row in matrix.splitlines() if row.startswith("bus")).split()[1] == "-"
    assert "15 classes are in both domains" in line
    for name in ("a.png", "a-comparison.png"):
        picture = cv2.imread(str(tmp_path / "out" / name))
        assert picture.shape[0] > 500
        assert picture.std() > 20
    assert len(kept(tmp_path / "cache")) == 2


def test_what_cannot_be_compared(tmp_path: Path, blocks: Path) -> None:
    config = tiny_config(tmp_path, blocks)
    seven = Data(layout="synthia", root=str(blocks), taxonomy="cityscapes-7")
    with pytest.raises(InputError, match="read in 7 classes, the source's in 16"):
        report(config, tmp_path / "cache", target=seven)
    with pytest.raises(InputError, match=r"ends in \.png, got .*a\.jpg"):
        report(config, tmp_path / "cache", plot=tmp_path / "a.jpg")
    write_street(
        tmp_path / "flat", pictures=1, size=(64, 48), domain="source", layout="mapillary-v1.2", split="val",
        workers=1, quiet=True,
    )  # fmt: skip
    flat = Data(layout="mapillary-v1.2", root=str(tmp_path / "flat"), split="val")
    with pytest.raises(InputError, match="mixtures of the target: the set has no pixel with both a class"):
        report(tiny_config(tmp_path, blocks, "mixtures.per_class=100"), tmp_path / "cache", target=flat)
