"""Scores: class IoU from a confusion matrix, depth and density errors, and what a constant per row gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from depdis_deploy.taxonomy import IGNORE

DEPTH_METRICS = ("abs_rel", "sq_rel", "rms", "rms_log", "delta1", "delta2", "delta3")


def confusion(prediction: NDArray[np.uint8], truth: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    """(C, C) counts of pixels, rows truth, columns prediction; truth 255 is left out.

    A prediction outside 0..C-1 where the truth has a class raises ValueError.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction and truth differ in size: {prediction.shape} and {truth.shape}")
    labelled = truth != IGNORE
    rows, columns = truth[labelled].astype(np.int64), prediction[labelled].astype(np.int64)
    highest = max(rows.max(initial=0), columns.max(initial=0))
    if highest >= num_classes:
        raise ValueError(f"labels are 0..{num_classes - 1} (or 255 in the truth), got {highest}")
    counts = np.bincount(rows * num_classes + columns, minlength=num_classes**2)
    return np.asarray(counts.reshape(num_classes, num_classes), np.int64)


def class_iou(confusion: ArrayLike) -> NDArray[np.float64]:
    """(..., C, C) counts, rows truth -> (..., C) intersection over union, 0..1; NaN for a class that nowhere
    occurs."""
    counts = np.asarray(confusion, np.float64)
    if counts.ndim < 2 or counts.shape[-2] != counts.shape[-1]:
        raise ValueError(f"a confusion matrix is square, got the shape {counts.shape}")
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    union = counts.sum(axis=-2) + counts.sum(axis=-1) - hits
    return np.asarray(np.divide(hits, union, out=np.full(hits.shape, np.nan), where=union > 0))


def mean_iou(confusion: ArrayLike) -> float:
    """Mean of `class_iou` over the classes that occur in truth or prediction, 0..1; NaN if none does."""
    scores = class_iou(confusion)
    return float(np.nanmean(scores)) if not np.isnan(scores).all() else float("nan")


def viewed(confusion: NDArray[Any], table: NDArray[np.uint8], num_classes: int) -> NDArray[Any]:
    """(..., C, C) counts in a coarser view: class i becomes `table[i]`; 255 is left out on both sides."""
    size = confusion.shape[-1]
    fold = np.zeros((num_classes, size), confusion.dtype)
    kept = table[:size] != IGNORE
    fold[table[:size][kept], np.arange(size)[kept]] = 1
    return np.asarray(fold @ confusion @ fold.T)


def depth_metrics(
    prediction_m: ArrayLike, truth_m: ArrayLike, cap_m: float | None = None, align: str = "none"
) -> dict[str, float]:
    """Eigen et al.'s errors over the pixels whose truth is known (> 0) and at most `cap_m`.

    Both maps have one shape and are in metres. cap_m: pixels with a farther truth are left out and
    predictions clipped to it. align: `median` multiplies the prediction by the ratio of the medians first.
    Returns abs_rel, sq_rel (m), rms (m), rms_log (natural log) and delta1..3, the shares of pixels with
    max(p/t, t/p) < 1.25^k. ValueError where no pixel has a truth.
    """
    prediction, truth = np.asarray(prediction_m, np.float64), np.asarray(truth_m, np.float64)
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction and truth differ in size: {prediction.shape} and {truth.shape}")
    if align not in ("none", "median"):
        raise ValueError(f"align is none or median, got {align!r}")
    known = np.isfinite(truth) & (truth > 0)
    if cap_m is not None:
        known &= truth <= cap_m
    if not known.any():
        raise ValueError("no pixel has a true depth" + (f" up to {cap_m:g} m" if cap_m is not None else ""))
    prediction, truth = np.maximum(prediction[known], 1e-3), truth[known]
    if align == "median":
        prediction = prediction * np.median(truth) / np.median(prediction)
    if cap_m is not None:
        prediction = np.minimum(prediction, cap_m)
    error = prediction - truth
    ratio = np.maximum(prediction / truth, truth / prediction)
    values = (
        np.mean(np.abs(error) / truth),
        np.mean(error**2 / truth),
        np.sqrt(np.mean(error**2)),
        np.sqrt(np.mean(np.log(prediction / truth) ** 2)),
        *(np.mean(ratio < 1.25**power) for power in (1, 2, 3)),
    )
    return dict(zip(DEPTH_METRICS, map(float, values), strict=True))


class RowConstants:
    """The best constant per image row for a kind of map: what a model has to beat to have seen anything.

    The constants are chosen on the very truth that they are scored on, so no other row-wise guess is
    better. Maps are sampled at `rows` x `columns` points, and at half as many columns each time that a row
    would hold more than `most` points, so that memory does not grow with the set.
    """

    def __init__(self, *, rows: int = 128, columns: int = 64, most: int = 32_768) -> None:
        self.rows, self.columns, self.most = rows, columns, most
        self.values: list[NDArray[np.float32]] = []

    def add(self, truth: NDArray[np.float32], known: NDArray[np.bool_]) -> None:
        """One picture's map (H, W) and where it counts."""
        rows = (np.arange(self.rows) + 0.5) * truth.shape[0] / self.rows
        columns = (np.arange(self.columns) + 0.5) * truth.shape[1] / self.columns
        points = np.ix_(rows.astype(int), columns.astype(int))
        self.values.append(np.where(known[points], truth[points], np.nan).astype(np.float32))
        if len(self.values) * self.columns > self.most and self.columns > 1:
            self.values = [values[:, ::2].copy() for values in self.values]
            self.columns = self.values[0].shape[1]

    def error(self, *, relative: bool) -> float:
        """The mean of |c - t|, or of |c - t| / t, over all points with each row's best c, or NaN."""
        if not self.values:
            return float("nan")
        total = points = 0.0
        for row in np.concatenate(self.values, axis=1):
            truth = np.sort(row[~np.isnan(row)]).astype(np.float64)
            if not len(truth):
                continue
            weights = 1 / truth if relative else np.ones_like(truth)
            # the weighted median minimises the weighted sum of absolute differences
            best = truth[np.searchsorted(np.cumsum(weights), weights.sum() / 2)]
            total += float(np.sum(weights * np.abs(best - truth)))
            points += len(truth)
        return total / points if points else float("nan")
