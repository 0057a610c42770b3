"""`depdis-infer --ray`: a folder or list of pictures over a cluster, into the files of a run on one machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from depdis_deploy.command import InputError, one_line
from depdis_deploy.folder_lock import locked
from depdis_deploy.infer_pictures import record, reported, tell
from depdis_deploy.interruption import interruptible
from depdis_deploy.job import Options, Run
from depdis_deploy.patience import Flag, Never
from depdis_deploy.pipeline import ReadAhead
from depdis_deploy.write_faults import Unwritable

from . import prepare
from .cluster import connected
from .unfinished import Unfinished, begin, has_begun, resumed

_MOST_IN_CHUNK = 256
_CHUNKS_A_WORKER = 8  # at least, so that workers end together
_ROWS_AHEAD = 64
_LONGEST_CHUNK_S = 120.0  # waited for after a Ctrl-C; a second one ends at once


def run(options: Options) -> int:
    """Do it all, or what is left of it; returns 1 when some picture could not be read, and 0 otherwise.

    InputError, UsageError: nothing was done, or the cluster failed. After that, KeyboardInterrupt, Terminated
    or any kill, the same command goes on.
    """
    prepare.refuse(options)
    if options.model is not None:
        options = replace(options, model=options.model.absolute())
    facts = prepare.facts_of(options)
    threads, gpus = options.threads or 1, int(options.device.isdecimal())
    with ExitStack() as stack:
        found: Unfinished | None = None
        if options.outdir is not None and has_begun(options.outdir):
            out = options.outdir
            stack.enter_context(locked(out))
            found = resumed(out, facts)
            pictures = prepare.Pictures(found.entries(0), found.base)
        else:
            pictures = prepare.find_pictures(options)
            out = stack.enter_context(prepare.new_output(options, pictures.entries))
        cluster = stack.enter_context(connected(options.ray_address, threads, gpus))
        surroundings = prepare.check_nodes(cluster, options, out, pictures)
        remote = replace(options, sources=(), outdir=None)  # the words may be many
        choice = prepare.introduce_model(cluster, remote, threads)
        if found is None:
            size = chunk_size(len(pictures.entries), cluster.workers, options.batch)
            found = begin(out, facts, pictures.entries, size, pictures.base)
            del pictures  # the list is in a file
        with interruptible(options.note) as interruption:
            state = Run(options, out, interruption)
            keywords = {
                "options": remote, "threads": threads, "unfinished": found, "surroundings": surroundings,
            }  # fmt: skip
            Collection(state, found, choice, cluster).all(cluster.results(found.rows(), keywords))
            if lost := cluster.lost():
                options.note(
                    f"{lost} of {len(cluster.nodes)} nodes lost; what was under way there was done anew"
                )
            interruption.raise_if_any()
    return 1 if state.faults else 0


def chunk_size(total: int, workers: int, batch: int) -> int:
    """How many pictures are given to a worker at once: whole batches, so that these are as in a run here."""
    size = max(1, min(_MOST_IN_CHUNK, total // (workers * _CHUNKS_A_WORKER)))
    return -(-size // batch) * batch


class Collection:
    """Takes chunks as they are done, in any order; NDJSON lines are written when it is their turn.

    choice: how the model runs. gone: set when the cluster is; no more results come then.
    """

    def __init__(self, run: Run, unfinished: Unfinished, choice: str, gone: Flag | None = None) -> None:
        self._run, self._unfinished, self._gone = run, unfinished, gone or Never()
        self._choices = {choice}
        self._told: set[int] = set()
        self._waiting: set[int] = set()
        self._turn = 0

    def all(self, results: Iterator[Mapping[str, Any]]) -> None:
        """Take all of `results`, or those until an interruption. InputError: a worker cannot go on."""
        run, unfinished = self._run, self._unfinished
        before = unfinished.done()
        done = sum(unfinished.count(number) for number in before)
        try:
            with reported(run, unfinished.total, done=done) as progress:
                for number in sorted(before):
                    self._take(number)
                run.before = run.frames
                try:
                    with closing(ReadAhead(results, _ROWS_AHEAD, longest_read_s=_LONGEST_CHUNK_S)) as ahead:
                        while isinstance(row := ahead.get(self), Mapping):
                            self._look_at(row)
                            progress.advance(self._take(int(row["chunk"])))
                finally:
                    for number in sorted(unfinished.done() - self._told):  # of which nothing was heard any more
                        progress.advance(self._take(number))
                    for number in sorted(self._waiting):
                        record(run, unfinished.part(number))
            if self._turn < unfinished.chunks and not run.interruption.stopped.is_set():
                raise InputError("the cluster is gone, or ended before all pictures were done")
        except Unwritable as error:
            run.fault(one_line(error))
        finally:
            run.records.close()
            if self._turn == unfinished.chunks:
                unfinished.remove()
            else:
                run.note(f"unfinished: the same command, with --outdir {run.folder}, goes on")
        if run.frames:
            for line in run.summary():
                run.note(line)
            run.cameras.close()

    def is_set(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self._run.interruption.stopped.is_set() or self._gone.is_set()

    def _look_at(self, row: Mapping[str, Any]) -> None:
        if row["unwritable"]:
            raise OSError(int(row["unwritable"]), row["failed"])
        if row["failed"]:
            raise InputError(row["failed"])
        if row["choice"] not in self._choices:
            self._choices.add(row["choice"])
            self._run.note(
                f"note: a worker runs it otherwise, so its results may differ a little: {row['choice']}"
            )

    def _take(self, number: int) -> int:
        """Tell of a chunk, and write the lines whose turn it is. Returns how many pictures it has."""
        dones = self._unfinished.part(number)
        tell(self._run, dones)
        self._told.add(number)
        self._waiting.add(number)
        while self._turn in self._waiting:
            record(self._run, dones if self._turn == number else self._unfinished.part(self._turn))
            self._waiting.remove(self._turn)
            self._turn += 1
        return len(dones)
