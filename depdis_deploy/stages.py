"""Time spent in each stage of the work, summed over frames and threads."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

STAGES = ("decode", "preprocess", "inference", "postprocess", "draw", "save", "encode")
Item = TypeVar("Item")


class Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of a block to `stage`."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] += time.perf_counter() - begun

    def clocked(self, items: Iterable[Item], stage: str) -> Iterator[Item]:
        """`items`, with the time taken to make them added to `stage`."""
        iterator = iter(items)
        while True:
            with self.timed(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def add(self, other: Stages) -> None:
        """Add another's sums."""
        for stage, seconds in other._seconds.items():
            self._seconds[stage] += seconds

    def add_milliseconds(self, speed: Mapping[str, float]) -> None:
        """Add a prediction's `speed`."""
        for stage, milliseconds in speed.items():
            self._seconds[stage] += milliseconds / 1000

    def milliseconds(self, frames: int) -> dict[str, float]:
        """Milliseconds a frame of the stages that took any, in order."""
        seen = [stage for stage in STAGES if self._seconds[stage] > 0]
        return {stage: 1000 * self._seconds[stage] / max(frames, 1) for stage in seen}

    def per_frame(self, frames: int) -> str:
        """`decode 0.9, inference 20.1, ...`: milliseconds a frame."""
        return ", ".join(f"{stage} {value:.1f}" for stage, value in self.milliseconds(frames).items())
