"""Whether a model is right as often as its confidence says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15


class Calibration:
    """Pixels by confidence in `bins` bins of equal width over 0..1 (Guo et al., ICML 2017)."""

    def __init__(self, bins: int = BINS) -> None:
        self.bins = bins
        self.pixels, self.correct = np.zeros(bins, np.int64), np.zeros(bins, np.int64)
        self.confidence = np.zeros(bins)

    def add(self, confidence: NDArray[np.float32], correct: NDArray[np.bool_]) -> None:
        """The confidence 0..1 of some pixels, and whether each one's label is right; (N,) both."""
        # of a value on an edge the lower bin is the one that it closes
        place = np.ceil(confidence.astype(np.float64) * self.bins).astype(np.int64).clip(1, self.bins) - 1
        self.pixels += np.bincount(place, minlength=self.bins)
        self.correct += np.bincount(place[correct], minlength=self.bins)
        self.confidence += np.bincount(place, confidence, self.bins)

    def error(self) -> float:
        """ECE, 0..1: the mean of |accuracy - confidence| over the bins, by pixels; NaN without any."""
        total = int(self.pixels.sum())
        return float(np.abs(self.correct - self.confidence).sum() / total) if total else float("nan")

    def plain(self) -> list[dict[str, Any]]:
        """The reliability diagram: a bin with pixels each, shares in 0..1."""
        return [
            {
                "from": round(index / self.bins, 4), "to": round((index + 1) / self.bins, 4),
                "pixels": int(self.pixels[index]),
                "confidence": float(self.confidence[index] / self.pixels[index]),
                "accuracy": float(self.correct[index] / self.pixels[index]),
            }
            for index in np.flatnonzero(self.pixels)
        ]  # fmt: skip
