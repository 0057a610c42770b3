"""One adaptation to a visitor's clip: `depdis-train street --target` as a process, watched from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError
from depdis_deploy.install_hint import MissingPackageError, require
from depdis_deploy.parent_process import child_command, parent_pipe
from depdis_deploy.progress import duration

# What the command says when a part of its work begins, and what a visitor reads of it; in their order.
PHASES = (
    ("street", "Drawing labelled streets to learn from"),
    ("classes", "Counting"),
    ("stage1", "Learning to see your pictures as the streets (1 of 3)"),
    ("thresholds", "Finding out how sure it is of each class"),
    ("labels", "Labelling your pictures where it is sure"),
    ("self-training-1", "Learning from those labels (2 of 3)"),
    ("thresholds-2", "Finding out how sure it is now"),
    ("labels-2", "Labelling your pictures again"),
    ("self-training-2", "Learning from the new labels (3 of 3)"),
    ("verdict", "Comparing before and after"),
    ("model", "Writing the adapted model"),
)
_TRAININGS = ("stage1", "self-training-1", "self-training-2")
_ORDER = {key: number for number, (key, _) in enumerate(PHASES)}
_COUNT = re.compile(r"^([\w -]+?): (?:counting: )?(\d+)/(\d+)")
_FORECAST = re.compile(r"^about (\S+(?: s)?) from here")
_KILL_AFTER_S = 10.0
_LAST_WORDS_S = 5.0


def missing() -> str | None:
    """Why nothing can be adapted here, as a sentence; None where it can."""
    try:
        require("Adapting", "export")
    except MissingPackageError as error:
        return f"{error}, on the machine that serves this page."
    return None


class Adaptation:
    """A run in `folder`/run, beside the clip; `start`, look at `progress` until `done`, then at `result`.

    cache: where generated streets are kept from one adaptation to the next.
    """

    def __init__(
        self, clip: Path, folder: Path, cache: Path, settings: Sequence[str], *, threads: int
    ) -> None:  # fmt: skip
        self.clip, self.folder, self.run = clip, folder, folder / "run"
        options = [word for setting in ("training.log_every=1", *settings) for word in ("--set", setting)]
        words = ["street", "--target", str(clip), "--out", str(self.run), "--data", str(cache)]
        words += ["--threads", str(threads), *options]
        self._command = child_command("depdis_training.train_cli", words)
        self._process: subprocess.Popen[str] | None = None
        self._phase, self._count, self._forecast = PHASES[0][0], (0, 0), ""
        self._last_line = ""
        self._begun = time.monotonic()
        self.cancelled = False

    def start(self) -> None:
        """Begin, in a process group of its own, so that its end can be that of all it started."""
        self._begun = time.monotonic()
        process = subprocess.Popen(
            self._command, stdin=parent_pipe(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, args=(process,), name="adaptation", daemon=True)
        self._listener.start()
        self._process = process
        if self.cancelled:  # meanwhile, when there was no process to end
            self.cancel()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as said:
            for line in said:
                self._heard(line.strip())

    def _heard(self, line: str) -> None:
        if not line:
            return
        self._last_line = line
        forecast = _FORECAST.match(line)
        if forecast:
            self._forecast = forecast[1]
        name = self._named(line.partition(":")[0])
        if name in _ORDER and _ORDER[name] >= _ORDER[self._phase]:
            if name != self._phase:
                self._count = (0, 0)
            self._phase = name
        count = _COUNT.match(line)
        if count and self._named(count[1]) == self._phase:
            self._count = (int(count[2]), int(count[3]))

    def _named(self, said: str) -> str:
        """The phase of a line's first word: both rounds of labels are said by the same ones."""
        again = f"{said}-2" in _ORDER and _ORDER[self._phase] >= _ORDER["self-training-1"]
        return f"{said}-2" if again else said

    def cancel(self) -> None:
        """Ask it to end; what does not end in time is killed. One that has ended stays as it is."""
        if self._process is not None and self._process.poll() is not None:
            return
        self.cancelled = True  # before the process is looked for, which may just be starting
        if self._process is not None:
            self._signal(signal.SIGTERM)
            late = threading.Timer(_KILL_AFTER_S, self._signal, (getattr(signal, "SIGKILL", signal.SIGTERM),))
            late.daemon = True
            late.start()

    def end(self) -> None:
        """See that nothing is at work any more.

        Of a cancelled one nothing stays, its clip included; of a failed one the clip alone.
        """
        process = self._process
        if process is not None:
            if process.poll() is None:
                self.cancel()
            process.wait()
            self._listener.join(_LAST_WORDS_S)
        if self.cancelled:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif process is not None and process.returncode:
            shutil.rmtree(self.run, ignore_errors=True)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            try:
                if hasattr(os, "killpg"):
                    os.killpg(self._process.pid, number)
                else:  # Windows
                    self._process.terminate()
            except ProcessLookupError:
                return

    def done(self, wait_s: float) -> bool:
        """Wait at most so long; whether it has ended."""
        assert self._process is not None
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def progress(self) -> dict[str, Any]:
        """What it does, how far that is, how far the whole is (0..1), since when, and its own forecast."""
        done, total = self._steps()
        part = done / total if total else 0.0
        return {
            "doing": dict(PHASES)[self._phase], "done": done, "total": total,
            "whole": round((_ORDER[self._phase] + min(1.0, part)) / len(PHASES), 3),
            "since": duration(time.monotonic() - self._begun), "forecast": self._forecast,
        }  # fmt: skip

    def _steps(self) -> tuple[int, int]:
        """Of the phase; a training's come from its log, which has a line for each step."""
        log = self.run / self._phase / "log.jsonl"
        if self._phase not in _TRAININGS or not log.exists():
            return self._count
        lines = log.read_text("utf-8").count("\n")
        return max(lines, self._count[0]), self._count[1] or self._iterations()

    def _iterations(self) -> int:
        config = json.loads((self.run / "config.json").read_text("utf-8"))
        part = config["training" if self._phase == "stage1" else "self_training"]
        return int(part["iterations"])

    def result(self) -> dict[str, Any]:
        """verdict (as `verdict.json`), model (its file), pictures (a folder).

        InputError: it failed, in the command's words.
        """
        verdict, model = self.run / "verdict.json", self.run / "model.onnx"
        assert self._process is not None
        if self._process.returncode or not (verdict.exists() and model.exists()):
            said = self._last_line.removeprefix("error: ") or f"exit status {self._process.returncode}"
            raise InputError(f"the adaptation failed: {said}")
        found = json.loads(verdict.read_text("utf-8"))
        return {"verdict": found, "model": model, "pictures": self.run / "before_after"}
