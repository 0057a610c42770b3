"""Pictures -> files: each is read, segmented and saved in a worker; NDJSON lines follow in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .command import one_line
from .job import Job, Unwritable
from .pipeline import ReadAhead, Turn
from .prediction import Camera
from .progress import Progress
from .sources import Frame, Source
from .stages import Stages


@dataclass(frozen=True)
class Entry:
    """A picture, the stem of its files, and the stem of the NDJSON file that it goes to."""

    source: Source
    stem: str
    record: str


@dataclass
class _Done:
    record: str
    line: str | None = None
    error: str | None = None
    camera: Camera | None = None
    stages: Stages = field(default_factory=Stages)


def infer_pictures(job: Job, entries: Sequence[Entry]) -> None:
    """Segment `entries`; one that cannot be read is named and passed over.

    Unwritable: the results cannot be written.
    """
    kinds = job.options.kinds(picture=True)
    progress = Progress("pictures", len(entries), quiet=job.options.quiet or len(entries) == 1)

    def work(group: Sequence[Entry], turn: Turn) -> list[_Done]:
        return _batch(job, group, kinds)

    try:
        for group in job.in_order(ReadAhead(entries, 2), work):
            for done in group:
                if done.error is not None:
                    job.fault(f"{done.error}; passed over")
                else:
                    job.count(done.stages, done.camera)
                    if done.line is not None:
                        job.record(done.record, done.line)
                progress.advance()
    except OSError as error:
        raise Unwritable(job.unwritable(error)) from None
    finally:
        progress.close()
        for kind in sorted(kinds - {"json"}) if job.frames else ():
            name = entries[0].stem if len(entries) == 1 else "*"
            job.written[f"{name}.npz" if kind == "npz" else f"{name}_{kind}.png"] = None


def _batch(job: Job, group: Sequence[Entry], kinds: frozenset[str]) -> list[_Done]:
    """In a worker. A picture that cannot be read leaves its error in place of results."""
    from .pictures import read_picture

    results = [_Done(entry.record) for entry in group]
    frames: dict[int, Frame] = {}
    for position, entry in enumerate(group):
        with results[position].stages.timed("decode"):
            try:
                frames[position] = Frame(read_picture(entry.source.location), entry.source.location)
            except (ValueError, OSError) as error:
                results[position].error = one_line(error)
    predictions = job.predictor.predict(list(frames.values()), outputs=job.outputs(kinds))
    for position, prediction in zip(frames, predictions, strict=True):
        done, entry = results[position], group[position]
        done.stages.add_milliseconds(prediction.speed)
        done.camera = prediction.camera
        with done.stages.timed("save"):
            prediction.save_as(job.folder, entry.stem, kinds - {"json"}, job.options.panel)
        done.line = prediction.to_json() if "json" in kinds else None
    return results
