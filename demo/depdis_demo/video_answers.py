"""What the Video tab asks, answered while the video is at work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.job import PANELS
from depdis_deploy.sources import BUNDLED_CLIP

from .film import Film
from .limits import check_video, plain
from .picture import hexadecimal, url
from .room import Room
from .turns import BUSY, Busy, Ticket
from .visitors import Visitor

_LOOK_EVERY_S = 0.4


class VideoAnswers:
    """One video at a time for all visitors; the others see how many are before them."""

    def __init__(self, room: Room) -> None:
        self.room = room

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

    def started(self, model: str, event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
        """A video was brought, or another panel was asked for: waiting, progress, then the result."""
        asked: dict[str, Any] = event._data
        visitor, name = self.room.visitor(request), str(asked.get("name") or "video")
        path = Path(str(asked.get("path") or ""))
        try:
            path = self._source(asked, visitor)
            check_video(path, self.room.limits)
            visitor.video = path
            with self.room.videos.place() as ticket:
                yield from self._worked(self.room.models.get(model), path, asked, visitor, ticket)
        except Busy:
            yield self._answer("error", text=BUSY)
        except (InputError, UsageError, MemoryError) as error:
            yield self._answer("error", text=plain(error, path, name))
        except Exception:
            yield self._answer("error", text=self.room.wrong())

    def stop(self, request: gr.Request) -> None:
        """Cancel: what is done is kept."""
        cancel = self.room.visitor(request).cancel.get("video")
        if cancel is not None:
            cancel()

    def _source(self, asked: dict[str, Any], visitor: Visitor) -> Path:
        if asked.get("example"):
            return BUNDLED_CLIP
        if asked.get("again") and visitor.video is not None:
            return visitor.video
        return self.room.visitors.uploaded(str(asked.get("path") or ""), visitor.fresh("clip"))

    def _worked(
        self, predictor: Any, path: Path, asked: dict[str, Any], visitor: Visitor, ticket: Ticket
    ) -> Iterator[dict[str, Any]]:
        panel = str(asked.get("panel"))
        panel = panel if panel in PANELS else "overlay"
        film = Film(predictor, path, visitor.fresh("video"), panel, self.room.limits.seconds)
        visitor.cancel["video"] = film.cancel
        try:
            while not ticket.wait(_LOOK_EVERY_S):
                if film.cancelled:
                    yield self._answer("empty")
                    return
                yield self._answer("waiting", ahead=ticket.ahead())
            film.start()
            while not film.done(_LOOK_EVERY_S):
                yield self._answer("working", **film.progress())
        finally:
            visitor.cancel.pop("video", None)
            film.end()
        yield self._result(film)

    def _result(self, film: Film) -> dict[str, Any]:
        files = film.files()
        notes = list(film.job.said)
        if film.too_long:
            notes.append(
                f"It went on for more than {self.room.limits.seconds:g} seconds, so the rest was left out."
            )
        return self._answer(
            "result", cancelled=film.cancelled, note=" ".join(notes).replace(str(film.source), "The file"),
            files={kind: url(found) for kind, found in files.items()}, size=film.size, **film.progress(),
        )  # fmt: skip

    def _answer(self, state: str, **fields: Any) -> dict[str, Any]:
        return {"state": state, "serial": self.room.serial(), **fields}
