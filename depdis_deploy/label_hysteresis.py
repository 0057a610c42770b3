"""Labels of a film that do not flicker: a pixel keeps its label until another is clearly surer."""

from __future__ import annotations

import math
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .prediction import Prediction

# Chosen on generated drives of other appearances than those reported: benchmarks/flicker.py.
_MEMORY_S = 0.18  # in which a held label's strength falls to 1/e
_SURER = 1.6  # times that strength is what another label's confidence has to be
# Grey levels by which a place changes from frame to frame: up to the first what is held counts fully, from the
# second on it is forgotten.
_STILL, _CHANGED = 8, 16


class LabelHysteresis:
    """Holds labels over the frames given to it in order.

    Each place has a label and its strength, a running mean of the confidence with which it is predicted. Where
    another label is predicted the strength decays, and the other takes over as soon as its confidence is above
    1.6 times what is left. Where the picture changes (something moves there) the strength is forgotten at once.
    """

    def __init__(self) -> None:
        # (h, w) on the confidence's grid; the strength in 255ths, since bytes take a fifth of the time
        self._labels: NDArray[np.uint8] | None = None
        self._strength = self._grey = np.empty((0, 0), np.uint8)
        self._time_s = 0.0

    def apply(self, prediction: Prediction) -> None:
        """Put the held labels in place of a prediction's own, and their share in its `held`."""
        begun = time.perf_counter()
        labels, confidence = prediction.maps["labels"], prediction.maps["confidence"]
        rows, columns = confidence.shape
        # The graph repeats labels that were made on a coarser grid.
        own = labels if labels.shape == confidence.shape else _nearest(labels, columns, rows)
        assert prediction.seen is not None
        small = cv2.resize(prediction.seen, (columns, rows), interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        sure = np.asarray(cv2.convertScaleAbs(confidence, alpha=255), np.uint8)
        now_s = prediction.time_s or 0.0
        if self._labels is None or self._labels.shape != own.shape:
            self._labels, self._strength = own.copy(), sure
        else:
            self._next(own, sure, self._kept(grey, now_s - self._time_s))
        self._grey, self._time_s = grey, now_s
        prediction.held = float(cv2.countNonZero(cv2.absdiff(self._labels, own))) / own.size
        if prediction.held:
            held = self._labels
            if held.shape != labels.shape:
                held = _nearest(held, labels.shape[1], labels.shape[0])
            prediction.maps = {**prediction.maps, "labels": held}
        prediction.speed["postprocess"] += 1000 * (time.perf_counter() - begun)

    def _kept(self, grey: NDArray[np.uint8], passed_s: float) -> NDArray[np.uint8]:
        """(h, w) the share of its strength that each place keeps from the frame before, in 255ths."""
        # One noisy pixel is no movement.
        change = cv2.blur(cv2.absdiff(grey, self._grey), (3, 3))
        still = np.clip((_CHANGED - np.arange(256)) / (_CHANGED - _STILL), 0, 1)
        table = np.rint(255 * math.exp(-max(0.0, passed_s) / _MEMORY_S) * still).astype(np.uint8)
        return np.asarray(cv2.LUT(change, table), np.uint8)

    def _next(self, own: NDArray[np.uint8], sure: NDArray[np.uint8], kept: NDArray[np.uint8]) -> None:
        """The state after a frame: its labels and confidence, and what is kept of the strength before."""
        assert self._labels is not None
        strength = np.asarray(cv2.multiply(self._strength, kept, scale=1 / 255), np.uint8)
        mean = cv2.add(strength, cv2.multiply(cv2.bitwise_not(kept), sure, scale=1 / 255))
        same = cv2.compare(own, self._labels, cv2.CMP_EQ)
        taken = cv2.compare(sure, cv2.convertScaleAbs(strength, alpha=_SURER), cv2.CMP_GT)
        labels = self._labels.copy()  # the last frame's prediction may still be drawn from
        cv2.copyTo(own, taken, labels)
        cv2.copyTo(sure, taken, strength)
        cv2.copyTo(mean, same, strength)
        self._labels, self._strength = labels, strength


def _nearest(values: NDArray[Any], columns: int, rows: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(values, (columns, rows), interpolation=cv2.INTER_NEAREST))
