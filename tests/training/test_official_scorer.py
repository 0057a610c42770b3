"""Class IoU and category IoU against Cityscapes' own scorer, on a generated set in its layout."""

import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as official
import cv2
import numpy as np
import pytest

from depdis_deploy.manifest import Manifest, ResizeRule
from depdis_deploy.taxonomy import CITYSCAPES_7, CITYSCAPES_16
from depdis_training.data import open_dataset
from depdis_training.data.label_maps import written_ids
from depdis_training.evaluated import Entry, Options, evaluate
from depdis_training.evaluation import class_iou, viewed
from depdis_training.label_figures import class_view
from depdis_training.models import Maps
from depdis_training.street.writer import write_street

SIZE = (128, 64)
NOT_IN_16 = (22, 27, 31)  # terrain, truck, train: void before the official scorer sees the truth


def _wrong(labels, seed):
    """Labels that are off by some columns, with stripes of another class."""
    found = np.roll(labels, 3, axis=1)
    found[found == 255] = 0
    found[seed % 7 :: 9] = (found[seed % 7 :: 9] + 1 + seed) % 16
    return found.astype(np.uint8)


@pytest.fixture(scope="module")
def official_and_ours(tmp_path_factory):
    root = tmp_path_factory.mktemp("cityscapes") / "set"
    write_street(
        root, pictures=3, size=SIZE, domain="target", layout="cityscapes", seed=3, split="val", workers=1,
        quiet=True,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    truths = sorted(root.glob("gtFine/val/*/*_labelIds.png"))
    for path in truths:
        ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        for number in (*NOT_IN_16, 0, 4, 6, 14, 29):  # void classes and those that only the 19 have
            row, column = rng.integers(0, 50), rng.integers(0, 110)
            ids[row : row + 9, column : column + 13] = number
        cv2.imwrite(str(path), ids)
    dataset = open_dataset("cityscapes", root, "val", CITYSCAPES_16)
    predicted = [_wrong(dataset[index].labels, index) for index in range(3)]
    pending = iter(predicted)
    manifest = Manifest(taxonomy=CITYSCAPES_16, resize=ResizeRule(kind="stretch", width=64, height=32))
    entry = Entry(
        title="wrong", model=lambda _: Maps(next(pending), None, None), manifest=manifest, kind="checkpoint"
    )
    (row,) = evaluate([entry], dataset, Options(), quiet=True)

    void = root.parent / "void"
    void.mkdir()
    ours_to_ids = written_ids("cityscapes")
    lists = ([], [])
    for path, labels in zip(truths, predicted, strict=True):
        ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        ids[np.isin(ids, NOT_IN_16)] = 0
        for found, name, picture in zip(lists, ("pred", "truth"), (ours_to_ids[labels], ids), strict=True):
            cv2.imwrite(str(void / f"{path.stem}_{name}.png"), picture)
            found.append(str(void / f"{path.stem}_{name}.png"))
    arguments = official.args
    arguments.evalInstLevelScore = arguments.JSONOutput = False
    arguments.quiet = True
    return official.evaluateImgLists(*lists, arguments), row


def test_class_iou_agrees_to_1e_9(official_and_ours):
    theirs, row = official_and_ours
    figures = row.figures()
    compared = 0
    for name in CITYSCAPES_16.names:
        score = theirs["classScores"][name]
        if np.isnan(score):
            assert np.isnan(figures[f"  {name}"])
        else:
            assert figures[f"  {name}"] / 100 == pytest.approx(score, abs=1e-9)
            compared += 1
    assert compared > 8
    scores = [theirs["classScores"][name] for name in CITYSCAPES_16.names]
    assert figures["mIoU 16 (%)"] / 100 == pytest.approx(np.nanmean(scores), abs=1e-9)


def test_the_seven_categories_agree_to_1e_9(official_and_ours):
    theirs, row = official_and_ours
    scores = [theirs["categoryScores"][name] for name in CITYSCAPES_7.names]
    coarse = viewed(row.scorer.scores.confusion, class_view(CITYSCAPES_16, CITYSCAPES_7), len(CITYSCAPES_7))
    np.testing.assert_allclose(class_iou(coarse), scores, rtol=0, atol=1e-9)
    assert row.figures()["mIoU 7 (%)"] / 100 == pytest.approx(np.nanmean(scores), abs=1e-9)
