"""The tables with controls: three seeds of every row, on a generated target and on CamVid.

    python benchmarks/tables.py --camvid CAMVID [--work WORK] [--only ROW ...]

Trains what `results/tables/` does not hold yet, `--jobs` rows at a time with one thread each, and writes a
small file for each row as soon as it is done; the same command goes on after a kill. WORK keeps the runs, of
which some rows go on from others, and the generated pictures. The tables are written into docs/results.md;
`--text` does that alone, of what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from table_rows import CAMVID, ROWS, SEEDS, TARGETS, configuration
from table_text import placed

from depdis_deploy import command
from depdis_deploy.backends.cpu import model_name
from depdis_deploy.files import written_whole
from depdis_deploy.json_files import read_json
from depdis_training.run_folder import METRICS, WEIGHTS, write_json
from depdis_training.speech import say
from depdis_training.train_cli import run_one

RESULTS = Path(__file__).parent / "results" / "tables"
TEXT = Path(__file__).parents[1] / "docs" / "results.md"
KINDS = {"last": "trained", "last, statistics of the target": "reestimated"}
# Of a run, what a row that goes on from its stage 1 takes over.
_SHARED = ("stage1", "mixtures.json", "class_counts.json")


@dataclass(frozen=True)
class Place:
    """Where the data and the runs lie."""

    work: Path
    data: Path
    camvid: Path | None

    def run(self, key: Key) -> Path:
        """A row's run folder."""
        return self.work / key.target / f"{key.row}-s{key.seed}"


@dataclass(frozen=True)
class Key:
    """One training of the tables."""

    target: str
    row: str
    seed: int

    def __str__(self) -> str:
        return f"{self.target} {self.row} seed {self.seed}"

    @property
    def result(self) -> Path:
        """Its figures."""
        return RESULTS / self.target / f"{self.row}-s{self.seed}.json"

    @property
    def needs(self) -> Key | None:
        """What has to be trained before."""
        needed = ROWS[self.row].needs
        return None if needed is None else Key(self.target, needed, self.seed)


def carry_out(key: Key, place: Place) -> None:
    """Train a row in this process, from wherever it was, and write its figures."""
    row, folder = ROWS[key.row], place.run(key)
    start = None
    if key.needs is not None and row.after:
        _take_over(place.run(key.needs), folder, key, place)
    elif key.needs is not None:
        start = place.run(key.needs) / WEIGHTS
    config = configuration(key.target, key.row, key.seed, place.camvid, start)
    spent = folder.with_name(f"{folder.name}.cpu.json")
    with _counted(spent):
        run_one(config, folder, place.data, None, 1)
    if not key.result.exists():
        figures = _figures(read_json(folder / METRICS, dict))
        key.result.parent.mkdir(parents=True, exist_ok=True)
        write_json(key.result, {
            **figures, "iterations": config.training.iterations,
            "cpu_minutes": round(json.loads(spent.read_text()) / 60, 1),
            "when": time.strftime("%Y-%m-%d"), "processor": model_name(), "torch": torch.__version__,
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        })  # fmt: skip


def _take_over(before: Path, folder: Path, key: Key, place: Place) -> None:
    """Let a run begin after the stage 1 of another, which has the same losses and the same random draws."""
    if folder.exists():
        return
    config = configuration(key.target, key.row, key.seed, place.camvid, None)
    made = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    for name in _SHARED:
        copy = shutil.copytree if (before / name).is_dir() else shutil.copy
        copy(before / name, made / name)
    write_json(made / "config.json", config.plain())
    made.rename(folder)


@contextmanager
def _counted(path: Path) -> Iterator[None]:
    """Add this process's processor time to what a row took before."""
    try:
        yield
    finally:
        used = resource.getrusage(resource.RUSAGE_SELF)
        before = json.loads(path.read_text()) if path.exists() else 0.0
        write_json(path, round(before + used.ru_utime + used.ru_stime, 1))


def _figures(metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: {key.strip(): round(value, 4) for key, value in metrics["rows"][name]["figures"].items()}
        for name, kind in KINDS.items()
        if name in metrics["rows"]
    }


class Trainings:
    """Rows at work, each in a process of its own."""

    def __init__(self, place: Place, jobs: int) -> None:
        self._place, self._jobs = place, jobs
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def carry_out(self, keys: list[Key]) -> list[str]:
        """Train all, those that others need before them; the names of those that failed."""
        futures: dict[Key, Future[bool]] = {}
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                for key in keys:  # what is needed stands before what needs it
                    futures[key] = pool.submit(self._one, key, futures.get(key.needs) if key.needs else None)
                return [str(key) for key, future in futures.items() if not future.result()]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._stop()
                raise

    def _one(self, key: Key, before: Future[bool] | None) -> bool:
        if before is not None and not before.result():
            return False
        folder, begun = self._place.run(key), time.perf_counter()
        folder.parent.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, __file__, *sys.argv[1:], "--one", key.target, key.row, str(key.seed)]
        with self._lock, folder.with_name(f"{folder.name}.log").open("ab") as log:
            if self._stopped:
                return False
            process = subprocess.Popen(
                words, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
            self._running.add(process)
        done = process.wait() == 0
        minutes = (time.perf_counter() - begun) / 60
        say(f"{key}: {'done' if done else 'FAILED'} after {minutes:.1f} min")
        return done

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()


def wanted(keys: list[Key], place: Place) -> list[Key]:
    """Those without figures, and what they need of which there is no run here; needed ones first."""
    found: dict[Key, None] = {}
    for key in keys:
        if key.result.exists():
            continue
        if key.needs is not None and not (place.run(key.needs) / WEIGHTS).exists():
            found[key.needs] = None
        found[key] = None
    return sorted(found, key=lambda key: (SEEDS.index(key.seed), key.needs is not None))


def write_text() -> None:
    """The tables of what is there."""
    found = {
        (target, name): [
            {"seed": seed, **json.loads(path.read_text())}
            for seed in SEEDS
            if (path := Key(target, name, seed).result).exists()
        ]
        for target in TARGETS
        for name in ROWS
    }
    text = placed(TEXT.read_text(encoding="utf-8"), found)
    with written_whole(TEXT) as temporary:
        temporary.write_text(text, encoding="utf-8")
    say(f"tables: {TEXT}")


def main() -> None:
    """Parse, train what is missing, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--camvid", type=Path, help="CamVid's folder; without it, the generated target alone")
    parser.add_argument("--work", type=Path, default=Path("runs/tables"))
    parser.add_argument("--data", type=Path, help="where generated pictures lie  [default: WORK/data]")
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", default=list(ROWS))
    parser.add_argument("--seed", type=int, nargs="+", choices=SEEDS, default=list(SEEDS))
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--text", action="store_true", help="write the tables alone")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    place = Place(given.work.resolve(), (given.data or given.work / "data").resolve(), given.camvid)
    if given.one:
        command.raise_on_sigterm()
        target, row, seed = given.one
        carry_out(Key(target, row, int(seed)), place)
        return
    if not given.text:
        targets = [name for name in given.target if name not in CAMVID or given.camvid]
        keys = [
            Key(target, row, seed)
            for seed in given.seed
            for target in targets
            for row in given.only
            if target in ROWS[row].targets
        ]
        failed = Trainings(place, given.jobs).carry_out(wanted(keys, place))
        if failed:
            sys.exit(f"error: {len(failed)} failed ({', '.join(failed)}); their logs lie in {place.work}")
    write_text()


if __name__ == "__main__":
    main()
