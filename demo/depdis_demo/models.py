"""The models that a visitor can choose from: the bundled one, and files named on the command line."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from depdis_deploy import Predictor
from depdis_deploy.command import UsageError

BUNDLED = "bundled"


class Models:
    """By name; all are loaded when the server starts, so that a fault shows then.

    One thread a call: several visitors' calls share the cores, and a video takes as many calls at once.
    """

    def __init__(self, files: Sequence[Path], device: str) -> None:
        self._files: dict[str, Path | None] = {BUNDLED: None}
        for file in files:
            name = file.name
            if name in self._files:
                raise UsageError(f"--model: two files are called {name}; rename one")
            if not file.is_file():
                raise UsageError(f"--model {file}: no such file")
            self._files[name] = file
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of engines tried; `choice` says what was taken
            self._loaded = {name: Predictor(file, device, threads=1) for name, file in self._files.items()}

    @property
    def names(self) -> list[str]:
        """Those of the command line first: who names one wants to see it."""
        return [*(name for name in self._files if name != BUNDLED), BUNDLED]

    def get(self, name: str) -> Predictor:
        """The model of a name; that of an unknown one is the bundled one."""
        return self._loaded.get(name, self._loaded[BUNDLED])
