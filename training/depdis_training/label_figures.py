"""The figures that a confusion matrix gives, in the truth's classes and in their coarser views."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.taxonomy import (
    CAMVID_11,
    CITYSCAPES_7,
    CITYSCAPES_16,
    CLASSES_13,
    VIEW_7,
    VIEW_CAMVID,
    Taxonomy,
)

from .evaluation import class_iou, viewed
from .figure_names import MEAN_ACCURACY, PIXEL_ACCURACY, class_name, miou_name

VIEWS = {
    (CITYSCAPES_16, CITYSCAPES_7): VIEW_7,
    (CITYSCAPES_16, CAMVID_11): VIEW_CAMVID,
}


def class_view(model: Taxonomy, truth: Taxonomy) -> NDArray[np.uint8]:
    """The (256,) table from a model's labels to the truth's taxonomy; ValueError where there is none."""
    if model == truth:
        return np.arange(256, dtype=np.uint8)
    if (model, truth) not in VIEWS:
        raise ValueError(
            f"a model of {len(model)} classes ({', '.join(model.names[:3])}, ...) cannot be scored on "
            f"{len(truth)} classes ({', '.join(truth.names[:3])}, ...)"
        )
    return model.lookup(VIEWS[model, truth], truth)


def label_figures(confusion: NDArray[Any], taxonomy: Taxonomy) -> dict[str, NDArray[np.float64]]:
    """(..., C, C) counts, rows truth -> name to (...) figures in %: mIoU of all views, accuracies, class IoU.

    A mean is over the classes that occur: in truth or prediction for the IoU, in truth for the accuracy.
    """
    scores = 100 * class_iou(confusion)
    figures = {miou_name(len(taxonomy)): mean_of_known(scores)}
    if taxonomy == CITYSCAPES_16:
        kept = [taxonomy.index(name) for name in CLASSES_13]
        figures[miou_name(len(kept))] = mean_of_known(scores[..., kept])
        for coarse in (CAMVID_11, CITYSCAPES_7):
            folded = viewed(confusion, class_view(taxonomy, coarse), len(coarse))
            figures[miou_name(len(coarse))] = mean_of_known(100 * class_iou(folded))
    hits, truth = np.diagonal(confusion, axis1=-2, axis2=-1), np.sum(confusion, axis=-1)
    figures[PIXEL_ACCURACY] = 100 * _share(hits.sum(axis=-1), truth.sum(axis=-1))
    figures[MEAN_ACCURACY] = 100 * mean_of_known(class_accuracy(confusion))
    return figures | {class_name(name): scores[..., index] for index, name in enumerate(taxonomy.names)}


def class_accuracy(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """(..., C, C) counts, rows truth -> (..., C) the share of a class's pixels that is found; NaN without."""
    return _share(np.diagonal(confusion, axis1=-2, axis2=-1), np.sum(confusion, axis=-1))


def mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., C) -> (...) the mean over what is a number; NaN where nothing is."""
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    empty = np.full(np.broadcast_shapes(np.shape(part), np.shape(whole)), np.nan)
    return np.asarray(np.divide(part, whole, out=empty, where=np.asarray(whole) > 0))
