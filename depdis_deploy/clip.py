"""Frames of a video file: upright RGB with exact time stamps, whatever can be decoded of it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import av
import numpy as np

from .command import InputError
from .sources import Frame, Source, require_readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .patience import Patience
    from .pipe import Pipe

MAX_PIXELS = 67_108_864  # 8192 x 8192: above 8K video, below what exhausts a small machine
# A file that names other files or addresses (a playlist called .mp4) must not make the decoder open them.
_LOCAL_ONLY = {"protocol_whitelist": "file"}


class Clip(Protocol):
    """Frames with time stamps.

    size: (width, height) upright; rate: nominal frames a second; time_base: seconds of one pts tick.
    total: frames that will be yielded, None when unknown; aspect: of one pixel (width over height).
    damage: after reading, what was lost, as a sentence; None when all was read.
    audio: a file that holds the sound which goes with the frames; None without one.
    start_s: the time in that file at which pts 0 lies.
    end_pts: where the last frame read so far ends.
    """

    size: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    total: int | None
    aspect: Fraction
    damage: str | None
    audio: Path | None
    start_s: float
    end_pts: int

    def __iter__(self) -> Iterator[Frame]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


def open_clip(source: Source, *, stride: int = 1, patience: Patience | None = None) -> Clip:
    """A video file, a camera or a stream. InputError: it cannot be opened or holds no video.

    patience: with a camera or stream that is lost; None: without end.
    """
    require_readable(source)
    if source.kind == "video" and Path(source.location).is_fifo():
        return _piped(source.location, stride, patience)
    if source.kind == "video":
        return VideoFile(source.location, stride=stride)
    from .live import Camera, NetworkStream

    return (Camera if source.kind == "camera" else NetworkStream)(source, patience, stride=stride)


def _piped(path: str, stride: int, patience: Patience | None) -> VideoFile:
    """A video that comes through a named pipe, which is waited for until `patience` is over."""
    from .patience import Never
    from .pipe import Pipe

    pipe = Pipe(path, Never() if patience is None else patience.over)
    try:
        return VideoFile(path, stride=stride, pipe=pipe)
    except BaseException:
        pipe.close()
        raise


def video_stream(container: Any, name: str) -> Any:
    """The first video stream that is no cover picture, with its size checked."""
    attached = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & attached]
    if not streams:
        raise InputError(f"{name}: no video in it; expected one such as of .mp4, .mov, .mkv or .avi")
    stream = streams[0]
    if stream.codec_context is None:
        raise InputError(f"{name}: its video codec is not known here; convert it to H.264")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        raise InputError(f"{name}: {width}x{height} pixels each; expected at most {MAX_PIXELS}: scale it down")
    return stream


def upright(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """The frame as (H, W, 3) uint8 RGB, turned as its display matrix says."""
    image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    # quarter turns counter-clockwise; a camera writes multiples of 90 degrees only
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def output_ticks(time_base: Fraction, rate: Fraction) -> Fraction:
    """A time base in which both the source's stamps and its nominal frame duration are whole numbers.

    MP4 keeps whole ticks already. Matroska and AVI round stamps to milliseconds or to frames: there the
    result is fine enough for `exact_pts` to put each frame back on the nominal rate.
    """
    if (1 / rate / time_base).denominator == 1 and time_base <= Fraction(1, 10_000):
        return time_base
    if rate.numerator > 1_000_000:  # an average over a variable rate, not a nominal one
        return min(time_base, Fraction(1, 90_000))
    factor = -(-10_000 // rate.numerator)
    return Fraction(1, rate.numerator * factor)


def exact_pts(ticks: int, time_base: Fraction, rate: Fraction, target: Fraction) -> int:
    """`ticks` of `time_base` in ticks of `target`; on the nominal rate's grid if rounding explains it."""
    seconds = ticks * time_base
    if target != time_base:
        nominal = round(seconds * rate) / rate
        if abs(nominal - seconds) < time_base:
            seconds = nominal
    return round(seconds / target)


class VideoFile:
    """A video file as a `Clip`. Damaged parts are passed over and reported in `damage`.

    pipe: where the bytes of `path` come from once only, so that its sound cannot be read a second time.
    """

    def __init__(self, path: str, *, stride: int = 1, pipe: Pipe | None = None) -> None:
        self.path, self.stride, self._pipe = path, stride, pipe
        try:
            self._container: Any = av.open(pipe or path, options=_LOCAL_ONLY, metadata_errors="replace")
        except (ValueError, av.error.FFmpegError) as error:
            if isinstance(error, OSError):
                raise
            raise InputError(
                f"{path}: not a readable video (not one at all, or cut off before its index was written)"
            ) from None
        try:
            self._open()
        except BaseException:
            self._container.close()
            raise

    def _open(self) -> None:
        stream = self._stream = video_stream(self._container, self.path)
        stream.thread_type = "AUTO"
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        self._ticks = Fraction(stream.time_base)
        self.time_base = output_ticks(self._ticks, self.rate)
        self.expected = stream.frames or None
        if self.expected is None and stream.duration:
            self.expected = round(stream.duration * self._ticks * self.rate)
        self.total = None if self.expected is None else -(-self.expected // self.stride)
        self.aspect = Fraction(stream.codec_context.sample_aspect_ratio or 1) or Fraction(1)
        self.audio = Path(self.path) if self._container.streams.audio and self._pipe is None else None
        self.damage: str | None = None
        self.start_s = 0.0
        self.decoded = 0
        self._errors = 0
        self.end_pts = 0
        # The display matrix comes with the first frame, so that one is decoded now.
        self._decoder = self._decode()
        self._first = next(self._decoder, None)
        if self._first is None:
            raise InputError(f"{self.path}: no frame could be decoded; the file is empty, cut off or damaged")
        turned = round(self._first.rotation / 90) % 2
        self.size = (self._first.width, self._first.height)
        if turned:
            self.size, self.aspect = (self.size[1], self.size[0]), 1 / self.aspect
        first = self._first.pts if self._first.pts is not None else (stream.start_time or 0)
        self._origin = first
        self.start_s = float(first * self._ticks)

    def _decode(self) -> Iterator[av.VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                return
            except av.error.EOFError:
                return
            except (ValueError, av.error.FFmpegError):
                self._errors += 1
                if self._errors > 1000 and not self.decoded:
                    return
                continue
            for frame in frames:
                self.decoded += 1
                yield frame

    def __iter__(self) -> Iterator[Frame]:
        frame, index, last = self._first, 0, -1
        self._first = None
        while frame is not None:
            if index % self.stride == 0:
                ticks = frame.pts if frame.pts is not None else frame.dts
                if ticks is None:
                    pts = round(index / self.rate / self.time_base)
                else:
                    pts = exact_pts(ticks - self._origin, self._ticks, self.rate, self.time_base)
                last = pts = max(pts, last + 1)
                self._ended(frame, pts)
                yield Frame(upright(frame), self.path, index, float(pts * self.time_base), pts)
            frame = next(self._decoder, None)
            index += 1
        self.damage = self._lost()
        if self.damage is None and self._stream.duration:
            end_s = ((self._stream.start_time or 0) + self._stream.duration - self._origin) * self._ticks
            if end_s > last * self.time_base:
                self.end_pts = round(end_s / self.time_base)

    def _ended(self, frame: av.VideoFrame, pts: int) -> None:
        """Keep where a frame ends, with the frames that `stride` leaves out after it."""
        nominal = 1 / self.rate
        shown = (frame.duration or 0) * self._ticks
        # Matroska rounds durations, other containers have none.
        length = shown if shown and abs(shown - nominal) > self._ticks else nominal
        self.end_pts = pts + round((length + (self.stride - 1) * nominal) / self.time_base)

    def _lost(self) -> str | None:
        """What of the file could not be decoded; only an exact count in the header is believed."""
        exact = self._stream.frames
        if self._errors or (exact and self.decoded < exact and self._cut_off()):
            of = f" of {exact}" if exact else ""
            return f"{self.path}: damaged or cut off; {self.decoded}{of} frames could be decoded and were used"
        return None

    def _cut_off(self) -> bool:
        """Whether the file ends before the last frame that its index lists."""
        entries = self._stream.index_entries
        size = Path(self.path).stat().st_size
        return bool(len(entries)) and max(entry.pos + entry.size for entry in entries) > size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # A reader that was not run to its end holds this object, which holds the reader: a decoder, with its
        # threads and pictures, would stay until the garbage collector comes by.
        self._first, self._stream, self._decoder = None, None, iter(())
        self._container.close()
        if self._pipe is not None:
            self._pipe.close()
