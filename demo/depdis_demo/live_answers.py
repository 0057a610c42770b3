"""What the Live tab asks: one frame of the browser's camera, and the newest one when that is back."""

from __future__ import annotations

import base64
import time
from typing import Any

import cv2
import numpy as np

from depdis_deploy.command import InputError
from depdis_deploy.media.image_workers import ImageDecoder
from depdis_deploy.visualize import PANELS

from .picture import classes_of
from .room import Room
from .turns import BUSY, Busy

MOST_PIXELS = 1_000_000  # of a frame; the page sends smaller ones
_MOST_BYTES = 1_500_000


class LiveAnswers:
    """Nothing of a frame is kept."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def first(self) -> dict[str, Any]:
        """What the tab shows before the camera is started."""
        return {"state": "empty"}

    def frame(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A JPEG in base64 -> the drawing in the same form, the classes, and the milliseconds that it took."""
        try:
            image = _decoded(str(asked.get("jpeg") or ""), self.room.decoder)
            with self.room.pictures.turn():
                begun = time.perf_counter()
                prediction = self.room.models.get(str(asked.get("model") or ""))(image)
                drawn = _drawn(prediction, str(asked.get("view")))
                classes = classes_of(prediction)
        except Busy:
            return {"error": BUSY, "again": True}
        except InputError as error:
            return {"error": str(error)}
        return {
            "jpeg": _encoded(drawn), "classes": classes,
            "milliseconds": round(1000 * (time.perf_counter() - begun), 1),
        }  # fmt: skip


def _decoded(text: str, decoder: ImageDecoder) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if len(text) > _MOST_BYTES * 4 // 3:
        raise InputError(f"this frame: {len(text):,} characters, expected at most {_MOST_BYTES * 4 // 3:,}")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise InputError("this frame: not base64, expected a JPEG image in base64") from None
    return decoder.decode(data, "this frame", max_pixels=MOST_PIXELS, formats=("JPEG",))


def _drawn(prediction: Any, view: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture as `depdis-infer` draws it; of `depth` and `density` their quarter of the four views."""
    height, width = prediction.image.shape[:2]
    if view in ("depth", "density"):
        whole = prediction.plot("quad")
        return np.asarray(whole[height:, :width] if view == "depth" else whole[height:, width:], np.uint8)
    return np.asarray(prediction.plot(view if view in PANELS else "overlay"), np.uint8)


def _encoded(image: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    made, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert made
    return base64.b64encode(data.tobytes()).decode("ascii")
