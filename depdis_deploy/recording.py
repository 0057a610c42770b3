"""What a video's frames become: a video and an NDJSON file, or of an endless source one of each a segment."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from av.error import FFmpegError

from .clip import Clip
from .command import InputError, one_line
from .job import Job
from .media.frame_times import LONGEST_HOLD_S
from .outputs import Names
from .terminal import json_line
from .video import VideoWriter
from .write_faults import is_disk_fault, write_fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What lies in the system's memory alone is gone after a power cut.
_SYNC_EVERY_S = 2.0
_MOST_UNFINISHED = 2  # segments, beyond which the next one waits


class Recording:
    """The files of one source.

    name: of the source, in messages. stem, record: of the video's and of the NDJSON file's name; segments add
    to `base` when they begin.
    live: what is written is brought to the disk every two seconds, and segments are made if they are asked for.

    A video that cannot be encoded is a fault of the run, and the other outputs are still written; where there
    are none, InputError is raised. Unwritable: the disk is to blame.
    """

    def __init__(self, job: Job, clip: Clip, name: str, stem: str, record: str, *, live: bool) -> None:
        self.job, self.clip, self.name, self.live = job, clip, name, live
        self.stem, self.record = stem, record
        self._segment_s = job.options.segment_s if live else None
        self.base = stem
        self._names = Names()
        self._writer: VideoWriter | None = None
        self._encodes = True  # until the encoder fails
        self._size: tuple[int, int] | None = None
        self._origin = 0  # of the file being written, in the clip's ticks
        self._pts = 0
        self._synced = time.monotonic()
        self._background: ThreadPoolExecutor | None = None
        self._unfinished: list[Future[str | None]] = []

    @property
    def segmented(self) -> bool:
        """Whether a new file is begun now and then."""
        return self._segment_s is not None

    def add(
        self, pts: int, yuv: NDArray[np.uint8] | None, size: tuple[int, int], record: dict[str, Any] | None
    ) -> None:
        """The next frame, at `pts` ticks of the clip: I420 of `size` (width, height), and its NDJSON record.

        The record's `outputs` get the name of the video.
        """
        try:
            if self._segment_s is not None:
                self._turn(pts, size, self._segment_s)
            if yuv is not None and self._encodes:
                self._encode(pts, yuv, size)
            self._pts = pts
            if record is not None:
                if yuv is not None and self._encodes:
                    record["outputs"].insert(0, f"{self.stem}.mp4")
                self.job.record(self.record, json_line(record))
            if self.live and time.monotonic() - self._synced > _SYNC_EVERY_S:
                self._synced = time.monotonic()
                self.job.records.sync()
                if self._writer is not None:
                    self._writer.sync()
        except (OSError, FFmpegError) as error:
            raise self.after_failure(error) from None

    def _encode(self, pts: int, yuv: NDArray[np.uint8], size: tuple[int, int]) -> None:
        try:
            if self._writer is None:
                self._writer = self._begun(size)
            self._writer.write(yuv, pts - self._origin)
        except (InputError, OSError, FFmpegError) as error:
            if not isinstance(error, InputError) and is_disk_fault(error, self.job.folder):
                raise
            self._stop_encoding(error, size)

    def _stop_encoding(self, error: Exception, size: tuple[int, int]) -> None:
        """Report that the video cannot be encoded, and keep what was encoded of it as a whole file."""
        self._encodes = False
        text = one_line(error)
        if not isinstance(error, InputError):
            text = (
                f"{self.stem}.mp4: H.264 cannot be encoded ({text}; {size[0]}x{size[1]} at "
                f"{float(self.clip.rate):g} frames/s); convert the source, or --save other kinds"
            )
        text = f"{self.name}: {text}"
        writer, self._writer = self._writer, None
        if writer is not None and (frames := writer.abandon()):
            writer.finish(self._nominal_end(self._pts) - self._origin)
            self.job.written[writer.path.name] = None
            text += f"; it holds the first {frames} frames"
        if self.job.options.kinds(picture=False) == {"video"}:
            raise InputError(text)
        self.job.fault(text)

    def _begun(self, size: tuple[int, int]) -> VideoWriter:
        return VideoWriter(
            self.job.folder / f"{self.stem}.mp4", size, time_base=self.clip.time_base, rate=self.clip.rate,
            aspect=self.clip.aspect, threads=max(1, self.job.workers // 2),
            prompt=self.live, protected=self.job.protected,
        )  # fmt: skip

    def _turn(self, pts: int, size: tuple[int, int], segment_s: float) -> None:
        """Begin a new segment where the present one is full, or the picture's size has changed."""
        if self._size is not None:
            if size == self._size and (pts - self._origin) * self.clip.time_base < segment_s:
                return
            # A camera that was lost meanwhile does not prolong the segment.
            self._hand_over(min(pts, self._pts + round(LONGEST_HOLD_S / self.clip.time_base)) - self._origin)
        self._origin, self._size, self._encodes = pts, size, True
        # Times instead of numbers: what a run before a power cut has left is not written over.
        # Milliseconds keep those of one second in their order.
        now = datetime.now(UTC)
        self.stem = self._names.claim(f"{self.base}_{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z")
        self.record = self.stem

    def _hand_over(self, end_pts: int) -> None:
        """Let a thread finish the segment, since frames do not wait meanwhile."""
        self.job.records.sync()
        if self._writer is None:
            return
        self._writer.close()  # where that fails, `after_failure` still has it
        writer, self._writer = self._writer, None
        if self._background is None:
            self._background = ThreadPoolExecutor(1, thread_name_prefix="segments")
        self._unfinished.append(self._background.submit(writer.finish, end_pts, durable=True))
        self.job.written[writer.path.name] = None
        while self._unfinished and (self._unfinished[0].done() or len(self._unfinished) > _MOST_UNFINISHED):
            self._unfinished.pop(0).result()

    def finish(self, end_pts: int | None) -> None:
        """Make the final files. end_pts: where the last frame ends; None: a nominal frame on.

        Unwritable, InputError: that cannot be done.
        """
        try:
            self._finish(end_pts)
        except (OSError, FFmpegError) as error:
            raise self.after_failure(error) from None

    def _finish(self, end_pts: int | None) -> None:
        if self._background is not None:
            self._background.shutdown()
        while self._unfinished:
            self._unfinished.pop(0).result()
        if self._writer is None:
            return
        whole = end_pts is not None
        if end_pts is None:
            end_pts = self._nominal_end(self._pts)
        self._writer.close()
        lost = self._writer.finish(
            end_pts - self._origin, self.clip.audio, audio_start_s=self.clip.start_s, whole_audio=whole,
            durable=self.live,
        )  # fmt: skip
        self.job.written[self._writer.path.name] = None
        self._writer = None
        if lost is not None:
            self.job.note(f"note: {lost}")

    def _nominal_end(self, pts: int) -> int:
        held_s = min(self.job.options.stride / self.clip.rate, LONGEST_HOLD_S)
        return pts + max(1, round(held_s / self.clip.time_base))

    def after_failure(self, error: OSError | FFmpegError) -> InputError:
        """Close what cannot be written any further. Returns the error to raise, which names what is kept."""
        failure = write_fault(error, self.job.folder, f"{self.name}: {self.stem}")
        writer, self._writer = self._writer, None
        if writer is not None and (frames := writer.abandon()):
            failure = type(failure)(f"{failure}; the first {frames} frames play in {writer.part}")
        return failure
