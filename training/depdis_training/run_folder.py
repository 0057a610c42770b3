"""A run's folder: what lies where, and that it is a run of one configuration alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError
from depdis_deploy.files import is_part, remove_parts, written_whole
from depdis_deploy.folder_lock import LOCK_FILE, locked
from depdis_deploy.json_files import read_json, shortened

from .config import build_config
from .hardware import fast_precision
from .settings import Config

SNAPSHOTS = ("last.pt", "best.pt")
METRICS = "metrics.json"
WEIGHTS = "weights.safetensors"  # what a finished run delivers


class Run:
    """`config.json`, `mixtures.json`, `class_counts.json`, a folder for each stage, and at the end
    `weights.safetensors` and `metrics.json` with the report of it."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder = folder
        self.weights, self.metrics = folder / WEIGHTS, folder / METRICS
        self.mixtures, self.counts = folder / "mixtures.json", folder / "class_counts.json"
        self.config = self._resolved(config)

    def stage(self, name: str) -> Path:
        """The folder of a stage: stage1, labels-1, self-training-1, ..."""
        return self.folder / name

    @property
    def finished(self) -> bool:
        return self.weights.exists() and self.metrics.exists()

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Make the folder and hold it for this process alone within the block.

        Called only once the data is known to be there, so that a mistake leaves nothing behind.

        Raises:
            InputError: Another process trains in the folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            self._resolved(self.config)  # again: another process may have begun or ended here meanwhile
            remove_parts(self.folder)
            write_json(self.folder / "config.json", self.config.plain())
            yield

    def _resolved(self, config: Config) -> Config:
        path = self.folder / "config.json"
        if path.exists():
            return _same(config, _read_config(path, config), self.folder)
        if self.folder.exists() and not all(map(_is_of_lock, self.folder.iterdir())):
            raise InputError(f"{self.folder} holds something else than a run: give another folder with --out")
        training = config.training
        if training.precision == "auto":
            fastest = fast_precision(config.network.backbone)
            training = training.model_copy(update={"precision": fastest})
        return config.model_copy(update={"training": training})


def snapshots(folder: Path) -> list[Path]:
    """The last and the best checkpoint of a run folder's furthest stage."""
    stages = sorted(
        (path.parent for path in folder.glob("*/last.pt")),
        key=lambda stage: (stage.name != "stage1", stage.name),
    )
    return [stages[-1] / name for name in SNAPSHOTS if (stages[-1] / name).exists()] if stages else []


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _read_config(path: Path, asked: Config) -> Config:
    """The configuration that a run began with; InputError where the file holds none."""
    try:
        return build_config(read_json(path, dict), asked)
    except ValueError as error:
        named = str(error) if isinstance(error, InputError) else f"{path}: {error}"
        raise InputError(
            f"{named}; this folder's run cannot be resumed: give another folder with --out"
        ) from None


def _is_of_lock(path: Path) -> bool:
    """Whether a file may be in a folder that no run has begun in: what a killed process left."""
    return path.name == LOCK_FILE or is_part(path)


def _same(asked: Config, found: Config, folder: Path) -> Config:
    if asked.training.precision == "auto":
        training = asked.training.model_copy(update={"precision": found.training.precision})
        asked = asked.model_copy(update={"training": training})
    differing = sorted(_differences(asked.plain(), found.plain()))
    if differing:
        raise InputError(
            f"{folder} is a run of another configuration (it differs in {shortened(', '.join(differing))}): "
            "give another folder with --out, or the configuration that it began with"
        )
    return found


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key in one.keys() | other.keys():
        mine, yours = one.get(key), other.get(key)
        if isinstance(mine, dict) and isinstance(yours, dict):
            yield from _differences(mine, yours, f"{before}{key}.")
        elif mine != yours:
            yield before + key
