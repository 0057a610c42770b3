"""Frames of a camera or an RTSP stream, stamped with the time at which they came."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import cv2
import numpy as np

from .clip import upright, video_stream
from .command import InputError
from .sources import Frame, Source

_TICKS = Fraction(1, 90_000)
_TIMEOUT_S = (5.0, 5.0)  # to open, to wait for data
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # before each new attempt at a lost stream
_LAST_CAMERA = 99  # from 100 on OpenCV reads a number as an engine's as well


class _Live:
    """What both share: no known end, no sound, stamps by the clock."""

    time_base = _TICKS
    total: int | None = None
    aspect = Fraction(1)
    audio: Path | None = None
    start_s = 0.0
    end_pts = 0

    def __init__(self, source: Source, *, stride: int) -> None:
        self.label, self.stride = source.label, stride
        self.damage: str | None = None
        self.rate = Fraction(30)
        self.size = (0, 0)
        self._begun: float | None = None
        self._count = 0
        self._last = -1

    def _stamped(self, image: np.ndarray[Any, np.dtype[np.uint8]]) -> Frame | None:
        """The frame with number and time, or None where `stride` leaves it out."""
        now = time.monotonic()
        self._begun = self._begun if self._begun is not None else now
        index, self._count = self._count, self._count + 1
        if index % self.stride:
            return None
        pts = max(round((now - self._begun) / self.time_base), self._last + 1)
        self._last = pts
        self.end_pts = pts + round(1 / self.rate / self.time_base)
        return Frame(image, self.label, index, float(pts * self.time_base), pts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave closing to the last reference: the reading thread may still wait inside the library."""


class Camera(_Live):
    """A camera by its number."""

    def __init__(self, source: Source, *, stride: int = 1) -> None:
        super().__init__(source, stride=stride)
        number = int(source.location)
        self.label = f"camera {number}"
        if number > _LAST_CAMERA:
            raise InputError(f"{self.label}: expected a number up to {_LAST_CAMERA}; the first camera is 0")
        # its own complaints say less than the line below
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._camera = cv2.VideoCapture(number)
        image = self._camera.read()[1] if self._camera.isOpened() else None
        if image is None:
            self._camera.release()
            raise InputError(f"camera {number}: cannot be opened; is it connected and free? The first is 0")
        self._first = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        self.size = (self._first.shape[1], self._first.shape[0])
        rate = self._camera.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(rate).limit_denominator(1001) if 1 <= rate <= 1000 else Fraction(30)

    def __iter__(self) -> Iterator[Frame]:
        image = self._first
        while True:
            frame = self._stamped(image)
            if frame is not None:
                yield frame
            bgr = self._camera.read()[1]
            if bgr is None:
                self.damage = f"{self.label}: lost after {self._count} frames; what came was used"
                return
            image = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


class NetworkStream(_Live):
    """An RTSP stream; a lost one is opened again a few times before it is given up."""

    def __init__(self, source: Source, *, stride: int = 1) -> None:
        super().__init__(source, stride=stride)
        self._address = source.location
        try:
            self._connect()
        except (ValueError, OSError, av.error.FFmpegError) as error:
            if isinstance(error, InputError):
                raise
            reason = getattr(error, "strerror", None) or "no answer"
            raise InputError(
                f"{self.label}: the stream cannot be opened ({reason}); check the address and the camera"
            ) from None

    def _connect(self) -> None:
        self._container = av.open(self._address, options={"rtsp_transport": "tcp"}, timeout=_TIMEOUT_S)
        self._stream = video_stream(self._container, self.label)
        self._stream.thread_type = "SLICE"  # frame threads would add their delay
        self.size = (self._stream.codec_context.width, self._stream.codec_context.height)
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or 30)

    def __iter__(self) -> Iterator[Frame]:
        while True:
            try:
                for decoded in self._container.decode(self._stream):
                    frame = self._stamped(upright(decoded))
                    if frame is not None:
                        yield frame
            except (ValueError, OSError, av.error.FFmpegError):
                pass  # a lost connection ends the loop as the stream's end does
            if not self._again():
                self.damage = f"{self.label}: the stream ended after {self._count} frames; what came was used"
                return

    def _again(self) -> bool:
        self._container.close()
        for pause in _PAUSES_S:
            time.sleep(pause)
            try:
                self._connect()
            except (ValueError, OSError, av.error.FFmpegError):
                continue
            return True
        return False
