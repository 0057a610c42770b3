"""Models -> rows, measured one stage after the other; whatever ends it, what was measured is reported."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.backends.choice import check_words
from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import InputError, UsageError, one_line
from depdis_deploy.files import written_whole
from depdis_deploy.interruption import Interruption, interruptible
from depdis_deploy.progress import Progress, say
from depdis_deploy.sizes import parse_size
from depdis_deploy.sources import BUNDLED_CLIP, Source, find_sources
from depdis_deploy.terminal import write_out

from .accuracy import Outputs, agreement, pictures
from .candidates import Candidate, ModelFile, candidates, model_files, reference_of
from .measure import ABSENT, FAILED, OK, ROUNDS, Row, Running, runs_for
from .report import advice, as_record, busy, shares_table, table
from .video import video_speed


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line of `depdis-benchmark`."""

    models: tuple[Path, ...] = ()
    imgsz: str | None = None
    threads: int | None = None
    device: str = "auto"
    source: Path | None = None
    pictures: int = 8
    seconds: float = 5.0
    frames: int = 100
    out: Path | None = None
    exist_ok: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        check_words(self.device, "auto", "auto")
        if self.source is not None and self.source.is_fifo():
            raise UsageError(
                f"--source {self.source}: expected images or a video file, which can be read again, got a pipe"
            )
        if self.out is None:
            return
        if self.out.suffix != ".json":
            raise UsageError(f"--out {self.out}: expected a name that ends in .json")
        for path in (self.out, self.out.with_suffix(".png")):
            if path.is_dir():
                raise UsageError(f"{path} is a folder: give another --out")
            if path.exists() and not self.exist_ok:
                raise UsageError(f"{path} exists: give another --out, or --exist-ok to replace it")
        if not self.out.parent.is_dir():
            raise InputError(f"{self.out.parent} is not a folder: make it first, or give another --out")


def run(options: Options) -> int:
    """Measure and report; 0 where at least one row was timed, 1 where none was.

    InputError, UsageError: nothing was measured. KeyboardInterrupt, Terminated: what was measured is reported.
    """
    batch, size = None, None
    if options.imgsz is not None:
        batch, *sides = parse_size(options.imgsz)
        size = (sides[0], sides[1])
    files = model_files(options.models)
    rows = [Row(candidate) for candidate in candidates(files, options.device)]
    source = options.source or BUNDLED_CLIP
    images = pictures(source, options.pictures)
    if (warning := busy()) and not options.quiet:
        say(warning)
    with interruptible((lambda text: None) if options.quiet else say) as interruption:
        work = _Work(options, files, rows, images, size, batch, interruption)
        try:
            work.make_ready()
            work.time()
            work.film(source)
        finally:
            _report(options, rows, source)
        interruption.raise_if_any()
    return 0 if any(row.milliseconds for row in rows) else 1


class _Work:
    """The stages; each stops early on an interruption."""

    def __init__(
        self, options: Options, files: Sequence[ModelFile], rows: list[Row], images: list[NDArray[np.uint8]],
        size: tuple[int, int] | None, batch: int | None, interruption: Interruption,
    ) -> None:  # fmt: skip
        self.options, self.files, self.rows, self.images = options, files, rows, images
        self.size, self.batch, self.interruption = size, batch, interruption
        self.running: list[tuple[Running, float]] = []
        self._true: dict[tuple[str, tuple[int, int] | None, int], list[Outputs] | str] = {}

    def make_ready(self) -> None:
        """Load, compare and warm up each row's session; a row that cannot be had says why."""
        progress = Progress("loading and comparing", len(self.rows), unit="rows", quiet=self.options.quiet)
        for row in self.rows:
            if self.interruption.stopped.is_set():
                break
            self._ready(row)
            progress.advance(note=row.candidate.label)
        progress.close()

    def _ready(self, row: Row) -> None:
        if row.candidate.file is None:
            row.status = ABSENT
            row.reason = f"make one by depdis-export CHECKPOINT --precision {row.candidate.precision}"
            return
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                running = Running(row, self.images, self.size, self.batch, self.options.threads)
                found = running.outputs()
                one_call_s = running.warm_up()
        except (InputError, UsageError) as error:
            row.status, row.reason = FAILED, one_line(error)
            return
        row.status = OK
        true = self._reference(row)
        if isinstance(true, str):
            row.reason = true
        else:
            row.agreement = agreement(true, found)
            if row.agreement is None:
                row.reason = "its maps have other sizes than the fp32 file's: not compared"
        warned = dict.fromkeys(str(warning.message) for warning in caught)
        row.reason = "; ".join(filter(None, [row.reason, *warned]))
        self.running.append((running, one_call_s))

    def _reference(self, row: Row) -> list[Outputs] | str:
        """What the fp32 file gives for the same pictures, or why that is not to be had."""
        file = row.candidate.file
        assert file is not None
        key = (file.network, row.size, row.batch)
        if key not in self._true:
            fp32 = reference_of(file, self.files)
            if fp32 is None:
                self._true[key] = "no fp32 file of the same checkpoint given or beside it: not compared"
            else:
                engine = "openvino" if fp32.path.suffix.lower() == ".xml" else "onnxruntime"
                try:
                    candidate = Candidate(fp32, engine, "cpu", "auto", "fp32")
                    self._true[key] = Running(
                        Row(candidate), self.images, row.size, row.batch, self.options.threads
                    ).outputs()
                except InputError as error:
                    self._true[key] = f"{fp32.path.name} cannot be compared with: {one_line(error)}"
        return self._true[key]

    def time(self) -> None:
        """Rounds in which all rows take their turn."""
        planned = [(running, runs_for(self.options.seconds, one)) for running, one in self.running]
        total = sum(runs for _, runs in planned)
        progress = Progress("timing", total, unit="calls", quiet=self.options.quiet)
        for _ in range(ROUNDS):
            for running, runs in planned:
                for _ in running.time(runs // ROUNDS):
                    progress.advance(note=running.row.candidate.label)
                    if self.interruption.stopped.is_set():
                        progress.close()
                        return
        progress.close()

    def film(self, path: Path) -> None:
        """A video from file to file, in each row that was timed."""
        timed = [running.row for running, _ in self.running]
        self.running = []  # their sessions would hold memory and threads
        sources = [source for source in find_sources([str(path)]) if source.kind == "video"]
        if not self.options.frames or not sources:
            return
        progress = Progress("a video from file to file", len(timed), unit="rows", quiet=self.options.quiet)
        for row in timed:
            if self.interruption.stopped.is_set():
                break
            self._film(row, sources[0])
            progress.advance(note=row.candidate.label)
        progress.close()

    def _film(self, row: Row, source: Source) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # said when the row was made ready
                found = video_speed(
                    row.candidate, row.batch, source, self.options.frames, self.options.threads,
                    self.interruption,
                )  # fmt: skip
        except (InputError, UsageError) as error:
            row.reason = "; ".join(filter(None, [row.reason, f"no video: {one_line(error)}"]))
            return
        if not self.interruption.stopped.is_set():  # a few frames are no measure
            row.video = found


def _report(options: Options, rows: Sequence[Row], source: Path) -> None:
    if options.out is not None:  # first, since the reader of stdout may be gone
        _write(options.out, options, rows, source)
    write_out(table(rows))
    if shares := shares_table(rows):
        write_out(f"\n{shares}")
    write_out(f"\n{advice(rows)}")
    if options.out is not None and not options.quiet:
        say(f"{options.out}, {options.out.with_suffix('.png')}")


def _write(out: Path, options: Options, rows: Sequence[Row], source: Path) -> None:
    from .chart import draw_chart

    threads = options.threads or cores()
    record = as_record(
        rows, date=datetime.now(UTC).date().isoformat(), source=source.name, pictures=options.pictures,
        threads=threads,
    )  # fmt: skip
    with written_whole(out) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    machine = record["machine"]
    title = f"{machine['processor']}, {threads} thread{'s' * (threads > 1)} of {machine['cores']} cores"
    draw_chart(rows, title, out.with_suffix(".png"))
