"""Frames of a camera or an RTSP stream, stamped with the time at which they came; a lost one is tried again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import av
import cv2
import numpy as np

from .command import InputError
from .media.containers import MAX_PIXELS, packets_of
from .media.frames import FrameReader, pixel_aspect
from .media.rtsp import Redirected, frame_rate, open_rtsp
from .media.tracks import video_stream
from .patience import Patience
from .sources import Frame, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TICKS = Fraction(1, 90_000)
_TIMEOUT_S = (5.0, 5.0)  # to open, to wait for data
_LAST_CAMERA = 99  # from 100 on OpenCV reads a number as an engine's as well
_MOST_DAMAGED = 500  # packets in a row, after which a stream counts as lost
_LOST = (ValueError, OSError, av.error.FFmpegError)


class _Live:
    """What both share: no known end, no sound, stamps by the clock, new attempts when lost."""

    time_base = _TICKS
    total: int | None = None
    aspect = Fraction(1)
    audio: Path | None = None
    start_s = 0.0
    end_pts = 0

    def __init__(self, source: Source, patience: Patience, *, stride: int) -> None:
        self.label, self.stride, self._patience = source.label, stride, patience
        self.damage: str | None = None
        self.rate = Fraction(30)
        self.size = (0, 0)
        self._begun: float | None = None
        self._seen = time.monotonic()
        self._attempt = 0
        self._count = 0
        self._last = -1

    def _connect(self) -> None:
        """Open the source and learn its size and rate; one of `_LOST` where that fails."""
        raise NotImplementedError

    def _images(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """(the monotonic clock's time of arrival, RGB picture), until the source is lost."""
        raise NotImplementedError

    def _close(self) -> None:
        """Let go of a lost source."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Frame]:
        while True:
            for arrived_s, image in self._images():
                frame = self._stamped(image, arrived_s)
                if frame is not None:
                    yield frame
            if not self._again():
                if not self._patience.over.is_set():
                    self.damage = f"{self.label}: lost after {self._count} frames; what came was used"
                return

    def _again(self) -> bool:
        """Try until the source is there again; False when patience ends."""
        self._close()
        note = self._patience.note
        if not self._attempt and not self._patience.over.is_set() and self._patience.retry_s > 0:
            note(f"{self.label}: lost after {self._count} frames; it is tried again")
        for attempt in self._patience.attempts(self._seen, self._attempt):
            self._attempt = attempt
            try:
                self._connect()
            except Redirected as error:
                if attempt == 1:
                    note(str(error))
                continue
            except _LOST:
                continue
            return True
        return False

    def _stamped(self, image: NDArray[np.uint8], arrived_s: float) -> Frame | None:
        """The frame with number and time, or None where `stride` leaves it out."""
        self._begun = self._begun if self._begun is not None else arrived_s
        if self._attempt:
            away_s = arrived_s - self._seen
            self._patience.note(
                f"{self.label}: there again after {away_s:.1f} s, {self.size[0]}x{self.size[1]}"
            )
        self._seen, self._attempt = arrived_s, 0
        index, self._count = self._count, self._count + 1
        if index % self.stride:
            return None
        pts = max(round((arrived_s - self._begun) / self.time_base), self._last + 1)
        self._last = pts
        self.end_pts = pts + round(1 / self.rate / self.time_base)
        time_s = float(pts * self.time_base)
        return Frame(image, self.label, index, time_s, pts, arrived_s, float(self.aspect))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave closing to the last reference: the reading thread may still wait inside the library."""


class Camera(_Live):
    """A camera by its number."""

    def __init__(self, source: Source, patience: Patience | None = None, *, stride: int = 1) -> None:
        super().__init__(source, patience or Patience(), stride=stride)
        self._number = int(source.location)
        self.label = f"camera {self._number}"
        if self._number > _LAST_CAMERA:
            raise InputError(f"{self.label}: expected a number up to {_LAST_CAMERA}; the first camera is 0")
        # its own complaints say less than the line below
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self._first: NDArray[np.uint8] | None = None
        self._connect()

    def _connect(self) -> None:
        self._camera = cv2.VideoCapture(self._number)  # noqa: TID251 (a device, not a file)
        image = self._camera.read()[1] if self._camera.isOpened() else None
        if image is None:
            self._camera.release()
            raise InputError(f"{self.label}: cannot be opened; is it connected and free? The first is 0")
        self._first = _rgb(image)
        self.size = (self._first.shape[1], self._first.shape[0])
        rate = self._camera.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(rate).limit_denominator(1001) if 1 <= rate <= 1000 else Fraction(30)

    def _images(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        if self._first is not None:
            yield time.monotonic(), self._first
            self._first = None
        while self._camera.grab():
            arrived_s = time.monotonic()
            image = self._camera.retrieve()[1]
            if image is None:
                return
            yield arrived_s, _rgb(image)

    def _close(self) -> None:
        self._camera.release()


def _rgb(image: Any) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


class NetworkStream(_Live):
    """An RTSP stream."""

    def __init__(self, source: Source, patience: Patience | None = None, *, stride: int = 1) -> None:
        super().__init__(source, patience or Patience(), stride=stride)
        scheme, _, rest = source.location.partition("://")
        self._address = f"{scheme.lower()}://{rest}"  # FFmpeg knows schemes in lower case only
        self._reader = FrameReader(self.label, self._patience.note)
        try:
            self._connect()
        except InputError:
            raise
        except _LOST as error:
            reason = getattr(error, "strerror", None) or "no answer"
            raise InputError(
                f"{self.label}: the stream cannot be opened ({reason}); check the address and the camera"
            ) from None

    def _connect(self) -> None:
        self._container: Any = open_rtsp(self._address, self.label, _TIMEOUT_S)
        try:
            self._stream = video_stream(self._container, self.label, note=self._reader.note)
        except BaseException:
            self._container.close()
            raise
        self._stream.thread_type = "SLICE"  # frame threads would add their delay
        self.size = (self._stream.codec_context.width, self._stream.codec_context.height)
        self.rate = frame_rate(self._stream)

    def _images(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        damaged = 0
        try:
            for packet in packets_of(self._container, self._stream):
                arrived_s = time.monotonic()
                try:
                    frames = [frame for frame in packet.decode() if frame.width * frame.height <= MAX_PIXELS]
                except _LOST:
                    frames = []
                damaged = 0 if frames else damaged + 1
                if damaged > _MOST_DAMAGED:
                    return
                for frame in frames:
                    self.size = self._reader.size(frame)
                    self.aspect = pixel_aspect(self._stream, frame)
                    yield arrived_s, self._reader.rgb(frame)
        except _LOST:
            return  # a lost connection is as the stream's end is

    def _close(self) -> None:
        self._container.close()
