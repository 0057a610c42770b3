"""Mixtures and counts of a source: what is kept, what is not done twice, and what is drawn."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training import statistics
from depdis_training.data import open_dataset
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.loading import Batches, RandomViews
from depdis_training.statistics import count_classes, fingerprint, fit_source_mixtures, without_pixels

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
