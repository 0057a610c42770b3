"""One video of one visitor, through what `depdis-infer` does, in a thread that can be watched and stopped."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import InputError, one_line
from depdis_deploy.infer_video import infer_video
from depdis_deploy.interruption import Interruption
from depdis_deploy.job import Job, Options
from depdis_deploy.progress import duration
from depdis_deploy.sources import Source
from depdis_deploy.write_faults import Unwritable

from .limits import Limits
from .series import Series

if TYPE_CHECKING:
    from depdis_deploy import Predictor
    from depdis_deploy.prediction import Camera
    from depdis_deploy.stages import Stages

_MOST_WORKERS = 8


class _WatchedJob(Job):
    """A job that keeps what it has to say, and each frame's line. It stops itself at the limits.

    cut: why it stopped, as a sentence for the visitor; None if it did not.
    """

    def __init__(
        self, options: Options, predictor: Predictor, folder: Path, stop: Interruption, limits: Limits
    ) -> None:
        super().__init__(options, predictor, folder, min(cores(), _MOST_WORKERS), stop)
        self.said: list[str] = []
        self.faulted: list[str] = []
        self.series = Series()
        self.cut: str | None = None
        self._limits = limits

    def note(self, text: str) -> None:
        self.said.append(text)

    def fault(self, text: str) -> None:
        self.faults += 1
        self.said.append(text)
        self.faulted.append(text)

    def count(self, stages: Stages, camera: Camera | None) -> None:
        # what the command says of the camera, and of its options, is not for this page
        super().count(stages, None)

    def record(self, stem: str, line: str) -> None:
        super().record(stem, line)
        self.series.add(line)
        # Here and not where the page asks for progress: nobody may be looking.
        if self.series.seconds > self._limits.seconds:
            self.stop(f"It is longer than {self._limits.seconds:g} seconds")
        elif self.series.frames > self._limits.frames:
            self.stop(f"It has more than {self._limits.frames} frames")

    def stop(self, reason: str) -> None:
        """Stop after the frames in progress, unless the run has been stopped already."""
        if not self.interruption.stopped.is_set():
            self.cut = f"{reason}, so the rest was left out."
            self.interruption.stopped.set()


class Film:
    """A video at work: `start`, look at `progress` until it is `done`, then at `files`.

    limits: where it stops, for a file whose header says less than it holds. smooth: hold labels against
    flicker.
    """

    def __init__(
        self, predictor: Predictor, source: Path, folder: Path, panel: str, limits: Limits, *,
        smooth: bool = False,
    ) -> None:  # fmt: skip
        self.source, self.folder, self.limits = source, folder, limits
        self.stop = Interruption()
        options = Options(panel=panel, save=("video", "json"), quiet=True, smooth=smooth)
        self.job = _WatchedJob(options, predictor, folder, self.stop, limits)
        self.error: Exception | None = None
        self.cancelled = False
        self._thread = threading.Thread(target=self._run, name="film", daemon=True)
        self._begun = time.monotonic()
        self.total: int | None = None
        self.size = (0, 0)

    def start(self) -> None:
        """Begin; returns at once. InputError: the file cannot be read."""
        from depdis_deploy.clip import VideoFile

        with VideoFile(str(self.source), max_pixels=self.limits.pixels) as clip:
            self.total, self.size = clip.total, clip.size
        self._begun = time.monotonic()
        self._thread.start()

    def _run(self) -> None:
        reason = f"It took longer than {self.limits.minutes:g} minutes"
        overtime = threading.Timer(60 * self.limits.minutes, self.job.stop, (reason,))
        overtime.daemon = True
        overtime.start()
        try:
            source = Source("video", str(self.source))
            infer_video(self.job, source, "result", "result", max_pixels=self.limits.pixels)
        except Exception as error:  # handed to the one who waits
            self.error = error
        finally:
            overtime.cancel()
            self.job.records.close()

    def cancel(self) -> None:
        """Stop after the frames under way; what is done is kept."""
        self.cancelled = True
        self.stop.stopped.set()

    def done(self, wait_s: float) -> bool:
        """Wait at most so long; whether it has ended."""
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def end(self) -> None:
        """See that nothing is at work any more."""
        self.stop.stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def progress(self) -> dict[str, Any]:
        """Frames done, all of them (None: not known), frames a second, time left in words, series so far."""
        elapsed, frames = time.monotonic() - self._begun, self.job.frames
        rate = frames / elapsed if elapsed > 0 else 0.0
        left = None
        total = self.total if self.total and frames <= self.total else None  # a header may give too few
        if total and rate > 0:
            left = duration((total - frames) / rate)
        return {
            "frames": frames, "total": total, "rate": round(rate, 1), "left": left,
            "series": self.job.series.charted(),
        }  # fmt: skip

    def files(self) -> dict[str, Path]:
        """`video` and `lines`, as far as there are any. InputError: nothing came out.

        What is no fault of the file's is raised, whatever came out, so that it is logged here.
        """
        if isinstance(self.error, Unwritable):
            raise OSError(one_line(self.error)) from self.error
        if self.error is not None and not isinstance(self.error, InputError):
            raise self.error
        found = {"video": self.folder / "result.mp4", "lines": self.folder / "result.ndjson"}
        found = {kind: path for kind, path in found.items() if path.exists()}
        if "video" not in found:
            raise self.error or InputError(
                "\n".join(self.job.faulted) or "nothing was done before it was cancelled"
            )
        return found

    def notes(self) -> list[str]:
        """What a visitor should know of the result, as sentences."""
        said = list(self.job.said)
        if self.error is not None:
            said.append(one_line(self.error))
        if self.job.cut is not None:
            said.append(self.job.cut)
        return [text.replace(str(self.source), "The file") for text in said]
