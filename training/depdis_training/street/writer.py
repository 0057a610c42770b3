"""A generated street set on disk: drawn in parallel, written whole, resumable, never half overwritten."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, get_args

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import UsageError
from depdis_deploy.progress import Progress

from .claim import claimed, write_files
from .formats import FORMATS
from .palette import Domain

DOMAINS: tuple[Domain, ...] = get_args(Domain)
SPLITS = ("both", "train", "val")
VALIDATION_SHARE = 6  # with both splits, the last sixth of the pictures is for validation
SMALLEST_SIDE = 32

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class StreetSet:
    """What determines every byte of a set. size: (width, height) in pixels; split: train, val or both."""

    domain: Domain
    layout: str
    pictures: int
    size: tuple[int, int]
    seed: int
    split: str = "both"

    def __post_init__(self) -> None:
        for value, allowed, what in (
            (self.domain, DOMAINS, "domain"),
            (self.layout, tuple(FORMATS), "layout"),
            (self.split, SPLITS, "split"),
        ):
            if value not in allowed:
                raise UsageError(f"a street set's {what} is one of {', '.join(allowed)}, got {value!r}")
        if self.pictures < 1 or self.seed < 0:
            raise UsageError(
                f"expected at least 1 picture and a seed from 0, got {self.pictures} and {self.seed}"
            )
        if min(self.size) < SMALLEST_SIDE:
            raise UsageError(f"pictures are at least {SMALLEST_SIDE} pixels wide and high, got {self.size}")

    def split_of(self, index: int) -> str:
        """The split that picture `index` belongs to."""
        if self.split != "both":
            return self.split
        return "val" if index >= self.pictures - self.pictures // VALIDATION_SHARE else "train"


@dataclass(frozen=True)
class _Job:
    root: Path
    street_set: StreetSet
    index: int


def write_street(
    root: Path, *, pictures: int, size: tuple[int, int], domain: Domain, layout: str, seed: int = 0,
    split: str = "both", workers: int | None = None, quiet: bool = False,
) -> None:  # fmt: skip
    """Write a generated set at `root` in a real set's layout, or go on with one that was interrupted.

    A picture depends on domain, seed, index and size alone, so workers (None: one a core) change nothing.
    While another process writes there this waits, and then goes on from what that one left. InputError: `root`
    holds something else, or a set of another description.
    """
    street_set = StreetSet(
        domain=domain, layout=layout, pictures=pictures, size=size, seed=seed, split=split
    )  # fmt: skip
    form = FORMATS[layout]
    with claimed(root, {"kind": "pictures", **asdict(street_set)}) as claim:
        focal_px = _finished(root, street_set, claim.finished)
        jobs = [_Job(root, street_set, index) for index in range(pictures) if form.stem(index) not in focal_px]
        if jobs:
            claim.require_same_generator()
            progress = Progress("street", pictures, unit="pictures", done=pictures - len(jobs), quiet=quiet)
            try:
                for stem, value in _drawn(jobs, workers or cores()):
                    focal_px[stem] = value
                    claim.finished.write(f"{stem} {value!r}\n")
                    claim.finished.flush()
                    progress.advance()
            except BaseException:
                progress.close("unfinished: the same command goes on")
                raise
            progress.close()
        # In order, so that the number of workers leaves no trace.
        _rewrite(claim.finished, dict(sorted(focal_px.items())))
        write_files(root, form.common(focal_px))


def _finished(root: Path, street_set: StreetSet, finished: IO[str]) -> dict[str, float]:
    """Stem -> focal length of the pictures whose files are all there; the list is left with just those."""
    form = FORMATS[street_set.layout]
    split = {form.stem(index): street_set.split_of(index) for index in range(street_set.pictures)}
    finished.seek(0)
    focal_px = {}
    for line in finished:
        stem, _, value = line.partition(" ")
        # A line cut off by a crash has no end.
        if (
            line.endswith("\n")
            and stem in split
            and all((root / path).is_file() for path in form.paths(stem, split[stem]))
        ):
            focal_px[stem] = float(value)
    _rewrite(finished, focal_px)
    return focal_px


def _rewrite(finished: IO[str], focal_px: dict[str, float]) -> None:
    finished.truncate(0)
    finished.writelines(f"{stem} {value!r}\n" for stem, value in focal_px.items())
    finished.flush()


def _draw(job: _Job) -> tuple[str, float]:
    """Draw and write one picture; its stem and its focal length in pixels."""
    from . import picture

    street_set, form = job.street_set, FORMATS[job.street_set.layout]
    drawn = picture(street_set.domain, street_set.seed, job.index, street_set.size)
    stem = form.stem(job.index)
    paths = form.paths(stem, street_set.split_of(job.index))
    write_files(job.root, dict(zip(paths, form.encoded(drawn), strict=True)))
    return stem, float(drawn.focal_px)


def _drawn(jobs: Sequence[_Job], workers: int) -> Iterator[tuple[str, float]]:
    """Draw the pictures in as many processes, and yield them as they are finished."""
    if workers == 1 or len(jobs) == 1:
        yield from map(_draw, jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _start_worker)
    try:
        with _started_for_workers():
            futures = [pool.submit(_draw, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        raise ChildProcessError("a drawing process was ended from outside; is the memory full?") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """One thread for OpenCV too, and a worker whose parent was killed ends."""
    import cv2

    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _started_for_workers() -> Iterator[None]:
    """What the processes started inside inherit: one thread each, and Ctrl-C left to the parent."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    can_block = hasattr(signal, "pthread_sigmask")  # not on Windows
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if can_block else set()
    try:
        yield
    finally:
        if can_block:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
