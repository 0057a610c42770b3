"""What the Adapt tab asks, answered while the model is adapted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import InputError, UsageError

from .adaptation import Adaptation, missing
from .limits import check_video, plain
from .picture import url
from .room import Room
from .turns import Busy, Ticket
from .visitors import Visitor

TAKEN = "Another clip is at work, and one more is waiting for its turn. Try again in some minutes."
_LOOK_EVERY_S = 0.8
_OPACITY = 0.65  # of the classes over the picture


class AdaptAnswers:
    """One adaptation at a time for all visitors, and one that waits."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def first(self) -> dict[str, Any]:
        """What the tab shows before anything was chosen."""
        limits = self.room.limits
        return {
            "state": "empty", "serial": 0, "missing": missing(), "shorter": bool(self.room.settings.adapt),
            "limits": {"megabytes": limits.megabytes, "seconds": limits.seconds},
        }  # fmt: skip

    def started(self, event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
        """A clip was brought: waiting, progress, then the verdict."""
        asked: dict[str, Any] = event._data
        visitor, name = self.room.visitor(request), str(asked.get("name") or "clip")
        path = Path(str(asked.get("path") or ""))
        try:
            lacking = missing()
            if lacking is not None:
                raise InputError(lacking)
            folder = visitor.fresh("adapt")
            path = self.room.visitors.uploaded(str(path), folder)
            check_video(path, self.room.limits)
            with self.room.adaptations.place() as ticket:
                yield from self._worked(path, folder, visitor, ticket)
        except Busy:
            yield self._answer("error", text=TAKEN)
        except (InputError, UsageError, OSError) as error:
            yield self._answer("error", text=plain(error, path, name))
        except Exception:
            yield self._answer("error", text=self.room.wrong())

    def stop(self, request: gr.Request) -> None:
        """Cancel: nothing is kept."""
        cancel = self.room.visitor(request).cancel.get("adapt")
        if cancel is not None:
            cancel()

    def _worked(self, path: Path, folder: Path, visitor: Visitor, ticket: Ticket) -> Iterator[dict[str, Any]]:
        streets = self.room.visitors.root / "streets"
        work = Adaptation(path, folder, streets, self.room.settings.adapt, threads=max(1, cores() - 1))
        visitor.cancel["adapt"] = work.cancel
        try:
            while not ticket.wait(_LOOK_EVERY_S):
                if work.cancelled:
                    yield self._answer("empty")
                    return
                yield self._answer("waiting")
            work.start()
            while not work.done(_LOOK_EVERY_S):
                yield self._answer("working", stopping=work.cancelled, **work.progress())
        finally:
            visitor.cancel.pop("adapt", None)
            work.end()
        if work.cancelled:
            shutil.rmtree(work.run, ignore_errors=True)
            yield self._answer("empty")
            return
        yield self._result(work, folder)

    def _result(self, work: Adaptation, folder: Path) -> dict[str, Any]:
        found = work.result()
        model = folder / "adapted.onnx"
        found["model"].rename(model)
        pairs = compared(found["pictures"], folder)
        shutil.rmtree(work.run, ignore_errors=True)  # checkpoints, of no use here and large
        return self._answer(
            "result", verdict=found["verdict"], model=url(model),
            megabytes=round(model.stat().st_size / 1e6, 1),
            pairs=[{name: url(path) for name, path in pair.items()} for pair in pairs],
            since=work.progress()["since"],
        )  # fmt: skip

    def _answer(self, state: str, **fields: Any) -> dict[str, Any]:
        return {"state": state, "serial": self.room.serial(), **fields}


def compared(pictures: Path, folder: Path) -> list[dict[str, Path]]:
    """`before` and `after` of each picture in the run's folder of them: its classes over it, as files."""
    pairs = []
    for path in sorted(pictures.glob("*_picture.png"), key=lambda path: int(path.name.partition("_")[0])):
        number = path.name.partition("_")[0]
        picture = cv2.imread(str(path))
        pair = {}
        for name, run_name in (("before", "start"), ("after", "result")):
            seen = cv2.imread(str(pictures / f"{number}_{run_name}.png"))
            assert picture is not None
            assert seen is not None
            pair[name] = folder / f"{name}_{number}.jpg"
            blended = cv2.addWeighted(picture, 1 - _OPACITY, seen, _OPACITY, 0)
            cv2.imwrite(str(pair[name]), np.asarray(blended), [cv2.IMWRITE_JPEG_QUALITY, 90])
        pairs.append(pair)
    return pairs
