"""Pictures -> files: each is read, segmented and saved in a worker; NDJSON lines follow in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .command import one_line
from .job import Job, Options, Run, Unwritable, needed_outputs
from .pipeline import ReadAhead, Turn
from .prediction import Camera
from .progress import Progress
from .sources import Frame, Source
from .stages import Stages

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
    """What became of a picture: its line for the NDJSON file, or why it could not be read."""

    record: str
    line: str | None = None
    error: str | None = None
    camera: Camera | None = None
    stages: Stages = field(default_factory=Stages)


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

    def __call__(self, group: Sequence[Entry]) -> list[Done]:
        """Pictures given to the network at once. One that cannot be read leaves its error in place of results.

        OSError: the results cannot be written.
        """
        from .pictures import MAX_PIXELS

        kinds, panel = self.options.kinds(picture=True), self.options.panel
        results = [Done(entry.record) for entry in group]
        frames: dict[int, Frame] = {}
        for position, entry in enumerate(group):
            with results[position].stages.timed("decode"):
                try:
                    path = entry.source.location
                    image = self.decoder.read(path, max_pixels=MAX_PIXELS, stopped=self.stopped)
                    frames[position] = Frame(image, path)
                except (ValueError, OSError) as error:
                    results[position].error = one_line(error)
        outputs = needed_outputs(kinds, panel, self.predictor.manifest.outputs)
        predictions = self.predictor.predict(list(frames.values()), outputs=outputs)
        for position, prediction in zip(frames, predictions, strict=True):
            done, entry = results[position], group[position]
            done.stages.add_milliseconds(prediction.speed)
            done.camera = prediction.camera
            with done.stages.timed("save"):
                prediction.save_as(self.folder, entry.stem, kinds - {"json"}, panel)
            done.line = prediction.to_json() if "json" in kinds else None
        return results


def infer_pictures(job: Job, entries: Sequence[Entry]) -> None:
    """Segment `entries`; one that cannot be read is named and passed over.

    Unwritable: the results cannot be written.
    """
    from .media.image_workers import ImageDecoder

    decoder = ImageDecoder(min(job.workers, len(entries)))
    work = PictureWork(job.options, job.predictor, job.folder, decoder, job.interruption.stopped)

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
        raise Unwritable(run.unwritable(error)) from None
    finally:
        progress.close()
        for kind in sorted(run.options.kinds(picture=True) - {"json"}) if run.frames else ():
            run.written[f"{stem or '*'}.npz" if kind == "npz" else f"{stem or '*'}_{kind}.png"] = None


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
            run.record(done.record, done.line)
