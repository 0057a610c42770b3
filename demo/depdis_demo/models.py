"""The models that a visitor can choose from: the bundled one, and files named on the command line."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from depdis_deploy.command import UsageError

if TYPE_CHECKING:
    from depdis_deploy import Predictor

BUNDLED = "bundled"


class Models:
    """By name, each loaded when it is first asked for; the first one at once, so that a fault shows at the start.

    One thread a call: several visitors' calls share the cores, and a video takes as many calls at once.
    """

    def __init__(self, files: Sequence[Path], device: str) -> None:
        self.device = device
        self._files: dict[str, Path | None] = {BUNDLED: None}
        for file in files:
            name = file.name
            if name in self._files:
                raise UsageError(f"--model: two files are called {name}; rename one")
            if not file.is_file():
                raise UsageError(f"--model {file}: no such file")
            self._files[name] = file
        self._loaded: dict[str, Predictor] = {}
        self._lock = threading.Lock()
        for name in self.names:
            self.get(name)

    @property
    def names(self) -> list[str]:
        """The bundled one's name first."""
        return list(self._files)

    def get(self, name: str) -> Predictor:
        """The model of a name; that of an unknown one is the bundled one."""
        from depdis_deploy import Predictor

        name = name if name in self._files else BUNDLED
        with self._lock:
            if name not in self._loaded:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of engines tried; `choice` says what was taken
                    self._loaded[name] = Predictor(self._files[name], self.device, threads=1)
            return self._loaded[name]
