"""Pictures -> files: each is read, segmented and saved in a worker; NDJSON lines follow in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .command import one_line
from .files import Protected
from .job import Job, Options, Run, needed_outputs
from .outputs import file_name
from .pipeline import ReadAhead, Turn
from .prediction import Camera, Prediction, failure_line
from .progress import Progress
from .sources import Frame, Source
from .stages import Stages
from .terminal import json_line
from .write_faults import is_disk_fault, unwritable

if TYPE_CHECKING:
    from .media.image_workers import ImageDecoder
    from .patience import Flag
    from .predictor import Predictor


@dataclass(frozen=True)
class Entry:
    """A picture, the stem of its files, and the stem of the NDJSON file that it goes to."""

    source: Source
    stem: str
    record: str


@dataclass
class Done:
    """What became of a picture: its line for the NDJSON file, and why it failed if it did."""

    record: str
    line: str | None = None
    error: str | None = None
    camera: Camera | None = None
    stages: Stages = field(default_factory=Stages)
    source: str = ""
    outputs: list[str] = field(default_factory=list)  # names of the files

    @classmethod
    def of(cls, entry: Entry) -> Done:
        """The result of an image that nothing was done for yet."""
        return cls(entry.record, source=entry.source.label)

    def fail(self, error: str) -> Done:
        """Become the result of a failed image; what it was before is dropped."""
        self.error, self.line = error, failure_line(self.source, error, self.outputs)
        return self


def fail_output(dones: Iterable[Done], name: str, error: str) -> None:
    """Fail the image that a file belongs to, since the file cannot be kept."""
    for done in dones:
        if name in done.outputs:
            done.outputs.remove(name)
            done.fail(error)


@dataclass(frozen=True)
class PictureWork:
    """What a worker does with images: decode, segment, save into `folder`.

    stopped: Once it is set, images that are being decoded are given up.
    """

    options: Options
    predictor: Predictor
    folder: Path
    decoder: ImageDecoder
    stopped: Flag
    protected: Protected | None = None

    def __call__(self, group: Sequence[Entry]) -> list[Done]:
        """Pictures given to the network at once. One that cannot be read leaves its error in place of results.

        OSError: the results cannot be written.
        """
        from .pictures import MAX_PIXELS

        kinds, panel = self.options.kinds(picture=True), self.options.panel
        results = [Done.of(entry) for entry in group]
        frames: dict[int, Frame] = {}
        for position, entry in enumerate(group):
            with results[position].stages.timed("decode"):
                try:
                    path = entry.source.location
                    image = self.decoder.read(path, max_pixels=MAX_PIXELS, stopped=self.stopped)
                    frames[position] = Frame(image, path)
                except (ValueError, OSError) as error:
                    results[position].fail(one_line(error))
        outputs = needed_outputs(kinds, panel, self.predictor.manifest.outputs)
        predictions = self.predictor.predict(list(frames.values()), outputs=outputs)
        for position, prediction in zip(frames, predictions, strict=True):
            done, entry = results[position], group[position]
            done.stages.add_milliseconds(prediction.speed)
            done.camera = prediction.camera
            with done.stages.timed("save"):
                self._save(done, entry, prediction)
        return results

    def _save(self, done: Done, entry: Entry, prediction: Prediction) -> None:
        """Write the files of one image. OSError: nothing more can be written to the folder."""
        kinds = self.options.kinds(picture=True)
        try:
            for kind in sorted(kinds - {"json"}):
                prediction.save_as(
                    self.folder, entry.stem, (kind,), self.options.panel, protected=self.protected
                )
                done.outputs.append(file_name(entry.stem, kind))
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and is_disk_fault(error, self.folder):
                raise
            done.fail(one_line(error))
            return
        if "json" in kinds:
            done.line = json_line({**prediction.record(), "outputs": done.outputs})


def infer_pictures(job: Job, entries: Sequence[Entry]) -> None:
    """Segment `entries`; one that cannot be read is named and passed over.

    Unwritable: the results cannot be written.
    """
    from .media.image_workers import ImageDecoder

    decoder = ImageDecoder(min(job.workers, len(entries)))
    stopped = job.interruption.stopped
    work = PictureWork(job.options, job.predictor, job.folder, decoder, stopped, job.protected)

    def any_time(group: Sequence[Entry], turn: Turn) -> list[Done]:
        return work(group)

    stem = entries[0].stem if len(entries) == 1 else None
    with decoder, reported(job, len(entries), stem) as progress:
        for group in job.in_order(ReadAhead(entries, 2), any_time):
            tell(job, group)
            record(job, group)
            progress.advance(len(group))


@contextmanager
def reported(run: Run, total: int, stem: str | None = None, *, done: int = 0) -> Iterator[Progress]:
    """A progress line of `total` pictures, of which `done` were finished before; then what was written.

    stem: of the single picture's files; None where there are several. Unwritable: for an OSError of the block.
    """
    progress = Progress("pictures", total, done=done, quiet=run.options.quiet or total == 1)
    try:
        yield progress
    except OSError as error:
        raise unwritable(error, run.folder) from None
    finally:
        progress.close()
        for kind in sorted(run.options.kinds(picture=True) - {"json"}) if run.frames else ():
            run.written[file_name(stem or "*", kind)] = None


def tell(run: Run, group: Iterable[Done]) -> None:
    """Count pictures, and name those that could not be read."""
    for done in group:
        if done.error is not None:
            run.fault(f"{done.error}; passed over")
        else:
            run.count(done.stages, done.camera)


def record(run: Run, group: Iterable[Done]) -> None:
    """Add the lines of pictures, whose turn it is, to their NDJSON files."""
    for done in group:
        if done.line is not None:
            (run.record if done.error is None else run.record_failure)(done.record, done.line)
