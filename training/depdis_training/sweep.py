"""Several runs of one experiment, a process for each GPU or core, ending in their comparison."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import InputError
from depdis_deploy.files import no_follow, written_whole
from depdis_deploy.json_files import read_json
from depdis_deploy.parent_process import child_command, parent_pipe
from depdis_deploy.terminal import write_out

from .run_folder import METRICS, write_json
from .settings import Config
from .speech import say


def sweep(
    runs: Mapping[str, Config], parent: Path, data: Path, *, stage: str | None, jobs: int | None = None,
    threads: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Carry out the runs in folders of `parent`, unfinished ones from where they were; compare what came out.

    jobs: runs at a time; None: one a GPU, or as many as the cores have room for with `threads` each.
    Each run's log is `RUN.log` beside its folder. Street data is made before, since all share
    it. InputError at the end names the runs that failed; the others are compared all the same.
    """
    from .experiment_data import open_experiment, taxonomy_of
    from .methods import build_method

    for config in runs.values():  # whatever is wrong with a run is said before the first begins
        method = build_method(config.method, len(taxonomy_of(config.source)))
        open_experiment(config, data, uses_target=method.uses_target)
    places = _places(jobs, threads)
    say(f"{len(runs)} runs, {places.qsize()} at a time; their logs are {parent}/RUN.log")
    parent.mkdir(parents=True, exist_ok=True)
    processes = _Processes(parent, data, stage, places)
    with ThreadPoolExecutor(places.qsize()) as pool:
        futures = {name: pool.submit(processes.carry_out, name, config) for name, config in runs.items()}
        try:
            failed = [name for name, future in futures.items() if future.result() != 0]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.stop()
            raise
    for name in runs:
        if name not in failed:
            (parent / f"{name}.json").unlink(missing_ok=True)
    results = comparison(runs, parent)
    if results:
        write_json(parent / "comparison.json", results)
        write_out(as_markdown(results))
    if failed:
        raise InputError(
            f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}; the same command goes on"
        )
    return results


class _Processes:
    """The runs' processes, each in a place of `places` while it lasts; threads start them."""

    def __init__(
        self, parent: Path, data: Path, stage: str | None, places: queue.Queue[dict[str, str]]
    ) -> None:
        self._parent, self._data, self._stage, self._places = parent, data, stage, places
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock, self._stopped = threading.Lock(), False

    def carry_out(self, name: str, config: Config) -> int:
        """Wait for a place and for the run's end there; its exit status."""
        place = self._places.get()
        file, log = self._parent / f"{name}.json", self._parent / f"{name}.log"
        try:
            with written_whole(file) as temporary:
                temporary.write_text(json.dumps(config.plain()), encoding="utf-8")
            status = self._start(file, self._parent / name, log, place).wait()
            say(f"{name}: " + ("done" if status == 0 else f"FAILED ({_last_line(log)})"))
            return status
        finally:
            self._places.put(place)

    def _start(self, file: Path, folder: Path, log: Path, place: Mapping[str, str]) -> subprocess.Popen[bytes]:
        one = child_command(
            "depdis_training.sweep", [str(file), str(folder), str(self._data), self._stage or ""]
        )
        with self._lock, open(log, "ab", opener=no_follow) as output:
            process = subprocess.Popen(
                one, stdin=parent_pipe(), stderr=output, stdout=output, env={**os.environ, **place}
            )
            self._running.add(process)
            if self._stopped:  # in the moment in which all were told to end
                process.terminate()
        return process

    def stop(self) -> None:
        """Tell all that run, and that are just being started, to end."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()


def comparison(runs: Mapping[str, Config], parent: Path) -> dict[str, Any]:
    """Snapshot to row to {mean, spread, values}: the mIoU in % of each method and variant over its seeds."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, config in runs.items():
        path = parent / name / METRICS
        row = config.method.label
        for snapshot, miou in _mious(path).items() if path.exists() else ():
            found.setdefault(snapshot, {}).setdefault(row, []).append(miou)
    return {
        snapshot: {
            row: {"mean": mean(values), "spread": stdev(values) if len(values) > 1 else None, "values": values}
            for row, values in rows.items()
        }
        for snapshot, rows in found.items()
    }


def _mious(path: Path) -> dict[str, float]:
    """The mIoU in % of each snapshot in a run's metrics; InputError where the file holds something else."""
    found = {}
    try:
        for snapshot, scores in read_json(path, dict).get("rows", {}).items():
            if scores["kind"] != "deployed":
                figures = scores["figures"].items()
                found[snapshot] = next(value for key, value in figures if key.startswith("mIoU"))
        if all(type(miou) in (int, float) for miou in found.values()):
            return found
    except (AttributeError, KeyError, StopIteration, TypeError):
        pass
    raise InputError(f"{path}: not the metrics of a run; remove the file to score the run again")


def as_markdown(results: Mapping[str, Any]) -> str:
    """The comparison as a table: a line a row, a column a snapshot, mIoU in % as mean ± spread (seeds)."""
    snapshots = list(results)
    rows = list(dict.fromkeys(row for cells in results.values() for row in cells))
    lines = ["| mIoU (%) | " + " | ".join(snapshots) + " |", "|---" * (len(snapshots) + 1) + "|"]
    for row in rows:
        cells = [_cell(results[snapshot].get(row)) for snapshot in snapshots]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return ""
    spread = "" if entry["spread"] is None else f" ± {entry['spread']:.1f}"
    return f"{entry['mean']:.1f}{spread} ({len(entry['values'])})"


def _places(jobs: int | None, threads: int | None) -> queue.Queue[dict[str, str]]:
    """What tells each process at a time its GPU, and its share of the cores."""
    gpus = _gpus(torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    count = jobs or len(gpus) or max(1, cores() // (threads or 1))
    each = {"OMP_NUM_THREADS": str(threads or max(1, cores() // count))}
    places: queue.Queue[dict[str, str]] = queue.Queue()
    for number in range(count):
        places.put({**each, "CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else each)
    return places


def _gpus(count: int, visible: str | None) -> list[str]:
    """The names by which a process is given one of the `count` GPUs; `visible`: those that this one may use."""
    return visible.split(",")[:count] if visible else [str(number) for number in range(count)]


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def main() -> None:
    """One run of a sweep, in a process of its own: CONFIG.json FOLDER DATA STAGE."""
    import typer

    from depdis_deploy import command

    from .config import build_config
    from .train_cli import run_one

    def one(config: Path, folder: Path, data: Path, stage: str) -> None:
        command.begin()
        run_one(build_config(read_json(config, dict)), folder, data, stage or None, None)

    app = typer.Typer(add_completion=False)
    app.command()(one)
    command.run(app)


if __name__ == "__main__":
    main()
