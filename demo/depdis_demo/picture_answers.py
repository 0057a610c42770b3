"""What the Picture tab asks, answered."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.pictures import read_picture
from depdis_deploy.terminal import plain_name

from . import examples
from .limits import check_size, plain
from .own_camera import behind
from .picture import DOWNLOADS, hexadecimal, scales, url, view_of
from .room import Room
from .turns import BUSY, Busy
from .visitors import Visitor

if TYPE_CHECKING:
    from depdis_deploy import Prediction, Predictor

_THUMB = (320, 180)


class _Shown(NamedTuple):
    """The picture that a page shows: whose, its file, its name there, and what predicted it."""

    visitor: Visitor
    path: Path
    name: str
    predictor: Predictor


class PictureAnswers:
    """Of visitors' pictures the files they sent are kept, for the downloads, and nothing else."""

    def __init__(self, room: Room, pictures: dict[str, str]) -> None:
        self.room, self._pictures = room, pictures
        self._shown: dict[str, _Shown] = {}  # by token
        self._lock = threading.Lock()

    def first(self) -> dict[str, Any]:
        """What the tab shows before anything was chosen."""
        return {
            "state": "empty", "serial": 0, "limits": {"megabytes": self.room.limits.megabytes},
            "scales": scales(), "downloads": DOWNLOADS, "examples": self._thumbs(), "pictures": self._pictures,
        }  # fmt: skip

    def _thumbs(self) -> list[dict[str, str]]:
        from PIL import Image

        shared = self.room.visitors.results / "examples"
        shared.mkdir(exist_ok=True)
        for key in examples.TITLES:
            image = Image.fromarray(read_picture(examples.picture(key)))
            image.resize(_THUMB, Image.Resampling.LANCZOS).save(shared / f"{key}.jpg", quality=85)
        return [
            {"key": key, "title": title, "thumb": url(shared / f"{key}.jpg")}
            for key, title in examples.TITLES.items()
        ]

    def chosen(self, model: str, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """A picture was brought, or an example was clicked."""
        asked = self.room.asked(event)
        visitor, name = self.room.visitor(request), str(asked.get("name") or "picture")
        path = Path(str(asked.get("path") or ""))
        try:
            folder = visitor.fresh("sent")  # the picture on screen keeps its own until this one is known
            if asked.get("example"):
                path = examples.picture(str(asked["example"]))
            else:
                path = self.room.visitors.uploaded(str(path), folder)
            check_size(path, self.room.limits)
            with self.room.pictures.turn():
                predictor = behind(self.room.models.get(model), asked)
                prediction = self._predicted(path, predictor, visitor)
                shown = view_of(prediction, folder)
            visitor.keep(folder, "picture")
        except Busy:
            return self._said(BUSY, asked)
        except (InputError, UsageError, MemoryError, KeyError) as error:
            return self._said(plain(error, path, name), asked)
        except Exception:
            # a page that was closed took the files away under the work
            return self._said("" if visitor.gone.is_set() else self.room.wrong(), asked)
        about = self._about(prediction, _Shown(visitor, path, name, predictor))
        return {**self._answer("result", asked), "name": name, **shown, **about}

    def _predicted(self, path: Path, predictor: Predictor, visitor: Visitor) -> Prediction:
        image = self.room.decoder.read(path, max_pixels=self.room.limits.pixels, stopped=visitor.gone)
        return predictor(image)

    def _about(self, prediction: Prediction, shown: _Shown) -> dict[str, Any]:
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._shown = {
                key: one for key, one in self._shown.items()
                if one.visitor is not shown.visitor and not one.visitor.gone.is_set()
            }  # fmt: skip
            self._shown[token] = shown
        palette = prediction.manifest.taxonomy.palette
        height, width = prediction.image.shape[:2]
        return {
            "token": token, "stem": Path(shown.name).stem, "names": list(prediction.names),
            "colours": [hexadecimal(colour) for colour in palette],
            "how": f"{width} × {height} pixels, network {prediction.speed['inference']:.0f} ms",
        }  # fmt: skip

    def download(self, asked: dict[str, str]) -> dict[str, str]:
        """Make a file of the picture of a token: its address and its name, or an error's sentence."""
        with self._lock:
            shown = self._shown.get(asked.get("token", ""))
        kind = asked.get("kind", "")
        if shown is None or kind not in DOWNLOADS:
            return {"error": "This picture is gone; choose it again."}
        visitor, path, name, predictor = shown
        try:
            with self.room.pictures.turn():
                folder = visitor.fresh("download")
                prediction = self._predicted(path, predictor, visitor)
                (made,) = prediction.save_as(folder, plain_name(Path(name).stem), [kind])
        except Busy:
            return {"error": BUSY}
        except (ValueError, OSError) as error:
            return {"error": plain(error, path, name)}
        return {"url": url(made), "name": made.name}

    def _said(self, text: str, asked: dict[str, Any]) -> dict[str, Any]:
        return {**self._answer("error", asked), "text": text}

    def _answer(self, state: str, asked: dict[str, Any]) -> dict[str, Any]:
        return {"state": state, "serial": self.room.serial(), "asked": asked.get("asked")}
