"""One video, camera or stream -> files: read in a thread, segmented and drawn in workers, encoded in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import av

from .clip import Clip, open_clip
from .command import InputError, one_line
from .job import Job, Unwritable
from .pipeline import ReadAhead
from .progress import Progress
from .sources import Frame, Source
from .stages import Stages
from .video import VideoWriter, even_size, to_yuv

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class _Done:
    pts: int
    line: str | None = None
    yuv: NDArray[np.uint8] | None = None
    stages: Stages = field(default_factory=Stages)


def infer_video(job: Job, source: Source, stem: str, record: str) -> None:
    """Segment one video. Whatever ends the run, the frames done so far end up in a file that plays.

    InputError: it cannot be read. Unwritable: the results cannot be written.
    """
    try:
        clip = open_clip(source, stride=job.options.stride)
    except OSError as error:
        raise InputError(f"{source.label}: {error.strerror or one_line(error)}") from None
    with clip:
        run = _Run(job, clip, stem, record)
        try:
            run.frames(source)
        except (OSError, av.error.FFmpegError) as error:
            raise Unwritable(run.after_failure(error)) from None
        finally:
            run.finish()
        if clip.damage and not job.interruption.stopped.is_set():
            job.fault(clip.damage)


class _Run:
    def __init__(self, job: Job, clip: Clip, stem: str, record: str) -> None:
        self.job, self.clip, self.stem, self.record = job, clip, stem, record
        self.kinds = job.options.kinds(picture=False)
        self.files = self.kinds - {"video", "json"}
        self.writer: VideoWriter | None = None
        self.pts = 0
        self.ended = False
        self._size: dict[str, tuple[int, int]] = {}

    def frames(self, source: Source) -> None:
        """Until the end, an interruption, or an error."""
        job = self.job
        name = Path(source.location).name if source.kind == "video" else source.label
        progress = Progress(name, self.clip.total, unit="frames", quiet=job.options.quiet)
        reading = Stages()
        frames = reading.clocked(self.clip, "decode")
        ahead = ReadAhead(frames, 2 * job.workers * job.options.batch, drop=source.live)
        try:
            for group in job.in_order(ahead, self._batch):
                for done in group:
                    self._write(done)
                    progress.advance()
            self.ended = not job.interruption.stopped.is_set()
        finally:
            job.stages.add(reading)
            progress.close()
            if self.files:
                job.written.update((f"{self.stem}_{kind}/", None) for kind in sorted(self.files))
        if ahead.dropped:
            job.note(f"{name}: {ahead.dropped} frames passed over to keep up with the source")

    def _batch(self, frames: Sequence[Frame]) -> list[_Done]:
        """In a worker: predict, draw, save what has a file of its own."""
        job = self.job
        results = []
        predictions = job.predictor.predict(frames, outputs=job.outputs(self.kinds))
        for frame, prediction in zip(frames, predictions, strict=True):
            done = _Done(frame.pts or 0)
            done.stages.add_milliseconds(prediction.speed)
            if "video" in self.kinds:
                with done.stages.timed("draw"):
                    panel = prediction.plot(job.options.panel)
                    # A source that changes its size midway is scaled to the first one's.
                    done.yuv = to_yuv(panel, self._size.setdefault("video", even_size(panel)))
            if self.files:
                with done.stages.timed("save"):
                    prediction.save_frame(job.folder, self.stem, self.files, job.options.panel)
            if "json" in self.kinds:
                done.line = prediction.to_json()
            results.append(done)
        return results

    def _write(self, done: _Done) -> None:
        if done.yuv is not None:
            with done.stages.timed("encode"):
                self._encode(done.yuv, done.pts)
        if done.line is not None:
            self.job.record(self.record, done.line)
        self.job.count(done.stages)

    def _encode(self, yuv: NDArray[np.uint8], pts: int) -> None:
        if self.writer is None:
            self.writer = VideoWriter(
                self.job.folder / f"{self.stem}.mp4", self._size["video"], time_base=self.clip.time_base,
                rate=self.clip.rate, aspect=self.clip.aspect, threads=max(1, self.job.workers // 2),
            )  # fmt: skip
        self.writer.write(yuv, pts)
        self.pts = pts

    def _end_pts(self) -> int:
        """When the last frame written ends: the source's own end, unless the run ended before it."""
        if self.ended:
            return self.clip.end_pts
        return self.pts + round(self.job.options.stride / self.clip.rate / self.clip.time_base)

    def after_failure(self, error: OSError | av.error.FFmpegError) -> str:
        """Close what cannot be written any further, and say what is kept."""
        text = self.job.unwritable(error)
        writer, self.writer = self.writer, None
        if writer is not None:
            text += f"; the first {writer.abandon()} frames play in {writer.part}"
        return text

    def finish(self) -> None:
        """Make the final video of the frames done."""
        if self.writer is None:
            return
        try:
            self.writer.close()
            lost = self.writer.finish(self._end_pts(), self.clip.audio, audio_start_s=self.clip.start_s)
        except (OSError, av.error.FFmpegError) as error:
            raise Unwritable(self.after_failure(error)) from None
        self.job.written[self.writer.path.name] = None
        if lost is not None:
            self.job.note(f"note: {lost}")
