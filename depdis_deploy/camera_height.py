"""A known height of the camera above the road as the scale of depth, for a picture and along a film."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .prediction import HeightScale, Prediction
from .road_plane import RoadPlane, road_class, road_plane

LEAST_M, MOST_M = 0.2, 50.0
# How far (natural log) the fit's height lies from the true one on generated streets, where depth has the right
# scale: benchmarks/camera_height.py. What is within it is no reason to change the scale.
RULER = 0.14
_MOST_UNCERTAIN = 0.25
_MOST_OFF = math.log(3.0)  # beyond that what was taken for a road is none
_MEMORY_S = 2.0  # of a film, in which the height counts less and less


def fitted(prediction: Prediction, given_m: float) -> RoadPlane | None:
    """The plane of a picture's road as its depth has it; None where it is not told well enough to scale by."""
    camera, road = prediction.camera, road_class(prediction.manifest.taxonomy)
    assert camera is not None  # Predictor has looked at these
    assert road is not None
    plane = road_plane(
        prediction.maps["labels"], prediction.maps["depth"], road, prediction.geometry,
        focal_px=camera.focal_px, expected_m=given_m,
    )  # fmt: skip
    if plane is None or plane.uncertainty > _MOST_UNCERTAIN:
        return None
    return plane if abs(math.log(given_m / plane.height_m)) <= _MOST_OFF else None


@dataclass
class RoadScale:
    """The scale of depth by the road, over the pictures given to it in order; `given_m` is the true height.

    The ratios of true and fitted heights are averaged, the surer ones with more weight and those of a film's
    last seconds with most; where no road is seen the average so far holds.
    """

    given_m: float
    _sum: float = 0.0  # of weighted logarithms
    _weight: float = 0.0
    _time_s: float = 0.0

    def apply(self, prediction: Prediction) -> None:
        """Scale a prediction's depth, and say so in its `camera.height`. Not twice."""
        if "depth" not in prediction.maps:
            return
        plane = fitted(prediction, self.given_m)
        if plane is not None:
            self._add(plane, prediction.time_s or 0.0)
        source = "road" if plane is not None else "earlier frames" if self._weight else None
        scale = math.exp(self._shrunk())
        assert prediction.camera is not None
        height = HeightScale(
            given_m=self.given_m, seen_m=None if plane is None else plane.height_m,
            pitch_degrees=None if plane is None else plane.pitch_degrees, scale=scale, source=source,
        )  # fmt: skip
        prediction.camera = dataclasses.replace(prediction.camera, height=height)
        if scale != 1.0:
            depth_m = scaled(prediction.maps["depth"], scale, prediction.manifest.depth_range_m[1])
            prediction.maps = {**prediction.maps, "depth": depth_m}

    def _add(self, plane: RoadPlane, time_s: float) -> None:
        kept = math.exp(-max(0.0, time_s - self._time_s) / _MEMORY_S)
        weight = 1 / (RULER**2 + plane.uncertainty**2)
        self._time_s = time_s
        self._sum = kept * self._sum + weight * math.log(self.given_m / plane.height_m)
        self._weight = kept * self._weight + weight

    def _shrunk(self) -> float:
        """The mean logarithm, less what may be the ruler's own error (James and Stein's estimator)."""
        if not self._weight:
            return 0.0
        mean = self._sum / self._weight
        return mean * max(0.0, 1 - (RULER / mean) ** 2) if mean else 0.0


def scaled(depth_m: NDArray[np.float32], scale: float, farthest_m: float) -> NDArray[np.float32]:
    """Depth times `scale`; the sky stays the farthest."""
    found = np.minimum(depth_m * np.float32(scale), np.float32(farthest_m))
    found[depth_m >= farthest_m] = farthest_m
    return np.asarray(found, np.float32)
