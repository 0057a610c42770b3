"""What all sources of one `depdis-infer` share: options, output folder, faults, sums, model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .camera_height import LEAST_M, MOST_M
from .camera_notes import CameraNotes
from .command import InputError, UsageError
from .files import Protected
from .interruption import Interruption
from .outputs import BRANCH_KINDS, KINDS, Records, StandardOutput
from .patience import Flag
from .pipeline import ReadAhead, Turn, in_order
from .progress import duration, say
from .stages import Stages

if TYPE_CHECKING:
    from .prediction import Camera
    from .predictor import Predictor

# what each panel shows beside the labels
PANELS: dict[str, set[str]] = {"overlay": set(), "side-by-side": {"depth"}, "quad": {"depth", "density"}}
_MOST_HELD = 1000  # records of failed sources
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line of `depdis-infer`."""

    sources: tuple[str, ...] = ()
    model: Path | None = None
    device: str = "auto"
    outdir: Path | None = None
    exist_ok: bool = False
    batch: int = 1
    stride: int = 1
    save: tuple[str, ...] = ()
    panel: str = "overlay"
    camera_fov: float | None = None
    camera_height: float | None = None
    smooth: bool = False
    quiet: bool = False
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    trust_engine: bool = False
    imgsz: tuple[int, int] | None = None
    duration_s: float | None = None
    segment_s: float | None = None
    retry_s: float = math.inf
    stdout: bool = False
    ray: bool = False
    ray_address: str | None = None

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.save if kind not in KINDS]
        if unknown:
            raise UsageError(f"--save {unknown[0]}: expected one of {', '.join(KINDS)}")
        if self.panel not in PANELS:
            raise UsageError(f"--panel {self.panel}: expected one of {', '.join(PANELS)}")
        if self.camera_fov is not None and not 1 <= self.camera_fov <= 179:
            raise UsageError(f"--camera-fov {self.camera_fov:g}: expected 1 to 179 degrees")
        if self.camera_height is not None and not LEAST_M <= self.camera_height <= MOST_M:
            raise UsageError(
                f"--camera-height {self.camera_height:g}: expected {LEAST_M:g} to {MOST_M:g} metres"
            )
        if self.ray_address is not None and not self.ray:
            raise UsageError("--ray-address goes with --ray")

    def note(self, text: str) -> None:
        """Log a line that is no error."""
        if not self.quiet:
            say(text)

    def kinds(self, *, picture: bool) -> frozenset[str]:
        """What to write for a picture or for a video; a picture's `video` is its overlay."""
        chosen = set(self.save) or ({"json"} if self.stdout else {"video", "json"})
        if self.stdout:
            chosen.add("json")
        if picture and "video" in chosen:
            chosen = chosen - {"video"} | {"overlay"}
        return frozenset(chosen)


def needed_outputs(kinds: frozenset[str], panel: str, given: Collection[str]) -> tuple[str, ...] | None:
    """Which of the outputs `given` by a model `kinds` need; None: all. What is not needed is not computed."""
    if "npz" in kinds:
        return None
    needed = kinds & BRANCH_KINDS | ({"depth"} if "json" in kinds else set())
    if kinds & {"video", "overlay"}:
        needed |= PANELS[panel]
    return tuple(name for name in given if name in needed)


class Run:
    """The state of one call, wherever its pictures are predicted; only the main thread changes it.

    protected: files that no result may replace.
    """

    def __init__(
        self, options: Options, folder: Path, interruption: Interruption, protected: Protected | None = None
    ) -> None:
        self.options, self.folder, self.interruption = options, folder, interruption
        self.protected = protected or Protected()
        self.records: Records | StandardOutput = Records(folder, self.protected)
        if options.stdout:
            self.records = StandardOutput(closed=interruption.stopped.set)
        self.stages = Stages()
        self.cameras = CameraNotes(self.note)
        self.faults = self.frames = 0
        self.before = 0  # of the frames, those that an earlier call did
        self.written: dict[str, None] = {}  # in order, each once
        self._held: list[tuple[str, str]] = []  # NDJSON lines of failed sources, before any success
        self._begun = time.monotonic()

    def note(self, text: str) -> None:
        """Log a line that is no error."""
        self.options.note(text)

    def fault(self, text: str) -> None:
        """Say what could not be read or written; the rest goes on, and the exit status will be 1."""
        self.faults += 1
        say(f"error: {text}")

    def record(self, stem: str, line: str) -> None:
        """Add a line to an NDJSON file. InputError: the file cannot be made, for no fault of the disk."""
        self._record_failures()
        self._record(stem, line)

    def record_failure(self, stem: str, line: str) -> None:
        """Add the line of a failed source, once any source succeeds: a run without results leaves no files."""
        if "json" not in self.options.kinds(picture=False):
            return
        self._held.append((stem, line))
        if self.frames or self.options.stdout or len(self._held) > _MOST_HELD:
            self._record_failures()

    def _record_failures(self) -> None:
        held, self._held = self._held, []
        for stem, line in held:
            with suppress(InputError):  # the failure itself was reported
                self._record(stem, line)

    def _record(self, stem: str, line: str) -> None:
        self.records.write(stem, line)
        if not self.options.stdout:
            self.written[f"{stem}.ndjson"] = None

    def count(self, stages: Stages, camera: Camera | None) -> None:
        """One frame more is done; camera: that of its depth."""
        self.frames += 1
        self.stages.add(stages)
        self.cameras.add(camera)

    def summary(self) -> list[str]:
        """Lines that state where the results are, and the speed of each stage."""
        elapsed = time.monotonic() - self._begun
        names = list(self.written)
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        rate = (self.frames - self.before) / elapsed if elapsed > 0 else 0.0
        frames = f"{self.frames} frames" + (f", {self.before} of them before," if self.before else "")
        stages = self.stages.per_frame(self.frames)
        return [
            *([f"results in {self.folder}: {shown}"] if names else []),
            f"{frames} in {duration(elapsed)}, {rate:.1f}/s; milliseconds a frame: {stages}",
        ]


class Job(Run):
    """A run in this process: with the model, and threads that call it."""

    def __init__(
        self,
        options: Options,
        predictor: Predictor,
        folder: Path,
        workers: int,
        interruption: Interruption,
        protected: Protected | None = None,
    ) -> None:
        super().__init__(options, folder, interruption, protected)
        self.predictor, self.workers = predictor, workers

    def outputs(self, kinds: frozenset[str], *, film: bool = False) -> tuple[str, ...] | None:
        """Which outputs `kinds` need; None: all of the model's.

        film: they are a film's, whose labels may be smoothed by confidence.
        """
        if film and self.options.smooth:
            kinds |= {"confidence"}
        return needed_outputs(kinds, self.options.panel, self.predictor.manifest.outputs)

    def in_order(
        self, ahead: ReadAhead[Item], work: Callable[[Sequence[Item], Turn], Result], *,
        under_way: int | None = None, over: Flag | None = None,
    ) -> Iterator[Result]:  # fmt: skip
        """`work` on batches, in threads; ends early on an interruption, or when `over` is set."""
        with closing(ahead):
            yield from in_order(
                ahead, work, workers=self.workers, batch=self.options.batch, under_way=under_way,
                stopped=over or self.interruption.stopped,
            )  # fmt: skip
