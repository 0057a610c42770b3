"""Sources -> predictions -> files: what `depdis-infer` does."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .backends.cpu import cores
from .command import InputError, UsageError, one_line
from .infer_pictures import Entry, infer_pictures
from .infer_video import infer_video
from .interruption import interruptible
from .job import Job, Options, Unwritable
from .outputs import BRANCH_KINDS, group_names, make_folder, refuse_overwriting
from .predictor import Predictor
from .sources import BUNDLED_CLIP, Source, find_sources

_MOST_WORKERS = 8


def run(options: Options) -> int:
    """Do it all; returns 1 when some source could not be read, or not wholly, and 0 otherwise.

    InputError, UsageError: nothing was done. KeyboardInterrupt, Terminated: what was done is kept.
    """

    def note(text: str) -> None:
        if not options.quiet:
            print(text, file=sys.stderr)

    words = options.sources
    if not words:
        note(f"no source given: the bundled clip {BUNDLED_CLIP.name} is used")
        words = (str(BUNDLED_CLIP),)
    sources = find_sources(words, note)
    stems, records = group_names(sources)
    workers, threads = workers_and_threads(options, sources)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predictor = Predictor(
            options.model, options.device, options.camera_fov, threads=threads, engine=options.engine,
            precision=options.precision, trust_engine=options.trust_engine, camera_height=options.camera_height,
        )  # fmt: skip
    note(f"{predictor.choice}; {workers} call{'s' * (workers > 1)} at once")
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        note(f"note: {text}")
    for kind in options.save:
        if kind in BRANCH_KINDS and kind not in predictor.manifest.outputs:
            raise UsageError(f"--save {kind}: this model has no {kind} output")
    if options.smooth:
        predictor.film(smooth=True)  # says what is missing, before anything is read
    if options.outdir is not None:
        refuse_overwriting(sources, stems, options.outdir, options.kinds(picture=True))
    if options.segment_s is not None and not any(source.live for source in sources):
        raise UsageError("--segment is for cameras and streams; a file's video is one file")
    kept = options.outdir is not None and options.outdir.exists()
    if options.stdout and options.kinds(picture=False) == {"json"}:
        kept, folder = True, Path()  # nothing will lie there
    else:
        folder = make_folder(options.outdir, exist_ok=options.exist_ok)
    entries = [Entry(*entry) for entry in zip(sources, stems, records, strict=True)]
    with interruptible() as interruption:
        job = Job(options, predictor, folder, workers, interruption)
        try:
            _all(job, entries)
        finally:
            job.records.close()
            if not kept:
                with suppress(OSError):
                    folder.rmdir()  # only an empty one: nothing could be read
        if job.frames:
            job.note(job.summary())
            job.cameras.close()
        interruption.raise_if_any()
    return 1 if job.faults else 0


def workers_and_threads(options: Options, sources: Sequence[Source]) -> tuple[int, int]:
    """(workers, threads of each): several workers of one thread each make the most of a CPU."""
    if options.threads is not None:
        return max(1, min(cores() // options.threads, _MOST_WORKERS)), options.threads
    workers = min(cores(), _MOST_WORKERS)
    if all(source.kind == "picture" for source in sources):
        workers = min(workers, -(-len(sources) // options.batch))
    return workers, max(1, cores() // workers)


def _all(job: Job, entries: Sequence[Entry]) -> None:
    """Videos one by one, pictures that follow each other together. The disk being full ends it all."""
    position = 0
    try:
        while position < len(entries) and not job.interruption.stopped.is_set():
            end = position
            while end < len(entries) and entries[end].source.kind == "picture":
                end += 1
            if end > position:
                infer_pictures(job, entries[position:end])
                position = end
                continue
            entry = entries[position]
            position += 1
            try:
                infer_video(job, entry.source, entry.stem, entry.record)
            except Unwritable:
                raise
            except InputError as error:
                job.fault(one_line(error))
    except (Unwritable, OSError) as error:
        job.fault(one_line(error))
