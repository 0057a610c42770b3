"""How fast a whole video goes, and what decoding, network, drawing and encoding take of it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depdis_deploy.infer import workers_and_threads
from depdis_deploy.infer_video import infer_video
from depdis_deploy.interruption import Interruption
from depdis_deploy.job import Job, Options
from depdis_deploy.prediction import Camera
from depdis_deploy.predictor import Predictor
from depdis_deploy.sources import Source, frames_of
from depdis_deploy.stages import Stages

from .candidates import Candidate


@dataclass(frozen=True)
class VideoSpeed:
    """frames done in `seconds`; stages: milliseconds a frame spent in each, which overlap in the threads."""

    frames: int
    seconds: float
    workers: int
    stages: dict[str, float]

    @property
    def fps(self) -> float:
        """Frames a second of the whole."""
        return self.frames / self.seconds

    def shares(self) -> dict[str, float]:
        """Of the sum of all stages: decode, network (with what is before and behind it), draw, encode."""
        total = sum(self.stages.values()) or 1.0
        network = sum(self.stages.get(name, 0.0) for name in ("preprocess", "inference", "postprocess"))
        rest = {name: self.stages.get(name, 0.0) for name in ("decode", "draw", "encode")}
        return {
            name: value / total
            for name, value in {"decode": rest["decode"], "network": network, **rest}.items()
        }


class _FirstFrames(Job):
    """Ends after some frames, or when the user says so."""

    def __init__(self, most: int, outer: Interruption, *words: Any) -> None:
        super().__init__(*words)
        self._most, self._outer = most, outer

    def count(self, stages: Stages, camera: Camera | None) -> None:
        super().count(stages, camera)
        if self.frames >= self._most or self._outer.stopped.is_set():
            self.interruption.stopped.set()


def video_speed(
    candidate: Candidate, batch: int, source: Source, frames: int, threads: int | None,
    interruption: Interruption,
) -> VideoSpeed:  # fmt: skip
    """`depdis-infer` on the first frames of a video, H.264 and NDJSON written; loading is not counted.

    Runs as many calls of `threads` (None: one) side by side as the command does. InputError: it cannot.
    """
    assert candidate.file is not None
    options = Options(
        sources=(source.location,), model=candidate.file.path, device=candidate.device, quiet=True,
        engine=candidate.engine, precision=candidate.asked, threads=threads,
        batch=batch,
    )  # fmt: skip
    workers, each = workers_and_threads(options, [source])
    predictor = Predictor(
        candidate.file.path, candidate.device, threads=each, engine=candidate.engine, precision=candidate.asked
    )
    predictor(next(iter(frames_of(source))))
    with tempfile.TemporaryDirectory(prefix="depdis-benchmark-") as folder:
        job = _FirstFrames(frames, interruption, options, predictor, Path(folder), workers, Interruption())
        begun = time.perf_counter()
        try:
            infer_video(job, source, source.stem, source.stem)
        finally:
            job.records.close()
        seconds = time.perf_counter() - begun
    return VideoSpeed(job.frames, seconds, workers, job.stages.milliseconds(job.frames))
