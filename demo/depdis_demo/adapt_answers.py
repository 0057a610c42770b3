"""What the Adapt tab asks, answered while the model is adapted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import InputError
from depdis_deploy.pictures import read_picture

from .adaptation import Adaptation, missing
from .long_answers import LongAnswers
from .picture import url
from .room import Room
from .tasks import Task

TAKEN = "Another clip is at work, and one more is waiting for its turn. Try again in some minutes."
_OPACITY = 0.65  # of the classes over the picture


class AdaptAnswers(LongAnswers[Adaptation]):
    """Of a cancelled one nothing is kept."""

    kind, busy, look_every_s = "adapt", TAKEN, 0.8

    def __init__(self, room: Room) -> None:
        super().__init__(room, room.adaptations)

    def first(self) -> dict[str, Any]:
        """What the tab shows before anything was chosen."""
        limits = self.room.limits
        return {
            "state": "empty", "serial": 0, "missing": missing(), "shorter": bool(self.room.settings.adapt),
            "limits": {"megabytes": limits.megabytes, "seconds": limits.seconds},
        }  # fmt: skip

    def source(self, asked: dict[str, Any], task: Task) -> Path:
        """The clip that was sent. InputError: nothing can be adapted here, too."""
        lacking = missing()
        if lacking is not None:
            raise InputError(lacking)
        return self.room.visitors.uploaded(str(asked.get("path") or ""), task)

    def work(self, model: str, path: Path, asked: dict[str, Any], task: Task) -> Adaptation:
        """Of the bundled model, whichever is chosen, beside the clip."""
        streets = self.room.visitors.root / "streets"
        settings = self.room.settings.adapt
        return Adaptation(path, task.folder, streets, settings, threads=max(1, cores() - 1))

    def result(self, work: Adaptation) -> dict[str, Any]:
        """The verdict, the model, and pictures before and after."""
        if work.cancelled:
            return self.answer("empty")
        found = work.result()
        folder = work.folder
        model = folder / "adapted.onnx"
        found["model"].rename(model)
        pairs = compared(found["pictures"], folder)
        shutil.rmtree(work.run, ignore_errors=True)  # checkpoints, of no use here and large
        return self.answer(
            "result", verdict=found["verdict"], model=url(model),
            megabytes=round(model.stat().st_size / 1e6, 1),
            pairs=[{name: url(path) for name, path in pair.items()} for pair in pairs],
            since=work.progress()["since"],
        )  # fmt: skip


def compared(pictures: Path, folder: Path) -> list[dict[str, Path]]:
    """`before` and `after` of each picture in the run's folder of them: its classes over it, as files."""
    pairs = []
    for path in sorted(pictures.glob("*_picture.png"), key=lambda path: int(path.name.partition("_")[0])):
        number = path.name.partition("_")[0]
        picture = read_picture(path)
        pair = {}
        for name, run_name in (("before", "start"), ("after", "result")):
            seen = read_picture(pictures / f"{number}_{run_name}.png")
            pair[name] = folder / f"{name}_{number}.jpg"
            blended = cv2.addWeighted(picture, 1 - _OPACITY, seen, _OPACITY, 0)
            cv2.imwrite(str(pair[name]), np.asarray(blended)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
        pairs.append(pair)
    return pairs
