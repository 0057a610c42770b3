"""Flicker of a video's labels, measured where the truth stands still."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.taxonomy import IGNORE


class Flips:
    """How often a pixel changes its label though its true class does not, over the frames of a film.

    rate: frames a second.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.flips = self.pixels = 0
        self._last: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None

    def add(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> None:
        """The next frame's labels, (H, W) each; frames of another size begin a new film."""
        if self._last is not None and self._last[1].shape == truth.shape:
            found, known = self._last
            still = (truth == known) & (truth != IGNORE)
            self.flips += int(np.count_nonzero(still & (prediction != found)))
            self.pixels += int(np.count_nonzero(still))
        self._last = prediction, truth

    def per_second(self) -> float:
        """Flips per pixel and second; NaN where nothing stands still."""
        return self.rate * self.flips / self.pixels if self.pixels else float("nan")
