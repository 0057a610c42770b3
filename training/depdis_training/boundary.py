"""Boundary IoU: how well the borders of the classes are met, whatever lies inside them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.taxonomy import IGNORE

RATIO = 0.02


def boundary(labels: NDArray[np.uint8], distance: int) -> NDArray[np.bool_]:
    """(H, W) labels -> (H, W): what is at most `distance` (chessboard) from another label or the edge."""
    # a square that holds one label alone is what `distance` erosions of each class's mask leave
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    height, width = labels.shape
    inside = cv2.erode(labels, kernel) == cv2.dilate(labels, kernel)
    inside[:distance], inside[max(0, height - distance) :] = False, False
    inside[:, :distance], inside[:, max(0, width - distance) :] = False, False
    return np.asarray(~inside)


class BoundaryCounts:
    """Pixels of the classes' borders over a set (Cheng et al., Boundary IoU, CVPR 2021).

    A class's border is what lies within `ratio` of the picture's diagonal from its edge, inside it. Pixels
    without a true label are left out on both sides, as in the IoU, and what is beside them is border on both.
    """

    def __init__(self, classes: int, ratio: float = RATIO) -> None:
        self.classes, self.ratio = classes, ratio
        self.both, self.truth, self.found = (np.zeros(classes, np.int64) for _ in range(3))

    def add(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> None:
        """One picture's labels, (H, W) each, in one taxonomy; 255 is unlabelled in the truth."""
        distance = max(1, round(self.ratio * float(np.hypot(*truth.shape))))
        labelled = truth != IGNORE
        of_truth = boundary(truth, distance) & labelled
        seen = np.where(labelled, prediction, np.uint8(IGNORE))
        of_found = boundary(seen, distance) & labelled
        both = of_truth & of_found & (truth == prediction)
        for total, labels, where in (
            (self.truth, truth, of_truth), (self.found, prediction, of_found), (self.both, truth, both),
        ):  # fmt: skip
            total += np.bincount(labels[where], minlength=self.classes)[: self.classes]

    def iou(self) -> NDArray[np.float64]:
        """(C,) 0..1; NaN for a class without a border in truth and prediction."""
        union = self.truth + self.found - self.both
        return np.asarray(np.divide(self.both, union, out=np.full(self.classes, np.nan), where=union > 0))
