"""One video, camera or stream -> files: read in a thread, segmented and drawn in workers, encoded in order."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import av

from .clip import Clip, open_clip
from .command import InputError, one_line
from .job import Job
from .media.containers import MAX_PIXELS
from .patience import Patience, Until
from .pipeline import ReadAhead, Turn
from .prediction import Camera
from .progress import Progress
from .recording import Recording
from .sources import Frame, Source
from .stages import Stages
from .video import even_size, to_yuv

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class _Done:
    pts: int
    arrived_s: float | None
    camera: Camera | None
    pixels: int
    record: dict[str, Any] | None = None
    yuv: NDArray[np.uint8] | None = None
    size: tuple[int, int] = (0, 0)
    stages: Stages = field(default_factory=Stages)


def infer_video(job: Job, source: Source, stem: str, record: str, *, max_pixels: int = MAX_PIXELS) -> None:
    """Segment one video. Whatever ends the run, the frames done so far end up in a file that plays.

    max_pixels: of one frame. InputError: it cannot be read. Unwritable: the results cannot be written.
    """
    options = job.options
    over = Until(job.interruption.stopped)
    patience = Patience(options.retry_s, over, job.note)
    try:
        clip = open_clip(source, stride=options.stride, patience=patience, max_pixels=max_pixels)
    except OSError as error:
        raise InputError(f"{source.label}: {error.strerror or one_line(error)}") from None
    with clip:
        if source.live:  # a file's duration is counted by its own stamps
            over.begin(options.duration_s)
        recording = Recording(job, clip, source.label, stem, record, live=source.live)
        run = _Run(job, clip, recording, over, _Budget(2 * max_pixels, options.batch))
        try:
            run.frames(source)
        except (OSError, av.error.FFmpegError) as error:  # of a frame's own files
            raise recording.after_failure(error) from None
        finally:
            recording.finish(clip.end_pts if run.whole else None)
        if clip.damage and not job.interruption.stopped.is_set():
            job.fault(clip.damage)


class _Budget:
    """Bounds the pixels of the frames that are read but not yet written; `least` frames always fit."""

    def __init__(self, pixels: int, least: int) -> None:
        self._left, self._least = pixels, least
        self._frames = 0
        self._lock = Lock()

    def admit(self, frame: Frame) -> bool:
        """Reserve a frame's pixels. False: there are not enough left."""
        pixels = frame.image.shape[0] * frame.image.shape[1]
        with self._lock:
            if self._frames >= self._least and pixels > self._left:
                return False
            self._left, self._frames = self._left - pixels, self._frames + 1
        return True

    def release(self, pixels: int) -> None:
        """Give back the pixels of a frame that was written."""
        with self._lock:
            self._left, self._frames = self._left + pixels, self._frames - 1


class _Run:
    """whole: all frames of a file were read, up to its own end."""

    def __init__(self, job: Job, clip: Clip, recording: Recording, over: Until, budget: _Budget) -> None:
        self.job, self.clip, self.recording, self.over = job, clip, recording, over
        self._budget = budget
        self.kinds = job.options.kinds(picture=False)
        self.files = self.kinds - {"video", "json"}
        self.outputs = job.outputs(self.kinds, film=True)
        self.whole = False
        self.film = job.predictor.film(smooth=job.options.smooth)
        self._size: dict[str, tuple[int, int]] = {}
        self._ages = Ages()

    def frames(self, source: Source) -> None:
        """Until the end, an interruption, the end of the time asked for, or an error."""
        job, live = self.job, source.live
        name = Path(source.location).name if source.kind == "video" else source.label
        progress = Progress(name, self.clip.total, unit="frames", quiet=job.options.quiet)
        reading = Stages()
        frames = reading.clocked(_readable(self.clip if live else self._within_duration(), source), "decode")
        # Of a live source the newest frame alone waits, and no work is taken on that no worker is free for.
        depth = job.options.batch if live else 2 * job.workers * job.options.batch
        # A live source's frames are bounded by the workers alone, since its reader may not wait.
        ahead = (
            ReadAhead(frames, depth, drop=True) if live else ReadAhead(frames, depth, admit=self._budget.admit)
        )
        under_way = job.workers if live else 2 * job.workers
        try:
            for group in job.in_order(ahead, self._batch, under_way=under_way, over=self.over):
                for done in group:
                    self._write(done)
                    self._budget.release(done.pixels)
                    ahead.wake()
                    progress.advance(note=self._ages.newest)
            self.whole = self.whole and not live and not self.over.is_set()
        finally:
            job.stages.add(reading)
            progress.close()
            if self.files:
                job.written.update((f"{self.recording.base}_{kind}/", None) for kind in sorted(self.files))
        if ahead.dropped:
            job.note(f"{name}: {ahead.dropped} frames passed over to keep up with the source")
        if self._ages.count:
            job.note(f"{name}: {self._ages}")

    def _within_duration(self) -> Iterator[Frame]:
        """A file's frames up to --duration."""
        duration_s = self.job.options.duration_s
        for frame in self.clip:
            if duration_s is not None and (frame.time_s or 0.0) >= duration_s:
                return
            yield frame
        self.whole = True

    def _batch(self, frames: Sequence[Frame], turn: Turn) -> list[_Done]:
        """In a worker: predict, in its turn settle, draw, save what has a file of its own."""
        job = self.job
        results = []
        predictions = job.predictor.predict(frames, outputs=self.outputs, settled=False)
        with turn:
            for prediction in predictions:
                self.film.settle(prediction)
        for frame, prediction in zip(frames, predictions, strict=True):
            pixels = frame.image.shape[0] * frame.image.shape[1]
            done = _Done(frame.pts or 0, frame.arrived_s, prediction.camera, pixels)
            done.stages.add_milliseconds(prediction.speed)
            if "video" in self.kinds:
                with done.stages.timed("draw"):
                    panel = prediction.plot(job.options.panel)
                    done.size = even_size(panel)
                    if not self.recording.segmented:
                        # A source that changes its size midway is scaled to the first one's.
                        done.size = self._size.setdefault("video", done.size)
                    done.yuv = to_yuv(panel, done.size)
            names: list[str] = []
            if self.files:
                with done.stages.timed("save"):
                    paths = prediction.save_frame(
                        job.folder, self.recording.base, self.files, job.options.panel, protected=job.protected
                    )
                names = [path.relative_to(job.folder).as_posix() for path in paths]
            if "json" in self.kinds:
                done.record = {**prediction.record(), "outputs": names}
            results.append(done)
        return results

    def _write(self, done: _Done) -> None:
        if done.record is not None and done.arrived_s is not None:
            done.record |= self._ages.measured(done.arrived_s)
        with done.stages.timed("save" if done.yuv is None else "encode"):
            self.recording.add(done.pts, done.yuv, done.size, done.record)
        self.job.count(done.stages, done.camera)


def _readable(frames: Iterable[Frame], source: Source) -> Iterator[Frame]:
    """`frames`, with a fault of the source's own disk told from one of the results'."""
    try:
        yield from frames
    except (OSError, av.error.FFmpegError) as error:
        raise InputError(f"{source.label}: cannot be read any further ({one_line(error)})") from None


class Ages:
    """How old the results of a live source are when they are written. newest: of the last one, in words."""

    def __init__(self) -> None:
        self.count = 0
        self.newest = ""
        self._sum_ms = self._most_ms = 0.0

    def measured(self, arrived_s: float) -> dict[str, str | float]:
        """`received` (UTC) and `age_ms` of a frame that came when the monotonic clock showed `arrived_s`."""
        age_s = time.monotonic() - arrived_s
        self.count += 1
        self._sum_ms += 1000 * age_s
        self._most_ms = max(self._most_ms, 1000 * age_s)
        self.newest = f"{1000 * age_s:.0f} ms old"
        received = datetime.now(UTC) - timedelta(seconds=age_s)
        return {
            "received": received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "age_ms": round(1000 * age_s, 1),
        }

    def __str__(self) -> str:
        mean_ms = self._sum_ms / max(1, self.count)
        return f"results were {mean_ms:.0f} ms old in the mean, {self._most_ms:.0f} ms at most"
