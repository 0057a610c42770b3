"""The classes' shares and the nearest person and vehicle over a video's time, from its NDJSON lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

PEOPLE = frozenset({"person", "rider", "human"})
VEHICLES = frozenset({"car", "truck", "bus", "train", "motorcycle", "bicycle", "vehicle"})
_SEEN_FROM = 0.001  # a class with less of the frame is no more than stray pixels
_BINS = 240  # what a chart as wide as a screen can show


class Series:
    """Grows by a line a frame; `charted` may be called from another thread at any time."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._shares: dict[str, list[float]] = {}
        self._nearest: dict[str, list[float | None]] = {"person": [], "vehicle": []}

    def add(self, line: str) -> None:
        """One line as `Prediction.to_json` makes it."""
        record: Mapping[str, Any] = json.loads(line)
        classes = record["classes"]
        for name, found in classes.items():
            self._shares.setdefault(name, []).append(found["share"])
        self._nearest["person"].append(_nearest(classes, PEOPLE))
        self._nearest["vehicle"].append(_nearest(classes, VEHICLES))
        # last, since it says how much of the others is whole
        self._times.append(float(record["time_s"] or 0.0))

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self._times)

    @property
    def seconds(self) -> float:
        """The time of the last frame."""
        return self._times[-1] if self._times else 0.0

    def charted(self) -> dict[str, Any]:
        """Time stamps, shares by class (those that are anywhere above 0.5 %) and nearest metres, in at most 240
        steps: means of shares, the smallest distance of each step, None where there is none."""
        frames = len(self._times)
        step = max(1, -(-frames // _BINS))
        spans = [slice(start, min(start + step, frames)) for start in range(0, frames, step)]
        shares = {
            name: [round(sum(values[span]) / len(values[span]), 4) for span in spans]
            for name, values in self._shares.items()
        }
        return {
            "times": [round(self._times[span.start], 3) for span in spans],
            "shares": {name: values for name, values in shares.items() if max(values, default=0.0) >= 0.005},
            "nearest": {
                name: [_smallest(values[span]) for span in spans] for name, values in self._nearest.items()
            },
        }


def _nearest(classes: Mapping[str, Mapping[str, Any]], names: frozenset[str]) -> float | None:
    return _smallest(
        [
            found["nearest_depth_m"]
            for name, found in classes.items()
            if name in names and found["share"] >= _SEEN_FROM
        ]
    )


def _smallest(values: Sequence[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
