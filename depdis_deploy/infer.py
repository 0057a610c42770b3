"""Sources -> predictions -> files: what `depdis-infer` does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from .backends.cpu import cores
from .command import InputError, UsageError, one_line
from .files import Protected
from .infer_model import introduce, open_model
from .infer_pictures import Entry, infer_pictures
from .infer_video import infer_video
from .interruption import interruptible, starting
from .job import Job, Options
from .outputs import group_names, output_folder, protected_sources, refuse_overwriting
from .prediction import failure_line
from .progress import say
from .sources import BUNDLED_CLIP, Source, find_sources, require_ends
from .standard_streams import is_stdout_open
from .write_faults import Unwritable

_MOST_WORKERS = 8


def run(options: Options) -> int:
    """Do it all; returns 1 when some source could not be read, or not wholly, and 0 otherwise.

    InputError, UsageError: nothing was done. KeyboardInterrupt, Terminated: what was done is kept.
    """
    if options.ray:
        from .fleet.run import run as run_over_cluster

        return run_over_cluster(options)
    with starting():
        return _run(options)


def _run(options: Options) -> int:
    if options.stdout and not is_stdout_open():
        raise InputError("--stdout: stdout is closed; redirect it to a file or a pipe")
    words = options.sources
    if not words:
        options.note(f"no source given: the bundled clip {BUNDLED_CLIP.name} is used")
        words = (str(BUNDLED_CLIP),)
    wrong: list[Exception] = []

    def fault(error: Exception) -> None:
        wrong.append(error)
        say(f"error: {one_line(error)}")

    sources = find_sources(words, options.note, fault)
    if options.duration_s is None:
        require_ends(sources, ", name a camera last, or end each one by --duration")
    stems, records = group_names(sources)
    workers, threads = workers_and_threads(options, sources)
    predictor, warned = open_model(options, threads)
    choice = f"{predictor.choice}; {workers} call{'s' * (workers > 1)} at once"
    introduce(options, predictor.manifest, choice, warned, options.note)
    if options.smooth:
        predictor.film(smooth=True)  # says what is missing, before anything is read
    if options.segment_s is not None and not any(source.live for source in sources):
        raise UsageError("--segment is for cameras and streams; a file's video is one file")
    entries = [Entry(*entry) for entry in zip(sources, stems, records, strict=True)]
    with ExitStack() as stack:
        interruption = stack.enter_context(interruptible(options.note))
        folder, protected = Path(), Protected()
        if options.kinds(picture=False) != {"json"} or not options.stdout:
            folder = stack.enter_context(output_folder(options.outdir, exist_ok=options.exist_ok))
            protected = protected_sources(sources, folder)
            refuse_overwriting(
                protected,
                folder,
                sources,
                stems,
                () if options.stdout else records,
                picture_kinds=options.kinds(picture=True),
                video_kinds=options.kinds(picture=False),
            )
        job = Job(options, predictor, folder, workers, interruption, protected)
        try:
            _all(job, entries)
        finally:
            job.records.close()
        if job.frames:
            for line in job.summary():
                job.note(line)
            job.cameras.close()
        interruption.raise_if_any()
    return 1 if job.faults or wrong else 0


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
                _pictures(job, entries[position:end])
                position = end
                continue
            entry = entries[position]
            position += 1
            _video(job, entry)
    except (Unwritable, OSError) as error:
        job.fault(one_line(error))


def _pictures(job: Job, entries: Sequence[Entry]) -> None:
    """Images that follow each other; a fault of their NDJSON file ends them alone."""
    try:
        infer_pictures(job, entries)
    except Unwritable:
        raise
    except InputError as error:
        job.fault(one_line(error))


def _video(job: Job, entry: Entry) -> None:
    """One video; a failed one is reported and recorded. Unwritable: no other would be written either."""
    before = job.frames
    try:
        infer_video(job, entry.source, entry.stem, entry.record)
    except Unwritable:
        raise
    except InputError as error:
        if job.interruption.stopped.is_set():  # it may have been given up while it was waited for
            return
        job.fault(one_line(error))
        if job.frames == before:
            job.record_failure(entry.record, failure_line(entry.source.label, one_line(error)))
