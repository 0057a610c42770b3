"""What carries over from one frame of a film to the next."""

from __future__ import annotations

from .camera_height import RoadScale
from .label_hysteresis import LabelHysteresis
from .prediction import Prediction


class Film:
    """Takes predictions in the order of their frames, one at a time; constant memory.

    Another source's frame, a step back, or a picture (which has no frame) begins anew.
    camera_height: in metres above the road; None leaves depth alone. smooth: hold labels against flicker.
    """

    def __init__(self, *, camera_height: float | None = None, smooth: bool = False) -> None:
        self._camera_height, self._smooth = camera_height, smooth
        self._last: tuple[str | None, int] | None = None
        self._begin()

    def _begin(self) -> None:
        self._scale = None if self._camera_height is None else RoadScale(self._camera_height)
        self._labels = LabelHysteresis() if self._smooth else None

    def settle(self, prediction: Prediction) -> None:
        """Change the next frame's prediction by what was seen before, before anything is drawn of it."""
        frame = prediction.frame
        here = None if frame is None else (prediction.path, frame)
        if here is None or self._last is None or self._last[0] != here[0] or here[1] < self._last[1]:
            self._begin()
        self._last = here
        if self._labels is not None and here is not None:
            self._labels.apply(prediction)
        if self._scale is not None:
            self._scale.apply(prediction)
