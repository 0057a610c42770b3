"""What the Video tab asks, answered while the video is at work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from depdis_deploy.job import PANELS
from depdis_deploy.sources import BUNDLED_CLIP

from .film import Film
from .long_answers import LongAnswers
from .own_camera import behind
from .picture import hexadecimal, url
from .room import Room
from .tasks import Task
from .turns import BUSY


class VideoAnswers(LongAnswers[Film]):
    """Cancelling keeps what is done."""

    kind, busy, look_every_s = "video", BUSY, 0.4

    def __init__(self, room: Room) -> None:
        super().__init__(room, room.videos)

    def first(self) -> dict[str, Any]:
        """What the tab shows before anything was chosen."""
        limits = self.room.limits
        return {
            "state": "empty", "serial": 0,
            "limits": {"megabytes": limits.megabytes, "seconds": limits.seconds}, "palette": self._palette(),
        }  # fmt: skip

    def _palette(self) -> dict[str, str]:
        return {
            name: hexadecimal(colour)
            for model in self.room.models.names
            for taxonomy in [self.room.models.get(model).manifest.taxonomy]
            for name, colour in zip(taxonomy.names, taxonomy.palette, strict=True)
        }

    def source(self, asked: dict[str, Any], task: Task) -> Path:
        """The example, or what was sent."""
        if asked.get("example"):
            return BUNDLED_CLIP
        return self.room.visitors.uploaded(str(asked.get("path") or ""), task)

    def work(self, model: str, path: Path, asked: dict[str, Any], task: Task) -> Film:
        """With the panel and the camera that were asked for."""
        panel = str(asked.get("panel"))
        panel = panel if panel in PANELS else "overlay"
        predictor = behind(self.room.models.get(model), asked)
        smooth = asked.get("smooth") is True and "confidence" in predictor.manifest.outputs
        return Film(predictor, path, task.folder, panel, self.room.limits, smooth=smooth)

    def result(self, work: Film) -> dict[str, Any]:
        """The film, its lines, and what there is to say of it."""
        files = work.files()
        return self.answer(
            "result", cancelled=work.cancelled, note=" ".join(work.notes()), size=work.size,
            files={kind: url(found) for kind, found in files.items()}, **work.progress(),
        )  # fmt: skip
