"""What the Picture tab asks, answered."""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
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
from .tasks import Task
from .turns import BUSY, Busy

if TYPE_CHECKING:
    from depdis_deploy import Prediction, Predictor

_THUMB = (320, 180)
_GONE = "This picture is gone; choose it again."


class _Shown(NamedTuple):
    """The image that a page shows: its task, its file, its name there, and what predicted it."""

    task: Task
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
        """Predict the image that was brought, or the example that was clicked; the last choice wins."""
        asked = self.room.asked(event)
        with self.room.task("picture", asked, request) as task:
            answer = self._answered(model, asked, task)
        return gr.skip() if task.stopped.is_set() else answer

    def _answered(self, model: str, asked: dict[str, Any], task: Task) -> dict[str, Any]:
        name, path = str(asked.get("name") or "picture"), Path(str(asked.get("path") or ""))
        try:
            if asked.get("example"):
                path = examples.picture(str(asked["example"]))
            else:
                path = self.room.visitors.uploaded(str(path), task)
            check_size(path, self.room.limits)
            with self.room.pictures.turn(task):
                predictor = behind(self.room.models.get(model), asked)
                prediction = self._predicted(path, predictor, task.stopped)
                task.check()
                shown = view_of(prediction, task.folder)
            task.keep()
        except Busy:
            return self._said(BUSY, asked)
        except (InputError, UsageError, MemoryError, KeyError) as error:
            return self._said(plain(error, path, name), asked)
        except Exception:
            # a page that was closed took the files away under the work
            return self._said("" if task.stopped.is_set() else self.room.wrong(), asked)
        about = self._about(prediction, _Shown(task, path, name, predictor))
        return {**self._answer("result", asked), "name": name, **shown, **about}

    def _predicted(self, path: Path, predictor: Predictor, stopped: threading.Event) -> Prediction:
        image = self.room.decoder.read(path, max_pixels=self.room.limits.pixels, stopped=stopped)
        return predictor(image)

    def _about(self, prediction: Prediction, shown: _Shown) -> dict[str, Any]:
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._shown = {
                key: one for key, one in self._shown.items()
                if one.task.is_kept()
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
        """Make a file of the image of a token: its address and its name, or an error's sentence."""
        with self._lock:
            shown = self._shown.get(str(asked.get("token")))
        kind = str(asked.get("kind"))
        if shown is None or kind not in DOWNLOADS:
            return {"error": _GONE}
        try:
            made = self._made(shown, kind)
        except Busy:
            return {"error": BUSY}
        except (InputError, MemoryError) as error:
            return {"error": plain(error, shown.path, shown.name)}
        except Exception:
            return {"error": self.room.wrong() if shown.task.is_kept() else _GONE}
        return {"url": url(made), "name": made.name}

    def _made(self, shown: _Shown, kind: str) -> Path:
        """Return the file of a kind, which is made once and lies beside the image until another is shown."""
        folder = shown.task.folder / kind
        if not folder.is_dir():
            with self.room.pictures.turn(), TemporaryDirectory(dir=shown.task.folder) as temporary:
                prediction = self._predicted(shown.path, shown.predictor, shown.task.visitor.gone)
                new = Path(temporary, kind)
                new.mkdir()
                prediction.save_as(new, plain_name(Path(shown.name).stem), [kind])
                with suppress(OSError):  # two clicks: the other one has just made it
                    new.rename(folder)
        (made,) = folder.iterdir()
        return made

    def _said(self, text: str, asked: dict[str, Any]) -> dict[str, Any]:
        return {**self._answer("error", asked), "text": text}

    def _answer(self, state: str, asked: dict[str, Any]) -> dict[str, Any]:
        return {"state": state, "serial": self.room.serial(), "asked": asked.get("asked")}
